//! An elastic pool of threads for callers that must not block: none until the first job, and none that idles long.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// The pool. Jobs beyond the number of threads wait in the order in which they came. Dropping it lets the threads
/// finish what is queued and end by themselves; [`Pool::shutdown`] waits for that.
///
/// A child of a fork has none of its parent's threads: it starts its own, for its own jobs. What the parent had queued
/// is the parent's.
pub struct Pool(ArcSwap<Shared>);

/// The threads of one process. Everything that a fork could leave locked is in here.
struct Shared {
    pid: u32,
    state: Mutex<State>,
    work: Condvar,
    max_threads: usize,
    /// Changed under the lock, but read without it where the lock is another process's.
    closed: AtomicBool,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    running: usize,
}

impl Pool {
    /// A pool of at most this many threads (at least one); none is started yet.
    pub fn new(max_threads: usize) -> Self {
        Pool(ArcSwap::from_pointee(Shared::new(std::process::id(), max_threads.max(1), false)))
    }

    /// The threads of this process. Those that a fork left behind are leaked: they are not there to be joined, one of
    /// them may hold the lock, and to drop a job could be as wrong here as to run it.
    fn shared(&self) -> Arc<Shared> {
        let pid = std::process::id();
        loop {
            let live = self.0.load_full();
            if live.pid == pid {
                return live;
            }
            let fresh = Arc::new(Shared::new(pid, live.max_threads, live.is_closed()));
            let before = self.0.compare_and_swap(&live, Arc::clone(&fresh));
            // Another thread may have been first; then its pool is everybody's.
            if Arc::ptr_eq(&before, &live) {
                std::mem::forget(live);
                return fresh;
            }
        }
    }

    /// Queues a job, and starts a thread for it if none is idle and the limit allows.
    ///
    /// # Errors
    /// [`Rejected`] after [`Pool::shutdown`], or if the first thread cannot be started.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Rejected> {
        let shared = self.shared();
        let mut state = shared.lock();
        if shared.is_closed() {
            return Err(Rejected { reason: "the pool is shut down".to_owned() });
        }
        state.queue.push_back(Box::new(job));
        // Every idle thread will take one of the queued jobs; only what is left needs a new thread.
        if state.queue.len() > state.idle && state.running < shared.max_threads {
            let of_thread = Arc::clone(&shared);
            match thread::Builder::new().name("loki-mode-worker".to_owned()).spawn(move || of_thread.work()) {
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
        shared.work.notify_one();
        Ok(())
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
        self.shared().lock().running
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let live = self.0.load_full();
        if live.pid == std::process::id() {
            // They end by themselves.
            drop(live.close());
        } else {
            std::mem::forget(live);
        }
    }
}

impl Shared {
    fn new(pid: u32, max_threads: usize, closed: bool) -> Self {
        Shared {
            pid,
            state: Mutex::default(),
            work: Condvar::new(),
            max_threads,
            closed: AtomicBool::new(closed),
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes no more jobs; hands out the threads that are still there.
    fn close(&self) -> Vec<JoinHandle<()>> {
        let threads = {
            let mut state = self.lock();
            self.closed.store(true, Ordering::Release);
            std::mem::take(&mut state.threads)
        };
        self.work.notify_all();
        threads
    }

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
                // The job itself may have forked, and this be the child: the rest of the queue is the parent's.
                if self.pid != std::process::id() {
                    return;
                }
                state = self.lock();
                continue;
            }
            if self.is_closed() {
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
        if self.0.pid == std::process::id() {
            self.0.lock().running -= 1;
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

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;
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

    /// What a fork does to the child, without one: the process id of the threads is no longer ours, one of them holds
    /// the lock, and none will ever end.
    #[test]
    fn a_child_of_a_fork_runs_its_own_jobs_on_its_own_threads() {
        let inherited = Arc::new(Shared::new(std::process::id() + 1, 1, false));
        let pool = Pool(ArcSwap::new(Arc::clone(&inherited)));
        let (parents_job, ran) = mpsc::channel();
        let (never, forever) = mpsc::channel::<()>();
        let mut state = inherited.lock();
        state.queue.push_back(Box::new(move || parents_job.send(()).unwrap()));
        state.running = 1;
        state.threads.push(thread::spawn(move || forever.recv().unwrap_or_default()));

        assert_eq!(pool.threads(), 0);
        let (sender, receiver) = mpsc::channel();
        pool.submit(move || sender.send(7).unwrap()).unwrap();
        assert_eq!(receiver.recv().unwrap(), 7);
        pool.shutdown();
        drop(pool);
        // Neither run nor dropped.
        assert_eq!(ran.try_recv(), Err(mpsc::TryRecvError::Empty));
        assert_eq!(state.queue.len(), 1);
        drop((state, never));
        // Ours and the leaked one.
        assert_eq!(Arc::strong_count(&inherited), 2);
    }

    #[test]
    fn a_pool_that_was_shut_down_stays_so_in_a_child() {
        let pool = Pool(ArcSwap::from_pointee(Shared::new(std::process::id() + 1, 1, true)));
        assert!(pool.submit(|| ()).is_err());
    }
}
