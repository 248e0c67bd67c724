//! What a stream gives at a time.

use loki_mode_spec::Model;
use serde_json::value::RawValue;

use crate::decode::{self, Builder};
use crate::error::{Error, ErrorInfo, ErrorKind};

/// Some events, or some items of a list, in order.
#[derive(Debug)]
pub struct Batch {
    json: String,
    count: usize,
    model: &'static Model,
}

impl Batch {
    pub(crate) fn new(json: String, count: usize, model: &'static Model) -> Self {
        Batch { json, count, model }
    }

    /// The items as a JSON array.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Builds the list of items.
    ///
    /// # Errors
    /// [`Error::Decode`] if one of them is not what the server promises.
    pub fn decode<B: Builder>(&self, builder: &mut B) -> Result<B::Value, Error> {
        decode::decode_list(self.model, self.json.as_bytes(), builder).map_err(|failure| {
            let message = format!("an item is not a {}: {failure}", self.model.name);
            ErrorInfo::new(ErrorKind::Decode, message).into()
        })
    }

    /// Each item by itself, for whoever does not want to decode all of them at once.
    ///
    /// # Errors
    /// [`Error::Decode`] if they are no JSON.
    pub fn split(&self) -> Result<Vec<Batch>, Error> {
        let items: Vec<&RawValue> = serde_json::from_str(&self.json)
            .map_err(|error| ErrorInfo::new(ErrorKind::Decode, format!("items are no JSON: {error}")))?;
        Ok(items.iter().map(|item| Batch::new(format!("[{}]", item.get()), 1, self.model)).collect())
    }
}
