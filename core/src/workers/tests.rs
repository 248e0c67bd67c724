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
    while pool.shared().lock().idle.len() < 2 {
        thread::yield_now();
    }
    // One after the other: always the same thread.
    let mut seen = Vec::new();
    for _ in 0..10 {
        assert_eq!(place(false), Placed::AtOnce);
        seen.push(receiver.recv().unwrap());
        while pool.shared().lock().idle.len() < 2 {
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

fn inherited(closed: bool) -> (Pool, Arc<Local<Shared>>) {
    let terms = Arc::new(Terms { max_threads: 1, max_parked: 1, closed: AtomicBool::new(closed) });
    let (here, parents) =
        PerProcess::inherited(Shared { terms: Arc::clone(&terms), state: Mutex::default() });
    (Pool { terms, here }, parents)
}

/// What a fork does to the child, without one: the process id of the threads is no longer ours, one of them holds
/// the lock, and none will ever end.
#[test]
fn a_child_of_a_fork_runs_its_own_jobs_on_its_own_threads() {
    let (pool, inherited) = inherited(false);
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
    let (pool, _parents) = inherited(true);
    assert!(pool.submit(|| ()).is_err());
}
