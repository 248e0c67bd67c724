//! The shared cases are well formed and leave nothing out.

use std::collections::HashSet;

use loki_mode_spec::{Need, operation, operations};
use loki_mode_test_support::case::{load, subjects};

/// Every successful call of every case: path style, operation, names of the arguments that are given.
fn successes() -> Vec<(String, String, HashSet<String>)> {
    let mut all = Vec::new();
    for subject in subjects().expect("the cases can be read") {
        for case in load(&subject).expect("the cases can be read") {
            let style = case.client.path_style.clone().unwrap_or_else(|| "auto".to_owned());
            for call in
                case.calls().expect("the cases can be read").into_iter().filter(|call| call.succeeds())
            {
                let given = call.arguments.iter().filter(|(_, value)| !value.is_null());
                all.push((style.clone(), call.operation, given.map(|(name, _)| name.clone()).collect()));
            }
        }
    }
    all
}

#[test]
fn names_are_unique_and_calls_are_of_the_table() {
    for subject in subjects().unwrap() {
        let mut names = HashSet::new();
        for case in load(&subject).unwrap() {
            assert!(names.insert(case.name.clone()), "{subject}: {:?} stands twice", case.name);
            for call in case.calls().unwrap() {
                let known = operation(&call.operation)
                    .unwrap_or_else(|| panic!("{subject}: {}: no operation {}", case.name, call.operation));
                for name in call.arguments.keys() {
                    assert!(
                        known.params.iter().any(|param| param.name == name),
                        "{subject}: {}: {} has no parameter {name}",
                        case.name,
                        known.name
                    );
                }
            }
        }
    }
}

#[test]
fn every_operation_succeeds_with_every_parameter_and_in_both_path_styles() {
    let successes = successes();
    let mut missing = Vec::new();
    for operation in operations() {
        let of_it: Vec<_> = successes.iter().filter(|(_, name, _)| name == operation.name).collect();
        if of_it.is_empty() {
            missing.push(format!("{}: no success", operation.name));
        }
        for param in operation.params {
            if !of_it.iter().any(|(_, _, given)| given.contains(param.name)) {
                missing.push(format!("{}: `{}` is never given", operation.name, param.name));
            }
            if param.need != Need::Required && !of_it.iter().any(|(_, _, given)| !given.contains(param.name))
            {
                missing.push(format!("{}: `{}` is never left out", operation.name, param.name));
            }
        }
        let styles: &[&str] = if operation.v2_path.is_some() { &["guide", "v2"] } else { &[] };
        for style in styles {
            if !of_it.iter().any(|(used, _, _)| used == style) {
                missing.push(format!("{}: never in path style {style}", operation.name));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
