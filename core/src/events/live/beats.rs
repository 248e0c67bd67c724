//! How long a server may be silent before it is taken for gone.

use std::time::{Duration, Instant};

/// How long a server may be silent. Real ones show that they are there every 15 or 30 s.
const FIRST_SILENCE: Duration = Duration::from_secs(45);
const LEAST_SILENCE: Duration = Duration::from_secs(5);
const LONGEST_SILENCE: Duration = Duration::from_secs(600);

/// The signs of life that a server gives at regular times, and so how long it may be silent.
#[derive(Debug, Default)]
pub(super) struct Beats {
    /// The last one on this connection.
    last: Option<Instant>,
    /// The longest time between two, and how many such times there were.
    longest: Duration,
    count: u32,
    /// How often it was silent for too long.
    lapses: u32,
}

impl Beats {
    /// The server showed that it is there.
    pub(super) fn beat(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            self.longest = self.longest.max(now - last);
            self.count += 1;
        }
    }

    /// The next connection has a rhythm of its own to begin with.
    pub(super) fn connection_lost(&mut self) {
        self.last = None;
    }

    /// The server was silent for too long.
    pub(super) fn lapsed(&mut self) {
        self.lapses += 1;
    }

    /// Silence longer than this means that the server, or something on the way, is gone.
    pub(super) fn longest_silence(&self) -> Duration {
        match self.count {
            // Losing a connection for nothing costs little, but should not happen again and again.
            0 | 1 => (FIRST_SILENCE * 2_u32.saturating_pow(self.lapses.min(8))).min(LONGEST_SILENCE),
            _ => (self.longest * 3).clamp(LEAST_SILENCE, LONGEST_SILENCE),
        }
    }
}
