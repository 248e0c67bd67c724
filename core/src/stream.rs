//! What all streams have in common, those of events and those of pages: they are pulled from, batch by batch, on the
//! thread of whoever asks.
//!
//! A stream has no thread of its own. That bounds memory without further ado (who does not ask gets nothing), lets a
//! process fork, and leaves it to each language where the waiting is done.

mod batch;
mod open;
mod position;
mod pull;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

pub use self::batch::Batch;
pub(crate) use self::open::OpenStreams;
use self::position::Position;
pub(crate) use self::pull::{Pull, ended, stopped};
use crate::attempts::AttemptRecord;
use crate::call::CancelToken;
use crate::client::Client;
use crate::error::Error;
use crate::events::Cursor;

/// What a caller says about one [`Stream::next`].
#[derive(Default)]
pub struct StreamCall<'a> {
    /// Ends the wait with [`Error::Cancelled`] when it is cancelled.
    pub cancel: Option<CancelToken>,
    /// See [`CallOptions::interrupted`](crate::CallOptions::interrupted).
    pub interrupted: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// See [`CallOptions::record_attempts`](crate::CallOptions::record_attempts); they are in
    /// [`Pulled::attempt_log`].
    pub record_attempts: bool,
}

/// What came of one [`Stream::next`].
#[derive(Debug)]
pub struct Pulled {
    /// The step itself.
    pub step: Result<Step, Error>,
    /// The attempts since the last one, if they were asked for.
    pub attempt_log: Vec<AttemptRecord>,
}

/// How a stream went on.
#[derive(Debug)]
pub enum Step {
    /// Some items; at least one.
    Items(Batch),
    /// Nothing for a while: ask again. Gives the caller an opportunity to write its log.
    Idle,
    /// There will be no more items.
    End,
}

/// A stream of events, or of the items of a list. [`Stream::next`] gives one batch after the other until it gives
/// [`Step::End`].
#[derive(Debug)]
pub struct Stream(Arc<Shared>);

/// What the stream shares with the client, which ends its streams when it is closed.
pub(super) struct Shared {
    client: Client,
    source: Mutex<Box<dyn Source>>,
    position: Mutex<Position>,
    closed: AtomicBool,
    /// Ends the wait that is under way.
    waiting: Mutex<Option<CancelToken>>,
    pid: u32,
}

/// Where items come from.
pub(crate) trait Source: Send {
    /// Waits for items.
    fn step(&mut self, pull: &mut Pull<'_>) -> Result<Step, Error>;
}

impl Stream {
    /// A stream that ends with its client.
    pub(crate) fn new(client: &Client, source: Box<dyn Source>, cursor: Cursor) -> Self {
        let shared = Arc::new(Shared {
            client: client.clone(),
            source: Mutex::new(source),
            position: Mutex::new(Position { cursor, ..Position::default() }),
            closed: AtomicBool::new(false),
            waiting: Mutex::new(None),
            pid: std::process::id(),
        });
        client.shared().streams.add(&shared);
        Stream(shared)
    }

    /// Waits for the next items, and takes those that it gave last for seen.
    ///
    /// After an error the stream can be asked again: what was not given out is not lost.
    pub fn next(&self, call: &StreamCall<'_>) -> Pulled {
        let mut log = Vec::new();
        let step = self.pull(call, &mut log);
        Pulled { step, attempt_log: log }
    }

    fn pull(&self, call: &StreamCall<'_>, log: &mut Vec<AttemptRecord>) -> Result<Step, Error> {
        let shared = &*self.0;
        if shared.is_inherited() {
            return Err(Error::config(
                "stream",
                "the stream was opened before this process was forked off, and belongs to the parent; open one here, \
                 with its `cursor` to go on where it stands",
            ));
        }
        if self.is_closed() {
            return Ok(Step::End);
        }
        shared.client.check_open()?;
        let mut source = match shared.source.try_lock() {
            Ok(source) => source,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::config(
                    "stream",
                    "another thread is waiting for the next event of this stream",
                ));
            }
        };
        locked(&shared.position).settle();
        let cancel = call.cancel.clone().unwrap_or_default();
        *locked(&shared.waiting) = Some(cancel.clone());
        // Who closed it, or its client, meanwhile found nothing to cancel.
        if self.is_closed() {
            cancel.cancel();
        }
        let mut pull = Pull {
            cancel,
            interrupted: call.interrupted,
            record_attempts: call.record_attempts,
            log,
            position: &shared.position,
            began: std::time::Instant::now(),
        };
        let step = shared.client.check_open().and_then(|()| source.step(&mut pull));
        *locked(&shared.waiting) = None;
        drop(source);
        let client = shared.client.check_open();
        if self.is_closed() || client.is_err() {
            shared.let_go();
        }
        match step {
            Err(Error::Cancelled(_)) if self.is_closed() => Ok(Step::End),
            Err(Error::Cancelled(_)) if client.is_err() => client.map(|()| Step::End),
            step => step,
        }
    }

    /// Takes the items that were given last for seen, as the next [`Stream::next`] would: from then on, and while that
    /// waits, [`Stream::cursor`] of none is where the caller stands.
    pub fn settle(&self) {
        if !self.0.is_inherited() {
            locked(&self.0.position).settle();
        }
    }

    /// Ends the stream: a wait that is under way ends at once, later ones do not begin, and its connection is closed.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.stop();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::SeqCst)
    }

    /// Where a caller stands who has seen this many events of the last batch: to be given to a later stream, which goes
    /// on from there.
    pub fn cursor(&self, seen: usize) -> String {
        locked(&self.0.position).cursor_at(seen).to_text()
    }

    /// The last known state of a run that is followed, if it was asked for yet.
    pub fn status_of(&self, run_id: &str) -> Option<String> {
        let position = locked(&self.0.position);
        position.statuses.iter().find(|(id, _)| id == run_id).map(|(_, status)| status.clone())
    }
}

impl Shared {
    /// Whether it is that of a process that this one was forked from.
    fn is_inherited(&self) -> bool {
        self.pid != std::process::id()
    }

    /// Ends the wait that is under way, and closes the connection.
    pub(super) fn stop(&self) {
        // Another process's lock may be held by a thread that is not in this one, and its connection is its own.
        if self.is_inherited() {
            return;
        }
        if let Some(cancel) = locked(&self.waiting).take() {
            cancel.cancel();
        }
        self.let_go();
    }

    /// Closes the connection, unless the stream is being asked: then that does so afterwards.
    fn let_go(&self) {
        if let Ok(mut source) = self.source.try_lock() {
            *source = Box::new(Nothing);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.is_inherited() {
            // What it holds, sockets above all, is the parent's.
            let source = self.source.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(std::mem::replace(source, Box::new(Nothing)));
        }
    }
}

/// The source of a stream that is gone.
struct Nothing;

impl Source for Nothing {
    fn step(&mut self, _: &mut Pull<'_>) -> Result<Step, Error> {
        Ok(Step::End)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("closed", &self.closed).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is changed in single steps.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
