//! One call from its arguments to its answer: the only place where request, dialect, retry, transport and bridges
//! meet.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use loki_mode_spec::{Bridge, Operation};
use ureq::http::Method;

use crate::args::{Args, Value};
use crate::bridges;
use crate::call::{CallOptions, Limits, Stop};
use crate::client::Shared;
use crate::dialect::is_unknown_route;
use crate::error::{Error, ErrorInfo, ErrorKind, body_text};
use crate::refusal;
use crate::request::Request;
use crate::response::{Answer, Response};
use crate::retry::{Setback, Standing, wait_before_retry};
use crate::transport::{Cause, Failure, Wire};

/// How often a call is sent on to another address of the same server.
const MAX_REDIRECTS: u32 = 5;

/// A call under way.
pub(crate) struct Execution<'a> {
    client: &'a Shared,
    operation: &'static Operation,
    limits: Limits<'a>,
    timeout: Duration,
    max_retries: u32,
    retries: u32,
    attempts: u32,
    /// An earlier attempt may have been executed.
    maybe_executed: bool,
}

impl<'a> Execution<'a> {
    /// Starts the clock.
    ///
    /// # Errors
    /// [`Error::Config`] for a timeout of zero.
    pub(crate) fn begin(
        client: &'a Shared,
        operation: &'static Operation,
        call: &'a CallOptions<'a>,
    ) -> Result<Self, Error> {
        let timeout = call.timeout.unwrap_or(client.options.timeout);
        if timeout.is_zero() {
            return Err(Error::config("timeout", "`timeout` must be above zero"));
        }
        let now = Instant::now();
        // A clock that cannot count that far will not run out within the life of the process either.
        let deadline = now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(1 << 30));
        Ok(Execution {
            client,
            operation,
            limits: Limits { deadline, cancel: call.cancel.as_ref(), interrupted: call.interrupted },
            timeout,
            max_retries: call.max_retries.unwrap_or(client.options.max_retries),
            retries: 0,
            attempts: 0,
            maybe_executed: false,
        })
    }

    /// Runs it to its end.
    pub(crate) fn run(mut self, args: &Args) -> Result<Response, Error> {
        let operation = self.operation;
        let from_status =
            |bridge: &&Bridge| matches!(bridge, Bridge::SessionsFromStatus | Bridge::SessionFromStatus);
        let sessions = operation.bridges.iter().find(from_status);
        if let Some(bridge) = sessions
            && self.client.lacks_sessions.load(Ordering::Relaxed)
        {
            // The ids are still checked, as they are where the routes exist.
            Request::new(operation, operation.path, args)?;
            return self.sessions(*bridge, args);
        }
        let mut answer = self.ask(args)?;
        if let Some(bridge) = sessions
            && is_unknown_route(operation.method, &answer)
        {
            self.client.lacks_sessions.store(true, Ordering::Relaxed);
            return self.sessions(*bridge, args);
        }
        if operation.bridges.contains(&Bridge::TaskStatusNames)
            && let Some(args) = bridges::with_the_servers_status(operation, args, &answer)
        {
            answer = self.ask(&args)?;
        }
        if answer.is_success() { self.accept(answer) } else { Err(self.refuse(&answer)) }
    }

    /// A success, with what the bridges have to say to it.
    fn accept(self, mut answer: Answer) -> Result<Response, Error> {
        if answer.is_html() {
            return Err(self.not_json(&answer));
        }
        for bridge in self.operation.bridges {
            match bridge {
                Bridge::TimelineOfUnknownRun if bridges::is_timeline_of_unknown_run(&answer) => {
                    let mut info = refusal::refusal(self.operation, &answer);
                    bridges::unknown_run(&mut info);
                    return Err(self.counted(info));
                }
                Bridge::AuditEntriesChecked => {
                    if let Some(mended) = bridges::with_entries_checked(&answer.body) {
                        answer.body = mended;
                    }
                }
                _ => {}
            }
        }
        Ok(self.response(answer))
    }

    fn response(self, answer: Answer) -> Response {
        Response {
            status: answer.status,
            headers: answer.headers,
            attempts: self.attempts,
            path: answer.path,
            operation: self.operation,
            body: answer.body,
        }
    }

    /// A refusal, with what the bridges have to say to it.
    fn refuse(&self, answer: &Answer) -> Error {
        let mut info = refusal::refusal(self.operation, answer);
        for bridge in self.operation.bridges {
            match bridge {
                Bridge::TenantRequired => bridges::explain_missing_tenant(&mut info),
                Bridge::NotFoundOrWrongState if !is_unknown_route(self.operation.method, answer) => {
                    bridges::explain_wrong_state(self.operation, &mut info);
                }
                Bridge::KeyNotFoundAs400 => bridges::key_not_found(&mut info),
                _ => {}
            }
        }
        self.counted(info)
    }

    fn counted(&self, info: ErrorInfo) -> Error {
        ErrorInfo { attempts: self.attempts, ..info }.into()
    }

    fn not_json(&self, answer: &Answer) -> Error {
        let message = format!(
            "{} {}: the server answered {} with an HTML page, not JSON: {}",
            answer.method,
            answer.path,
            answer.status,
            refusal::excerpt(&String::from_utf8_lossy(&answer.body[..answer.body.len().min(256)]))
        );
        self.counted(ErrorInfo {
            status_code: Some(answer.status),
            response_body: Some(body_text(&answer.body)),
            method: Some(answer.method.to_owned()),
            path: Some(answer.path.clone()),
            ..ErrorInfo::new(ErrorKind::Decode, message)
        })
    }

    /// Answers a question about sessions from `/api/status`.
    fn sessions(mut self, bridge: Bridge, args: &Args) -> Result<Response, Error> {
        let mut answer = self.send(&Request::get("/api/status"))?;
        if !answer.is_success() {
            return Err(self.refuse(&answer));
        }
        let Some(sessions) = bridges::sessions_from_status(&answer.body) else {
            let message =
                "this server has no session routes, and its status (GET /api/status) reports no sessions";
            let mut info = refusal::refusal(self.operation, &answer);
            info.kind = ErrorKind::NotAvailable;
            message.clone_into(&mut info.message);
            return Err(self.counted(info));
        };
        if bridge == Bridge::SessionsFromStatus {
            answer.body = format!("[{}]", sessions.join(",")).into_bytes();
            return Ok(self.response(answer));
        }
        let id = args.get(0).cloned().unwrap_or(Value::Str(String::new()));
        let Some(session) = bridges::session_of_id(sessions, &id) else {
            let mut info = refusal::refusal(self.operation, &answer);
            info.kind = ErrorKind::NotFound;
            info.status_code = Some(404);
            info.message = format!(
                "no session {:?}: this server has no session routes, and its status (GET /api/status) reports no such \
                 session",
                id.to_text()
            );
            return Err(self.counted(info));
        };
        answer.body = session.into_bytes();
        Ok(self.response(answer))
    }

    /// Sends the operation on the path that this server speaks.
    fn ask(&mut self, args: &Args) -> Result<Answer, Error> {
        let (operation, dialect) = (self.operation, &self.client.dialect);
        let route = dialect.route(operation);
        let answer = self.send(&Request::new(operation, route.path, args)?)?;
        let Some(otherwise) = route.otherwise.filter(|_| is_unknown_route(operation.method, &answer)) else {
            dialect.learn(operation, route.path, &answer);
            return Ok(answer);
        };
        // Nothing was executed: there was no such route.
        let second = self.send(&Request::new(operation, otherwise, args)?)?;
        if is_unknown_route(operation.method, &second) {
            // It has neither; the error names the documented one.
            return Ok(answer);
        }
        dialect.learn(operation, otherwise, &second);
        Ok(second)
    }

    /// Sends a request until there is an answer, or no point in trying again.
    fn send(&mut self, request: &Request) -> Result<Answer, Error> {
        let method = request.method.as_str();
        let mut url = self.client.base.join(request);
        let mut redirects = 0;
        let mut refreshed = false;
        loop {
            let authorization = self.client.credentials.authorization()?;
            let wire = Wire {
                method: wire_method(request.method),
                url: &url,
                authorization,
                body: request.body.as_deref(),
            };
            self.attempts += 1;
            let (setback, outcome) = match self.client.http.send(&wire, &self.limits) {
                Ok(received) => {
                    let answer = Answer {
                        status: received.status,
                        headers: received.headers,
                        body: received.body,
                        method,
                        path: request.path.clone(),
                    };
                    if answer.is_success() {
                        return Ok(answer);
                    }
                    if let 300..=399 = answer.status
                        && let Some(location) = answer.header("location")
                    {
                        url = self.follow(&answer, &url, location, redirects)?;
                        redirects += 1;
                        continue;
                    }
                    if answer.status == 401 && !refreshed && self.client.credentials.is_provided() {
                        // The token may just have been rotated. A refusal executes nothing.
                        refreshed = true;
                        continue;
                    }
                    let retry_after = refusal::retry_after(&answer);
                    (Setback::Status { status: answer.status, retry_after }, Ok(answer))
                }
                Err(failure) => {
                    let setback = match &failure.cause {
                        Cause::Resolve(_) | Cause::Connect(_) => Setback::NotSent,
                        Cause::Lost(_) if !failure.answered => Setback::Lost { reused: failure.reused },
                        _ => return Err(self.failed(request, failure)),
                    };
                    (setback, Err(failure))
                }
            };
            let standing = Standing {
                idempotent: self.operation.idempotent,
                retries: self.retries,
                max_retries: self.max_retries,
                left: self.limits.left(),
                chance: fastrand::f64(),
            };
            let Some(wait) = wait_before_retry(setback, standing) else {
                return outcome.map_err(|failure| self.failed(request, failure));
            };
            self.maybe_executed |= outcome.is_err_and(|failure| failure.maybe_executed);
            self.retries += 1;
            self.limits.wait(wait).map_err(|stop| self.stopped(request, stop, self.maybe_executed))?;
        }
    }

    /// Where a redirect leads, if it may be followed: the same method and body at the same origin.
    fn follow(&self, answer: &Answer, from: &str, location: &str, redirects: u32) -> Result<String, Error> {
        let target = self.client.base.same_origin(from, location);
        let why_not = match &target {
            Err(_) => "which is at another origin: the token must not go there",
            Ok(_) if !matches!(answer.status, 307 | 308) => "which would not keep the method and the body",
            Ok(_) if redirects >= MAX_REDIRECTS => "in a chain of redirects that does not end",
            Ok(url) => return Ok(url.as_str().to_owned()),
        };
        let shown = target.map_or_else(|elsewhere| elsewhere, |url| url.path().to_owned());
        let message = format!(
            "{} {}: {} redirects to {}, {why_not}",
            answer.method,
            answer.path,
            answer.status,
            refusal::excerpt(&shown)
        );
        let kind = ErrorKind::Api;
        Err(self.counted(ErrorInfo { kind, message, ..refusal::refusal(self.operation, answer) }))
    }

    fn failed(&self, request: &Request, failure: Failure) -> Error {
        let at = format!("{}:{}", self.client.base.host(), self.client.base.port());
        let maybe_executed = self.maybe_executed || failure.maybe_executed;
        let (kind, problem) = match failure.cause {
            Cause::Stopped(stop) => return self.stopped(request, stop, maybe_executed),
            Cause::Unsendable(problem) => {
                (ErrorKind::Config, format!("the request cannot be sent: {problem}"))
            }
            Cause::TooLarge(limit) => (
                ErrorKind::Decode,
                format!("the answer is larger than {limit} bytes, the limit set by `max_body_bytes`"),
            ),
            Cause::Resolve(problem) => (
                ErrorKind::Connection,
                format!("cannot find the host {}: {problem}. Check `base_url`", self.client.base.host()),
            ),
            Cause::Connect(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => (
                ErrorKind::Connection,
                format!(
                    "cannot connect to {at}: connection refused. Is a control plane running there? Start one with \
                     `loki-control-plane` or `loki dashboard start`"
                ),
            ),
            Cause::Connect(error) => (ErrorKind::Connection, format!("cannot connect to {at}: {error}")),
            Cause::Tls(problem) => (ErrorKind::Connection, format!("no TLS connection to {at}: {problem}")),
            Cause::Lost(problem) => {
                let executed = match (maybe_executed, self.operation.idempotent) {
                    (true, true) => "",
                    (true, false) => ". The request may have been executed, so it was not sent again",
                    (false, _) => ". The request was not sent",
                };
                (ErrorKind::Connection, format!("lost the connection to {at}: {problem}{executed}"))
            }
        };
        let maybe_executed = (kind == ErrorKind::Connection).then_some(maybe_executed);
        self.unanswered(request, kind, &problem, maybe_executed)
    }

    fn stopped(&self, request: &Request, stop: Stop, maybe_executed: bool) -> Error {
        let (kind, problem) = match stop {
            Stop::Deadline => {
                let at = format!("{}:{}", self.client.base.host(), self.client.base.port());
                let timeout = self.timeout.as_secs_f64();
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

fn wire_method(method: loki_mode_spec::Method) -> Method {
    match method {
        loki_mode_spec::Method::Get => Method::GET,
        loki_mode_spec::Method::Post => Method::POST,
        loki_mode_spec::Method::Put => Method::PUT,
        loki_mode_spec::Method::Delete => Method::DELETE,
    }
}
