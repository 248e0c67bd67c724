//! Following the events of a run.

pub mod cursor;

use std::sync::{Mutex, PoisonError};

use self::cursor::Watermarks;
use crate::error::Error;

/// What has been given out so far, for each run that is followed: makes repeated polls return each event once.
/// Used with [`Client::poll_events`](crate::Client::poll_events).
#[derive(Debug, Default)]
pub struct EventStream {
    watermarks: Mutex<Watermarks>,
}

impl EventStream {
    /// A stream that has given out nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn new_events(
        &self,
        run_id: &str,
        since: Option<jiff::Timestamp>,
        timeline: &str,
    ) -> Result<String, Error> {
        // A panic cannot leave a watermark half moved: it is replaced in one step.
        let mut watermarks = self.watermarks.lock().unwrap_or_else(PoisonError::into_inner);
        watermarks.new_events(run_id, since, timeline)
    }
}
