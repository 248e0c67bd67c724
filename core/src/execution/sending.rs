//! A request until there is an answer: on the path that the server speaks, again where that is safe and may help, to
//! where it was sent on.

use std::time::Instant;

use ureq::http::Method;

use super::{Execution, unanswered};
use crate::args::Args;
use crate::dialect::is_unknown_route;
use crate::error::{Error, ErrorInfo, ErrorKind};
use crate::mask;
use crate::refusal;
use crate::request::Request;
use crate::response::Answer;
use crate::retry::{Setback, Standing, wait_before_retry};
use crate::transport::{Cause, Wire};

/// How often a call is sent on to another address of the same server.
const MAX_REDIRECTS: u32 = 5;

impl Execution<'_> {
    /// Sends the operation on the path that this server speaks.
    pub(super) fn ask(&mut self, args: &Args) -> Result<Answer, Error> {
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
    pub(super) fn send(&mut self, request: &Request) -> Result<Answer, Error> {
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

pub(super) fn wire_method(method: loki_mode_spec::Method) -> Method {
    match method {
        loki_mode_spec::Method::Get => Method::GET,
        loki_mode_spec::Method::Post => Method::POST,
        loki_mode_spec::Method::Put => Method::PUT,
        loki_mode_spec::Method::Delete => Method::DELETE,
    }
}
