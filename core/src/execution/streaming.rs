//! A call whose answer is read for as long as the server sends.

use std::time::Instant;

use loki_mode_spec::{Operation, Returns};
use ureq::http::{HeaderName, HeaderValue};

use super::sending::wire_method;
use super::{Execution, unanswered};
use crate::attempts::AttemptRecord;
use crate::call::{CallOptions, Limits};
use crate::client::Client;
use crate::error::Error;
use crate::mask;
use crate::request::Request;
use crate::response::Answer;
use crate::transport::{Failure, Opened, Reading, Wire};

/// How much of a refusal is read.
const MAX_REFUSAL: usize = 64 << 10;

/// A successful answer whose body is still to come.
pub(crate) struct Incoming {
    pub(crate) opened: Opened,
    pub(crate) attempt_log: Vec<AttemptRecord>,
}

/// The error of a connection that is not to be had, for something that is no call.
pub(crate) fn unreachable(client: &Client, path: &'static str, failure: Failure) -> Error {
    static OPEN: Operation = Operation::get("open", "/", Returns::Nothing);
    let call = CallOptions { timeout: Some(client.options().timeout), ..CallOptions::default() };
    match Execution::begin(client.shared(), &OPEN, &call) {
        Ok(mut execution) => {
            execution.attempts = 1;
            execution.failed(&Request::get(path), failure)
        }
        Err(error) => error,
    }
}

impl Execution<'_> {
    /// Sends the request once, and once more with another token if the first one was refused and there may be another.
    ///
    /// # Errors
    /// The server's refusal, or why there is no answer.
    pub(crate) fn open(
        mut self,
        request: &Request,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<Incoming, Error> {
        // They come last, and so count instead of the client's own.
        self.headers.call.extend(headers);
        let url = self.client.server.base.join(request);
        let mut refreshed = false;
        loop {
            let authorization =
                self.client.credentials.authorization().map_err(|error| self.counted(error.info()))?;
            self.authorization.clone_from(&authorization);
            let wire = Wire {
                method: wire_method(request.method),
                url: &url,
                authorization,
                headers: [self.headers.client, &self.headers.call],
                body: None,
            };
            self.attempts += 1;
            let began = Instant::now();
            let outcome = self.client.server.http.open(&wire, &self.limits);
            if let Some(log) = &mut self.log {
                let sent = outcome.as_ref().map(|opened| (opened.status, opened.reused));
                log.push(unanswered::record(self.attempts, request, sent, began.elapsed()));
            }
            let mut opened = outcome.map_err(|failure| self.failed(request, failure))?;
            let mut answer = Answer {
                status: opened.status,
                headers: opened.headers.clone(),
                body: Vec::new(),
                method: request.method.as_str(),
                path: request.path.clone(),
            };
            if answer.is_success() && !answer.is_html() {
                return Ok(Incoming { opened, attempt_log: self.log.unwrap_or_default() });
            }
            answer.body = self.refusal_body(&mut opened);
            if answer.status == 401 && !refreshed && self.client.credentials.is_provided() {
                refreshed = true;
                continue;
            }
            if let Some(token) = self.token() {
                mask::mask_body(&mut answer.body, token);
            }
            return Err(if answer.is_success() { self.a_page(&answer) } else { self.refuse(&answer) });
        }
    }

    fn refusal_body(&self, opened: &mut Opened) -> Vec<u8> {
        let limits = Limits { deadline: self.limits.deadline, ..self.limits };
        let mut body = vec![0; MAX_REFUSAL];
        let mut length = 0;
        while length < body.len() {
            match opened.read(&limits, &mut body[length..]) {
                Ok(Reading::Bytes(count)) => length += count,
                // What has come says enough.
                Ok(Reading::Nothing | Reading::End) | Err(_) => break,
            }
        }
        body.truncate(length);
        body
    }
}
