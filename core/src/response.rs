//! A successful answer, and how its data is read.

use loki_mode_spec::Operation;
use ureq::http::{HeaderMap, HeaderValue};

use crate::attempts::AttemptRecord;
use crate::decode;
use crate::error::{Error, ErrorInfo, ErrorKind, body_text};
use crate::mask::{mask_body, token_of};

/// Any answer, before it is clear what it means.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) method: &'static str,
    /// Without the query.
    pub(crate) path: String,
}

impl Answer {
    /// The first header of this name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.headers.get(name)?.as_bytes()).ok()
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it is a web page, by its type or, where none is given, by how it begins.
    pub(crate) fn is_html(&self) -> bool {
        match self.header("content-type") {
            Some(kind) => {
                kind.trim_start().get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"))
            }
            None => self.body.trim_ascii_start().first() == Some(&b'<'),
        }
    }
}

/// A successful answer (2xx).
#[derive(Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// How many requests were sent for this call.
    pub attempts: u32,
    /// Path of the request, without its query.
    pub path: String,
    /// The attempts, if [`CallOptions::record_attempts`](crate::CallOptions::record_attempts) asked for them.
    pub attempt_log: Vec<AttemptRecord>,
    /// The token that was sent, to be kept out of errors about the data.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) headers: HeaderMap,
    pub(crate) operation: &'static Operation,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The body as it came, decompressed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The headers, names in lower case; those of the same name stand together, in the order in which they came. Bytes
    /// that are no UTF-8 come out as replacement characters.
    pub fn headers(&self) -> Vec<(String, String)> {
        let text = |value| String::from_utf8_lossy(value).into_owned();
        self.header_bytes().map(|(name, value)| (name.to_owned(), text(value))).collect()
    }

    /// The same as they came, whatever their bytes mean.
    pub fn header_bytes(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// The first header of this name, in whatever case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.headers.get(name)?.as_bytes()).ok()
    }

    /// The operation that was executed.
    pub fn operation(&self) -> &'static Operation {
        self.operation
    }

    /// Builds the data that the operation returns.
    ///
    /// # Errors
    /// [`Error::Decode`] if the body is not what the operation returns.
    pub fn decode<B: decode::Builder>(&self, builder: &mut B) -> Result<B::Value, Error> {
        decode::decode(&self.operation.returns, &self.body, builder).map_err(|failure| self.failure(failure))
    }

    /// The checked JSON text of the data without its envelope; `null` where the operation returns nothing.
    ///
    /// # Errors
    /// [`Error::Decode`] if the body is not what the operation returns.
    pub fn payload(&self) -> Result<&str, Error> {
        decode::payload(&self.operation.returns, &self.body).map_err(|failure| self.failure(failure))
    }

    pub(crate) fn failure(&self, mut failure: decode::DecodeFailure) -> Error {
        let mut body = self.body.clone();
        if let Some(token) = self.authorization.as_ref().and_then(token_of) {
            mask_body(&mut body, token);
            // An excerpt may hold a part of the token: it is taken again from what is left.
            if body != self.body
                && let Err(masked) = decode::payload(&self.operation.returns, &body)
            {
                failure = masked;
            }
        }
        let method = self.operation.method.as_str();
        let message = format!(
            "{method} {}: the answer ({}) is not what the operation returns: {failure}",
            self.path, self.status
        );
        ErrorInfo {
            status_code: Some(self.status),
            response_body: Some(body_text(&body)),
            method: Some(method.to_owned()),
            path: Some(self.path.clone()),
            attempts: self.attempts,
            ..ErrorInfo::new(ErrorKind::Decode, message)
        }
        .into()
    }
}

impl std::fmt::Debug for Response {
    // The body can hold a token: it is counted, not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("path", &self.path)
            .field("attempts", &self.attempts)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
