//! When two JSON values are the same.

use serde_json::{Map, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Objects have the same keys.
    Exact,
    /// In objects null and "not there" are the same.
    Loose,
    /// Objects may have more keys than expected.
    Contains,
}

/// The same, key by key.
pub(crate) fn exactly(actual: &Value, expected: &Value) -> Result<(), String> {
    compare(actual, expected, Rule::Exact, "$")
}

/// The same, where null and a missing key are one.
pub(crate) fn loosely(actual: &Value, expected: &Value) -> Result<(), String> {
    compare(actual, expected, Rule::Loose, "$")
}

/// At least what is expected.
pub(crate) fn contains(actual: &Value, expected: &Value) -> Result<(), String> {
    compare(actual, expected, Rule::Contains, "$")
}

fn compare(actual: &Value, expected: &Value, rule: Rule, path: &str) -> Result<(), String> {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => objects(actual, expected, rule, path),
        (Value::Array(actual), Value::Array(expected)) if actual.len() == expected.len() => {
            let pairs = actual.iter().zip(expected).enumerate();
            pairs.into_iter().try_for_each(|(i, (a, e))| compare(a, e, rule, &format!("{path}[{i}]")))
        }
        // Compared as floats only if they are not equal as they stand: large integers would fall together.
        (Value::Number(a), Value::Number(e))
            if a == e || (a.is_f64() || e.is_f64()) && a.as_f64() == e.as_f64() =>
        {
            Ok(())
        }
        _ if actual == expected => Ok(()),
        _ => Err(format!("at {path}: expected {expected}, got {actual}")),
    }
}

fn objects(
    actual: &Map<String, Value>,
    expected: &Map<String, Value>,
    rule: Rule,
    path: &str,
) -> Result<(), String> {
    for (key, value) in expected {
        let path = format!("{path}.{key}");
        match actual.get(key) {
            Some(got) => compare(got, value, rule, &path)?,
            None if value.is_null() && rule != Rule::Exact => {}
            None => return Err(format!("at {path}: expected {value}, it is missing")),
        }
    }
    let surplus = |key: &String, value: &Value| {
        !expected.contains_key(key)
            && match rule {
                Rule::Exact => true,
                Rule::Loose => !value.is_null(),
                Rule::Contains => false,
            }
    };
    match actual.iter().find(|(key, value)| surplus(key, value)) {
        Some((key, value)) => Err(format!("at {path}.{key}: unexpected {value}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_and_missing_are_the_same_unless_exact() {
        assert!(loosely(&json!({"a": null, "b": 1}), &json!({"b": 1, "c": null})).is_ok());
        assert!(exactly(&json!({"a": null}), &json!({})).is_err());
        assert!(exactly(&json!({}), &json!({"a": null})).is_err());
        assert!(loosely(&json!({"a": 1}), &json!({})).is_err());
        assert!(loosely(&json!({}), &json!({"a": 1})).is_err());
    }

    #[test]
    fn contains_allows_more_keys_but_not_more_items() {
        assert!(contains(&json!([{"a": 1, "b": 2}]), &json!([{"a": 1}])).is_ok());
        assert!(contains(&json!([{"a": 1}, {}]), &json!([{"a": 1}])).is_err());
        assert!(contains(&json!({"a": 2}), &json!({"a": 1})).is_err());
    }

    #[test]
    fn numbers_are_compared_by_value() {
        assert!(loosely(&json!(1.0), &json!(1)).is_ok());
        assert!(loosely(&json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_740_992_i64)).is_err());
        let difference = loosely(&json!({"a": [1, {"b": "x"}]}), &json!({"a": [1, {"b": "y"}]})).unwrap_err();
        assert_eq!(difference, "at $.a[1].b: expected \"y\", got \"x\"");
    }
}
