//! A successful answer, and how its data is read.

use loki_mode_spec::Operation;

use crate::decode;
use crate::error::{Error, ErrorInfo, ErrorKind};

/// A successful answer (2xx).
#[derive(Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// How many requests were sent for this call.
    pub attempts: u32,
    /// Path of the request, without its query.
    pub path: String,
    pub(crate) operation: &'static Operation,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The body as it came, decompressed.
    pub fn body(&self) -> &[u8] {
        &self.body
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

    fn failure(&self, failure: decode::DecodeFailure) -> Error {
        let method = self.operation.method.as_str();
        let place =
            if failure.path.is_empty() { "the answer".to_owned() } else { format!("`{}`", failure.path) };
        ErrorInfo {
            status_code: Some(self.status),
            response_body: Some(crate::error::body_text(&self.body)),
            method: Some(method.to_owned()),
            path: Some(self.path.clone()),
            attempts: self.attempts,
            ..ErrorInfo::new(
                ErrorKind::Decode,
                format!(
                    "{method} {}: the server's answer ({}) is not what `{}` returns: {place}: {}; got {}",
                    self.path, self.status, self.operation.name, failure.problem, failure.excerpt
                ),
            )
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
