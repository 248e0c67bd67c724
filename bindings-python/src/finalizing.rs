//! Python code that is called from here while the interpreter ends.
//!
//! Before CPython 3.14, a daemon thread that asks for the interpreter while that is being finalized is made to exit in
//! the middle of whatever it does, unwinding through the frames below it. Frames of ours would release what is no
//! longer theirs, and the process would abort: such a thread stays where it is instead, until the process has ended.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Calls something that may be Python code.
pub(crate) fn call<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    // Out here, so that nothing between Python's frames and the guard owns anything.
    let arguments = arguments.into_pyobject(callable.py()).map_err(Into::into)?;
    stay(|| callable.call(&arguments, keywords))
}

/// Runs something that may run Python code. What it owns itself is dropped when the thread is made to exit, without
/// the interpreter: it should own nothing of Python's.
pub(crate) fn stay<R>(work: impl FnOnce() -> R) -> R {
    let stay = Stay;
    let outcome = work();
    std::mem::forget(stay);
    outcome
}

struct Stay;

impl Drop for Stay {
    fn drop(&mut self) {
        // A panic is for others to handle.
        while !std::thread::panicking() {
            std::thread::park();
        }
    }
}
