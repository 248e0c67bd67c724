//! An elastic pool of threads for callers that must not block: none until the first job, and none that idles long.

mod seat;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use self::seat::{Given, Seat};
use crate::per_process::{Local, PerProcess};

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);
/// How many jobs that are parked have their places taken by others. Up to that many, no job that waits for another one
/// can keep it from running: calls that are refused all at once, say, and the call that gets the token they wait for.
const MAX_PARKED: usize = 4096;

type Job = Box<dyn FnOnce() + Send>;

/// The pool. Jobs beyond the number of threads wait in the order in which they came. Dropping it lets the threads
/// finish what is queued and end by themselves; [`Pool::shutdown`] waits for that.
///
/// A job is handed to the thread that has become idle last: it is the one whose memory is still in the caches, and those
/// that a burst has left behind come to their end, which they would not if they took turns.
///
/// A job that waits for something that another job may have to bring about does so within [`Pool::park`].
///
/// A child of a fork has none of its parent's threads: it starts its own, for its own jobs. What the parent had queued
/// is the parent's: to drop it could be as wrong there as to run it.
pub struct Pool {
    terms: Arc<Terms>,
    here: PerProcess<Shared>,
}

/// What a child has in common with its parent.
struct Terms {
    max_threads: usize,
    /// How many threads more there may be for jobs that are parked.
    max_parked: usize,
    /// Changed under the lock of the state.
    closed: AtomicBool,
}

/// The threads of one process.
struct Shared {
    terms: Arc<Terms>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Jobs for which there is no thread yet.
    queue: VecDeque<Job>,
    /// The threads that wait for a job; then the queue is empty.
    idle: Vec<Arc<Seat>>,
    threads: Vec<JoinHandle<()>>,
    running: usize,
    /// How many jobs wait within [`Pool::park`].
    parked: usize,
}

/// Whether a job begins at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// A thread has it, or was started for it.
    AtOnce,
    /// It waits until a thread has done with another one.
    Waits,
}

impl Pool {
    /// A pool of at most this many threads (at least one); none is started yet.
    pub fn new(max_threads: usize) -> Self {
        Self::with_parking(max_threads, MAX_PARKED)
    }

    fn with_parking(max_threads: usize, max_parked: usize) -> Self {
        let (max_threads, closed) = (max_threads.max(1), AtomicBool::new(false));
        Pool { terms: Arc::new(Terms { max_threads, max_parked, closed }), here: PerProcess::default() }
    }

    /// The threads of this process.
    fn shared(&self) -> Arc<Local<Shared>> {
        self.here.get(|| Shared { terms: Arc::clone(&self.terms), state: Mutex::default() })
    }

    /// Queues a job, and starts a thread for it if none is idle and the limit allows.
    ///
    /// # Errors
    /// [`Rejected`] after [`Pool::shutdown`], or if the first thread cannot be started.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Rejected> {
        self.place(job).map(drop)
    }

    /// The same, and says whether the job begins at once.
    ///
    /// # Errors
    /// See [`Pool::submit`].
    pub fn place(&self, job: impl FnOnce() + Send + 'static) -> Result<Placed, Rejected> {
        let shared = self.shared();
        let mut state = shared.lock();
        if shared.is_closed() {
            return Err(Rejected { reason: "the pool is shut down".to_owned() });
        }
        let job = Box::new(job);
        if let Some(seat) = state.idle.pop() {
            drop(state);
            seat.give(Given::Job(job));
            return Ok(Placed::AtOnce);
        }
        state.queue.push_back(job);
        if state.running >= shared.limit(&state) {
            return Ok(Placed::Waits);
        }
        match shared.start_thread(&mut state) {
            Ok(()) => Ok(Placed::AtOnce),
            // With other threads alive, the job only waits longer.
            Err(_) if state.running > 0 => Ok(Placed::Waits),
            Err(error) => {
                state.queue.pop_back();
                Err(Rejected { reason: format!("no thread could be started: {error}") })
            }
        }
    }

    /// Does on behalf of a job what waits without working, and lets another job have its place meanwhile. Outside of
    /// jobs it only waits.
    pub fn park<T>(&self, wait: impl FnOnce() -> T) -> T {
        let shared = self.shared();
        {
            let mut state = shared.lock();
            state.parked += 1;
            if !state.queue.is_empty() && state.running < shared.limit(&state) {
                // Without another thread, the queue waits as it would have.
                let _ = shared.start_thread(&mut state);
            }
        }
        let _parked = Parked(&shared);
        wait()
    }

    /// Takes no more jobs, lets the queued ones finish and waits for the threads to end. Must not be called from a
    /// job.
    pub fn shutdown(&self) {
        for thread in self.shared().close() {
            // A panicked job has been reported by its thread's panic hook; the others still have to be waited for.
            let _ = thread.join();
        }
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.here.made().map_or(0, |shared| shared.lock().running)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(shared) = self.here.made() {
            // They end by themselves.
            drop(shared.close());
        }
    }
}

impl Shared {
    fn is_closed(&self) -> bool {
        self.terms.closed.load(Ordering::Acquire)
    }

    /// Takes no more jobs; hands out the threads that are still there.
    fn close(&self) -> Vec<JoinHandle<()>> {
        let (threads, idle) = {
            let mut state = self.lock();
            self.terms.closed.store(true, Ordering::Release);
            (std::mem::take(&mut state.threads), std::mem::take(&mut state.idle))
        };
        for seat in idle {
            seat.give(Given::Leave);
        }
        threads
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No job runs under the lock, so a panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many threads there may be: parked ones are not counted, as long as there are not too many.
    fn limit(&self, state: &State) -> usize {
        self.terms.max_threads + state.parked.min(self.terms.max_parked)
    }
}

impl Local<Shared> {
    fn start_thread(self: &Arc<Self>, state: &mut State) -> std::io::Result<()> {
        let of_thread = Arc::clone(self);
        let builder = thread::Builder::new().name("loki-mode-worker".to_owned());
        let thread = builder.spawn(move || of_thread.work())?;
        state.running += 1;
        state.threads.retain(|thread| !thread.is_finished());
        state.threads.push(thread);
        Ok(())
    }

    fn work(&self) {
        let seat = Arc::new(Seat::here());
        while let Some(job) = self.next(&seat) {
            // One job that panics must not take the thread from the others.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            // The job itself may have forked, and this be the child: the rest of the queue is the parent's.
            if !self.is_ours() {
                return;
            }
        }
    }
}

impl Shared {
    /// The next job, unless there is none for so long that the thread should end.
    fn next(&self, seat: &Arc<Seat>) -> Option<Job> {
        let mut state = self.lock();
        if state.running > self.limit(&state) {
            // It stood in for a parked one, which goes on.
            state.running -= 1;
            return None;
        }
        if let Some(job) = state.queue.pop_front() {
            return Some(job);
        }
        if self.is_closed() {
            state.running -= 1;
            return None;
        }
        state.idle.push(Arc::clone(seat));
        drop(state);
        let until = Instant::now() + IDLE;
        loop {
            match seat.take() {
                Given::Job(job) => return Some(job),
                Given::Leave => {
                    self.lock().running -= 1;
                    return None;
                }
                Given::Nothing => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                thread::park_timeout(left);
                continue;
            }
            let mut state = self.lock();
            if let Some(index) = state.idle.iter().position(|idle| Arc::ptr_eq(idle, seat)) {
                state.idle.remove(index);
                // Under the same lock: a job that comes next must not count on this thread.
                state.running -= 1;
                return None;
            }
            drop(state);
            // Somebody has just taken the seat, to give something to it.
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

/// Counts a parked job until it goes on, however that comes.
struct Parked<'a>(&'a Local<Shared>);

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        if self.0.is_ours() {
            self.0.lock().parked -= 1;
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

/// A job that was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct Rejected {
    reason: String,
}
