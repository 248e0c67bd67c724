//! What happened on the wire for one call: one record for each attempt, kept only where a caller asks for it.

use std::time::Duration;

use crate::error::ErrorKind;

/// One attempt of a call, as [`CallOptions::record_attempts`](crate::CallOptions::record_attempts) asks for it. It
/// holds no query, header or body, and so no secret.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// Which attempt of its call it was, from 1.
    pub number: u32,
    /// HTTP method.
    pub method: &'static str,
    /// Path of the request, without its query.
    pub path: String,
    /// Status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// Why there was no answer: the class of the error that this alone would have been.
    pub kind: Option<ErrorKind>,
    /// Why there was no answer, for a person.
    pub problem: Option<String>,
    /// From the beginning of the attempt to the end of the body, or to the failure; includes the wait for a
    /// connection.
    pub duration: Duration,
    /// Whether the connection had served another request before.
    pub reused_connection: bool,
}
