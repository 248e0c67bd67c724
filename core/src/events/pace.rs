//! When to ask again: quickly after news, more slowly when it is quiet, and never faster than the server allows. Pure,
//! without a clock or chance of its own.

use std::time::Duration;

use crate::retry::LONGEST_OBEYED;

/// After how many quiet polls in a row a run counts as dormant.
const DORMANT: u32 = 15;

/// The pace at which one thing is polled.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    interval: Duration,
    current: Duration,
    quiet: u32,
}

impl Pace {
    /// A pace around this interval.
    pub(crate) fn new(interval: Duration) -> Self {
        Pace { interval, current: interval / 4, quiet: 0 }
    }

    /// There was something new: ask again soon, since things come in bursts.
    pub(crate) fn news(&mut self) {
        self.quiet = 0;
        self.current = self.interval / 4;
    }

    /// There was nothing new: ask a little later each time, up to the interval, and after a while up to twice that.
    pub(crate) fn nothing(&mut self) {
        self.quiet = self.quiet.saturating_add(1);
        let longest = if self.quiet > DORMANT { self.interval * 2 } else { self.interval };
        self.current = (self.current + self.current / 2).min(longest);
    }

    /// How many polls in a row brought nothing.
    pub(crate) fn quiet(&self) -> u32 {
        self.quiet
    }

    /// The wait before the next poll.
    pub(crate) fn wait(&self) -> Duration {
        self.current
    }
}

/// What a server that is in trouble, or asks for patience, does to everything that is polled from it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patience {
    failures: u32,
    /// The least time between two requests, learnt from refusals.
    spacing: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
const FIRST_SPACING: Duration = Duration::from_millis(250);
const LONGEST_SPACING: Duration = Duration::from_secs(10);
const LEAST_SPACING: Duration = Duration::from_millis(20);

impl Patience {
    /// A request failed; how long to leave the server alone. `asked` is what it asks for, `chance` a number from 0 to 1.
    pub(crate) fn failed(&mut self, asked: Option<Duration>, chance: f64) -> Duration {
        let pause =
            FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        // Half of it by chance, so that those who lost the same server do not come back at the same moment.
        let jittered = pause.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        asked.map_or(jittered, |asked| asked.min(LONGEST_OBEYED).max(jittered))
    }

    /// The server refused for the number of requests: all of them are spaced out, the more the more often it does.
    pub(crate) fn refused(&mut self) {
        self.spacing = (self.spacing * 2).clamp(FIRST_SPACING, LONGEST_SPACING);
    }

    /// A request went well.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.spacing = self.spacing.mul_f64(0.98);
        if self.spacing < LEAST_SPACING {
            self.spacing = Duration::ZERO;
        }
    }

    /// The least time between two requests.
    pub(crate) fn spacing(&self) -> Duration {
        self.spacing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_quickens_with_news_and_slows_down_in_silence() {
        let interval = Duration::from_secs(2);
        let mut pace = Pace::new(interval);
        assert_eq!(pace.wait(), interval / 4);
        let mut last = pace.wait();
        for _ in 0..DORMANT {
            pace.nothing();
            assert!(pace.wait() >= last && pace.wait() <= interval);
            last = pace.wait();
        }
        assert_eq!(last, interval);
        for _ in 0..20 {
            pace.nothing();
        }
        assert_eq!(pace.wait(), interval * 2);
        pace.news();
        assert_eq!((pace.wait(), pace.quiet()), (interval / 4, 0));
    }

    #[test]
    fn a_server_in_trouble_is_left_alone_for_longer_each_time() {
        let mut patience = Patience::default();
        let pauses: Vec<_> = (0..8).map(|_| patience.failed(None, 1.0).as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 15000, 15000]);
        assert!(patience.failed(None, 0.0) >= LONGEST_PAUSE / 2);
        patience.succeeded();
        assert_eq!(patience.failed(None, 1.0), FIRST_PAUSE);
    }

    #[test]
    fn what_the_server_asks_for_is_obeyed_within_reason() {
        let mut patience = Patience::default();
        assert_eq!(patience.failed(Some(Duration::from_secs(7)), 1.0), Duration::from_secs(7));
        assert_eq!(patience.failed(Some(Duration::from_secs(7000)), 1.0), LONGEST_OBEYED);
        assert_eq!(patience.spacing(), Duration::ZERO);
        patience.refused();
        patience.refused();
        assert_eq!(patience.spacing(), FIRST_SPACING * 2);
        for _ in 0..1000 {
            patience.succeeded();
        }
        assert_eq!(patience.spacing(), Duration::ZERO);
    }
}
