//! One call from its arguments to its answer: the only place where request, dialect, retry, transport and bridges
//! meet.

mod audit;
mod explaining;
mod sending;
mod sessions;
mod streaming;
mod unanswered;

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use loki_mode_spec::{Bridge, Operation};
use ureq::http::{HeaderName, HeaderValue};

pub(crate) use self::streaming::{Incoming, unreachable};
use crate::args::Args;
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
use crate::token;

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
}
