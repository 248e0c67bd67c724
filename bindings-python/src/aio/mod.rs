//! Calls for asyncio: made on threads of a pool, awaited on an event loop.
//!
//! The way of a call. [`submit`] takes a *job* and a *finisher* and returns a [`Call`]; the face awaits it with
//! `loki_mode_sdk.aio.outcome`.
//!
//! 1. On the loop's thread, [`submit`] makes a future, registers it in the loop's [`Mailbox`] and queues the job. If a
//!    function gives the token, the coroutine asks it first: a call that waits for that has no thread.
//! 2. A thread of the pool runs the job. It is given the [`CallOptions`] to run under: the deadline, which began to run
//!    with `submit`, and the token through which the call is cancelled.
//! 3. The thread leaves what came out where the call finds it, puts the call's number into the mailbox and, if nobody
//!    has done so since the loop last looked, wakes the loop: once for any number of calls.
//! 4. On the loop's thread, the mailbox resolves the futures, with nothing: a future of ours never holds a value or an
//!    exception, so none can be "never retrieved".
//! 5. The coroutine that awaited it goes on, and only now, in the task and the context of the caller, the finisher
//!    turns what came out into a Python object or an exception. A call that was cancelled costs no decoding.
//!
//! Threads of the pool never attach to the interpreter. What they need from Python, another token for a later attempt,
//! they ask for through the same mailbox, and the coroutine answers: see [`token`]. What a job owns may
//! be dropped on a thread of the pool; it should own nothing of Python's.
//!
//! # Streams
//!
//! The wait of a stream for its next events is a job like any other: see `_begin` in `events/stream.rs`.
//!
//! A job that may take hours belongs in [`Room::Streams`], where it keeps no call from a thread.

mod bell;
mod call;
mod loops;
mod mailbox;
mod progress;
mod token;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use loki_mode_core::workers::{Placed, Pool};
use loki_mode_core::{CallOptions, Error, NoToken, Response};
use pyo3::exceptions::{PyRuntimeError, PySystemError};
use pyo3::prelude::*;

pub(crate) use self::call::Call;
pub(crate) use self::mailbox::Reader;
use self::progress::{Finishing, Progress};
pub(crate) use self::token::{Provider, ask};

/// The most threads of a pool, whatever `max_connections` says.
const MAX_THREADS: usize = 1024;

/// The threads of a client and of those that are derived from it. None is started before the first job.
pub(crate) struct Pools {
    /// As many as there may be connections: a call without one would have nothing to do.
    calls: Pool,
    /// For jobs that wait for hours.
    streams: Pool,
}

/// Which threads a job is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Room {
    Calls,
    Streams,
}

impl Pools {
    pub(crate) fn new(max_connections: usize) -> Self {
        Pools { calls: Pool::new(max_connections.min(MAX_THREADS)), streams: Pool::new(MAX_THREADS) }
    }

    fn of(&self, room: Room) -> &Pool {
        match room {
            Room::Calls => &self.calls,
            Room::Streams => &self.streams,
        }
    }
}

/// Bytes of an outcome from which on decoding it would hold up the loop for long: some milliseconds.
const LARGE: usize = 1 << 20;

/// Whether the finisher of such an outcome runs on a thread beside the loop.
pub(crate) fn is_large(outcome: &impl Outcome) -> bool {
    outcome.bytes() >= LARGE
}

/// Under which terms a job runs.
pub(crate) struct Terms {
    /// How long it may take, the wait for a thread included.
    pub(crate) timeout: Duration,
    /// How long it may wait for a token, each time.
    pub(crate) patience: Duration,
    /// What gives the token of the first attempt, to be asked before the job takes a thread.
    pub(crate) first: Option<Provider>,
    pub(crate) max_retries: Option<u32>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) record_attempts: bool,
}

/// What a job brings.
pub(crate) trait Outcome: Send + 'static {
    /// How much there is to be decoded: from [`LARGE`] on, the finisher runs on another thread of Python's, so
    /// that the loop goes on meanwhile.
    fn bytes(&self) -> usize;
}

impl Outcome for Response {
    fn bytes(&self) -> usize {
        self.body().len()
    }
}

/// Runs a job on a thread of the pool, to be awaited on the running event loop.
///
/// `finish` is called once, with the interpreter, when the call is awaited to its end; never if it is cancelled.
///
/// # Errors
/// `RuntimeError` if no event loop of asyncio's is running, or if no thread can be started.
pub(crate) fn submit<T: Outcome>(
    py: Python<'_>,
    pools: &Arc<Pools>,
    room: Room,
    mut terms: Terms,
    job: impl FnOnce(&CallOptions<'_>) -> Result<T, Error> + Send + 'static,
    finish: impl FnOnce(Python<'_>, Result<T, Error>) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Call> {
    let (event_loop, mailbox) = loops::current(py)?;
    let began = Instant::now();
    let pools = Arc::clone(pools);
    let progress =
        Arc::new(Progress::new(mailbox, Arc::clone(&pools), room, began, terms.timeout, terms.patience));
    let first = terms.first.take();
    let future = progress.expect(py, &event_loop)?;
    let place = Arc::new(Mutex::new(None));

    let (placed, left_at) = (Arc::clone(&progress), Arc::clone(&place));
    let start = move |first_token: Option<String>| {
        let on_thread = Arc::clone(&placed);
        let taken = pools.of(room).place(move || {
            if !on_thread.begin() {
                return;
            }
            // However this ends, the call is told.
            let finishing = Finishing(&on_thread);
            let options = CallOptions {
                timeout: Some(terms.timeout),
                began: Some(began),
                first_token: first_token.as_deref(),
                max_retries: terms.max_retries,
                cancel: Some(on_thread.cancel_token().clone()),
                headers: &terms.headers,
                record_attempts: terms.record_attempts,
                ..CallOptions::default()
            };
            let outcome = token::during(&on_thread, || job(&options)).map_err(NoToken::late_is_a_timeout);
            if outcome.as_ref().is_ok_and(is_large) {
                on_thread.mark_as_large();
            }
            *left_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            drop(finishing);
        });
        taken.map(|placed| placed == Placed::Waits).map_err(|rejected| {
            placed.forget();
            PyRuntimeError::new_err(rejected.to_string())
        })
    };

    let finish = move |py: Python<'_>, ended: Option<Error>| {
        let outcome = match ended {
            Some(error) => Err(error),
            None => place.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(|| {
                PySystemError::new_err("the thread of the call has panicked; what it printed says where")
            })?,
        };
        finish(py, outcome)
    };
    Call::new(progress, future, Box::new(finish), first, Box::new(start))
}
