//! The table is consistent with itself.

use std::collections::HashSet;

use crate::{Location, Need, models, operations};

fn placeholders(path: &str) -> Vec<&str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect()
}

#[test]
fn names_are_unique() {
    let mut seen = HashSet::new();
    for operation in operations() {
        assert!(seen.insert(operation.name), "{} stands twice", operation.name);
    }
    let mut seen = HashSet::new();
    for model in models() {
        assert!(seen.insert(model.name), "{} stands twice", model.name);
    }
}

#[test]
fn routes_are_unique() {
    let mut seen = HashSet::new();
    for operation in operations() {
        for path in std::iter::once(operation.path).chain(operation.v2_path) {
            assert!(
                seen.insert((operation.method.as_str(), path)),
                "{} {path} stands twice",
                operation.method.as_str()
            );
        }
    }
}

#[test]
fn placeholders_are_the_path_parameters_in_order() {
    operations().for_each(|operation| {
        let params: Vec<_> =
            operation.params.iter().filter(|p| p.location == Location::Path).map(|p| p.name).collect();
        assert_eq!(placeholders(operation.path), params, "{}", operation.name);
        if let Some(path) = operation.v2_path {
            assert_eq!(placeholders(path), params, "{}", operation.name);
        }
    });
}

#[test]
fn wire_names_are_unique_and_not_for_paths() {
    operations().for_each(|operation| {
        let mut seen = HashSet::new();
        for param in operation.params {
            assert!(
                seen.insert((param.location, param.wire)),
                "{}: {} stands twice",
                operation.name,
                param.wire
            );
            assert!(param.location != Location::Path || param.wire == param.name, "{}", operation.name);
        }
    });
    for model in models() {
        let mut seen = HashSet::new();
        for field in model.fields {
            assert!(seen.insert(field.wire), "{}: {} stands twice", model.name, field.wire);
        }
    }
}

#[test]
fn everything_is_documented_in_sentences() {
    operations().for_each(|operation| {
        assert!(operation.doc.ends_with('.'), "{}", operation.name);
        for param in operation.params {
            assert!(param.doc.ends_with('.'), "{}.{}", operation.name, param.name);
        }
    });
    for model in models() {
        assert!(model.doc.ends_with('.'), "{}", model.name);
        for field in model.fields {
            assert!(field.doc.ends_with('.'), "{}.{}", model.name, field.name);
        }
    }
}

#[test]
fn required_parameters_come_first_and_positional_ones_before_keywords() {
    operations().for_each(|operation| {
        let rank = |p: &crate::Param| (!p.positional, p.positional && p.need != Need::Required);
        assert!(operation.params.is_sorted_by_key(rank), "{}", operation.name);
    });
}

#[test]
fn parameters_that_replace_others_exist() {
    operations().for_each(|operation| {
        for other in operation.params.iter().filter_map(|p| p.replaced_by) {
            assert!(operation.params.iter().any(|p| p.name == other), "{}: {other}", operation.name);
        }
    });
}
