//! One run that is followed.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Until;
use crate::args::Value;
use crate::events::pace::Pace;
use crate::events::timeline::Timeline;
use crate::events::trouble::Doubt;
use crate::events::watermark::Watermark;

/// What is asked for again where the server can leave out the rest: an event can become visible after later ones.
const OVERLAP: Duration = Duration::from_secs(10);

/// A run that is followed.
pub(super) struct Track {
    pub(super) id: Value,
    /// It was found among the runs of a project.
    pub(super) found: bool,
    pub(super) timeline: Timeline,
    pub(super) stage: Stage,
    pub(super) due: Instant,
    pub(super) pace: Pace,
    /// The server has answered for it.
    pub(super) known: bool,
    pub(super) doubt: Doubt,
    /// Its timeline says that it has ended, or has not.
    pub(super) told: Option<bool>,
    /// Something says that it has ended.
    pub(super) hinted: bool,
    pub(super) checked: Option<Checked>,
    /// The next answer is to be asked for as a whole.
    pub(super) whole: bool,
}

/// A look at the state of a run.
#[derive(Clone, Copy)]
pub(super) struct Checked {
    pub(super) when: Instant,
    pub(super) took: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stage {
    /// It goes on.
    Running,
    /// It is over, but its last events have not been asked for.
    Closing,
    /// All of its events were found.
    Over,
    /// It cannot be followed; that was told.
    Failed,
}

impl Track {
    pub(super) fn new(id: Value, found: bool, mark: Watermark, stage: Stage, interval: Duration) -> Self {
        Track {
            id,
            found,
            timeline: Timeline::marked(mark),
            stage,
            due: Instant::now(),
            pace: Pace::new(interval),
            known: false,
            doubt: Doubt::default(),
            told: None,
            hinted: false,
            checked: None,
            whole: false,
        }
    }

    /// Whether there is something to be asked for.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self.stage, Stage::Running | Stage::Closing)
    }

    /// The server has answered for it.
    pub(super) fn answered(&mut self) {
        self.known = true;
        self.doubt.answered();
    }

    /// From when on events are of interest, with some overlap.
    pub(super) fn begins_at(&self) -> Option<Timestamp> {
        let mark = &self.timeline.mark;
        match mark.latest() {
            Some(latest) => latest.checked_sub(OVERLAP).ok(),
            None => mark.from(),
        }
    }

    /// Whether it is time to look at the state of the run: at first, and when something says that it has ended or it is
    /// quiet. The more a look costs, which is all of its events on most servers, the rarer they are.
    pub(super) fn wants_check(&self, interval: Duration, until: &Until) -> bool {
        if self.stage != Stage::Running || !self.known || *until == Until::Never {
            return false;
        }
        let Some(Checked { when, took }) = self.checked else {
            return true;
        };
        let rest = match self.told {
            // The timeline itself will say.
            Some(false) if *until == Until::Ended => interval * 8,
            _ => interval / 2,
        };
        (self.hinted || self.pace.quiet() > 0) && when.elapsed() >= rest.max(took * 20)
    }
}
