//! The cyclic garbage collector, which rests while a long answer is turned into objects.
//!
//! It runs each time that some hundreds of containers have been made, and looks at all that were made lately: in a list
//! of 100,000 rows that is a good part of the time, and nothing in a fresh answer can be garbage.

use std::time::{Duration, Instant};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Bytes of an answer from which on it is worth it.
const LONG: usize = 64 << 10;

/// Rests until it is dropped.
pub(crate) struct Resting<'py>(Option<&'py Bound<'py, PyAny>>);

/// Lets the collector rest if the answer is long and the program has not turned it off itself.
///
/// The interpreter is held all the while that an answer is decoded, so no other thread sees it off; where there is no
/// lock by which to hold it, nothing rests.
pub(crate) fn rest(py: Python<'_>, bytes: usize) -> PyResult<Resting<'_>> {
    if bytes < LONG || !others_wait(py)? {
        return Ok(Resting(None));
    }
    let collector = collector(py)?;
    if !collector.call_method0("isenabled")?.is_truthy()? {
        return Ok(Resting(None));
    }
    collector.call_method0("disable")?;
    Ok(Resting(Some(collector)))
}

/// Whether the interpreter has its lock. Without it, other threads would see the collector off, or turn it on and off
/// at the same time.
fn others_wait(py: Python<'_>) -> PyResult<bool> {
    match py.import(intern!(py, "sys"))?.getattr_opt(intern!(py, "_is_gil_enabled"))? {
        Some(is_enabled) => is_enabled.call0()?.is_truthy(),
        // Before CPython 3.13 there is always one.
        None => Ok(true),
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        if let Some(collector) = self.0 {
            // `gc.enable()` takes nothing and cannot fail.
            let _ = collector.call_method0("enable");
        }
    }
}

/// Decoding on a thread beside an event loop: every now and then, the loop gets the interpreter, and the collector is on
/// for as long.
pub(crate) struct Turns<'py> {
    py: Python<'py>,
    resting: Option<Resting<'py>>,
    made: u32,
    since: Instant,
}

impl<'py> Turns<'py> {
    pub(crate) fn new(py: Python<'py>) -> PyResult<Self> {
        Ok(Turns { py, resting: Some(rest(py, LONG)?), made: 0, since: Instant::now() })
    }

    /// To be called for each object that was made.
    pub(crate) fn count(&mut self) -> PyResult<()> {
        /// Objects from one look at the clock to the next.
        const OBJECTS: u32 = 64;
        /// Less than the interval after which a thread that waits for the interpreter insists.
        const TURN: Duration = Duration::from_millis(2);
        self.made += 1;
        if self.made < OBJECTS {
            return Ok(());
        }
        self.made = 0;
        if self.since.elapsed() < TURN {
            return Ok(());
        }
        self.resting = None;
        self.py.detach(std::thread::yield_now);
        self.resting = Some(rest(self.py, LONG)?);
        self.since = Instant::now();
        Ok(())
    }
}

fn collector(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static MODULE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    MODULE
        .get_or_try_init(py, || py.import("gc").map(|module| module.into_any().unbind()))
        .map(|module| module.bind(py))
}
