//! What the generated Rust face stands on.

use std::fmt;

use loki_mode_spec::Operation;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::args::{Args, Value};
use crate::call::CallOptions;
use crate::client::Client;
use crate::error::{Error, ErrorInfo, ErrorKind};

/// A free-form JSON object.
pub type Object = serde_json::Map<String, serde_json::Value>;

/// An identifier as on the wire: an integer (of up to 64 bits) or a string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// An integer.
    Int(i64),
    /// A string.
    Str(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Int(number) => number.fmt(f),
            Id::Str(text) => text.fmt(f),
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
