//! How many connections of a client may be in use at once: places, given out in the order in which they were asked
//! for.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::context::Attempt;

/// The places of one process.
#[derive(Debug)]
pub(super) struct Places(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    waiting: VecDeque<Arc<Waiter>>,
}

/// One who waits. A place is handed to it, so that nobody who comes later can take it first.
#[derive(Debug, Default)]
struct Waiter {
    given: Mutex<bool>,
    changed: Condvar,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Places);

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Places(Mutex::new(State { free: count, waiting: VecDeque::new() }))
    }

    /// Takes a place, waiting for one as long as the attempt may last.
    ///
    /// # Errors
    /// The attempt is over: deadline, cancellation or interruption.
    pub(super) fn take(&self, attempt: &Attempt<'_>) -> std::io::Result<Place<'_>> {
        let waiter = {
            let mut state = self.lock();
            // Who waits was there before.
            if state.free > 0 && state.waiting.is_empty() {
                state.free -= 1;
                return Ok(Place(self));
            }
            let waiter = Arc::new(Waiter::default());
            state.waiting.push_back(Arc::clone(&waiter));
            waiter
        };
        attempt.queued.set(true);
        loop {
            let outcome = attempt.slice().and_then(|slice| {
                if waiter.wait(slice) {
                    return Ok(true);
                }
                attempt.go_on().map(|()| false)
            });
            match outcome {
                Ok(true) => {
                    attempt.queued.set(false);
                    return Ok(Place(self));
                }
                Ok(false) => {}
                Err(error) => {
                    self.leave(&waiter);
                    return Err(error);
                }
            }
        }
    }

    /// Stops waiting. A place that was handed over meanwhile goes to the next.
    fn leave(&self, waiter: &Arc<Waiter>) {
        let mut state = self.lock();
        if let Some(index) = state.waiting.iter().position(|waiting| Arc::ptr_eq(waiting, waiter)) {
            state.waiting.remove(index);
        } else {
            state.give_back();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn give_back(&mut self) {
        match self.waiting.pop_front() {
            Some(next) => next.give(),
            None => self.free += 1,
        }
    }
}

impl Waiter {
    fn give(&self) {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Whether the place came within this time.
    fn wait(&self, at_most: Duration) -> bool {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(given, at_most, |given| !*given);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().give_back();
    }
}
