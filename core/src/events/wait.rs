//! Waiting for the end of a run.

use std::time::{Duration, Instant};

use loki_mode_spec::{GET_RUN, RUN};

use super::cursor::Cursor;
use super::pace::{Pace, Patience};
use super::terms::Terms;
use super::trouble::{Doubt, LONGEST_POLL, is_passing};
use crate::args::{Args, Value};
use crate::client::Client;
use crate::error::{Error, ErrorInfo, ErrorKind};
use crate::request::Request;
use crate::response::Response;
use crate::run_state::RunState;
use crate::stream::{Batch, Pull, Source, Step, Stream};

/// A look at a run brings all of its events: the longer one takes, the rarer they are.
const REST: u32 = 5;

/// How the end of a run is waited for.
#[derive(Debug, Clone)]
pub struct WaitOptions {
    /// About how often the run is looked at. Default: 2 s.
    pub poll_interval: Duration,
    /// The longest that may be waited; then [`Error::Timeout`]. Default: without end.
    pub timeout: Option<Duration>,
    /// How many failures in a row are waited out; the next one is given. Default: as many as come, once the server has
    /// answered.
    pub max_retries: Option<u32>,
    /// Headers to send with each request; one of the client's of the same name is left out.
    pub headers: Vec<(String, String)>,
}

impl Default for WaitOptions {
    fn default() -> Self {
        WaitOptions {
            poll_interval: Duration::from_secs(2),
            timeout: None,
            max_retries: None,
            headers: Vec::new(),
        }
    }
}

impl Client {
    /// Waits until a run has ended, in whatever state (GET /api/runs/{run_id}): the stream gives the run as its only item.
    /// Server restarts, lost connections, 5xx, 408 and 429 are waited out.
    ///
    /// # Errors
    /// [`Error::Config`] naming what is no good. The stream gives [`Error::NotFound`] if there is no such run,
    /// [`Error::Timeout`] when its time is over.
    pub fn wait_for_run(&self, run_id: Value, options: &WaitOptions) -> Result<Stream, Error> {
        if options.poll_interval.is_zero() {
            return Err(Error::config("poll_interval", "`poll_interval` must be above zero"));
        }
        let terms = Terms::new(options.timeout, options.max_retries, &options.headers)?;
        let id = run_id.to_text().into_owned();
        let args = Args::new(&GET_RUN, vec![Some(run_id)])?;
        Request::new(&GET_RUN, GET_RUN.path, &args)?;
        let waiter = Waiter {
            client: self.clone(),
            id,
            args,
            timeout: options.timeout,
            terms,
            pace: Pace::new(options.poll_interval),
            patience: Patience::default(),
            due: Instant::now(),
            asked_since: None,
            known: None,
            doubt: Doubt::default(),
            trouble: None,
            over: false,
        };
        Ok(Stream::new(self, Box::new(waiter), Cursor::default()))
    }
}

struct Waiter {
    client: Client,
    id: String,
    args: Args,
    timeout: Option<Duration>,
    terms: Terms,
    pace: Pace,
    patience: Patience,
    /// When to look next.
    due: Instant,
    /// When the first request was sent.
    asked_since: Option<Instant>,
    /// The last known state, once there was an answer.
    known: Option<String>,
    doubt: Doubt,
    /// Why the last look failed, if it did.
    trouble: Option<String>,
    over: bool,
}

impl Waiter {
    fn look(&mut self, pull: &mut Pull<'_>) -> Result<Option<Batch>, Error> {
        let began = Instant::now();
        self.asked_since.get_or_insert(began);
        let timeout = self.terms.timeout(self.client.options().timeout.min(LONGEST_POLL));
        let outcome = self.client.execute(&GET_RUN, self.args.clone(), &self.terms.call(pull.call(timeout)));
        pull.note_attempts(&outcome);
        match outcome.and_then(|response| self.read(&response)) {
            Ok(Some(batch)) => Ok(Some(batch)),
            Ok(None) => {
                self.patience.succeeded();
                self.pace.nothing();
                let rest = (began.elapsed() * REST).max(self.patience.spacing());
                self.due = Instant::now() + self.pace.wait().max(rest);
                Ok(None)
            }
            Err(error) => self.setback(error).map(|()| None),
        }
    }

    /// The run, if it has ended.
    fn read(&mut self, response: &Response) -> Result<Option<Batch>, Error> {
        let run = response.payload()?;
        let state: RunState<'_> = serde_json::from_str(run).map_err(|error| {
            let message = format!("GET {}: the run does not say its state: {error}", response.path);
            Error::from(ErrorInfo::new(ErrorKind::Decode, message))
        })?;
        self.doubt.answered();
        self.trouble = None;
        self.terms.succeeded();
        self.known = Some(state.status.as_deref().unwrap_or("unknown").to_owned());
        Ok(state.has_ended().then(|| Batch::new(format!("[{run}]"), 1, &RUN)))
    }

    /// A look failed.
    ///
    /// # Errors
    /// The failure, if there is no point in looking again.
    fn setback(&mut self, error: Error) -> Result<(), Error> {
        let asked_for = self.asked_since.map_or(Duration::ZERO, |since| since.elapsed());
        // Whoever mistyped the address wants to know.
        let patient = self.known.is_some() || asked_for < self.client.options().timeout;
        let passes = match error.kind() {
            _ if is_passing(&error) => patient,
            _ => self.known.is_some() && self.doubt.disbelieves(&error),
        };
        if !passes || !self.terms.may_retry() {
            return Err(error);
        }
        if error.kind() == ErrorKind::RateLimit {
            self.patience.refused();
        }
        let asked = error.details().retry_after.and_then(crate::retry::duration);
        self.due = Instant::now() + self.patience.failed(asked, fastrand::f64());
        self.trouble = Some(error.to_string());
        Ok(())
    }

    fn too_late(&self) -> Error {
        let state = match &self.known {
            Some(status) => format!("its last known state is {status}"),
            None => "its state is not known".to_owned(),
        };
        let trouble = self.trouble.as_ref().map(|trouble| format!(" ({trouble})")).unwrap_or_default();
        let seconds = self.timeout.unwrap_or_default().as_secs_f64();
        let message = format!("run {} has not ended within {seconds} s; {state}{trouble}", self.id);
        ErrorInfo::new(ErrorKind::Timeout, message).into()
    }
}

impl Source for Waiter {
    fn step(&mut self, pull: &mut Pull<'_>) -> Result<Step, Error> {
        loop {
            if self.over {
                return Ok(Step::End);
            }
            if !pull.wait_until(self.terms.at_most(self.due))? {
                return Ok(Step::Idle);
            }
            if self.terms.is_over() {
                return Err(self.too_late());
            }
            if let Some(batch) = self.look(pull)? {
                self.over = true;
                return Ok(Step::Items(batch));
            }
            if pull.is_due() {
                return Ok(Step::Idle);
            }
        }
    }
}
