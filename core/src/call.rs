//! What belongs to one call: its own limits, and the ways to end it early.

use std::fmt;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::waiting::{Waker, park};

/// How long a wait lasts before it is asked whether to go on.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

/// What a caller can say about a single call.
#[derive(Default, Clone)]
pub struct CallOptions<'a> {
    /// The longest that this call may take; `None` takes the client's.
    pub timeout: Option<Duration>,
    /// When the call began, if it has waited for something already, for example for a thread; `None` is now.
    pub began: Option<Instant>,
    /// The token of the first attempt, from a provider that was asked already; later attempts ask for theirs. `None` asks
    /// for this one, too.
    pub first_token: Option<&'a str>,
    /// How often a failed attempt is repeated; `None` takes the client's.
    pub max_retries: Option<u32>,
    /// Ends the call with [`Error::Cancelled`](crate::Error::Cancelled) when it is cancelled.
    pub cancel: Option<CancelToken>,
    /// Asked at most every 100 ms while the call waits; true ends it with
    /// [`Error::Interrupted`](crate::Error::Interrupted). It runs on the thread of the call.
    pub interrupted: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// Headers that are sent with this call's requests; one of the client's of the same name is left out.
    pub headers: &'a [(String, String)],
    /// Whether to keep an [`AttemptRecord`](crate::AttemptRecord) of each attempt, in
    /// [`Response::attempt_log`](crate::Response::attempt_log) or
    /// [`ErrorInfo::attempt_log`](crate::ErrorInfo::attempt_log). Costs nothing when false.
    pub record_attempts: bool,
}

impl fmt::Debug for CallOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallOptions")
            .field("timeout", &self.timeout)
            .field("began", &self.began)
            .field("first_token", &self.first_token.map(|_| "***"))
            .field("max_retries", &self.max_retries)
            .field("cancel", &self.cancel)
            .field("interrupted", &self.interrupted.is_some())
            .field("record_attempts", &self.record_attempts)
            .finish_non_exhaustive()
    }
}

/// What bounds one call, while it runs.
pub(crate) struct Limits<'a> {
    pub(crate) deadline: Instant,
    pub(crate) cancel: Option<&'a CancelToken>,
    pub(crate) interrupted: Option<&'a (dyn Fn() -> bool + Sync)>,
}

/// Why a call ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Deadline,
    Cancelled,
    Interrupted,
}

impl Limits<'_> {
    /// Whether the call may go on.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        if self.cancel.is_some_and(CancelToken::is_cancelled) {
            Err(Stop::Cancelled)
        } else if self.interrupted.is_some_and(|interrupted| interrupted()) {
            Err(Stop::Interrupted)
        } else if self.left().is_zero() {
            Err(Stop::Deadline)
        } else {
            Ok(())
        }
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits between two attempts; ends early if the call does.
    pub(crate) fn wait(&self, duration: Duration) -> Result<(), Stop> {
        let until = Instant::now() + duration;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let slice = if self.interrupted.is_some() { left.min(SLICE) } else { left };
            let _woken = self.cancel.map(CancelToken::wakes_here);
            // Cancelled in between, it would not wake whoever parks now.
            self.check()?;
            park(slice);
        }
    }
}

/// Cancels calls from another thread: it ends their waits, and shuts down the socket that one is blocked on.
/// Clones are the same token. A cancelled token stays cancelled.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    cancelled: bool,
    socket: Option<Weak<Socket>>,
    /// Who waits, and by which number each is known.
    waiting: Vec<(u64, Waker)>,
    last: u64,
}

/// Has whoever waits woken while it lives.
pub(crate) struct Woken<'a> {
    token: &'a CancelToken,
    number: u64,
}

impl Drop for Woken<'_> {
    fn drop(&mut self) {
        self.token.lock().waiting.retain(|(number, _)| *number != self.number);
    }
}

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels; has no effect the second time.
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        if let Some(socket) = state.socket.take().and_then(|socket| socket.upgrade()) {
            // Under the lock, so that it cannot hit the socket after `unwatch`, when it may serve another call. An
            // error means that the peer has closed it already: the read that is to wake has ended.
            let _ = socket.shutdown(Shutdown::Both);
        }
        for (_, waker) in &state.waiting {
            waker.wake();
        }
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Names the socket that the call is about to block on.
    pub(crate) fn watch(&self, socket: &Arc<Socket>) {
        let mut state = self.lock();
        if state.cancelled {
            // Too late to be woken: the read ends at once instead.
            let _ = socket.shutdown(Shutdown::Both);
        } else {
            state.socket = Some(Arc::downgrade(socket));
        }
    }

    /// Forgets the socket, so that a late `cancel` does not shut down a connection that now serves another call.
    pub(crate) fn unwatch(&self) {
        self.lock().socket = None;
    }

    /// Ends the waits of the thread or fiber that asks, from now on and while the answer is kept, when it is cancelled.
    pub(crate) fn wakes_here(&self) -> Woken<'_> {
        let mut state = self.lock();
        state.last += 1;
        let number = state.last;
        state.waiting.push((number, Waker::here()));
        Woken { token: self, number }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The guarded data is valid after a panic anywhere: plain fields.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelToken").field(&self.is_cancelled()).finish()
    }
}
