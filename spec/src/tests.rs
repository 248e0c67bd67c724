//! The table is consistent with itself.

use std::collections::{HashMap, HashSet};

use crate::{EVENT_TYPES, Location, Need, ParamType, STREAMS, enumerations, models, operation, operations};

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
fn an_enumeration_has_a_name_of_its_own() {
    let models: HashSet<_> = models().map(|model| model.name).collect();
    let mut values = HashMap::new();
    let of_streams = STREAMS.iter().flat_map(|stream| stream.params);
    let of_params =
        operations().flat_map(|operation| operation.params).chain(of_streams).map(|param| param.known);
    let of_fields = crate::models().flat_map(|model| model.fields).map(|field| field.known);
    for known in of_params.chain(of_fields).filter(|known| !known.is_empty()) {
        assert!(!known.name.is_empty() && !models.contains(known.name), "{known:?}");
        assert_eq!(*values.entry(known.name).or_insert(known.values), known.values, "{}", known.name);
    }
    assert_eq!(values.len(), enumerations().count());
}

#[test]
fn routes_are_unique() {
    let mut seen = HashSet::new();
    for operation in operations().filter(|operation| operation.view_of.is_none()) {
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
fn views_share_the_route_of_the_other() {
    for view in operations() {
        let Some(name) = view.view_of else { continue };
        let other = operation(name).unwrap_or_else(|| panic!("{} is a view of nothing", view.name));
        assert_eq!(other.view_of, None, "{name}");
        assert_eq!((view.method, view.path, view.v2_path), (other.method, other.path, other.v2_path));
    }
}

#[test]
fn methods_of_the_loki_client_are_unique() {
    let mut seen = HashSet::new();
    for name in operations().filter_map(|operation| operation.loki_method) {
        assert!(seen.insert(name), "{name} stands twice");
    }
}

#[test]
fn event_types_are_unique_and_documented() {
    let mut seen = HashSet::new();
    for event in EVENT_TYPES {
        assert!(seen.insert(event.name), "{} stands twice", event.name);
        assert!(event.doc.ends_with('.'), "{}", event.name);
        for field in event.data.iter().flat_map(|data| data.fields) {
            assert!(field.doc.ends_with('.'), "{}.{}", event.name, field.name);
        }
    }
}

#[test]
fn streams_are_documented_and_send_models_of_the_table() {
    for stream in STREAMS {
        assert!(stream.doc.ends_with('.'), "{}", stream.name);
        assert!(operation(stream.name).is_none(), "{} is an operation, too", stream.name);
        assert!(models().any(|model| model.name == stream.item.name), "{}", stream.name);
        for param in stream.params {
            assert!(param.doc.ends_with('.'), "{}.{}", stream.name, param.name);
            assert_eq!((param.location, param.need), (Location::Query, Need::Optional), "{}", param.name);
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

#[test]
fn pages_are_lists_that_can_be_limited() {
    let mut seen = HashSet::new();
    for paged in operations() {
        let Some(paging) = paged.paging else { continue };
        assert!(seen.insert(paging.method) && operation(paging.method).is_none(), "{}", paging.method);
        assert!(paged.paged_items().is_some(), "{} returns no list", paged.name);
        assert!(paged.idempotent && paging.largest > 1, "{}", paged.name);
        for name in [paging.limit, paging.offset] {
            let param = paged.params.iter().find(|param| param.name == name);
            let param = param.unwrap_or_else(|| panic!("{}: {name}", paged.name));
            assert_eq!((param.location, param.ty), (Location::Query, ParamType::Int), "{}", paged.name);
        }
    }
    let limited =
        operations().filter(|operation| operation.params.iter().any(|param| param.name == "offset"));
    assert_eq!(limited.count(), seen.len(), "what can be skipped in is paged");
}
