//! What can go wrong: one enum, one variant for each class of the language packages.

use std::fmt;
use std::sync::Arc;

use crate::attempts::AttemptRecord;

/// What went wrong.
///
/// Every variant carries an [`ErrorInfo`]; its `Display` is [`ErrorInfo::message`]. No message ever holds a token,
/// a query string or more of an answer than a short excerpt.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// 401: no valid token. Python and JavaScript: `AuthenticationError`.
    #[error("{}", .0.message)]
    Authentication(Box<ErrorInfo>),
    /// 403: the token does not allow this. Python and JavaScript: `PermissionDeniedError` (alias `ForbiddenError`).
    #[error("{}", .0.message)]
    PermissionDenied(Box<ErrorInfo>),
    /// 404: no such thing, or no such route on this server. Python and JavaScript: `NotFoundError`.
    #[error("{}", .0.message)]
    NotFound(Box<ErrorInfo>),
    /// 409: in conflict with what is there. Python and JavaScript: `ConflictError`.
    #[error("{}", .0.message)]
    Conflict(Box<ErrorInfo>),
    /// 400 or 422: the server refused the arguments. Python and JavaScript: `ValidationError`.
    #[error("{}", .0.message)]
    Validation(Box<ErrorInfo>),
    /// 429: too many requests. Python and JavaScript: `RateLimitError`.
    #[error("{}", .0.message)]
    RateLimit(Box<ErrorInfo>),
    /// 410, 501, 405 on an unknown route, a web page where JSON was due: this server does not offer it.
    /// Python and JavaScript: `NotAvailableError` (alias `NotAvailableOnControlPlaneError`).
    #[error("{}", .0.message)]
    NotAvailable(Box<ErrorInfo>),
    /// Any other 5xx. Python and JavaScript: `ServerError`.
    #[error("{}", .0.message)]
    Server(Box<ErrorInfo>),
    /// Any other status that is not a success. Python and JavaScript: `AutonomiError` itself.
    #[error("{}", .0.message)]
    Api(Box<ErrorInfo>),
    /// DNS, connect, TLS or a lost connection. Python and JavaScript: `APIConnectionError`.
    #[error("{}", .0.message)]
    Connection(Box<ErrorInfo>),
    /// The deadline of the call passed. Python and JavaScript: `APITimeoutError` (an `APIConnectionError`).
    #[error("{}", .0.message)]
    Timeout(Box<ErrorInfo>),
    /// A successful answer that is not what the operation returns. Python and JavaScript: `DecodeError`.
    #[error("{}", .0.message)]
    Decode(Box<ErrorInfo>),
    /// A bad option, id or argument value, noticed before anything was sent. Python: `ConfigError` (also a
    /// `ValueError`); JavaScript: `ConfigError`.
    #[error("{}", .0.message)]
    Config(Box<ErrorInfo>),
    /// An argument of the wrong type, or a missing one, noticed before anything was sent. Python and JavaScript:
    /// `TypeError`.
    #[error("{}", .0.message)]
    Argument(Box<ErrorInfo>),
    /// The caller cancelled the call through its [`CancelToken`](crate::CancelToken). Python: `CancelledError` of
    /// asyncio; JavaScript: the reason of the `AbortSignal`.
    #[error("{}", .0.message)]
    Cancelled(Box<ErrorInfo>),
    /// `CallOptions::interrupted` said so, for example after Ctrl-C. Python: the exception of the signal handler,
    /// ordinarily `KeyboardInterrupt`; JavaScript: does not occur.
    #[error("{}", .0.message)]
    Interrupted(Box<ErrorInfo>),
}

/// The class of an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// See [`Error::Authentication`].
    Authentication,
    /// See [`Error::PermissionDenied`].
    PermissionDenied,
    /// See [`Error::NotFound`].
    NotFound,
    /// See [`Error::Conflict`].
    Conflict,
    /// See [`Error::Validation`].
    Validation,
    /// See [`Error::RateLimit`].
    RateLimit,
    /// See [`Error::NotAvailable`].
    NotAvailable,
    /// See [`Error::Server`].
    Server,
    /// See [`Error::Api`].
    Api,
    /// See [`Error::Connection`].
    Connection,
    /// See [`Error::Timeout`].
    Timeout,
    /// See [`Error::Decode`].
    Decode,
    /// See [`Error::Config`].
    Config,
    /// See [`Error::Argument`].
    Argument,
    /// See [`Error::Cancelled`].
    Cancelled,
    /// See [`Error::Interrupted`].
    Interrupted,
}

impl ErrorKind {
    /// The name of the class that stands for this kind in both languages.
    pub const fn class_name(self) -> &'static str {
        match self {
            ErrorKind::Authentication => "AuthenticationError",
            ErrorKind::PermissionDenied => "PermissionDeniedError",
            ErrorKind::NotFound => "NotFoundError",
            ErrorKind::Conflict => "ConflictError",
            ErrorKind::Validation => "ValidationError",
            ErrorKind::RateLimit => "RateLimitError",
            ErrorKind::NotAvailable => "NotAvailableError",
            ErrorKind::Server => "ServerError",
            ErrorKind::Api => "AutonomiError",
            ErrorKind::Connection => "APIConnectionError",
            ErrorKind::Timeout => "APITimeoutError",
            ErrorKind::Decode => "DecodeError",
            ErrorKind::Config => "ConfigError",
            ErrorKind::Argument => "TypeError",
            ErrorKind::Cancelled => "CancelledError",
            ErrorKind::Interrupted => "InterruptedError",
        }
    }

    /// All kinds, for tables that must cover each of them.
    pub const ALL: [ErrorKind; 16] = [
        ErrorKind::Authentication,
        ErrorKind::PermissionDenied,
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::Validation,
        ErrorKind::RateLimit,
        ErrorKind::NotAvailable,
        ErrorKind::Server,
        ErrorKind::Api,
        ErrorKind::Connection,
        ErrorKind::Timeout,
        ErrorKind::Decode,
        ErrorKind::Config,
        ErrorKind::Argument,
        ErrorKind::Cancelled,
        ErrorKind::Interrupted,
    ];
}

/// Everything that is known about an error.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorInfo {
    /// The class.
    pub kind: ErrorKind,
    /// What went wrong and, where it helps, what to do: a text for people.
    pub message: String,
    /// Status of the answer, if there was one.
    pub status_code: Option<u16>,
    /// Body of the answer as text, cut at 64 KiB.
    pub response_body: Option<String>,
    /// The server's own code for the error, if it sent one.
    pub code: Option<String>,
    /// HTTP method of the request.
    pub method: Option<String>,
    /// Path of the request, without its query.
    pub path: Option<String>,
    /// How many requests were sent, or begun, for this call; 0 if none.
    pub attempts: u32,
    /// Seconds after which the server asks to be tried again.
    pub retry_after: Option<f64>,
    /// The scope that the token lacks (403).
    pub required_scope: Option<String>,
    /// What the server says about single fields (400, 422); never the values that were sent.
    pub errors: Vec<FieldError>,
    /// For connection errors and timeouts: whether the server may have executed the request.
    pub maybe_executed: Option<bool>,
    /// The parameter or option at fault, for errors noticed before anything was sent.
    pub param: Option<String>,
    /// What a callback of the caller's own failed with, for example a token provider.
    pub cause: Option<ErrorCause>,
    /// The attempts of the call, if [`CallOptions::record_attempts`](crate::CallOptions::record_attempts) asked for
    /// them; empty for an error in the data of an answer, whose [`Response`](crate::Response) has them.
    pub attempt_log: Vec<AttemptRecord>,
}

/// What a callback failed with, as it was: a language package downcasts it to its own exception.
#[derive(Clone)]
pub struct ErrorCause(Arc<dyn std::error::Error + Send + Sync>);

impl ErrorCause {
    pub(crate) fn new(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        ErrorCause(error.into())
    }

    /// The error itself, if it is of this type.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// The error, whatever its type.
    pub fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Debug for ErrorCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its text is the caller's and may hold a secret.
        f.write_str("ErrorCause(..)")
    }
}

/// The same error, not one that looks like it.
impl PartialEq for ErrorCause {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl ErrorInfo {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        ErrorInfo {
            kind,
            message: message.into(),
            status_code: None,
            response_body: None,
            code: None,
            method: None,
            path: None,
            attempts: 0,
            retry_after: None,
            required_scope: None,
            errors: Vec::new(),
            maybe_executed: None,
            param: None,
            cause: None,
            attempt_log: Vec::new(),
        }
    }

    /// About a call whose time was up before anything was sent.
    pub fn unsent(message: impl Into<String>) -> Self {
        ErrorInfo { maybe_executed: Some(false), ..ErrorInfo::new(ErrorKind::Timeout, message) }
    }
}

/// What a server says about one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where, for example `body.name` or `query.limit`.
    pub location: String,
    /// What is wrong with it.
    pub message: String,
}

impl Error {
    /// The class.
    pub fn kind(&self) -> ErrorKind {
        self.details().kind
    }

    /// Everything that is known about it.
    pub fn info(&self) -> ErrorInfo {
        self.details().clone()
    }

    /// The same, borrowed.
    pub fn details(&self) -> &ErrorInfo {
        match self {
            Error::Authentication(info)
            | Error::PermissionDenied(info)
            | Error::NotFound(info)
            | Error::Conflict(info)
            | Error::Validation(info)
            | Error::RateLimit(info)
            | Error::NotAvailable(info)
            | Error::Server(info)
            | Error::Api(info)
            | Error::Connection(info)
            | Error::Timeout(info)
            | Error::Decode(info)
            | Error::Config(info)
            | Error::Argument(info)
            | Error::Cancelled(info)
            | Error::Interrupted(info) => info,
        }
    }

    pub(crate) fn config(param: &str, message: impl Into<String>) -> Self {
        ErrorInfo { param: Some(param.to_owned()), ..ErrorInfo::new(ErrorKind::Config, message) }.into()
    }

    pub(crate) fn argument(param: &str, message: impl Into<String>) -> Self {
        ErrorInfo { param: Some(param.to_owned()), ..ErrorInfo::new(ErrorKind::Argument, message) }.into()
    }
}

impl From<ErrorInfo> for Error {
    fn from(info: ErrorInfo) -> Self {
        let variant = match info.kind {
            ErrorKind::Authentication => Error::Authentication,
            ErrorKind::PermissionDenied => Error::PermissionDenied,
            ErrorKind::NotFound => Error::NotFound,
            ErrorKind::Conflict => Error::Conflict,
            ErrorKind::Validation => Error::Validation,
            ErrorKind::RateLimit => Error::RateLimit,
            ErrorKind::NotAvailable => Error::NotAvailable,
            ErrorKind::Server => Error::Server,
            ErrorKind::Api => Error::Api,
            ErrorKind::Connection => Error::Connection,
            ErrorKind::Timeout => Error::Timeout,
            ErrorKind::Decode => Error::Decode,
            ErrorKind::Config => Error::Config,
            ErrorKind::Argument => Error::Argument,
            ErrorKind::Cancelled => Error::Cancelled,
            ErrorKind::Interrupted => Error::Interrupted,
        };
        variant(Box::new(info))
    }
}

/// A body as text for [`ErrorInfo::response_body`].
pub(crate) fn body_text(body: &[u8]) -> String {
    const KEPT: usize = 64 << 10;
    // A character cut in two at the end becomes a replacement character.
    String::from_utf8_lossy(&body[..body.len().min(KEPT)]).into_owned()
}
