//! Where a thread without work waits, and is given some.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

use super::Job;

/// Where a thread waits.
pub(super) struct Seat {
    thread: Thread,
    given: Mutex<Given>,
}

/// What a waiting thread is given.
pub(super) enum Given {
    Nothing,
    Job(Job),
    Leave,
}

impl Seat {
    /// One for this thread.
    pub(super) fn here() -> Self {
        Seat { thread: thread::current(), given: Mutex::new(Given::Nothing) }
    }

    pub(super) fn give(&self, what: Given) {
        *self.given() = what;
        self.thread.unpark();
    }

    pub(super) fn take(&self) -> Given {
        std::mem::replace(&mut *self.given(), Given::Nothing)
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        // Nothing that can panic happens under the lock.
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
