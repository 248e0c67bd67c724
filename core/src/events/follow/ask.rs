//! Asking the server, and what becomes of it when that fails.

use std::time::{Duration, Instant};

use loki_mode_spec::Operation;

use super::Follower;
use super::track::Stage;
use crate::args::{Args, Value};
use crate::error::{Error, ErrorKind};
use crate::events::trouble::{LONGEST_POLL, is_passing};
use crate::response::Response;
use crate::stream::Pull;

/// Arguments by name; a parameter that the operation does not have is left out.
pub(super) fn arguments(
    operation: &'static Operation,
    named: Vec<(&str, Option<Value>)>,
) -> Result<Args, Error> {
    let mut values = vec![None; operation.params.len()];
    for (name, value) in named {
        if let Some(at) = operation.params.iter().position(|param| param.name == name) {
            values[at] = value;
        }
    }
    Args::new(operation, values)
}

impl Follower {
    /// One request.
    pub(super) fn call(
        &mut self,
        pull: &mut Pull<'_>,
        operation: &'static Operation,
        args: Args,
    ) -> Result<Response, Error> {
        self.unanswered_since.get_or_insert_with(Instant::now);
        let timeout = self.terms.timeout(self.client.options().timeout.min(LONGEST_POLL));
        let outcome = self.client.execute(operation, args, &self.terms.call(pull.call(timeout)));
        self.hold = Instant::now() + self.patience.spacing();
        pull.note_attempts(&outcome);
        match &outcome {
            Ok(_) => {
                self.patience.succeeded();
                self.hold = Instant::now() + self.patience.spacing();
                self.answered = true;
            }
            Err(error) if is_passing(error) => {
                if error.kind() == ErrorKind::RateLimit {
                    self.patience.refused();
                }
                let asked = error.details().retry_after.and_then(crate::retry::duration);
                self.hold = Instant::now() + self.patience.failed(asked, fastrand::f64());
            }
            Err(_) => {}
        }
        outcome
    }

    /// Whether a failure is to be waited out. Before the first answer, only for as long as two calls may take: whoever
    /// mistyped the address wants to know.
    pub(super) fn may_pass(&mut self, error: &Error) -> bool {
        let patience = self.client.options().timeout.saturating_mul(2);
        let patient = self.answered || self.unanswered_since.is_some_and(|since| since.elapsed() < patience);
        is_passing(error) && patient && self.terms.may_retry()
    }

    /// A request about a run failed.
    ///
    /// # Errors
    /// The failure, if there is no point in trying again.
    pub(super) fn setback(&mut self, at: usize, error: Error) -> Result<(), Error> {
        let may_pass = self.may_pass(&error);
        let hold = self.hold;
        let interval = self.interval;
        let track = &mut self.tracks[at];
        let is_doubtful = track.known && track.doubt.disbelieves(&error);
        if may_pass || is_doubtful && self.terms.may_retry() {
            track.due = if may_pass { hold } else { Instant::now() + interval.min(Duration::from_secs(2)) };
            return Ok(());
        }
        match error.kind() {
            ErrorKind::Cancelled | ErrorKind::Interrupted => {}
            // Not the run's fault: who asks again, perhaps with another token, goes on.
            ErrorKind::Authentication | ErrorKind::Config => {
                track.due = Instant::now() + interval.min(Duration::from_secs(2));
            }
            _ if is_passing(&error) => track.due = hold,
            // The others go on without it.
            _ => track.stage = Stage::Failed,
        }
        Err(error)
    }
}
