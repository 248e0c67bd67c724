//! What a stream has brought, on its way to the caller, one event at a time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use loki_mode_core::events::{Batch, Pulled, Step, Stream, StreamCall};
use loki_mode_core::{AttemptRecord, Error};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::finalizing::call;
use crate::objects::Objects;
use crate::signals::Signals;
use crate::{collector, errors, logs};

/// A stream, and those of its events that the caller has not been given yet.
pub(super) struct Feed {
    stream: Stream,
    /// Whoever has it may ask the stream, and decode what it brought.
    turn: AtomicBool,
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
    /// The caller's function, which says whether an event was the last one.
    until: Option<Py<PyAny>>,
    /// The event that it has to be asked about.
    last: Option<Py<PyAny>>,
}

impl Feed {
    pub(super) fn new(stream: Stream, until: Option<Py<PyAny>>) -> Self {
        let state = State { until, ..State::default() };
        Feed { stream, turn: AtomicBool::new(false), state: Mutex::new(state), pid: std::process::id() }
    }

    /// Waits for the next event; `None` at the end.
    ///
    /// What it raises takes no event away, except one that cannot be decoded: whoever asks again goes on.
    pub(super) fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            if let Some(event) = self.at_hand(py)? {
                return Ok(Some(event));
            }
            let _turn = self.take_turn(py)?;
            if self.unpack(py)? {
                continue;
            }
            if !self.pull(py)? {
                return Ok(None);
            }
        }
    }

    /// The next event, if it was decoded.
    fn at_hand<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        // The events of the parent are given out there; the stream says what there is to say about that.
        if self.pid != std::process::id() {
            return Ok(None);
        }
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
        if call(until.bind(py), (last,), None)?.is_truthy()? {
            self.close();
        }
        Ok(())
    }

    /// Decodes what has come; whether there was something.
    fn unpack(&self, py: Python<'_>) -> PyResult<bool> {
        if self.pid != std::process::id() || self.stream.is_closed() {
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
            let outcome = decode(py, &batch);
            let mut state = self.state();
            match outcome {
                Ok(events) => {
                    state.events = Some(events);
                    state.given_of_events = 0;
                    return Ok(true);
                }
                Err(error) => {
                    let count = batch.count();
                    let parts = batch.split();
                    if parts.len() == 1 {
                        state.given += count;
                        return Err(error);
                    }
                    // One bad event is not to take the others with it.
                    state.batches.extend(parts);
                }
            }
        }
    }

    /// Asks the stream, until it has something; false at its end.
    fn pull(&self, py: Python<'_>) -> PyResult<bool> {
        let mut asking = self.begin_asking();
        loop {
            let logger = logs::listened_to(py)?;
            let signals = Signals::default();
            let record_attempts = logger.is_some();
            let attempt_log = py.detach(|| {
                let interrupted = || signals.pending();
                asking.ask(&StreamCall { cancel: None, interrupted: Some(&interrupted), record_attempts })
            });
            if let Some(logger) = &logger {
                logs::write(logger, &attempt_log)?;
            }
            if let Some(raised) = signals.into_raised() {
                return Err(raised);
            }
            match asking.come.take() {
                None => {}
                Some(Ok(more)) => return Ok(more),
                Some(Err(error)) => return Err(errors::raise(py, error)),
            }
        }
    }

    fn begin_asking(&self) -> Asking<'_> {
        let given = self.state().given;
        let cursor = self.stream.cursor(given);
        self.state().cursor = Some(cursor);
        Asking { feed: self, come: None }
    }

    /// The right to ask the stream.
    fn take_turn(&self, py: Python<'_>) -> PyResult<Turn<'_>> {
        if self.turn.swap(true, Ordering::Acquire) {
            let message = "another thread is waiting for the next event of this stream";
            return Err(errors::config(py, "stream", message.to_owned()));
        }
        Ok(Turn(&self.turn))
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

struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The stream is being asked.
struct Asking<'a> {
    feed: &'a Feed,
    /// What came of it: whether there are events, or the end; or why there is neither. None as long as it is idle.
    come: Option<Result<bool, Error>>,
}

impl Asking<'_> {
    /// Asks once; needs no interpreter.
    fn ask(&mut self, call: &StreamCall<'_>) -> Vec<AttemptRecord> {
        let Pulled { step, attempt_log } = self.feed.stream.next(call);
        self.come = match step {
            Ok(Step::Events(batch)) => {
                let mut state = self.feed.state();
                state.batches.push_back(batch);
                // In one step with this: the stream's position is told from both.
                state.given = 0;
                state.cursor = None;
                Some(Ok(true))
            }
            Ok(Step::Idle) => None,
            Ok(Step::End) => Some(Ok(false)),
            Err(error) => Some(Err(error)),
        };
        attempt_log
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        // If nothing came, all of what came last was given out, which the stream has noted meanwhile.
        self.feed.state().cursor = None;
    }
}

/// Builds the list of events.
fn decode(py: Python<'_>, batch: &Batch) -> PyResult<Py<PyList>> {
    let mut objects = Objects::new(py);
    let _resting = collector::rest(py, batch.json().len())?;
    match batch.decode(&mut objects) {
        Ok(events) => Ok(events.cast_into::<PyList>()?.unbind()),
        Err(error) => Err(objects.into_raised().unwrap_or_else(|| errors::raise(py, error))),
    }
}
