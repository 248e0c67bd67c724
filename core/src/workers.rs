//! An elastic pool of threads for callers that must not block: none until the first job, and none that idles long.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// The pool. Jobs beyond the number of threads wait in the order in which they came. Dropping it lets the threads
/// finish what is queued and end by themselves; [`Pool::shutdown`] waits for that.
pub struct Pool(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    max_threads: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    idle: usize,
    closed: bool,
    threads: Vec<JoinHandle<()>>,
    running: usize,
}

impl Pool {
    /// A pool of at most this many threads (at least one); none is started yet.
    pub fn new(max_threads: usize) -> Self {
        Pool(Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            max_threads: max_threads.max(1),
        }))
    }

    /// Queues a job, and starts a thread for it if none is idle and the limit allows.
    ///
    /// # Errors
    /// [`Rejected`] after [`Pool::shutdown`], or if the first thread cannot be started.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Rejected> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(Rejected { reason: "the pool is shut down".to_owned() });
        }
        state.queue.push_back(Box::new(job));
        // Every idle thread will take one of the queued jobs; only what is left needs a new thread.
        if state.queue.len() > state.idle && state.running < self.0.max_threads {
            let shared = Arc::clone(&self.0);
            match thread::Builder::new().name("loki-mode-worker".to_owned()).spawn(move || shared.work()) {
                Ok(thread) => {
                    state.running += 1;
                    state.threads.retain(|thread| !thread.is_finished());
                    state.threads.push(thread);
                }
                // With other threads alive, the job only waits longer.
                Err(error) if state.running == 0 => {
                    state.queue.pop_back();
                    return Err(Rejected { reason: format!("no thread could be started: {error}") });
                }
                Err(_) => {}
            }
        }
        drop(state);
        self.0.work.notify_one();
        Ok(())
    }

    /// Takes no more jobs, lets the queued ones finish and waits for the threads to end. Must not be called from a
    /// job.
    pub fn shutdown(&self) {
        let threads = {
            let mut state = self.0.lock();
            state.closed = true;
            std::mem::take(&mut state.threads)
        };
        self.0.work.notify_all();
        for thread in threads {
            // A panicked job has been reported by its thread's panic hook; the others still have to be waited for.
            let _ = thread.join();
        }
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.0.lock().running
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No job runs under the lock, so a panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let _counted = Counted(self);
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                // One job that panics must not take the thread from the others.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                state = self.lock();
                continue;
            }
            if state.closed {
                return;
            }
            state.idle += 1;
            let (woken, timeout) =
                self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                return;
            }
        }
    }
}

/// Counts a thread until it ends, however it ends.
struct Counted<'a>(&'a Shared);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
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

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_run_side_by_side_up_to_the_limit() {
        let pool = Pool::new(4);
        let barrier = Arc::new(Barrier::new(4));
        let (sender, receiver) = mpsc::channel();
        for _ in 0..4 {
            let (barrier, sender) = (Arc::clone(&barrier), sender.clone());
            pool.submit(move || {
                barrier.wait();
                sender.send(()).unwrap();
            })
            .unwrap();
        }
        (0..4).for_each(|_| receiver.recv().unwrap());
        assert_eq!(pool.threads(), 4);
    }

    #[test]
    fn no_thread_before_the_first_job_and_none_after_shutdown() {
        let pool = Pool::new(8);
        assert_eq!(pool.threads(), 0);
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let done = Arc::clone(&done);
            pool.submit(move || {
                done.fetch_add(1, Ordering::SeqCst);
            })
            .unwrap();
        }
        pool.shutdown();
        assert_eq!(done.load(Ordering::SeqCst), 100);
        assert_eq!(pool.threads(), 0);
        assert!(pool.submit(|| ()).is_err());
    }

    #[test]
    fn a_panicking_job_does_not_stop_the_others() {
        let pool = Pool::new(1);
        let (sender, receiver) = mpsc::channel();
        pool.submit(|| panic!("on purpose")).unwrap();
        pool.submit(move || sender.send(7).unwrap()).unwrap();
        assert_eq!(receiver.recv().unwrap(), 7);
    }
}
