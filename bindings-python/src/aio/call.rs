//! A call that is awaited.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loki_mode_core::{Error, ErrorInfo, NoToken};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::loops;
use super::progress::Progress;
use super::token::Provider;
use crate::{arguments, errors};

/// Turns what came out into what the caller gets; or the error, if the call has ended without its thread.
type Finish = Box<dyn FnOnce(Python<'_>, Option<Error>) -> PyResult<Py<PyAny>> + Send>;

/// Hands the call to a thread, with the token of its first attempt; whether it has to wait for one.
pub(super) type Start = Box<dyn FnOnce(Option<String>) -> PyResult<bool> + Send>;

/// A call under way, for `loki_mode_sdk.aio.outcome`. Dropped before its end, it is cancelled.
#[pyclass(frozen, module = "loki_mode_sdk._native")]
pub(crate) struct Call {
    progress: Arc<Progress>,
    /// Until it is taken. The coroutine holds it then, and the mailbox of its loop.
    future: Mutex<Option<Py<PyAny>>>,
    finish: Mutex<Option<Finish>>,
    /// What the token provider raised.
    raised: Mutex<Option<PyErr>>,
    /// What is to be asked for the token of the first attempt, before the call takes a thread.
    first: Option<Provider>,
    /// Until it was.
    start: Mutex<Option<Start>>,
    waits: AtomicBool,
}

impl Call {
    /// A call that is started at once or, if a token is to be asked for first, by [`Call::start`].
    ///
    /// # Errors
    /// See [`super::submit`].
    pub(super) fn new(
        progress: Arc<Progress>,
        future: Py<PyAny>,
        finish: Finish,
        first: Option<Provider>,
        start: Start,
    ) -> PyResult<Self> {
        let (start, waits) = if first.is_some() { (Some(start), false) } else { (None, start(None)?) };
        Ok(Call {
            progress,
            future: Mutex::new(Some(future)),
            finish: Mutex::new(Some(finish)),
            raised: Mutex::default(),
            first,
            start: Mutex::new(start),
            waits: AtomicBool::new(waits),
        })
    }

    fn expect_again(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.progress.expect(py, &loops::running(py)?)
    }
}

#[pymethods]
impl Call {
    /// Hands out the future to await: once.
    fn future(&self) -> PyResult<Py<PyAny>> {
        take(&self.future).ok_or_else(|| PyRuntimeError::new_err("the call is already awaited"))
    }

    /// All threads of the pool were busy when it came: what its time ends has to `expire` it.
    #[getter]
    fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// The function that the token of the first attempt is wanted from, before the call is started.
    #[getter]
    fn first(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.first.as_ref().map(|provider| provider.clone_ref(py))
    }

    /// Starts it with the token of the first attempt; `None` if that did not come in time.
    fn start(&self, token: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = token.py();
        if token.is_none() && self.progress.left().is_zero() {
            return Err(errors::raise(py, NoToken::too_late_to_send()));
        }
        let token = provided(token)?;
        let start =
            take(&self.start).ok_or_else(|| PyRuntimeError::new_err("the call is already started"))?;
        self.waits.store(start(Some(token))?, Ordering::Relaxed);
        Ok(())
    }

    /// Seconds that are left of its time or, while it waits for a token, until that has to be there; at most a year.
    #[getter]
    fn left(&self) -> f64 {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        self.progress.left().min(YEAR).as_secs_f64()
    }

    /// Ends it for want of a thread, if it is still without one.
    fn expire(&self, py: Python<'_>) -> PyResult<()> {
        self.progress.expire(py)
    }

    /// The function that the call wants a token from, if it is that what it waits for.
    #[getter]
    fn provider(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.progress.asks().map(|provider| provider.clone_ref(py))
    }

    /// Goes on with this token; returns what to await next.
    fn answer(&self, token: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = token.py();
        let text = provided(token)?;
        let future = self.expect_again(py)?;
        self.progress.reply(Ok(text));
        self.progress.catch_up(py)?;
        Ok(future)
    }

    /// Ends the call with what the provider raised; returns what to await next.
    fn refuse(&self, error: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = error.py();
        let future = self.expect_again(py)?;
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(PyErr::from_value(error));
        self.progress.reply(Err(NoToken::Failed));
        self.progress.catch_up(py)?;
        Ok(future)
    }

    /// Gives no token: the thread knows itself that it is too late. Returns what to await next.
    fn give_up(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let future = self.expect_again(py)?;
        self.progress.catch_up(py)?;
        Ok(future)
    }

    /// Decoding takes so long that it should not hold up the loop.
    #[getter]
    fn is_large(&self) -> bool {
        self.progress.is_large()
    }

    /// The outcome, once the future is resolved: a Python object, or the exception.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let Some(finish) = take(&self.finish) else {
            return Err(PyRuntimeError::new_err("the outcome of the call was taken"));
        };
        let ended = self.progress.is_expired().then(|| crowded(self.progress.timeout));
        let outcome = finish(py, ended);
        match take(&self.raised) {
            // The engine has no more to say about it.
            Some(raised) if outcome.is_err() => Err(raised),
            _ => outcome,
        }
    }

    /// Ends the call, if it has not ended.
    fn cancel(&self) {
        self.progress.cancel();
        drop((take(&self.start), take(&self.finish)));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if take(&self.finish).is_some() {
            self.progress.cancel();
        }
    }
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// What a provider gave.
fn provided(token: &Bound<'_, PyAny>) -> PyResult<String> {
    arguments::text("token", token)?
        .ok_or_else(|| arguments::mismatch("what the token provider returns", "str", token))
}

/// The time ran out while all threads were busy.
fn crowded(timeout: Duration) -> Error {
    let message = format!(
        "the call could not begin within {} s: other calls of this client were in the way, as many at a time as \
         `max_connections` says",
        timeout.as_secs_f64()
    );
    ErrorInfo::unsent(message).into()
}
