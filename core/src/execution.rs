//! One call from its arguments to its answer: the only place where request, dialect, retry, transport and bridges
//! meet.

mod audit;
mod explaining;
mod streaming;
mod unanswered;

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use loki_mode_spec::{Bridge, GET_STATUS, Operation};
use ureq::http::{HeaderName, HeaderValue, Method};

pub(crate) use self::streaming::{Incoming, unreachable};
use crate::args::{Args, Value};
use crate::attempts::AttemptRecord;
use crate::bridges;
use crate::call::{CallOptions, CancelToken, Limits, Woken};
use crate::client::Shared;
use crate::dialect::is_unknown_route;
use crate::error::{Error, ErrorInfo, ErrorKind};
use crate::headers;
use crate::mask;
use crate::refusal;
use crate::request::Request;
use crate::response::{Answer, Response};
use crate::retry::{Setback, Standing, wait_before_retry};
use crate::token;
use crate::transport::{Cause, Wire};

/// How often a call is sent on to another address of the same server.
const MAX_REDIRECTS: u32 = 5;

/// The headers that the caller adds.
struct CallHeaders<'a> {
    client: &'a [(HeaderName, HeaderValue)],
    call: Vec<(HeaderName, HeaderValue)>,
}

/// A call under way.
pub(crate) struct Execution<'a> {
    client: &'a Shared,
    operation: &'static Operation,
    limits: Limits<'a>,
    /// Ends whatever it waits for when it is cancelled.
    _woken: Option<Woken<'a>>,
    headers: CallHeaders<'a>,
    /// What the last attempt sent: the secret to be kept out of errors.
    authorization: Option<HeaderValue>,
    /// What the first attempt is to send, where it was asked for before.
    first: Option<HeaderValue>,
    /// The attempts so far, if they are asked for.
    log: Option<Vec<AttemptRecord>>,
    timeout: Duration,
    max_retries: u32,
    retries: u32,
    attempts: u32,
    /// An earlier attempt may have been executed.
    maybe_executed: bool,
}

impl<'a> Execution<'a> {
    /// Starts the clock, unless it runs already.
    ///
    /// # Errors
    /// [`Error::Config`] for a timeout of zero, or for headers or a token that cannot be sent.
    pub(crate) fn begin(
        client: &'a Shared,
        operation: &'static Operation,
        call: &'a CallOptions<'a>,
    ) -> Result<Self, Error> {
        let timeout = call.timeout.unwrap_or(client.options.timeout);
        if timeout.is_zero() {
            return Err(Error::config("timeout", "`timeout` must be above zero"));
        }
        let headers =
            CallHeaders { client: &client.headers, call: headers::checked("headers", call.headers)? };
        let now = call.began.unwrap_or_else(Instant::now);
        // A clock that cannot count that far will not run out within the life of the process either.
        let deadline = now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(1 << 30));
        Ok(Execution {
            client,
            operation,
            limits: Limits { deadline, cancel: call.cancel.as_ref(), interrupted: call.interrupted },
            _woken: call.cancel.as_ref().map(CancelToken::wakes_here),
            headers,
            authorization: None,
            first: call.first_token.map(token::header).transpose()?,
            log: call.record_attempts.then(Vec::new),
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
        let server = &self.client.server;
        let sessions = operation.bridges.iter().find_map(|bridge| match bridge {
            Bridge::SessionsFromStatus => Some((*bridge, &server.lacks_project_sessions)),
            Bridge::AllSessionsFromStatus | Bridge::SessionFromStatus => {
                Some((*bridge, &server.lacks_sessions))
            }
            _ => None,
        });
        if let Some((bridge, lacks_them)) = sessions
            && lacks_them.load(Ordering::Relaxed)
        {
            // The ids are still checked, as they are where the routes exist.
            Request::new(operation, operation.path, args)?;
            return self.sessions(bridge, args);
        }
        let daily;
        let args = if operation.bridges.contains(&Bridge::AuditDays) {
            let span;
            (daily, span) = bridges::with_days(operation, args);
            match span {
                Some(span) => return self.audit(&daily, span),
                None => &daily,
            }
        } else {
            args
        };
        let mut answer = self.ask(args)?;
        if let Some((bridge, lacks_them)) = sessions
            && is_unknown_route(operation.method, &answer)
        {
            lacks_them.store(true, Ordering::Relaxed);
            return self.sessions(bridge, args);
        }
        if operation.bridges.contains(&Bridge::TaskStatusNames)
            && let Some(args) = bridges::with_the_servers_status(operation, args, &answer)
        {
            answer = self.ask(&args)?;
        }
        if answer.is_success() || self.reports_health(&answer) {
            self.accept(answer)
        } else {
            Err(self.explain(args, &answer))
        }
    }

    /// Whether an unsuccessful answer is what the operation asked for.
    fn reports_health(&self, answer: &Answer) -> bool {
        self.operation.bridges.contains(&Bridge::HealthIn503) && bridges::is_report_of_health(answer)
    }

    /// A success, with what the bridges have to say to it.
    fn accept(self, mut answer: Answer) -> Result<Response, Error> {
        if answer.is_html() {
            // Before anything is cut out of it, which could leave a part of the token.
            if let Some(token) = self.token() {
                mask::mask_body(&mut answer.body, token);
            }
            return Err(self.a_page(&answer));
        }
        for bridge in self.operation.bridges {
            let mended = match bridge {
                Bridge::TimelineOfUnknownRun if bridges::is_timeline_of_unknown_run(&answer) => {
                    let mut info = refusal::refusal(self.operation, &answer);
                    bridges::unknown_run(&mut info);
                    return Err(self.counted(info));
                }
                Bridge::AuditEntriesChecked => bridges::with_entries_checked(&answer.body),
                Bridge::SessionInStatus => bridges::session_in_status(self.operation, &answer.body),
                Bridge::StatusOfSession => bridges::status_of_session(self.operation, &answer.body),
                Bridge::EmptyBody => bridges::object_for_nothing(&answer.body),
                _ => None,
            };
            if let Some(mended) = mended {
                answer.body = mended;
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
            attempt_log: self.log.unwrap_or_default(),
            authorization: self.authorization,
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
                Bridge::NotFoundOrWrongState(done) if !is_unknown_route(self.operation.method, answer) => {
                    bridges::explain_wrong_state(done, &mut info);
                }
                Bridge::KeyNotFoundAs400 => bridges::key_not_found(&mut info),
                _ => {}
            }
        }
        self.counted(info)
    }

    /// An error with what is known about the whole call, and without the token, which a server may have sent back.
    fn counted(&self, info: ErrorInfo) -> Error {
        let attempt_log = self.log.clone().unwrap_or_default();
        let mut info = ErrorInfo { attempts: self.attempts, attempt_log, ..info };
        if let Some(token) = self.token() {
            let texts = [Some(&mut info.message), info.response_body.as_mut(), info.code.as_mut()];
            let of_fields =
                info.errors.iter_mut().flat_map(|error| [&mut error.location, &mut error.message]);
            for text in texts.into_iter().flatten().chain(info.required_scope.as_mut()).chain(of_fields) {
                if let Cow::Owned(masked) = mask::mask(text, token) {
                    *text = masked;
                }
            }
        }
        info.into()
    }

    fn token(&self) -> Option<&str> {
        self.authorization.as_ref().and_then(mask::token_of)
    }

    /// A success that is a web page: whoever answered, it was not the API.
    fn a_page(&self, answer: &Answer) -> Error {
        let message = format!(
            "{} {}: {} with a web page where JSON was due. Either this server does not have the route, or `base_url` \
             or a proxy leads to something else than a control plane. The page begins: {}",
            answer.method,
            answer.path,
            answer.status,
            refusal::excerpt(&String::from_utf8_lossy(&answer.body[..answer.body.len().min(256)]))
        );
        let kind = ErrorKind::NotAvailable;
        self.counted(ErrorInfo { kind, message, ..refusal::refusal(self.operation, answer) })
    }

    /// Answers a question about sessions from `/api/status`.
    fn sessions(mut self, bridge: Bridge, args: &Args) -> Result<Response, Error> {
        let mut answer = self.send(&Request::get(GET_STATUS.path))?;
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
        match bridge {
            Bridge::SessionsFromStatus => {
                answer.body = format!("[{}]", sessions.join(",")).into_bytes();
                return Ok(self.response(answer));
            }
            Bridge::AllSessionsFromStatus => {
                answer.body = bridges::session_list(&sessions).into_bytes();
                return Ok(self.response(answer));
            }
            _ => {}
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
        self.accept(answer)
    }

    /// Sends the operation on the path that this server speaks.
    fn ask(&mut self, args: &Args) -> Result<Answer, Error> {
        let (operation, dialect) = (self.operation, &self.client.server.dialect);
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
        let mut url = self.client.server.base.join(request);
        let mut redirects = 0;
        let mut refreshed = false;
        loop {
            let authorization = match self.first.take() {
                Some(first) => Some(first),
                None => {
                    self.client.credentials.authorization().map_err(|error| self.counted(error.info()))?
                }
            };
            self.authorization.clone_from(&authorization);
            let wire = Wire {
                method: wire_method(request.method),
                url: &url,
                authorization,
                headers: [self.headers.client, &self.headers.call],
                body: request.body.as_deref(),
            };
            self.attempts += 1;
            let began = self.log.is_some().then(Instant::now);
            let sent = self.client.server.http.send(&wire, &self.limits);
            if let (Some(began), Some(log)) = (began, &mut self.log) {
                let outcome = sent.as_ref().map(|received| (received.status, received.reused));
                log.push(unanswered::record(self.attempts, request, outcome, began.elapsed()));
            }
            let (setback, outcome) = match sent {
                Ok(received) => {
                    let mut answer = Answer {
                        status: received.status,
                        headers: received.headers,
                        body: received.body,
                        method,
                        path: request.path.clone(),
                    };
                    if answer.is_success() || self.reports_health(&answer) {
                        return Ok(answer);
                    }
                    // Before anything is cut out of it, which could leave a part of the token.
                    if let Some(token) = self.token() {
                        mask::mask_body(&mut answer.body, token);
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
        let target = self.client.server.base.same_origin(from, location);
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
}

fn wire_method(method: loki_mode_spec::Method) -> Method {
    match method {
        loki_mode_spec::Method::Get => Method::GET,
        loki_mode_spec::Method::Post => Method::POST,
        loki_mode_spec::Method::Put => Method::PUT,
        loki_mode_spec::Method::Delete => Method::DELETE,
    }
}
