//! What is new in the timeline of a run.

use std::time::Instant;

use loki_mode_spec::GET_RUN_TIMELINE;

use super::ask::arguments;
use super::track::Stage;
use super::{Filters, Follower};
use crate::args::Value;
use crate::error::Error;
use crate::events::timeline::News;
use crate::stream::Pull;

impl Follower {
    /// Asks for the timeline of a run.
    pub(super) fn poll(&mut self, pull: &mut Pull<'_>, at: usize) -> Result<(), Error> {
        let track = &self.tracks[at];
        let since = if self.filters == Filters::No || track.whole { None } else { track.begins_at() };
        let since_text = since.map(|since| Value::Str(since.to_string()));
        let named = vec![("run_id", Some(track.id.clone())), ("since", since_text)];
        let args = arguments(&GET_RUN_TIMELINE, named)?;
        let outcome = self
            .call(pull, &GET_RUN_TIMELINE, args)
            .and_then(|response| self.tracks[at].timeline.read(response.body(), || response.payload()));
        let interval = self.interval;
        let news = match outcome {
            Ok(news) => news,
            Err(error) => return self.setback(at, error),
        };
        self.terms.succeeded();
        let track = &mut self.tracks[at];
        track.answered();
        if let Some(since) = since {
            if news.reaches_back_beyond(since) {
                self.filters = Filters::No;
            } else if !track.timeline.mark.is_blank() && !news.meets_known {
                // What was given out last is not in it: the server began anew, or filters in a way of its own.
                track.whole = true;
                track.timeline.forget_answer();
                track.due = Instant::now();
                return Ok(());
            }
        }
        track.whole = false;
        let News { events, told, .. } = news;
        track.told = told.ended;
        track.hinted |= events.ends_run || told.ended == Some(true);
        if events.len() == 0 {
            track.pace.nothing();
        } else {
            track.pace.news();
        }
        if track.stage == Stage::Closing {
            track.stage = Stage::Over;
        }
        track.due = Instant::now() + track.pace.wait();
        if track.wants_check(interval, &self.until) {
            track.due = Instant::now();
        }
        if events.len() > 0 {
            // The caller's position stays behind until these are handed out.
            let mark = track.timeline.mark.clone();
            pull.position(|position| position.cursor.runs[at].mark = mark);
            for entry in &events.entries {
                track.timeline.mark.give(entry);
            }
            self.ready.push_back((at, events));
        }
        Ok(())
    }
}
