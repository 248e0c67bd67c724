//! What the generated Rust face stands on.

use std::fmt;

use loki_mode_spec::Operation;
use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::args::{Args, Value};
use crate::call::CallOptions;
use crate::client::Client;
use crate::error::{Error, ErrorInfo, ErrorKind};

/// A free-form JSON object.
pub type Object = serde_json::Map<String, serde_json::Value>;

/// An identifier as on the wire: an integer or a string.
///
/// Models read integers of up to 64 bits; [`Id::from_json`] reads any.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// An integer.
    Int(i64),
    /// A string.
    Str(String),
    /// An integer that 64 bits do not hold, as its digits.
    #[serde(skip)]
    Big(String),
}

impl Id {
    /// The identifier that this JSON text is; none if it is neither an integer nor a string.
    pub fn from_json(json: &str) -> Option<Self> {
        if json.starts_with('"') {
            return serde_json::from_str(json).ok().map(Id::Str);
        }
        let digits = json.strip_prefix('-').unwrap_or(json);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(json.parse().map_or_else(|_| Id::Big(json.to_owned()), Id::Int))
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Id::Int(number) => number.serialize(serializer),
            Id::Str(text) => text.serialize(serializer),
            Id::Big(digits) => {
                RawValue::from_string(digits.clone()).map_err(S::Error::custom)?.serialize(serializer)
            }
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Int(number) => number.fmt(f),
            Id::Str(text) | Id::Big(text) => text.fmt(f),
        }
    }
}

impl From<i64> for Id {
    fn from(number: i64) -> Self {
        Id::Int(number)
    }
}

impl From<i32> for Id {
    fn from(number: i32) -> Self {
        Id::Int(number.into())
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Id::Str(text.to_owned())
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Id::Str(text)
    }
}

impl From<&Id> for Id {
    fn from(id: &Id) -> Self {
        id.clone()
    }
}

impl From<Id> for Value {
    fn from(id: Id) -> Self {
        match id {
            Id::Int(number) => Value::Int(number),
            Id::Str(text) => Value::Str(text),
            Id::Big(digits) => Value::Json(digits),
        }
    }
}

impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Self {
        Value::Json(serde_json::Value::from(list).to_string())
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Value::Json(serde_json::Value::Object(object).to_string())
    }
}

/// A string that is not printed by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The arguments of a call as they are put together, in the order of the parameters.
#[derive(Default)]
pub(crate) struct Values(Vec<Option<Value>>);

impl Values {
    pub(crate) fn give<T: Into<Value>>(&mut self, value: T) {
        self.0.push(Some(value.into()));
    }

    pub(crate) fn into_list(self) -> Vec<Option<Value>> {
        self.0
    }

    pub(crate) fn maybe<T: Clone + Into<Value>>(&mut self, value: &Option<T>) {
        self.0.push(value.clone().map(Into::into));
    }
}

impl Client {
    pub(crate) fn typed<T: DeserializeOwned>(
        &self,
        operation: &'static Operation,
        values: Values,
    ) -> Result<T, Error> {
        let args = Args::new(operation, values.0)?;
        let response = self.execute(operation, args, &CallOptions::default())?;
        serde_json::from_str(response.payload()?).map_err(|error| {
            let method = operation.method.as_str();
            let message = format!("{method} {}: {error}", response.path);
            ErrorInfo {
                status_code: Some(response.status),
                method: Some(method.to_owned()),
                path: Some(response.path.clone()),
                attempts: response.attempts,
                ..ErrorInfo::new(ErrorKind::Decode, message)
            }
            .into()
        })
    }
}
