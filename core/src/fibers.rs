//! Fibers: calls that share one thread. Each has a stack of its own, so that what executes it is the code that a thread
//! would execute; where that would block, the fiber is put aside until the kernel says that it can go on.
//!
//! Whoever owns the thread has an event loop already: it watches one descriptor ([`Fibers::fd`]) and calls
//! [`Fibers::run`] when that becomes readable. A call costs no switch of threads then, and hundreds in flight cost one
//! system call together where each thread would cost several of its own.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use crate::transport;

/// Bytes of the stack of a fiber. The system gives memory only to what of it was touched. Code that is not optimized
/// needs several times as much.
const STACK: usize = if cfg!(debug_assertions) { 2 << 20 } else { 512 << 10 };
/// How many stacks are kept for the fibers to come.
const KEPT_STACKS: usize = 256;
/// How many events are taken from the kernel at once.
const EVENTS: usize = 256;

/// What an event is about, where it is not about a fiber.
const BELL: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;

/// What a socket is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    ToRead,
    ToWrite,
}

/// The fibers of one thread.
pub struct Fibers(Rc<Scheduler>);

type Job = Box<dyn FnOnce()>;
type Routine = Coroutine<(), Instant, (), DefaultStack>;

struct Scheduler {
    epoll: OwnedFd,
    timer: OwnedFd,
    mail: Arc<Mail>,
    suspended: RefCell<HashMap<u64, Suspended>>,
    /// When the suspended ones go on at the latest.
    deadlines: RefCell<BTreeSet<(Instant, u64)>>,
    /// When the timer goes off.
    armed: Cell<Option<Instant>>,
    /// Those for which there is no place yet.
    queue: RefCell<VecDeque<Job>>,
    /// How many places are free; below zero while those who have [stepped aside](step_aside) are back.
    free: Cell<isize>,
    stacks: RefCell<Vec<DefaultStack>>,
    last_id: Cell<u64>,
}

struct Suspended {
    routine: Routine,
    until: Instant,
}

/// What other threads have to say.
#[derive(Debug)]
struct Mail {
    bell: OwnedFd,
    state: Mutex<MailState>,
}

#[derive(Debug, Default)]
struct MailState {
    /// The fibers to be woken.
    woken: Vec<u64>,
    /// [`Fibers::run`] is under way and looks here before it ends: nobody has to ring.
    attended: bool,
}

/// Ends a wait of the fiber that it was made on.
#[derive(Debug, Clone)]
pub(crate) struct Waker {
    id: u64,
    mail: Arc<Mail>,
}

/// What a thread executes.
enum Current<'a> {
    /// None of its fibers.
    None,
    Fiber {
        id: u64,
        scheduler: &'a Scheduler,
        yielder: &'a Yielder<(), Instant>,
    },
}

scoped_tls_hkt::scoped_thread_local!(static CURRENT: for<'a> &'a Current<'a>);

impl Fibers {
    /// For this thread: at most so many fibers at a time, and at least one.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn new(places: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)?;
        epoll::add(&epoll, &bell, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        Ok(Fibers(Rc::new(Scheduler {
            epoll,
            timer,
            mail: Arc::new(Mail { bell, state: Mutex::default() }),
            suspended: RefCell::default(),
            deadlines: RefCell::default(),
            armed: Cell::new(None),
            queue: RefCell::default(),
            free: Cell::new(isize::try_from(places.max(1)).unwrap_or(isize::MAX)),
            stacks: RefCell::default(),
            last_id: Cell::new(0),
        })))
    }

    /// Becomes readable when [`Fibers::run`] has something to do.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.epoll.as_fd()
    }

    /// Starts a fiber: `job` runs now, up to its first wait. Beyond the number of places it waits for one.
    ///
    /// # Errors
    /// There is no memory for its stack.
    pub fn spawn(&self, job: impl FnOnce() + 'static) -> io::Result<()> {
        let scheduler = &self.0;
        scheduler.queue.borrow_mut().push_back(Box::new(job));
        let started = scheduler.start_queued();
        scheduler.set_timer();
        // One of those that have memory gives it back when it is done.
        started.or_else(|error| {
            if !scheduler.suspended.borrow().is_empty() {
                return Ok(());
            }
            scheduler.queue.borrow_mut().pop_back();
            Err(error)
        })
    }

    /// Lets go on whoever can.
    pub fn run(&self) {
        let scheduler = &self.0;
        scheduler.mail.lock().attended = true;
        let mut events = Vec::with_capacity(EVENTS);
        // An error can only be an interruption; what is ready is still there at the next turn.
        let _ = epoll::wait(
            &scheduler.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&Timespec::default()),
        );
        for event in events {
            match event.data.u64() {
                BELL => drain(&scheduler.mail.bell),
                TIMER => {
                    drain(&scheduler.timer);
                    scheduler.armed.set(None);
                }
                id => scheduler.go_on(id),
            }
        }
        scheduler.wake_the_late();
        loop {
            // Without memory for their stacks, they wait for that of others.
            let _ = scheduler.start_queued();
            let woken = {
                let mut mail = scheduler.mail.lock();
                if mail.woken.is_empty() {
                    mail.attended = false;
                    break;
                }
                mem::take(&mut mail.woken)
            };
            for id in woken {
                scheduler.go_on(id);
            }
        }
        scheduler.set_timer();
    }

    /// How many fibers wait, for whatever it is.
    pub fn waiting(&self) -> usize {
        self.0.suspended.borrow().len() + self.0.queue.borrow().len()
    }
}

impl Drop for Fibers {
    /// What still waits is unwound where it stands.
    fn drop(&mut self) {
        self.0.queue.take();
        let suspended = self.0.suspended.take();
        drop(suspended);
    }
}

impl Scheduler {
    /// Takes a place and runs the job up to its first wait.
    fn start(self: &Rc<Self>, stack: DefaultStack, job: Job) {
        self.free.set(self.free.get() - 1);
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        let scheduler = Rc::clone(self);
        let routine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), Instant>, ()| {
            let current = Current::Fiber { id, scheduler: &scheduler, yielder };
            CURRENT.set(&current, job);
        });
        self.resume(id, routine);
    }

    fn resume(&self, id: u64, mut routine: Routine) {
        // One that panics has been reported by the panic hook, and must not take the thread from the others.
        match catch_unwind(AssertUnwindSafe(|| routine.resume(()))) {
            Ok(CoroutineResult::Yield(until)) => {
                self.deadlines.borrow_mut().insert((until, id));
                self.suspended.borrow_mut().insert(id, Suspended { routine, until });
            }
            Err(_) => self.free.set(self.free.get() + 1),
            Ok(CoroutineResult::Return(())) => {
                self.free.set(self.free.get() + 1);
                let mut stacks = self.stacks.borrow_mut();
                if stacks.len() < KEPT_STACKS {
                    stacks.push(routine.into_stack());
                }
            }
        }
    }

    /// Lets a fiber go on, unless it is gone.
    fn go_on(&self, id: u64) {
        let suspended = self.suspended.borrow_mut().remove(&id);
        if let Some(Suspended { routine, until }) = suspended {
            self.deadlines.borrow_mut().remove(&(until, id));
            self.resume(id, routine);
        }
    }

    fn wake_the_late(&self) {
        let now = Instant::now();
        loop {
            let first = self.deadlines.borrow().first().copied();
            match first {
                Some((until, id)) if until <= now => self.go_on(id),
                _ => return,
            }
        }
    }

    fn start_queued(self: &Rc<Self>) -> io::Result<()> {
        while self.free.get() > 0 && !self.queue.borrow().is_empty() {
            let stack = self.stack()?;
            let job = self.queue.borrow_mut().pop_front();
            if let Some(job) = job {
                self.start(stack, job);
            }
        }
        Ok(())
    }

    fn stack(&self) -> io::Result<DefaultStack> {
        let kept = self.stacks.borrow_mut().pop();
        kept.map_or_else(|| DefaultStack::new(STACK), Ok)
    }

    /// Sets the timer to the first deadline. One that is set to an earlier moment stays: setting it costs a system call,
    /// and most waits end long before their deadline.
    fn set_timer(&self) {
        let Some((first, _)) = self.deadlines.borrow().first().copied() else { return };
        if self.armed.get().is_some_and(|armed| armed <= first) {
            return;
        }
        // Zero would disarm it.
        let left = first.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let setting = Itimerspec { it_interval: Timespec::default(), it_value: value };
        if timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &setting).is_ok() {
            self.armed.set(Some(first));
        }
    }

    /// Has the kernel tell once when the socket is ready.
    fn watch(&self, id: u64, socket: BorrowedFd<'_>, ready: Ready) -> io::Result<()> {
        let flags = epoll::EventFlags::ONESHOT
            | match ready {
                Ready::ToRead => epoll::EventFlags::IN,
                Ready::ToWrite => epoll::EventFlags::OUT,
            };
        let data = epoll::EventData::new_u64(id);
        // It is known already, unless it is new.
        match epoll::modify(&self.epoll, socket, data, flags) {
            Err(Errno::NOENT) => Ok(epoll::add(&self.epoll, socket, data, flags)?),
            outcome => Ok(outcome?),
        }
    }
}

impl Mail {
    fn lock(&self) -> MutexGuard<'_, MailState> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waker {
    /// Ends its wait, or the next one if it does not wait.
    pub(crate) fn wake(&self) {
        let first = {
            let mut mail = self.mail.lock();
            mail.woken.push(self.id);
            mail.woken.len() == 1 && !mail.attended
        };
        if first {
            // Full, the bell has been rung often enough.
            let _ = rustix::io::write(&self.mail.bell, &1_u64.to_ne_bytes());
        }
    }
}

fn drain(counter: &OwnedFd) {
    // Empty, it has been drained by somebody else.
    let _ = rustix::io::read(counter, &mut [0_u8; 8]);
}

/// Whether a fiber asks.
pub(crate) fn is_current() -> bool {
    CURRENT.is_set() && CURRENT.with(|current| matches!(current, Current::Fiber { .. }))
}

/// One for the fiber that asks.
pub(crate) fn waker() -> Option<Waker> {
    on_fiber(|id, scheduler, _| Waker { id, mail: Arc::clone(&scheduler.mail) })
}

/// Waits at most so long; false if it is no fiber that asks, which has not waited then.
pub(crate) fn park(at_most: Duration) -> bool {
    on_fiber(|_, _, yielder| suspend(yielder, at_most)).is_some()
}

/// Waits for a socket, at most so long. Must be called on a fiber: there is nothing to wait with elsewhere.
///
/// # Errors
/// The system refuses to watch the socket.
pub(crate) fn wait_for(socket: impl AsFd, ready: Ready, at_most: Duration) -> io::Result<()> {
    on_fiber(|id, scheduler, yielder| {
        scheduler.watch(id, socket.as_fd(), ready)?;
        suspend(yielder, at_most);
        Ok(())
    })
    .unwrap_or_else(|| Err(io::Error::other("no fiber waits here")))
}

/// The number of the fiber that asks; one of another time or thread may have had it, too.
pub fn current_id() -> Option<u64> {
    on_fiber(|id, _, _| id)
}

/// Waits with others having the place of this fiber meanwhile. What it waits for may be one of them.
pub fn step_aside<T>(wait: impl FnOnce() -> T) -> T {
    let change = |by: isize| on_fiber(|_, scheduler, _| scheduler.free.set(scheduler.free.get() + by));
    change(1);
    let outcome = wait();
    change(-1);
    outcome
}

fn on_fiber<T>(work: impl FnOnce(u64, &Scheduler, &Yielder<(), Instant>) -> T) -> Option<T> {
    if !CURRENT.is_set() {
        return None;
    }
    CURRENT.with(|current| match current {
        Current::None => None,
        Current::Fiber { id, scheduler, yielder } => Some(work(*id, scheduler, yielder)),
    })
}

/// Lets the others go on. They lend this thread what is theirs, so what this one has lent it is put aside and lent again
/// afterwards.
fn suspend(yielder: &Yielder<(), Instant>, at_most: Duration) {
    let until = Instant::now() + at_most;
    CURRENT.set(&Current::None, || transport::aside(|| yielder.suspend(until)));
}

impl fmt::Debug for Fibers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fibers").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}
