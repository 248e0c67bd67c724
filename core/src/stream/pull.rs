//! One wait of a caller for what is next, as the source of a stream sees it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::locked;
use super::position::Position;
use crate::attempts::AttemptRecord;
use crate::call::{CallOptions, CancelToken, Limits, Stop};
use crate::error::{Error, ErrorInfo, ErrorKind};
use crate::response::Response;
use crate::transport::Cause;

/// How long a stream waits before it reports that it is idle.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);
/// How many attempts are kept before they are handed over.
const LOG_SIZE: usize = 64;

/// One wait.
pub(crate) struct Pull<'a> {
    pub(crate) cancel: CancelToken,
    pub(crate) interrupted: Option<&'a (dyn Fn() -> bool + Sync)>,
    pub(super) record_attempts: bool,
    pub(super) log: &'a mut Vec<AttemptRecord>,
    pub(super) position: &'a Mutex<Position>,
    pub(super) began: Instant,
}

impl<'a> Pull<'a> {
    /// What bounds a part of the wait that ends at this moment.
    pub(crate) fn limits(&self, deadline: Instant) -> Limits<'_> {
        Limits { deadline, cancel: Some(&self.cancel), interrupted: self.interrupted }
    }

    /// The options of a call that belongs to the wait.
    pub(crate) fn call(&self, timeout: Duration) -> CallOptions<'a> {
        CallOptions {
            timeout: Some(timeout.max(Duration::from_millis(1))),
            // Streams have a patience of their own.
            max_retries: Some(0),
            cancel: Some(self.cancel.clone()),
            interrupted: self.interrupted,
            record_attempts: self.record_attempts,
            ..CallOptions::default()
        }
    }

    /// The options of a call that belongs to the wait and has the client's own retries and timeout.
    pub(crate) fn unhurried_call(&self) -> CallOptions<'a> {
        CallOptions { timeout: None, max_retries: None, ..self.call(Duration::ZERO) }
    }

    /// Notes attempts.
    pub(crate) fn note(&mut self, attempts: impl IntoIterator<Item = AttemptRecord>) {
        self.log.extend(attempts);
    }

    /// Notes the attempts of a call.
    pub(crate) fn note_attempts(&mut self, outcome: &Result<Response, Error>) {
        let attempts = match outcome {
            Ok(response) => &response.attempt_log,
            Err(error) => &error.details().attempt_log,
        };
        self.note(attempts.iter().cloned());
    }

    /// Changes what the caller's position is told from.
    pub(crate) fn position<R>(&self, change: impl FnOnce(&mut Position) -> R) -> R {
        change(&mut locked(self.position))
    }

    /// Whether it is time to let the caller write its log.
    pub(crate) fn is_due(&self) -> bool {
        let waited = self.began.elapsed();
        waited >= LONGEST_SILENCE
            || self.log.len() >= LOG_SIZE
            || !self.log.is_empty() && waited >= Duration::from_secs(1)
    }

    /// When the caller is to hear something, whatever happens.
    pub(crate) fn idle_at(&self) -> Instant {
        let silence = if self.log.is_empty() { LONGEST_SILENCE } else { Duration::from_secs(1) };
        self.began + silence
    }

    /// Waits until then, or for as long as the caller is to be left without a word; true if the moment has come.
    ///
    /// # Errors
    /// [`Error::Cancelled`] or [`Error::Interrupted`].
    pub(crate) fn wait_until(&self, moment: Instant) -> Result<bool, Error> {
        let until = moment.min(self.idle_at());
        let left = until.saturating_duration_since(Instant::now());
        // A limit beyond the wait, so that the wait ends first.
        self.limits(until + Duration::from_secs(60)).wait(left).map_err(ended)?;
        Ok(Instant::now() >= moment)
    }
}

/// The error of a wait that was ended from outside.
pub(crate) fn ended(stop: Stop) -> Error {
    let (kind, message) = match stop {
        Stop::Deadline => (ErrorKind::Timeout, "the time of the stream is over"),
        Stop::Cancelled => (ErrorKind::Cancelled, "the stream was cancelled"),
        Stop::Interrupted => (ErrorKind::Interrupted, "the stream was interrupted"),
    };
    ErrorInfo::new(kind, message).into()
}

/// The error of a wait that the transport gave up.
pub(crate) fn stopped(cause: &Cause) -> Error {
    match cause {
        Cause::Stopped(stop) => ended(*stop),
        other => ErrorInfo::new(ErrorKind::Connection, other.to_string()).into(),
    }
}
