//! What the layers below ureq have to know about the attempt under way, and what they found out about it.
//!
//! ureq's connectors and transports are `'static` and take no argument of ours, but all of an attempt runs on one
//! thread. So the attempt is lent to that thread for its duration.

use std::cell::{Cell, RefCell};
use std::io;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::unversioned::transport::LazyBuffers;

use crate::call::{Limits, SLICE, Stop};
use crate::waiting::is_on_a_fiber;

/// The shortest wait. A system that counts in milliseconds, or in microseconds, would take a shorter one for zero, which
/// means to wait for ever.
const SHORTEST: Duration = Duration::from_millis(1);

/// One attempt.
pub(super) struct Attempt<'a> {
    pub(super) limits: &'a Limits<'a>,
    pub(super) connect_timeout: Duration,
    /// The request has a body.
    pub(super) has_body: bool,
    /// How many bytes the longest line of the request's head can have; a connection needs a buffer for it.
    pub(super) longest_line: usize,
    /// When opening a connection has taken too long; set when that begins.
    opening: Cell<Option<Instant>>,
    /// The request itself is on its way: what is written from here on may be executed.
    pub(super) requesting: Cell<bool>,
    /// Something of the request was handed to the operating system.
    pub(super) sent: Cell<bool>,
    /// Something of the answer came back.
    pub(super) answered: Cell<bool>,
    /// Only what has come already is read: nothing is waited for.
    pub(super) at_once: Cell<bool>,
    /// It waits for a place among the connections of the client.
    pub(super) queued: Cell<bool>,
    /// The connection had served another request before.
    pub(super) reused: Cell<bool>,
    /// Why the attempt was given up, if it was.
    pub(super) stop: Cell<Option<Stop>>,
    /// What a lower layer reported, before ureq wrapped it.
    pub(super) trouble: RefCell<Option<Trouble>>,
}

/// Trouble before the request was on its way.
#[derive(Debug)]
pub(super) enum Trouble {
    Resolve(String),
    Connect(io::Error),
    Tls(String),
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        limits: &'a Limits<'a>,
        connect_timeout: Duration,
        has_body: bool,
        longest_line: usize,
    ) -> Self {
        Attempt {
            limits,
            connect_timeout,
            has_body,
            longest_line,
            opening: Cell::new(None),
            requesting: Cell::new(false),
            sent: Cell::new(false),
            answered: Cell::new(false),
            at_once: Cell::new(false),
            queued: Cell::new(false),
            reused: Cell::new(false),
            stop: Cell::new(None),
            trouble: RefCell::new(None),
        }
    }

    /// Until when a connection has to be open: its name looked up, connected, through a proxy and with TLS, where there
    /// are these.
    pub(super) fn open_until(&self) -> Instant {
        let fresh = || Instant::now().checked_add(self.connect_timeout).unwrap_or(self.limits.deadline);
        let until = self.opening.get().unwrap_or_else(fresh);
        self.opening.set(Some(until));
        until.min(self.limits.deadline)
    }

    /// How long to block before asking again.
    ///
    /// # Errors
    /// The attempt is over: its deadline has passed, or what may be spent on opening a connection.
    pub(super) fn slice(&self) -> io::Result<Duration> {
        let now = Instant::now();
        let mut left = self.limits.deadline.saturating_duration_since(now);
        if left.is_zero() {
            return Err(self.stopped(Stop::Deadline));
        }
        if let Some(until) = self.opening.get().filter(|_| !self.requesting.get()) {
            left = left.min(until.saturating_duration_since(now));
            if left.is_zero() {
                let within =
                    format!("not within {} s (`connect_timeout`)", self.connect_timeout.as_secs_f64());
                return Err(io::Error::new(io::ErrorKind::TimedOut, within));
            }
        }
        // A fiber is woken by whoever cancels it; only what has to be asked needs slices.
        let longest = if is_on_a_fiber() && self.limits.interrupted.is_none() { left } else { SLICE };
        Ok(left.min(longest).max(SHORTEST))
    }

    /// Asked after each slice: whether to go on waiting.
    ///
    /// # Errors
    /// The attempt is over: deadline, cancellation or interruption.
    pub(super) fn go_on(&self) -> io::Result<()> {
        self.limits.check().map_err(|stop| self.stopped(stop))
    }

    /// The attempt is over.
    pub(super) fn stopped(&self, stop: Stop) -> io::Error {
        self.stop.set(Some(stop));
        io::Error::other("the attempt was given up")
    }

    pub(super) fn report(&self, trouble: Trouble) {
        self.trouble.replace(Some(trouble));
    }
}

/// Buffers for a new connection, with room for what the attempt under way sends.
pub(super) fn buffers(config: &Config) -> LazyBuffers {
    let longest = current(|attempt| attempt.longest_line);
    LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size().max(longest))
}

/// What is lent to a thread.
#[derive(Clone, Copy)]
enum Lent<'a> {
    Attempt(&'a Attempt<'a>),
    Nothing,
}

scoped_tls_hkt::scoped_thread_local!(static LENT: for<'a> Lent<'a>);

/// Runs `work` with the attempt lent to this thread.
pub(super) fn lend<R>(attempt: &Attempt<'_>, work: impl FnOnce() -> R) -> R {
    LENT.set(Lent::Attempt(attempt), work)
}

/// Runs `work`, which has other attempts lent to this thread, and lends this one again.
#[cfg(target_os = "linux")]
pub(crate) fn aside<R>(work: impl FnOnce() -> R) -> R {
    LENT.set(Lent::Nothing, work)
}

/// The attempt under way on this thread.
pub(super) fn current<R>(work: impl FnOnce(&Attempt<'_>) -> R) -> R {
    LENT.with(|lent| match lent {
        Lent::Attempt(attempt) => work(attempt),
        Lent::Nothing => unreachable!("the layers below ureq are used within an attempt"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_is_so_short_that_a_system_takes_it_for_none() {
        let deadline = Instant::now() + Duration::from_micros(300);
        let limits = Limits { deadline, cancel: None, interrupted: None };
        let attempt = Attempt::new(&limits, SLICE, false, 0);
        while let Ok(slice) = attempt.slice() {
            assert_eq!(slice, SHORTEST);
        }
        assert_eq!(attempt.stop.get(), Some(Stop::Deadline));
    }
}
