//! What a stream has brought, on its way to the caller, one event at a time.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loki_mode_core::stream::{Batch, Pulled, Step, Stream, StreamCall};
use loki_mode_core::{AttemptRecord, CallOptions, CancelToken, Error};
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::finalizing::call;
use crate::objects::Objects;
use crate::signals::Signals;
use crate::{collector, errors, logs};

/// Bytes from which on what came is decoded event by event: all of it at once would hold up the other threads, or the
/// event loop.
const LARGE: usize = 256 << 10;

/// A stream, and those of its events that the caller has not been given yet.
pub(super) struct Feed {
    stream: Stream,
    /// The server speaks by itself, over a connection that stays.
    is_live: bool,
    /// Whoever has the turn may ask the stream, and decode what it brought.
    taken: Mutex<bool>,
    given_back: Condvar,
    /// Never held while Python code can run.
    state: Mutex<State>,
    pid: u32,
}

#[derive(Default)]
struct State {
    /// What came last, as far as it was not decoded.
    batches: VecDeque<Batch>,
    /// What was decoded of it last, and how much of that was given out.
    events: Option<Py<PyList>>,
    given_of_events: usize,
    /// How much of all that came last was given out.
    given: usize,
    /// Where the caller stands, while the stream is being asked: the stream itself goes on then.
    cursor: Option<String>,
    /// The attempts for which no line was written yet.
    attempts: Vec<AttemptRecord>,
    /// The caller's function, which says whether an event was the last one.
    until: Option<Py<PyAny>>,
    /// The event that it has to be asked about.
    last: Option<Py<PyAny>>,
}

impl Feed {
    pub(super) fn new(stream: Stream, is_live: bool, until: Option<Py<PyAny>>) -> Self {
        Feed {
            stream,
            is_live,
            taken: Mutex::new(false),
            given_back: Condvar::new(),
            state: Mutex::new(State { until, ..State::default() }),
            pid: std::process::id(),
        }
    }

    /// Waits for the next event; `None` at the end.
    ///
    /// What it raises takes no event away, except one that cannot be decoded: whoever asks again goes on.
    pub(super) fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.check_process().map_err(|error| errors::raise(py, error))?;
        loop {
            if let Some(event) = self.decoded(py)? {
                return Ok(Some(event));
            }
            let Some(_turn) = self.take_turn() else {
                let message = "another thread is waiting for the next event of this stream";
                return Err(errors::config(py, "stream", message.to_owned()));
            };
            if self.decode(py)? {
                continue;
            }
            if !self.wait(py)? {
                return Ok(None);
            }
        }
    }

    /// The next event, if it has come; waits for nothing.
    ///
    /// # Errors
    /// See [`Feed::next`].
    pub(super) fn at_hand<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.check_process().map_err(|error| errors::raise(py, error))?;
        loop {
            if let Some(event) = self.decoded(py)? {
                return Ok(Some(event));
            }
            // A thread that was told to leave it may still have it.
            let Some(_turn) = self.take_turn() else { return Ok(None) };
            if !self.decode(py)? {
                return Ok(None);
            }
        }
    }

    /// Waits on a thread that does not enter the interpreter; false at the end. What comes is [`Feed::at_hand`]
    /// afterwards, also if nobody learns of this.
    ///
    /// A wait that is cancelled ends the request under way. A connection over which the server speaks by itself stays: the
    /// thread listens on until something comes, or the stream is idle. What is said meanwhile may not be had again.
    pub(super) fn wait_outside(&self, call: &CallOptions<'_>) -> Result<bool, Error> {
        self.check_process()?;
        // If it was cancelled, nobody learns what comes of it.
        let Some(_turn) = self.wait_for_turn(call.cancel.as_ref()) else { return Ok(true) };
        if self.has_more() {
            return Ok(true);
        }
        let mut asking = self.begin_asking();
        let (ends, record_attempts) = (call.cancel.clone(), call.record_attempts);
        let cancel = if self.is_live { None } else { ends.clone() };
        let asked = StreamCall { cancel, interrupted: None, record_attempts };
        loop {
            if let Some(more) = asking.ask(&asked)? {
                return Ok(more);
            }
            if record_attempts || ends.as_ref().is_some_and(CancelToken::is_cancelled) {
                // The caller can write the attempts, and asks again, now or later.
                return Ok(true);
            }
        }
    }

    /// The stream of the parent is none of ours; it says so itself.
    fn check_process(&self) -> Result<(), Error> {
        if self.pid == std::process::id() {
            Ok(())
        } else {
            self.stream.next(&StreamCall::default()).step.map(drop)
        }
    }

    /// The next event, if it was decoded.
    fn decoded<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.ask_until(py)?;
        if self.stream.is_closed() {
            return Ok(None);
        }
        let mut state = self.state();
        let Some(events) = &state.events else { return Ok(None) };
        let (event, count) = (events.bind(py).get_item(state.given_of_events)?, events.bind(py).len());
        state.given_of_events += 1;
        state.given += 1;
        let used_up = if state.given_of_events == count { state.events.take() } else { None };
        if state.until.is_some() {
            state.last = Some(event.clone().unbind());
        }
        drop(state);
        drop(used_up);
        Ok(Some(event))
    }

    /// Asks the caller's function about the event that was given out last, now that the caller has done with it.
    fn ask_until(&self, py: Python<'_>) -> PyResult<()> {
        let (until, last) = {
            let mut state = self.state();
            let Some(last) = state.last.take() else { return Ok(()) };
            let Some(until) = &state.until else { return Ok(()) };
            (until.clone_ref(py), last)
        };
        let answer = call(until.bind(py), (last,), None)?;
        if answer.hasattr(intern!(py, "__await__"))? {
            return Err(PyTypeError::new_err(
                "until must be a plain function, not one that has to be awaited",
            ));
        }
        if answer.is_truthy()? {
            self.close();
        }
        Ok(())
    }

    /// Decodes what has come; whether there was something. Needs the turn.
    fn decode(&self, py: Python<'_>) -> PyResult<bool> {
        if self.stream.is_closed() {
            return Ok(false);
        }
        loop {
            let batch = {
                let mut state = self.state();
                // Another thread may have done it just before.
                if state.events.is_some() {
                    return Ok(true);
                }
                state.batches.pop_front()
            };
            let Some(batch) = batch else { return Ok(false) };
            let (count, is_large) = (batch.count(), batch.json().len() >= LARGE);
            let built = if is_large && count > 1 { None } else { Some(build(py, &batch)) };
            let parts = match built {
                Some(Ok(events)) => {
                    let mut state = self.state();
                    state.events = Some(events);
                    state.given_of_events = 0;
                    return Ok(true);
                }
                Some(Err(error)) if count == 1 => Err(error),
                // One bad event is not to take the others with it.
                Some(Err(_)) | None => batch.split().map_err(|error| errors::raise(py, error)),
            };
            let mut state = self.state();
            match parts {
                Ok(parts) => state.batches.extend(parts),
                Err(error) => {
                    state.given += count;
                    return Err(error);
                }
            }
        }
    }

    /// Whether something has come that was not given out, and still will be: what is closed gives out nothing.
    fn has_more(&self) -> bool {
        let state = self.state();
        !self.stream.is_closed() && (state.events.is_some() || !state.batches.is_empty())
    }

    /// Asks the stream, until it has something; false at its end. Needs the turn.
    fn wait(&self, py: Python<'_>) -> PyResult<bool> {
        let mut asking = self.begin_asking();
        loop {
            let logger = logs::listened_to(py)?;
            let signals = Signals::default();
            let record_attempts = logger.is_some();
            let outcome = py.detach(|| {
                let interrupted = || signals.pending();
                asking.ask(&StreamCall { cancel: None, interrupted: Some(&interrupted), record_attempts })
            });
            if let Some(logger) = &logger {
                self.write_attempts(logger)?;
            }
            if let Some(raised) = signals.into_raised() {
                return Err(raised);
            }
            if let Some(more) = outcome.map_err(|error| errors::raise(py, error))? {
                return Ok(more);
            }
        }
    }

    /// Writes the lines that were not written yet.
    pub(super) fn write_attempts(&self, logger: &Bound<'_, PyAny>) -> PyResult<()> {
        let attempts = std::mem::take(&mut self.state().attempts);
        logs::write(logger, &attempts)
    }

    fn begin_asking(&self) -> Asking<'_> {
        let given = self.state().given;
        let cursor = self.stream.cursor(given);
        self.state().cursor = Some(cursor);
        Asking(self)
    }

    fn take_turn(&self) -> Option<Turn<'_>> {
        let mut taken = self.taken();
        if std::mem::replace(&mut *taken, true) { None } else { Some(Turn(self)) }
    }

    /// Waits for the turn of a thread that was told to leave it.
    fn wait_for_turn(&self, cancel: Option<&CancelToken>) -> Option<Turn<'_>> {
        const SLICE: Duration = Duration::from_millis(20);
        let mut taken = self.taken();
        while *taken {
            if cancel.is_some_and(CancelToken::is_cancelled) {
                return None;
            }
            taken = self.given_back.wait_timeout(taken, SLICE).unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken = true;
        Some(Turn(self))
    }

    fn taken(&self) -> MutexGuard<'_, bool> {
        // Nothing that can panic happens under the lock.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the caller stands: after the event that was given out last.
    pub(super) fn cursor(&self) -> String {
        let given = {
            let state = self.state();
            if let Some(cursor) = &state.cursor {
                return cursor.clone();
            }
            state.given
        };
        self.stream.cursor(given)
    }

    pub(super) fn close(&self) {
        self.stream.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.stream.is_closed()
    }

    pub(super) fn status_of(&self, run_id: &str) -> Option<String> {
        self.stream.status_of(run_id)
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        // If it is locked, what it holds is in use: what is not visited is not collected.
        if let Ok(state) = self.state.try_lock() {
            visit.call(&state.events)?;
            visit.call(&state.until)?;
            visit.call(&state.last)?;
        }
        Ok(())
    }

    /// Nobody will ask for events again.
    pub(super) fn abandon(&self) {
        self.close();
        // In the child of a fork, the lock may be taken for ever.
        if self.pid == std::process::id() {
            self.clear();
        }
    }

    pub(super) fn clear(&self) {
        let held = {
            let mut state = self.state();
            (state.events.take(), state.until.take(), state.last.take())
        };
        drop(held);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is guarded is changed in single steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Turn<'a>(&'a Feed);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.taken() = false;
        self.0.given_back.notify_one();
    }
}

/// The stream is being asked.
struct Asking<'a>(&'a Feed);

impl Asking<'_> {
    /// Asks once; needs no interpreter. Whether there are events, or the end; `None` if it is idle.
    fn ask(&mut self, call: &StreamCall<'_>) -> Result<Option<bool>, Error> {
        let Pulled { step, attempt_log } = self.0.stream.next(call);
        let mut state = self.0.state();
        state.attempts.extend(attempt_log);
        match step? {
            Step::Items(batch) => {
                state.batches.push_back(batch);
                // In one step with this: where the caller stands is told from both.
                state.given = 0;
                state.cursor = None;
                Ok(Some(true))
            }
            Step::Idle => Ok(None),
            Step::End => Ok(Some(false)),
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        // If nothing came, all of what came last was given out, which the stream has noted meanwhile.
        self.0.state().cursor = None;
    }
}

/// Builds the list of events.
fn build(py: Python<'_>, batch: &Batch) -> PyResult<Py<PyList>> {
    let mut objects = Objects::new(py);
    let _resting = collector::rest(py, batch.json().len())?;
    match batch.decode(&mut objects) {
        Ok(events) => Ok(events.cast_into::<PyList>()?.unbind()),
        Err(error) => Err(objects.into_raised().unwrap_or_else(|| errors::raise(py, error))),
    }
}
