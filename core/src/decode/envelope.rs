//! The JSON text that holds the data: without byte order mark, and lists without their envelope.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::failure::{DecodeFailure, Excerpt, excerpt, problem_of};

/// Keys under which servers wrap lists, beside those that an operation names itself.
const ENVELOPE_KEYS: &[&str] = &["items", "data", "results"];

pub(super) fn text_of(body: &[u8]) -> Result<&str, DecodeFailure> {
    let text = std::str::from_utf8(body).map_err(|error| DecodeFailure {
        path: String::new(),
        problem: format!("the body is not UTF-8 (byte {})", error.valid_up_to()),
        excerpt: Excerpt::Nothing,
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_ascii();
    if text.is_empty() {
        return Err(DecodeFailure {
            path: String::new(),
            problem: "the body is empty".to_owned(),
            excerpt: Excerpt::Nothing,
        });
    }
    Ok(text)
}

/// The text of a list, which may stand bare or under a key of an object, and that key.
pub(super) fn list_text<'a>(
    body: &'a [u8],
    keys: &'static [&'static str],
) -> Result<(&'a str, Option<&'static str>), DecodeFailure> {
    let text = text_of(body)?;
    if !text.starts_with('{') {
        return Ok((text, None));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let found = deserializer
        .deserialize_map(Envelope { keys })
        .and_then(|found| deserializer.end().map(|()| found))
        .map_err(|error| DecodeFailure {
            path: String::new(),
            problem: problem_of(&error),
            excerpt: excerpt(text, error.line(), error.column()),
        })?;
    match found {
        Some((list, key)) => Ok((list, Some(key))),
        None => Err(DecodeFailure {
            path: String::new(),
            problem: format!(
                "expected a list, or an object that holds one as {}",
                keys.iter().chain(ENVELOPE_KEYS).map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
            ),
            excerpt: excerpt(text, 1, 0),
        }),
    }
}

struct Envelope {
    keys: &'static [&'static str],
}

impl<'de> Visitor<'de> for Envelope {
    type Value = Option<(&'de str, &'static str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object that holds a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut best: Option<(usize, &'de str, &'static str)> = None;
        while let Some(name) = entries.next_key::<std::borrow::Cow<'de, str>>()? {
            // The operation's own keys come first: `data` may be something else beside `events`.
            let rank = self.keys.iter().chain(ENVELOPE_KEYS).position(|key| *key == name);
            let Some(rank) = rank else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            let text = entries.next_value::<&'de RawValue>()?.get();
            if text.starts_with('[') && best.is_none_or(|(other, ..)| rank <= other) {
                let key = self.keys.iter().chain(ENVELOPE_KEYS).nth(rank);
                best = key.map(|key| (rank, text, *key));
            }
        }
        Ok(best.map(|(_, text, key)| (text, key)))
    }
}
