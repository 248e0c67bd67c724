//! Python code that is called from here while the interpreter ends.
//!
//! Before CPython 3.14, a daemon thread that asks for the interpreter while that is being finalized is made to exit in
//! the middle of whatever it does, unwinding through the frames below it. Frames of ours would release what is no
//! longer theirs, and the process would abort: such a thread stays where it is instead, until the process has ended.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Calls something that may be Python code.
#[expect(unsafe_code, reason = "pyo3 has no call that may unwind")]
pub(crate) fn call<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = callable.py();
    // Out here, so that nothing between Python's frames and the guard owns anything.
    let arguments = arguments.into_pyobject(py).map_err(Into::into)?;
    let keywords = keywords.map_or(std::ptr::null_mut(), |keywords| keywords.as_ptr());
    // The interface says that calls of C never unwind, and the compiler leaves the guard out where it believes it. So
    // the function is called as one that may, through a pointer that the compiler cannot see through.
    //
    // SAFETY: the same function; only what is assumed about unwinding out of it differs.
    let may_unwind: Call =
        std::hint::black_box(unsafe { std::mem::transmute::<CCall, Call>(ffi::PyObject_Call) });
    // SAFETY: the interpreter is held, and all three pointers are of objects that live until the call is over.
    let result = stay(|| unsafe { may_unwind(callable.as_ptr(), arguments.as_ptr(), keywords) });
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, result) }
}

type CCall =
    unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject;
type Call = unsafe extern "C-unwind" fn(
    *mut ffi::PyObject,
    *mut ffi::PyObject,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

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
