//! What threads of a pool have to say to one event loop, and the futures there that wait for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use super::bell::Bell;
use crate::finalizing::call;

/// One for each loop. It is closed when the loop is: that lets go of its [`Reader`].
pub(super) struct Mailbox {
    /// The process that it belongs to. After a fork, the child leaves it alone: its locks may be taken for ever.
    pid: u32,
    news: Mutex<News>,
    /// For the thread that waits in the loop's place, where there is no bell.
    arrived: Condvar,
    /// Touched with the interpreter only, and never held while Python code runs.
    futures: Mutex<HashMap<u64, Py<PyAny>>>,
    next: AtomicU64,
}

struct News {
    /// The calls that the loop has to look at.
    calls: Vec<u64>,
    /// The loop was woken and has not looked yet.
    told: bool,
    /// Nobody has waited for the last waking.
    unheard: bool,
    bell: Option<Bell>,
    closed: bool,
}

impl Mailbox {
    /// A mailbox with this bell, or one on which a thread has to [`wait`](Self::wait).
    pub(super) fn new(bell: Option<Bell>) -> Self {
        let news = News { calls: Vec::new(), told: false, unheard: false, bell, closed: false };
        Mailbox {
            pid: std::process::id(),
            news: Mutex::new(news),
            arrived: Condvar::new(),
            futures: Mutex::default(),
            next: AtomicU64::new(0),
        }
    }

    /// A number for a call.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether it is this process's, and not what a fork left of the parent's.
    pub(super) fn is_ours(&self) -> bool {
        self.pid == std::process::id()
    }

    /// Whether its loop can be woken.
    pub(super) fn is_open(&self) -> bool {
        self.is_ours() && !self.news().closed
    }

    /// From any thread: has the loop look at a call. False if the loop is closed.
    pub(super) fn post(&self, id: u64) -> bool {
        let mut news = self.news();
        if news.closed {
            return false;
        }
        news.calls.push(id);
        if !std::mem::replace(&mut news.told, true) {
            // Under the lock, so that the descriptor cannot be closed, and be another one's, meanwhile.
            match &news.bell {
                Some(bell) => bell.ring(),
                None => {
                    news.unheard = true;
                    self.arrived.notify_one();
                }
            }
        }
        true
    }

    /// Waits until there is something for the loop, at most this long.
    fn wait(&self, at_most: Duration) -> bool {
        let waited = self.arrived.wait_timeout_while(self.news(), at_most, |news| !news.unheard);
        std::mem::take(&mut waited.unwrap_or_else(PoisonError::into_inner).0.unheard)
    }

    fn take(&self) -> Vec<u64> {
        let mut news = self.news();
        if let Some(bell) = &news.bell {
            bell.silence();
        }
        news.told = false;
        std::mem::take(&mut news.calls)
    }

    /// Remembers who waits for a call.
    pub(super) fn expect(&self, id: u64, future: Py<PyAny>) {
        let before = self.futures().insert(id, future);
        drop(before);
    }

    /// Nobody waits for this call any more.
    pub(super) fn forget(&self, id: u64) {
        let forgotten = self.futures().remove(&id);
        drop(forgotten);
    }

    /// Resolves the future that waits for a call, if one does.
    pub(super) fn resolve(&self, py: Python<'_>, id: u64) -> PyResult<()> {
        let future = self.futures().remove(&id);
        future.map_or(Ok(()), |future| settle(future.bind(py)))
    }

    fn deliver(&self, py: Python<'_>) -> PyResult<()> {
        let calls = self.take();
        let mut waiting = Vec::with_capacity(calls.len());
        {
            let mut futures = self.futures();
            waiting.extend(calls.iter().filter_map(|id| futures.remove(id)));
        }
        let mut outcome = Ok(());
        for future in waiting {
            // One that cannot be resolved must not keep the others waiting.
            outcome = settle(future.bind(py)).and(outcome);
        }
        outcome
    }

    fn close(&self) {
        {
            let mut news = self.news();
            news.closed = true;
            news.calls = Vec::new();
            news.bell = None;
        }
        let futures = std::mem::take(&mut *self.futures());
        drop(futures);
    }

    // Nothing that can panic happens under either lock.
    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn futures(&self) -> MutexGuard<'_, HashMap<u64, Py<PyAny>>> {
        self.futures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a future that there is something to look at, unless it was cancelled.
fn settle(future: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
        call(&future.getattr(intern!(py, "set_result"))?, (py.None(),), None)?;
    }
    Ok(())
}

/// What an event loop calls when it is woken. The loop holds the only reference to it, so it goes with the loop.
#[pyclass(frozen, module = "loki_mode_sdk._native")]
pub(crate) struct Reader(Arc<Mailbox>);

impl Reader {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Reader(mailbox)
    }
}

#[pymethods]
impl Reader {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.0.deliver(py)
    }

    /// Waits until the reader has to be called, at most this many seconds; whether it has.
    fn wait(&self, py: Python<'_>, seconds: f64) -> bool {
        py.detach(|| self.0.wait(Duration::from_secs_f64(seconds)))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // If it is locked, the futures are in use: what is not visited is not collected.
        if let Ok(futures) = self.0.futures.try_lock() {
            for future in futures.values() {
                visit.call(future)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        if self.0.is_ours() {
            self.0.close();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.0.is_ours() {
            self.0.close();
        }
    }
}
