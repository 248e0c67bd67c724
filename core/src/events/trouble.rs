//! What of a server's trouble is waited out.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};

/// The longest that one poll may take; a slow answer to one must not hold up the others.
pub(super) const LONGEST_POLL: Duration = Duration::from_secs(30);
/// How long what was there may be unknown to the server before that is believed.
pub(super) const LONGEST_ABSENCE: Duration = Duration::from_secs(30);
/// How many answers in a row may be something else than was asked for before that is believed.
const MAX_GARBLED: u32 = 5;

/// Whether a failure may be over in a while.
pub(super) fn is_passing(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Server | ErrorKind::RateLimit => true,
        ErrorKind::Api => error.details().status_code == Some(408),
        _ => false,
    }
}

/// What a server that is being restarted says for a while about a run that it has answered for: that there is no such
/// run, or something that is no answer.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Since when the run is unknown to the server.
    absent_since: Option<Instant>,
    /// How many answers in a row were something else.
    garbled: u32,
}

impl Doubt {
    /// The server has answered for the run.
    pub(super) fn answered(&mut self) {
        *self = Doubt::default();
    }

    /// Whether what it says instead is not to be believed yet.
    pub(super) fn disbelieves(&mut self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::NotFound => {
                self.absent_since.get_or_insert_with(Instant::now).elapsed() < LONGEST_ABSENCE
            }
            ErrorKind::Decode | ErrorKind::NotAvailable => {
                self.garbled += 1;
                self.garbled < MAX_GARBLED
            }
            _ => false,
        }
    }
}
