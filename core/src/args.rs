//! The arguments of a call, checked against the operation's parameters.

use std::fmt;

use loki_mode_spec::{Need, Operation, Param, ParamType};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::events::parse_timestamp_in_utc;

/// One argument.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// A string.
    Str(String),
    /// An integer.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// JSON text: an object, a list, or an integer beyond 64 bits.
    Json(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Str(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

/// What a value is to a person, for messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Str,
    Int,
    Number,
    Bool,
    List,
    Object,
    Null,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Str => "a string",
            Kind::Int => "an integer",
            Kind::Number => "a number with a fraction",
            Kind::Bool => "a boolean",
            Kind::List => "a list",
            Kind::Object => "an object",
            Kind::Null => "null",
        }
    }
}

impl Value {
    fn kind(&self) -> Kind {
        match self {
            Value::Str(_) => Kind::Str,
            Value::Int(_) => Kind::Int,
            Value::Bool(_) => Kind::Bool,
            Value::Json(text) => match text.trim_start().as_bytes().first() {
                Some(b'"') => Kind::Str,
                Some(b'[') => Kind::List,
                Some(b'{') => Kind::Object,
                Some(b't' | b'f') => Kind::Bool,
                Some(b'n') | None => Kind::Null,
                _ if text.contains(['.', 'e', 'E']) => Kind::Number,
                _ => Kind::Int,
            },
        }
    }

    /// Whether it says nothing: an empty string or an empty list.
    fn is_empty(&self) -> bool {
        match self {
            Value::Str(text) => text.is_empty(),
            Value::Json(text) => text
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .is_some_and(|rest| rest.trim().is_empty()),
            Value::Int(_) | Value::Bool(_) => false,
        }
    }

    /// As it stands in a path or a query string.
    pub fn to_text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Value::Str(text) => text.into(),
            Value::Int(number) => number.to_string().into(),
            Value::Bool(true) => "true".into(),
            Value::Bool(false) => "false".into(),
            Value::Json(text) => text.as_str().into(),
        }
    }

    /// The items of a list of strings; none if it is something else.
    pub(crate) fn strings(&self) -> Vec<String> {
        match self {
            Value::Json(text) => serde_json::from_str(text).unwrap_or_default(),
            Value::Str(_) | Value::Int(_) | Value::Bool(_) => Vec::new(),
        }
    }

    /// Adds it to a JSON text.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            // Writing a string to a vector cannot fail.
            Value::Str(text) => drop(serde_json::to_writer(out, text)),
            other => out.extend_from_slice(other.to_text().as_bytes()),
        }
    }
}

impl fmt::Debug for Value {
    // Arguments can be confidential: the kind is enough to debug with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().name())
    }
}

/// The arguments of one call: one for each parameter of the operation, in its order; `None` is "not given".
#[derive(Debug, Clone)]
pub struct Args(Vec<Option<Value>>);

impl Args {
    /// Takes the arguments, with defaults filled in.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the parameter that is missing or has the wrong type; [`Error::Config`] for two
    /// that exclude each other.
    pub fn new(operation: &'static Operation, mut values: Vec<Option<Value>>) -> Result<Self, Error> {
        if values.len() > operation.params.len() {
            return Err(Error::argument(
                operation.name,
                format!(
                    "`{}` takes at most {} arguments, not {}",
                    operation.name,
                    operation.params.len(),
                    values.len()
                ),
            ));
        }
        values.resize(operation.params.len(), None);
        for (param, value) in operation.params.iter().zip(&mut values) {
            if let Some(Value::Json(text)) = value {
                *value = normalized(text).map_err(|error| {
                    Error::argument(param.name, format!("`{}` is no JSON: {error}", param.name))
                })?;
            }
        }
        for (param, value) in operation.params.iter().zip(&values) {
            check(operation, param, value.as_ref())?;
        }
        for index in 0..values.len() {
            let param = &operation.params[index];
            if let Some(other) = param.replaced_by.filter(|other| is_given(operation, &values, other)) {
                if values[index].as_ref().is_some_and(|value| !is_default(param, value)) {
                    return Err(Error::config(
                        param.name,
                        format!("give `{}` or `{other}`, not both", param.name),
                    ));
                }
                values[index] = None;
            } else if values[index].is_none() {
                values[index] = default(param);
            }
        }
        Ok(Args(values))
    }

    /// Takes the arguments as a JSON array, in the order of the parameters; `null` is "not given".
    ///
    /// # Errors
    /// As [`Args::new`]; also [`Error::Argument`] if the text is not a JSON array.
    pub fn from_json(operation: &'static Operation, json_array: &str) -> Result<Self, Error> {
        let items: Vec<Option<&RawValue>> = serde_json::from_str(json_array).map_err(|error| {
            Error::argument(
                operation.name,
                format!("the arguments of `{}` are not a JSON array: {error}", operation.name),
            )
        })?;
        let values = items.into_iter().map(|item| item.map(from_raw).transpose()).collect::<Result<_, _>>();
        let values = values.map_err(|error: serde_json::Error| {
            Error::argument(
                operation.name,
                format!("an argument of `{}` is no JSON: {error}", operation.name),
            )
        })?;
        Self::new(operation, values)
    }

    /// The argument for the parameter at this place.
    pub(crate) fn get(&self, index: usize) -> Option<&Value> {
        self.0.get(index)?.as_ref()
    }

    /// The argument for the parameter of this name.
    pub(crate) fn named(&self, operation: &Operation, name: &str) -> Option<&Value> {
        self.get(operation.params.iter().position(|param| param.name == name)?)
    }

    /// The same with another value, or none, for the parameter of this name.
    pub(crate) fn with(&self, operation: &Operation, name: &str, value: Option<Value>) -> Self {
        let mut values = self.0.clone();
        if let Some(index) = operation.params.iter().position(|param| param.name == name) {
            values[index] = value;
        }
        Args(values)
    }
}

/// JSON text as the simplest value that stands for it; null is "not given".
fn normalized(text: &str) -> Result<Option<Value>, serde_json::Error> {
    serde_json::from_str::<Option<&RawValue>>(text)?.map(from_raw).transpose()
}

fn from_raw(raw: &RawValue) -> Result<Value, serde_json::Error> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'"') => Value::Str(serde_json::from_str(text)?),
        Some(b't' | b'f') => Value::Bool(serde_json::from_str(text)?),
        _ => text.parse().map_or_else(|_| Value::Json(text.to_owned()), Value::Int),
    })
}

fn is_given(operation: &Operation, values: &[Option<Value>], name: &str) -> bool {
    let index = operation.params.iter().position(|param| param.name == name);
    index.and_then(|index| values[index].as_ref()).is_some_and(|value| !value.is_empty())
}

fn default(param: &Param) -> Option<Value> {
    match param.need {
        Need::Required | Need::Optional => None,
        Need::DefaultStr(text) => Some(Value::Str(text.to_owned())),
        Need::DefaultInt(number) => Some(Value::Int(number)),
    }
}

fn is_default(param: &Param, value: &Value) -> bool {
    default(param).as_ref() == Some(value)
}

fn check(operation: &Operation, param: &Param, value: Option<&Value>) -> Result<(), Error> {
    let name = param.name;
    let Some(value) = value else {
        return match param.need {
            Need::Required => {
                Err(Error::argument(name, format!("`{name}` is missing: `{}` needs it", operation.name)))
            }
            Need::Optional | Need::DefaultStr(_) | Need::DefaultInt(_) => Ok(()),
        };
    };
    let kind = value.kind();
    let (fits, expected) = match param.ty {
        ParamType::Id => (matches!(kind, Kind::Int | Kind::Str), "an integer or a string"),
        ParamType::Str | ParamType::Timestamp => (kind == Kind::Str, "a string"),
        ParamType::Int => (kind == Kind::Int, "an integer"),
        ParamType::Bool => (kind == Kind::Bool, "a boolean"),
        ParamType::StrList => (kind == Kind::List && is_string_list(value), "a list of strings"),
        ParamType::Object => (kind == Kind::Object, "an object"),
    };
    if fits {
        if param.ty == ParamType::Timestamp && parse_timestamp_in_utc(&value.to_text()).is_none() {
            let expected = "a date like 2026-11-21, or a timestamp like 2026-11-21T22:49:47Z";
            return Err(Error::config(
                name,
                format!("`{name}` must be {expected}, in UTC unless it says otherwise"),
            ));
        }
        return Ok(());
    }
    let got = match (param.ty, kind) {
        (ParamType::StrList, Kind::List) => "a list with something else in it",
        _ => kind.name(),
    };
    Err(Error::argument(name, format!("`{name}` must be {expected}, not {got}")))
}

fn is_string_list(value: &Value) -> bool {
    matches!(value, Value::Json(text) if serde_json::from_str::<Vec<std::borrow::Cow<'_, str>>>(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(name: &str) -> &'static Operation {
        loki_mode_spec::operation(name).unwrap()
    }

    #[test]
    fn wrong_types_name_the_parameter() {
        let error = Args::from_json(operation("get_project"), "[[1]]").unwrap_err();
        assert!(matches!(error, Error::Argument(_)));
        assert_eq!(error.to_string(), "`project_id` must be an integer or a string, not a list");
        let error = Args::from_json(operation("get_project"), "[true]").unwrap_err();
        assert_eq!(error.to_string(), "`project_id` must be an integer or a string, not a boolean");
        let error = Args::from_json(operation("get_project"), "[1.5]").unwrap_err();
        assert_eq!(error.details().param.as_deref(), Some("project_id"));
        let error = Args::from_json(operation("get_project"), "[]").unwrap_err();
        assert_eq!(error.to_string(), "`project_id` is missing: `get_project` needs it");
        let error = Args::from_json(operation("create_api_key"), r#"["k", null, [1]]"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`scopes` must be a list of strings, not a list with something else in it"
        );
    }

    #[test]
    fn defaults_are_filled_in_and_scopes_replace_the_role() {
        let create = operation("create_api_key");
        let role = |json| Args::from_json(create, json).map(|args| args.named(create, "role").cloned());
        assert_eq!(role(r#"["k"]"#).unwrap(), Some("viewer".into()));
        assert_eq!(role(r#"["k", null, []]"#).unwrap(), Some("viewer".into()));
        assert_eq!(role(r#"["k", null, ["read"]]"#).unwrap(), None);
        assert_eq!(role(r#"["k", "viewer", ["read"]]"#).unwrap(), None);
        let error = role(r#"["k", "admin", ["read"]]"#).unwrap_err();
        assert!(matches!(error, Error::Config(_)));
        assert_eq!(error.to_string(), "give `role` or `scopes`, not both");
    }

    #[test]
    fn big_integers_stay_as_they_are() {
        let get = operation("get_project");
        let args = Args::from_json(get, "[12345678901234567890123]").unwrap();
        assert_eq!(args.get(0).unwrap().to_text(), "12345678901234567890123");
    }
}
