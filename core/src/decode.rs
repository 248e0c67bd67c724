//! From the bytes of an answer to whatever a language calls data, in one walk.
//!
//! The walk knows what the operations table says about the answer; a [`Builder`] knows how values are made. There
//! is no `serde_json::Value` in between: it would cost time, round integers beyond 64 bits and reorder keys.

mod builder;
mod envelope;
mod failure;
mod walk;

use loki_mode_spec::{Model, Returns};

pub use builder::{Builder, Refusal, Validate};
use envelope::{list_text, text_of};
pub use failure::{DecodeFailure, Excerpt};
use walk::{Shape, Walk};

/// Builds what `returns` says from `body`.
///
/// # Errors
/// The body is not JSON, not of the right type somewhere, lacks a required field, or the builder refused.
pub fn decode<B: Builder>(
    returns: &'static Returns,
    body: &[u8],
    builder: &mut B,
) -> Result<B::Value, DecodeFailure> {
    match Place::find(returns, body)? {
        Some(Place { shape, text, envelope }) => {
            run(builder, shape, text, envelope, secrets_possible(returns))
        }
        None => builder.null().map_err(|refusal| DecodeFailure {
            path: String::new(),
            problem: refusal.0,
            excerpt: Excerpt::Nothing,
        }),
    }
}

/// Where the data of an answer stands.
struct Place<'a> {
    shape: Shape,
    text: &'a str,
    /// The key of the envelope that a list stands in.
    envelope: Option<&'static str>,
}

impl<'a> Place<'a> {
    /// Finds it; there is none where nothing is returned.
    fn find(returns: &'static Returns, body: &'a [u8]) -> Result<Option<Self>, DecodeFailure> {
        let (shape, text, envelope) = match *returns {
            Returns::Nothing => return Ok(None),
            Returns::Object => (Shape::Object, text_of(body)?, None),
            Returns::Model(model) => (Shape::Model(model), text_of(body)?, None),
            Returns::Record(model) => (Shape::Record(model), text_of(body)?, None),
            Returns::List(model, keys) => {
                let (text, key) = list_text(body, keys)?;
                (Shape::List(model), text, key)
            }
        };
        Ok(Some(Place { shape, text, envelope }))
    }
}

fn run<B: Builder>(
    builder: &mut B,
    shape: Shape,
    text: &str,
    envelope: Option<&'static str>,
    secrets_possible: bool,
) -> Result<B::Value, DecodeFailure> {
    let mut walk = Walk::new(builder, false);
    let mut outcome = walk.run(shape, text);
    let unread =
        |error: &serde_json::Error| walk.inexact || error.to_string().starts_with("number out of range");
    if outcome.as_ref().is_err_and(unread) {
        // A number beyond 64 bits came along, which serde_json would round or refuse. They are rare and reading them
        // digit for digit is slow, so only an answer that holds one is walked a second time, the exact way.
        walk = Walk::new(builder, true);
        outcome = walk.run(shape, text);
    }
    outcome.map_err(|error| walk.failure(&error, envelope, secrets_possible, text))
}

/// Builds a list of instances of a model from a JSON array of them.
///
/// # Errors
/// Those of [`decode`].
pub(crate) fn decode_list<B: Builder>(
    model: &'static Model,
    body: &[u8],
    builder: &mut B,
) -> Result<B::Value, DecodeFailure> {
    run(builder, Shape::List(model), text_of(body)?, None, has_secrets(model))
}

/// Checks `body` against `returns` and hands out the JSON text of the data: a list without its envelope, `null` where
/// nothing is returned.
///
/// # Errors
/// Those of [`decode`].
pub fn payload<'a>(returns: &'static Returns, body: &'a [u8]) -> Result<&'a str, DecodeFailure> {
    let Some(Place { shape, text, envelope }) = Place::find(returns, body)? else { return Ok("null") };
    run(&mut Validate, shape, text, envelope, secrets_possible(returns))?;
    Ok(text)
}

/// The text of a list that stands bare or under one of these keys.
///
/// # Errors
/// [`DecodeFailure`] if there is no list.
pub(crate) fn list<'a>(text: &'a str, keys: &'static [&'static str]) -> Result<&'a str, DecodeFailure> {
    list_text(text.as_bytes(), keys).map(|(list, _)| list)
}

fn secrets_possible(returns: &Returns) -> bool {
    returns.model().is_some_and(has_secrets)
}

fn has_secrets(model: &Model) -> bool {
    model.fields.iter().any(|field| field.secret)
}

#[cfg(test)]
mod tests;
