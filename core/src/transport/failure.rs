//! Why there is no answer.

use std::io;

use super::Http;
use super::context::{Attempt, Trouble};
use crate::call::Stop;

/// Why nothing, or not all of it, came back.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    /// The server may have executed the request.
    pub(crate) maybe_executed: bool,
    /// The beginning of an answer came.
    pub(crate) answered: bool,
    /// The connection had served another request before.
    pub(crate) reused: bool,
    /// It ended while waiting for one of the connections that a client may have.
    pub(crate) queued: bool,
}

/// The kinds of [`Failure`].
#[derive(Debug)]
pub(crate) enum Cause {
    Stopped(Stop),
    Resolve(String),
    Connect(io::Error),
    Tls(String),
    Lost(String),
    /// The body is larger than this many bytes.
    TooLarge(u64),
    /// The headers of the answer are beyond what is read.
    TooManyHeaders,
    /// The body is not compressed as its headers say.
    Encoded(String),
    /// The request cannot be put on the wire.
    Unsendable(String),
    /// The proxy asks for credentials, or for others than it was shown.
    ProxyCredentials,
}

/// How an exchange broke off.
pub(super) enum Broken {
    Stopped,
    Unsendable(String),
    Http(ureq::Error),
    Body(io::Error),
    /// The proxy wants other credentials.
    ProxyCredentials,
    TooLarge,
    /// The body is not compressed as its headers say.
    Encoded(String),
}

impl Http {
    /// What became of an attempt.
    pub(super) fn failure(&self, attempt: &Attempt<'_>, broken: Broken) -> Failure {
        let sent = attempt.sent.get();
        let cause = match (attempt.stop.get(), attempt.trouble.take(), broken) {
            (Some(stop), ..) => Cause::Stopped(stop),
            (_, _, Broken::TooLarge) => Cause::TooLarge(self.setup.max_body_bytes),
            (_, _, Broken::Encoded(problem)) => Cause::Encoded(problem),
            (_, _, Broken::Unsendable(problem)) => Cause::Unsendable(problem),
            (_, Some(Trouble::Resolve(problem)), _) => Cause::Resolve(problem),
            (_, Some(Trouble::Connect(error)), _) => Cause::Connect(error),
            (_, Some(Trouble::Tls(problem)), _) => Cause::Tls(problem),
            (_, _, Broken::ProxyCredentials) => Cause::ProxyCredentials,
            (_, _, Broken::Http(error)) if wants_proxy_credentials(&error) => Cause::ProxyCredentials,
            (_, None, Broken::Http(error)) if is_header_bomb(&error) => Cause::TooManyHeaders,
            (_, None, Broken::Http(error)) if sent => Cause::Lost(describe(&error)),
            (_, None, Broken::Http(error)) => Cause::Connect(error.into_io()),
            (_, None, Broken::Body(error)) => Cause::Lost(describe(&ureq::Error::Io(error))),
            // Only a stop breaks it off this way, and a stop is looked at first.
            (_, None, Broken::Stopped) => Cause::Lost("the attempt was given up".to_owned()),
        };
        Failure {
            cause,
            maybe_executed: sent,
            answered: attempt.answered.get(),
            reused: attempt.reused.get(),
            queued: attempt.queued.get(),
        }
    }
}

/// Whether a proxy refused to open a tunnel for want of credentials.
fn wants_proxy_credentials(error: &ureq::Error) -> bool {
    // The status is in the text only; a test notices if it changes.
    matches!(error, ureq::Error::ConnectProxyFailed(reason) if reason.contains("responded 407"))
}

fn is_header_bomb(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::LargeResponseHeader(..) => true,
        // The type within cannot be named from here; a test notices if its words change.
        ureq::Error::Protocol(error) => error.to_string().contains("too many headers"),
        _ => false,
    }
}

/// What became of a connection, in words.
fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
            io::ErrorKind::ConnectionReset => "the server reset the connection".to_owned(),
            io::ErrorKind::BrokenPipe => {
                "the server closed the connection while the request was sent".to_owned()
            }
            _ => error.to_string(),
        },
        ureq::Error::Protocol(error) => format!("the answer is not HTTP: {error}"),
        other => other.to_string(),
    }
}
