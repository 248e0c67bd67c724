//! What is to be answered: the script's vocabulary, as it stands in the JSON of the cases.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::Value;

/// One scripted answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    /// The status code; 200 if absent.
    pub status: Option<u16>,
    /// Header fields, sent as given; `{{base_url}}` in a value stands for the base URL of this server, `{{date+90}}` for
    /// the HTTP date in 90 seconds. Framing headers (`content-length`, `transfer-encoding`) are the server's unless they
    /// stand here.
    pub headers: BTreeMap<String, String>,
    /// The body as JSON; `content-type: application/json` unless `headers` has one.
    #[serde(deserialize_with = "present")]
    pub json: Option<Value>,
    /// The body as text.
    pub text: Option<String>,
    /// The body as base64 of its bytes.
    pub base64: Option<String>,
    /// For how many requests this answer stands; 1 if absent.
    pub repeat: Option<u32>,
    /// How the wire misbehaves while this answer is given.
    pub faults: Faults,
}

/// Tells `"json": null` (a body that says null) from no `json` at all.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Ways of breaking an answer. Counts of bytes are counted from the first byte of the status line.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Waits so many milliseconds before the first byte.
    pub delay_ms: Option<u64>,
    /// Sends the status line, waits so many milliseconds, then sends the header fields.
    pub head_delay_ms: Option<u64>,
    /// Sends the head, waits so many milliseconds, then sends the body.
    pub body_delay_ms: Option<u64>,
    /// Sends byte by byte with so many milliseconds before each.
    pub drip_ms: Option<u64>,
    /// Sends so many bytes, then closes in order (FIN).
    pub cut_after: Option<usize>,
    /// Sends so many bytes, then resets the connection (RST).
    pub reset_after: Option<usize>,
    /// Sends so many bytes (`true`: the head), then neither sends nor closes.
    pub half_open: Option<HalfOpen>,
    /// Reads the request, then neither answers nor closes.
    pub hold: bool,
    /// Reads the request, then closes without an answer.
    pub read_then_close: bool,
    /// Gives the whole answer, then closes without having announced it.
    pub close_after: bool,
    /// Gives the whole answer, keeps the connection, and closes it later.
    pub stale: Option<Stale>,
    /// `content-length` says so many bytes more (or less) than the body has; if more, the connection is then closed.
    pub wrong_length: Option<i64>,
    /// Sends the body in chunks; `"truncated"`: breaks off within the last one and closes.
    pub chunked: Option<Chunked>,
    /// Sends something that is not HTTP instead of the answer (`true`, or the text to send), then closes.
    pub garbage: Option<Garbage>,
    /// Sends the body and then spaces, in chunks, until the client leaves.
    pub endless: bool,
    /// Adds header fields of so many bytes in all.
    pub header_bomb: Option<usize>,
}

/// Where a half-open connection falls silent.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub enum HalfOpen {
    /// After so many bytes.
    After(usize),
    /// `true`: after the head.
    Head(bool),
}

/// When a connection that was kept alive is closed.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stale {
    /// When the first byte of the next request arrives; that request is not read and not recorded.
    OnRequest,
    /// After so many milliseconds without a request.
    IdleMs(u64),
}

/// How a chunked body ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Chunked {
    /// `true`: in order.
    Whole(bool),
    /// `"truncated"`: within the last chunk.
    Broken(Truncated),
}

/// The word `"truncated"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncated {
    /// The only word there is.
    Truncated,
}

/// What is sent instead of HTTP.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Garbage {
    /// `true`: some bytes that no HTTP parser accepts.
    Default(bool),
    /// This text.
    Text(String),
}

impl Reply {
    /// The bytes of the body, and the content type that goes with them.
    ///
    /// # Errors
    /// A `base64` that is none.
    pub(crate) fn body(&self) -> Result<(Vec<u8>, Option<&'static str>), String> {
        if let Some(json) = &self.json {
            return Ok((json.to_string().into_bytes(), Some("application/json")));
        }
        if let Some(text) = &self.text {
            return Ok((text.clone().into_bytes(), None));
        }
        let Some(encoded) = &self.base64 else { return Ok((Vec::new(), None)) };
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .map_err(|error| format!("`base64` of an answer: {error}"))?;
        Ok((bytes, None))
    }
}
