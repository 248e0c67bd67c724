//! Webhooks that come in: `webhooks.ts` stands above. What is thrown has the JSON text of the error as message.

use loki_mode_core::webhook::{self, Headers, Scheme, Secret, Stamp, Window};
use loki_mode_core::{Error, Id};
use napi::Result;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use serde::Deserialize;

use crate::failure::{refused_to_json, thrown};
use crate::options::parse;

/// A secret, as TypeScript writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum GivenSecret {
    Text(String),
    Key(Vec<u8>),
}

impl GivenSecret {
    fn read(self, param: &str) -> std::result::Result<Option<Secret>, Error> {
        match self {
            GivenSecret::Text(text) => Secret::from_text(param, &text),
            GivenSecret::Key(key) => Ok(Secret::from_bytes(&key)),
        }
    }
}

/// Throws unless the webhook was signed with one of the secrets. `headers` is a JSON array of pairs, `secrets` one of
/// secrets; `tolerance` and `now` are seconds.
#[napi]
pub fn verify_webhook(
    body: Uint8Array,
    headers: String,
    secrets: String,
    tolerance: f64,
    now: f64,
) -> Result<()> {
    let headers: Headers = parse::<Vec<(String, String)>>(&headers)?.into_iter().collect();
    let given: Vec<GivenSecret> = parse(&secrets)?;
    let secrets: Vec<Option<Secret>> = given
        .into_iter()
        .map(|secret| secret.read("secrets"))
        .collect::<std::result::Result<_, _>>()
        .map_err(thrown)?;
    let secrets: Vec<Secret> = secrets.into_iter().flatten().collect();
    let window = Window::new(tolerance, now).map_err(thrown)?;
    webhook::verify(&body, &headers, &secrets, window)
        .map_err(|refused| napi::Error::from_reason(refused_to_json(&refused)))
}

/// The JSON text of an array: the fields of the event, and the body.
#[napi]
pub fn parse_webhook(body: Uint8Array) -> Result<String> {
    let mut event = webhook::parse(&body).map_err(thrown)?;
    event.task_id = event.task_id.map(exact);
    if let Some(approval) = &mut event.approval {
        approval.id = approval.id.take().map(exact);
    }
    let payload = webhook::payload(&body).map_err(thrown)?;
    let fields = serde_json::to_string(&event).expect("strings, numbers and JSON can be written as JSON");
    Ok(format!("[{fields},{payload}]"))
}

/// An integer that a number of JavaScript does not hold exactly, as text.
fn exact(id: Id) -> Id {
    const LARGEST: i64 = (1 << 53) - 1;
    match id {
        Id::Int(number) if (-LARGEST..=LARGEST).contains(&number) => Id::Int(number),
        other => Id::Str(other.to_string()),
    }
}

/// The headers that a sender adds, as the JSON text of an array of pairs; `timestamp` is seconds.
#[napi]
pub fn sign_webhook(
    body: Uint8Array,
    secret: String,
    scheme: String,
    id: String,
    timestamp: f64,
) -> Result<String> {
    let given = parse::<GivenSecret>(&secret)?.read("secret");
    let secret = given.and_then(Secret::required).map_err(thrown)?;
    let scheme: Scheme = scheme.parse().map_err(thrown)?;
    let stamp = Stamp::new(&id, timestamp).map_err(thrown)?;
    let headers = webhook::sign(&body, &secret, scheme, stamp);
    Ok(serde_json::to_string(&headers).expect("strings can be written as JSON"))
}
