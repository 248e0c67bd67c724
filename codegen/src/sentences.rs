//! Sentences that several faces have word for word.

use loki_mode_spec::Operation;

/// Where a call goes.
pub(crate) fn endpoint(operation: &Operation) -> String {
    let method = operation.method.as_str();
    match operation.v2_path {
        Some(v2) => format!("`{method} {}`, on deployed servers `{method} {v2}`.", operation.path),
        None => format!("`{method} {}`.", operation.path),
    }
}

/// What is said about a field or a parameter, with the values that are known.
pub(crate) fn with_known(doc: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return doc.to_owned();
    }
    let values: Vec<_> = known.iter().map(|value| format!("`{value}`")).collect();
    format!("{doc} Known values: {}.", values.join(", "))
}
