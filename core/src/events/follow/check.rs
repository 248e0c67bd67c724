//! Whether a run has ended.

use std::time::Instant;

use loki_mode_spec::GET_RUN;

use super::ask::arguments;
use super::track::{Checked, Stage};
use super::{Follower, Until};
use crate::error::Error;
use crate::events::timeline::no_timeline;
use crate::run_state::RunState;
use crate::stream::Pull;

impl Follower {
    /// Looks at the state of a run.
    pub(super) fn check(&mut self, pull: &mut Pull<'_>, at: usize) -> Result<(), Error> {
        let began = Instant::now();
        let id = self.tracks[at].id.clone();
        let args = arguments(&GET_RUN, vec![("run_id", Some(id.clone()))])?;
        let response = match self.call(pull, &GET_RUN, args) {
            Ok(response) => response,
            Err(error) => return self.setback(at, error),
        };
        let state: RunState<'_> = match serde_json::from_slice(response.body()) {
            Ok(state) => state,
            Err(error) => return self.setback(at, no_timeline(error)),
        };
        self.terms.succeeded();
        let track = &mut self.tracks[at];
        track.answered();
        track.checked = Some(Checked { when: Instant::now(), took: began.elapsed() });
        let status = state.status.as_deref().unwrap_or_default();
        let over = match &self.until {
            Until::Ended => state.has_ended(),
            Until::States(states) => state.has_ended() || states.iter().any(|state| state == status),
            Until::Never => false,
        };
        if over {
            // What happened until then may have been added after the last poll.
            (track.stage, track.due) = (Stage::Closing, Instant::now());
        } else {
            track.due = began + track.pace.wait();
        }
        let (id, status) = (id.to_text().into_owned(), status.to_owned());
        pull.position(|position| match position.statuses.iter_mut().find(|(known, _)| *known == id) {
            Some(entry) => entry.1 = status,
            None => position.statuses.push((id, status)),
        });
        Ok(())
    }
}
