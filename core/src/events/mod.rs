//! Events: what is new in the timelines of runs, and streams that follow them.

mod cursor;
mod follow;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod live;
mod made;
mod pace;
#[cfg(test)]
mod properties;
mod replay;
mod sse;
mod terms;
mod timeline;
mod timestamp;
mod trouble;
mod wait;
mod watch;
mod watermark;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

pub(crate) use self::cursor::Cursor;
pub use self::follow::{FollowOptions, Until};
pub use self::live::LiveOptions;
use self::timeline::Timeline;
pub use self::timestamp::{
    parse_since, parse_timestamp, parse_timestamp_in_milliseconds, parse_timestamp_in_utc,
};
pub use self::wait::WaitOptions;
pub use self::watch::WatchOptions;
pub(crate) use self::watermark::{Entry, Id};
use crate::error::Error;

/// What has been given out so far, for each run that is polled: makes repeated polls return each event once.
/// Used with [`Client::poll_events`](crate::Client::poll_events).
#[derive(Debug, Default)]
pub struct EventStream {
    timelines: Mutex<HashMap<String, Timeline>>,
}

impl EventStream {
    /// A stream that has given out nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The new events of an answer, as a JSON array; `list` finds all of them in its body.
    pub(crate) fn new_events<'a>(
        &self,
        run_id: &str,
        since: Option<Timestamp>,
        body: &'a [u8],
        list: impl FnOnce() -> Result<&'a str, Error>,
    ) -> Result<String, Error> {
        // A panic cannot leave a timeline half read: its mark moves event by event, after all of them were found.
        let mut timelines = self.timelines.lock().unwrap_or_else(PoisonError::into_inner);
        let timeline = timelines
            .entry(run_id.to_owned())
            .or_insert_with(|| Timeline::marked(watermark::Watermark::starting(since)));
        timeline.start_at(since);
        let news = timeline.read(body, list)?;
        for entry in &news.events.entries {
            timeline.mark.give(entry);
        }
        Ok(news.events.to_json(0..news.events.len()))
    }
}
