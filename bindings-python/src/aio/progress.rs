//! How far a call is, as its coroutine and its thread see it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use loki_mode_core::{CancelToken, NoToken};
use pyo3::intern;
use pyo3::prelude::*;

use super::mailbox::Mailbox;
use super::token::Provider;
use super::{Pools, Room};
use crate::finalizing::call;

pub(super) struct Progress {
    id: u64,
    mailbox: Arc<Mailbox>,
    pools: Arc<Pools>,
    room: Room,
    cancel: CancelToken,
    deadline: Option<Instant>,
    pub(super) timeout: Duration,
    /// How long a token is waited for, each time.
    patience: Duration,
    stage: Mutex<Stage>,
    /// Wakes the thread that asks for a token.
    answered: Condvar,
    /// See [`super::is_large`].
    large: AtomicBool,
}

enum Stage {
    /// It waits for a thread.
    Queued,
    /// A thread is at it.
    Running,
    /// Its thread waits for a token that this function gives, until then.
    Asks(Provider, Option<Instant>),
    Answered(Result<String, NoToken>),
    /// Its time was up before it got a thread.
    Expired,
    Done,
}

impl Progress {
    pub(super) fn new(
        mailbox: Arc<Mailbox>,
        pools: Arc<Pools>,
        room: Room,
        began: Instant,
        timeout: Duration,
        patience: Duration,
    ) -> Self {
        Progress {
            id: mailbox.number(),
            mailbox,
            pools,
            room,
            cancel: CancelToken::new(),
            // A clock that cannot count that far never gets there.
            deadline: began.checked_add(timeout),
            timeout,
            patience,
            stage: Mutex::new(Stage::Queued),
            answered: Condvar::new(),
            large: AtomicBool::new(false),
        }
    }

    // ---- on the loop's thread, with the interpreter ----

    /// A future that is resolved when there is something to look at.
    pub(super) fn expect<'py>(&self, py: Python<'py>, event_loop: &Bound<'py, PyAny>) -> PyResult<Py<PyAny>> {
        let future = call(&event_loop.getattr(intern!(py, "create_future"))?, (), None)?.unbind();
        self.mailbox.expect(self.id, future.clone_ref(py));
        Ok(future)
    }

    /// Resolves that future if the thread has been too quick for it.
    pub(super) fn catch_up(&self, py: Python<'_>) -> PyResult<()> {
        let done = matches!(*self.stage(), Stage::Done);
        if done { self.mailbox.resolve(py, self.id) } else { Ok(()) }
    }

    pub(super) fn forget(&self) {
        self.mailbox.forget(self.id);
    }

    pub(super) fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Ends the call, unless it has ended.
    pub(super) fn cancel(&self) {
        // In the child of a fork, call, socket and locks are the parent's.
        if !self.mailbox.is_ours() {
            return;
        }
        self.cancel.cancel();
        self.reply(Err(NoToken::Cancelled));
        self.forget();
    }

    /// The call has lasted as long as it may: ends it if it has not begun.
    pub(super) fn expire(&self, py: Python<'_>) -> PyResult<()> {
        {
            let mut stage = self.stage();
            if !matches!(*stage, Stage::Queued) {
                return Ok(());
            }
            *stage = Stage::Expired;
        }
        self.mailbox.resolve(py, self.id)
    }

    pub(super) fn is_expired(&self) -> bool {
        matches!(*self.stage(), Stage::Expired)
    }

    /// The function that a token is wanted from.
    pub(super) fn asks(&self) -> Option<Provider> {
        match &*self.stage() {
            Stage::Asks(provider, _) => Some(Arc::clone(provider)),
            _ => None,
        }
    }

    /// Answers the thread that asks for a token, if it still does.
    pub(super) fn reply(&self, token: Result<String, NoToken>) {
        let mut stage = self.stage();
        if let Stage::Asks(..) = *stage {
            *stage = Stage::Answered(token);
            self.answered.notify_one();
        }
    }

    pub(super) fn is_large(&self) -> bool {
        self.large.load(Ordering::Relaxed)
    }

    /// The time that is left: for the call or, while it waits for a token, for that.
    pub(super) fn left(&self) -> Duration {
        let until = match &*self.stage() {
            Stage::Asks(_, until) => *until,
            _ => self.deadline,
        };
        left_until(until)
    }

    // ---- on a thread of the pool ----

    /// Whether the call is still wanted.
    pub(super) fn begin(&self) -> bool {
        let mut stage = self.stage();
        if !matches!(*stage, Stage::Queued) || self.cancel.is_cancelled() {
            return false;
        }
        *stage = Stage::Running;
        true
    }

    pub(super) fn mark_as_large(&self) {
        self.large.store(true, Ordering::Relaxed);
    }

    /// Has the coroutine give a token, and waits for it. What gives it may need a thread of the same pool.
    pub(super) fn ask(&self, provider: &Provider) -> Result<String, NoToken> {
        let patient = Instant::now().checked_add(self.patience);
        let until = [patient, self.deadline].into_iter().flatten().min();
        *self.stage() = Stage::Asks(Arc::clone(provider), until);
        // Looked at after the question is there to be answered: a cancellation before that had nobody to tell.
        if self.cancel.is_cancelled() || !self.mailbox.post(self.id) {
            *self.stage() = Stage::Running;
            return Err(NoToken::Cancelled);
        }
        let asks = |stage: &mut Stage| matches!(stage, Stage::Asks(..));
        let wait = || self.answered.wait_timeout_while(self.stage(), left_until(until), asks);
        let waited = self.pools.of(self.room).park(wait);
        let mut stage = waited.unwrap_or_else(PoisonError::into_inner).0;
        match std::mem::replace(&mut *stage, Stage::Running) {
            Stage::Answered(token) => token,
            _ => Err(NoToken::Late),
        }
    }

    fn finish(&self) {
        *self.stage() = Stage::Done;
        // If the loop is closed, nobody waits for it.
        self.mailbox.post(self.id);
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        // Nothing that can panic happens under the lock.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn left_until(deadline: Option<Instant>) -> Duration {
    deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
}

/// Says that the thread is done, when dropped.
pub(super) struct Finishing<'a>(pub(super) &'a Progress);

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}
