//! How many connections of a client may be in use at once: places, given out in the order in which they were asked
//! for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::context::Attempt;
use crate::waiting::{Waker, park};

/// The places of one process.
#[derive(Debug)]
pub(super) struct Places(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    waiting: VecDeque<Arc<Waiter>>,
}

/// One who waits. A place is handed to it, so that nobody who comes later can take it first.
#[derive(Debug)]
struct Waiter {
    given: AtomicBool,
    waker: Waker,
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
            let waiter = Arc::new(Waiter { given: AtomicBool::new(false), waker: Waker::here() });
            state.waiting.push_back(Arc::clone(&waiter));
            waiter
        };
        attempt.queued.set(true);
        loop {
            if waiter.given.load(Ordering::Acquire) {
                attempt.queued.set(false);
                return Ok(Place(self));
            }
            if let Err(error) = attempt.slice().map(park).and_then(|()| attempt.go_on()) {
                self.leave(&waiter);
                return Err(error);
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
        self.given.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread::{self, JoinHandle};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::call::{CancelToken, Limits};

    /// Long enough to be the failure of the test, not its pace.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// One that waits for a place in a thread of its own, and then keeps it until it is let go.
    struct Waiting {
        cancel: CancelToken,
        let_go: Sender<()>,
        thread: JoinHandle<bool>,
    }

    /// Who got a place, in that order.
    fn queue(places: &Arc<Places>, names: &[&'static str]) -> (Vec<Waiting>, Receiver<&'static str>) {
        let (said, order) = channel();
        let waiting = names.iter().map(|name| wait_in_line(places, name, said.clone())).collect();
        (waiting, order)
    }

    /// Returns when it stands in line.
    fn wait_in_line(places: &Arc<Places>, name: &'static str, said: Sender<&'static str>) -> Waiting {
        let before = places.lock().waiting.len();
        let (cancel, (let_go, until)) = (CancelToken::new(), channel());
        let (places_of, token) = (Arc::clone(places), cancel.clone());
        let thread = thread::spawn(move || {
            let deadline = Instant::now() + PATIENCE;
            let limits = Limits { deadline, cancel: Some(&token), interrupted: None };
            let attempt = Attempt::new(&limits, PATIENCE, false, 0);
            let Ok(place) = places_of.take(&attempt) else { return false };
            said.send(name).unwrap();
            until.recv_timeout(PATIENCE).unwrap();
            drop(place);
            true
        });
        while places.lock().waiting.len() == before {
            thread::yield_now();
        }
        Waiting { cancel, let_go, thread }
    }

    fn first(places: &Arc<Places>) -> Place<'_> {
        let limits = Limits { deadline: Instant::now() + PATIENCE, cancel: None, interrupted: None };
        places.take(&Attempt::new(&limits, PATIENCE, false, 0)).unwrap()
    }

    #[test]
    fn places_are_given_out_in_the_order_in_which_they_were_asked_for() {
        const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let places = Arc::new(Places::new(1));
        let held = first(&places);
        let (waiting, order) = queue(&places, &NAMES);
        drop(held);
        for (waiting, name) in waiting.into_iter().zip(NAMES) {
            assert_eq!(order.recv_timeout(PATIENCE).unwrap(), name);
            // Nobody else has one meanwhile.
            assert!(order.try_recv().is_err());
            waiting.let_go.send(()).unwrap();
            assert!(waiting.thread.join().unwrap());
        }
        let state = places.lock();
        assert_eq!((state.free, state.waiting.len()), (1, 0));
    }

    #[test]
    fn who_comes_when_a_place_is_free_again_does_not_overtake() {
        let places = Arc::new(Places::new(1));
        let held = first(&places);
        let (mut waiting, order) = queue(&places, &["early"]);
        drop(held);
        // It is the other's from this moment on, whether its thread has noticed or not.
        let (late, late_order) = queue(&places, &["late"]);
        assert_eq!(order.recv_timeout(PATIENCE).unwrap(), "early");
        assert!(late_order.try_recv().is_err());
        waiting.extend(late);
        for waiting in waiting {
            waiting.let_go.send(()).unwrap();
            assert!(waiting.thread.join().unwrap());
        }
        assert_eq!(late_order.recv_timeout(PATIENCE).unwrap(), "late");
    }

    #[test]
    fn who_gives_up_keeps_no_place_and_holds_up_nobody() {
        let places = Arc::new(Places::new(1));
        let held = first(&places);
        let (mut waiting, order) = queue(&places, &["gone", "stays"]);
        let gone = waiting.remove(0);
        gone.cancel.cancel();
        assert!(!gone.thread.join().unwrap());
        drop(held);
        assert_eq!(order.recv_timeout(PATIENCE).unwrap(), "stays");
        let stays = waiting.remove(0);
        stays.let_go.send(()).unwrap();
        assert!(stays.thread.join().unwrap());
        assert_eq!(places.lock().free, 1);
    }
}
