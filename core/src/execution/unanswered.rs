//! What is said about attempts that got no answer.

use std::fmt;
use std::io;
use std::time::Duration;

use super::Execution;
use crate::attempts::AttemptRecord;
use crate::call::Stop;
use crate::error::{Error, ErrorInfo, ErrorKind};
use crate::request::Request;
use crate::transport::{Cause, Failure};

/// Seconds for messages, to the millisecond: what is left of the time of a wait has many more digits.
fn in_seconds(duration: Duration) -> f64 {
    Duration::from_millis(duration.as_micros().div_ceil(1000).try_into().unwrap_or(u64::MAX)).as_secs_f64()
}

impl Execution<'_> {
    pub(super) fn failed(&self, request: &Request, failure: Failure) -> Error {
        let at = self.client.server.base.place();
        let maybe_executed = self.maybe_executed || failure.maybe_executed;
        let proxy = self.client.server.http.proxy_place();
        let (kind, problem) = match failure.cause {
            Cause::Stopped(Stop::Deadline) if failure.queued => return self.crowded(request, maybe_executed),
            Cause::Stopped(stop) => return self.stopped(request, stop, maybe_executed),
            Cause::Unsendable(problem) => {
                (ErrorKind::Config, format!("the request cannot be sent: {problem}"))
            }
            cause @ (Cause::TooLarge(_) | Cause::TooManyHeaders | Cause::Encoded(_)) => {
                (ErrorKind::Decode, cause.to_string())
            }
            // Behind a proxy, nothing but the proxy is looked up or connected to.
            cause @ (Cause::Resolve(_) | Cause::Connect(_) | Cause::ProxyCredentials) if proxy.is_some() => (
                ErrorKind::Connection,
                format!(
                    "no connection to {at} through the proxy {}: {cause}. Check `proxy`, HTTPS_PROXY and HTTP_PROXY",
                    proxy.unwrap_or_default()
                ),
            ),
            Cause::Resolve(problem) => (
                ErrorKind::Connection,
                format!(
                    "cannot find the host {}: {problem}. Check `base_url`",
                    self.client.server.base.host()
                ),
            ),
            Cause::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => (
                ErrorKind::Connection,
                format!(
                    "cannot connect to {at}: connection refused. Is a control plane running there? Start one with \
                     `loki-control-plane` or `loki dashboard start`"
                ),
            ),
            Cause::Connect(error) => (ErrorKind::Connection, format!("cannot connect to {at}: {error}")),
            Cause::Tls(problem) => {
                // With `http`, the only TLS there can be is the proxy's.
                let peer = proxy.filter(|_| !self.client.server.base.is_https());
                let peer = peer.map_or(at, |proxy| format!("the proxy {proxy}"));
                (ErrorKind::Connection, format!("no TLS connection to {peer}: {problem}"))
            }
            Cause::Lost(problem) => {
                let executed = match (maybe_executed, self.operation.idempotent) {
                    (true, true) => "",
                    (true, false) => ". The request may have been executed, so it was not sent again",
                    (false, _) => ". The request was not sent",
                };
                let through = proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
                (ErrorKind::Connection, format!("lost the connection to {at}{through}: {problem}{executed}"))
            }
            cause @ Cause::ProxyCredentials => (ErrorKind::Connection, cause.to_string()),
        };
        let maybe_executed = (kind == ErrorKind::Connection).then_some(maybe_executed);
        self.unanswered(request, kind, &problem, maybe_executed)
    }

    /// The time ran out while all connections were in use by other calls.
    fn crowded(&self, request: &Request, maybe_executed: bool) -> Error {
        let problem = format!(
            "no connection became free within {} s: all {} of `max_connections` were in use by other calls",
            in_seconds(self.timeout),
            self.client.options.max_connections
        );
        self.unanswered(request, ErrorKind::Timeout, &problem, Some(maybe_executed))
    }

    pub(super) fn stopped(&self, request: &Request, stop: Stop, maybe_executed: bool) -> Error {
        let (kind, problem) = match stop {
            Stop::Deadline => {
                let at = self.client.server.base.place();
                let timeout = in_seconds(self.timeout);
                (ErrorKind::Timeout, format!("no complete answer from {at} within {timeout} s"))
            }
            Stop::Cancelled => (ErrorKind::Cancelled, "the call was cancelled".to_owned()),
            Stop::Interrupted => (ErrorKind::Interrupted, "the call was interrupted".to_owned()),
        };
        self.unanswered(request, kind, &problem, Some(maybe_executed))
    }

    fn unanswered(
        &self,
        request: &Request,
        kind: ErrorKind,
        problem: &str,
        maybe_executed: Option<bool>,
    ) -> Error {
        let method = request.method.as_str();
        self.counted(ErrorInfo {
            method: Some(method.to_owned()),
            path: Some(request.path.clone()),
            maybe_executed,
            ..ErrorInfo::new(kind, format!("{method} {}: {problem}", request.path))
        })
    }
}

/// The record of an attempt, whatever came of it: the status, and whether its connection had been used before.
pub(super) fn record(
    number: u32,
    request: &Request,
    sent: Result<(u16, bool), &Failure>,
    duration: Duration,
) -> AttemptRecord {
    let (method, path) = (request.method.as_str(), request.path.clone());
    let blank = AttemptRecord {
        number,
        method,
        path,
        status: None,
        kind: None,
        problem: None,
        duration,
        reused_connection: false,
    };
    match sent {
        Ok((status, reused)) => AttemptRecord { status: Some(status), reused_connection: reused, ..blank },
        Err(failure) => AttemptRecord {
            kind: Some(failure.cause.kind()),
            problem: Some(failure.cause.to_string()),
            reused_connection: failure.reused,
            ..blank
        },
    }
}

impl Cause {
    /// The class of the error that it stands for.
    fn kind(&self) -> ErrorKind {
        match self {
            Cause::Stopped(Stop::Deadline) => ErrorKind::Timeout,
            Cause::Stopped(Stop::Cancelled) => ErrorKind::Cancelled,
            Cause::Stopped(Stop::Interrupted) => ErrorKind::Interrupted,
            Cause::Unsendable(_) => ErrorKind::Config,
            Cause::TooLarge(_) | Cause::TooManyHeaders | Cause::Encoded(_) => ErrorKind::Decode,
            Cause::Resolve(_)
            | Cause::Connect(_)
            | Cause::Tls(_)
            | Cause::Lost(_)
            | Cause::ProxyCredentials => ErrorKind::Connection,
        }
    }
}

/// In a few words, without the place.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Stopped(Stop::Deadline) => f.write_str("no complete answer in time"),
            Cause::Stopped(Stop::Cancelled) => f.write_str("the call was cancelled"),
            Cause::Stopped(Stop::Interrupted) => f.write_str("the call was interrupted"),
            Cause::Unsendable(problem) => write!(f, "the request cannot be sent: {problem}"),
            Cause::TooLarge(limit) => {
                write!(f, "the answer is larger than {limit} bytes, the limit set by `max_body_bytes`")
            }
            Cause::TooManyHeaders => f.write_str("the answer has more headers than are read"),
            Cause::Encoded(problem) => write!(f, "the answer is not the gzip that it says it is: {problem}"),
            Cause::Resolve(problem) => write!(f, "the host was not found: {problem}"),
            Cause::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                f.write_str("connection refused")
            }
            Cause::Connect(error) => write!(f, "no connection: {error}"),
            Cause::ProxyCredentials => f.write_str(
                "the proxy asks for credentials, or for others than it was shown (407); they are given like \
                 http://user:password@host:port",
            ),
            Cause::Tls(problem) => write!(f, "no TLS connection: {problem}"),
            Cause::Lost(problem) => write!(f, "the connection was lost: {problem}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_to_the_millisecond() {
        for (micros, told) in
            [(50_000, "0.05"), (1_141, "0.002"), (200, "0.001"), (30_000_000, "30"), (0, "0")]
        {
            assert_eq!(in_seconds(Duration::from_micros(micros)).to_string(), told);
        }
    }
}
