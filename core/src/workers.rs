//! An elastic pool of threads for callers that must not block: none until the first job, and none that idles long.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

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
/// is the parent's.
pub struct Pool(ArcSwap<Shared>);

/// The threads of one process. Everything that a fork could leave locked is in here.
struct Shared {
    pid: u32,
    state: Mutex<State>,
    max_threads: usize,
    /// How many threads more there may be for jobs that are parked.
    max_parked: usize,
    /// Changed under the lock, but read without it where the lock is another process's.
    closed: AtomicBool,
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

/// Where a thread waits.
struct Seat {
    thread: Thread,
    given: Mutex<Given>,
}

/// What a waiting thread is given.
enum Given {
    Nothing,
    Job(Job),
    Leave,
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
        let shared = Shared::new(std::process::id(), max_threads.max(1), max_parked, false);
        Pool(ArcSwap::from_pointee(shared))
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
            let fresh = Arc::new(Shared::new(pid, live.max_threads, live.max_parked, live.is_closed()));
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
    fn new(pid: u32, max_threads: usize, max_parked: usize, closed: bool) -> Self {
        Shared { pid, state: Mutex::default(), max_threads, max_parked, closed: AtomicBool::new(closed) }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes no more jobs; hands out the threads that are still there.
    fn close(&self) -> Vec<JoinHandle<()>> {
        let (threads, idle) = {
            let mut state = self.lock();
            self.closed.store(true, Ordering::Release);
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
        self.max_threads + state.parked.min(self.max_parked)
    }

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
        let seat = Arc::new(Seat { thread: thread::current(), given: Mutex::new(Given::Nothing) });
        while let Some(job) = self.next(&seat) {
            // One job that panics must not take the thread from the others.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            // The job itself may have forked, and this be the child: the rest of the queue is the parent's.
            if self.pid != std::process::id() {
                return;
            }
        }
    }

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
struct Parked<'a>(&'a Shared);

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        if self.0.pid == std::process::id() {
            self.0.lock().parked -= 1;
        }
    }
}

impl Seat {
    fn give(&self, what: Given) {
        *self.given() = what;
        self.thread.unpark();
    }

    fn take(&self) -> Given {
        std::mem::replace(&mut *self.given(), Given::Nothing)
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        // Nothing that can panic happens under the lock.
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
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
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::sync::{Barrier, Condvar};

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
    fn a_job_is_told_whether_it_has_to_wait_and_the_last_thread_to_idle_takes_the_next_one() {
        let pool = Pool::new(2);
        let barrier = Arc::new(Barrier::new(3));
        let (sender, receiver) = mpsc::channel();
        let place = |held: bool| {
            let (barrier, sender) = (Arc::clone(&barrier), sender.clone());
            let job = move || {
                if held {
                    barrier.wait();
                }
                sender.send(thread::current().id()).unwrap();
            };
            pool.place(job).unwrap()
        };
        assert_eq!([place(true), place(true), place(false)], [Placed::AtOnce, Placed::AtOnce, Placed::Waits]);
        barrier.wait();
        assert_eq!(receiver.iter().take(3).count(), 3);
        while pool.0.load().lock().idle.len() < 2 {
            thread::yield_now();
        }
        // One after the other: always the same thread.
        let mut seen = Vec::new();
        for _ in 0..10 {
            assert_eq!(place(false), Placed::AtOnce);
            seen.push(receiver.recv().unwrap());
            while pool.0.load().lock().idle.len() < 2 {
                thread::yield_now();
            }
        }
        seen.dedup();
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn a_panicking_job_does_not_stop_the_others() {
        let pool = Pool::new(1);
        let (sender, receiver) = mpsc::channel();
        pool.submit(|| panic!("on purpose")).unwrap();
        pool.submit(move || sender.send(7).unwrap()).unwrap();
        assert_eq!(receiver.recv().unwrap(), 7);
    }

    #[test]
    fn jobs_that_wait_for_other_jobs_do_not_keep_them_from_running() {
        let pool = Arc::new(Pool::new(2));
        let (sender, receiver) = mpsc::channel();
        for job in 0..2 {
            let (of_job, sender) = (Arc::clone(&pool), sender.clone());
            pool.submit(move || {
                let (inner, answer) = mpsc::channel();
                of_job.submit(move || inner.send(job).unwrap()).unwrap();
                sender.send(of_job.park(|| answer.recv().unwrap())).unwrap();
            })
            .unwrap();
        }
        let mut done = [receiver.recv().unwrap(), receiver.recv().unwrap()];
        done.sort_unstable();
        assert_eq!(done, [0, 1]);
        pool.shutdown();
        let shared = pool.shared();
        let state = shared.lock();
        assert_eq!((state.running, state.parked), (0, 0));
    }

    #[test]
    fn parking_is_bounded_and_its_threads_leave_when_it_is_over() {
        let pool = Arc::new(Pool::with_parking(2, 2));
        let go_on = Arc::new((Mutex::new(false), Condvar::new()));
        let (sender, parked) = mpsc::channel();
        for _ in 0..10 {
            let (of_job, go_on, sender) = (Arc::clone(&pool), Arc::clone(&go_on), sender.clone());
            pool.submit(move || {
                of_job.park(|| {
                    sender.send(()).unwrap();
                    let (flag, changed) = &*go_on;
                    drop(changed.wait_while(flag.lock().unwrap(), |go_on| !*go_on).unwrap());
                });
            })
            .unwrap();
        }
        (0..4).for_each(|_| parked.recv().unwrap());
        assert_eq!(pool.threads(), 4);
        *go_on.0.lock().unwrap() = true;
        go_on.1.notify_all();
        (4..10).for_each(|_| parked.recv().unwrap());
        while pool.threads() > 2 {
            thread::yield_now();
        }
        pool.shutdown();
    }

    /// What a fork does to the child, without one: the process id of the threads is no longer ours, one of them holds
    /// the lock, and none will ever end.
    #[test]
    fn a_child_of_a_fork_runs_its_own_jobs_on_its_own_threads() {
        let inherited = Arc::new(Shared::new(std::process::id() + 1, 1, 1, false));
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
        let pool = Pool(ArcSwap::from_pointee(Shared::new(std::process::id() + 1, 1, 1, true)));
        assert!(pool.submit(|| ()).is_err());
    }
}
