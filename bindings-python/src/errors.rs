//! Errors of the engine as exceptions of Python.
//!
//! The classes are Python source (`loki_mode_sdk/errors.py`): under the stable ABI a native class cannot extend an
//! exception on every version. What crosses over is data.

use loki_mode_core::webhook::Refused;
use loki_mode_core::{Error, ErrorKind};
use pyo3::exceptions::{PyKeyboardInterrupt, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};

use crate::finalizing::call;

/// The exception for an error.
pub(crate) fn raise(py: Python<'_>, error: Error) -> PyErr {
    build(py, error).unwrap_or_else(|problem| problem)
}

/// A `ConfigError` of the binding's own.
pub(crate) fn config(py: Python<'_>, param: &str, message: String) -> PyErr {
    let build = || {
        let fields = PyDict::new(py);
        fields.set_item("param", param)?;
        let class = class(py, "ConfigError")?;
        call(&class, (message,), Some(&fields))
    };
    build().map_or_else(|problem: PyErr| problem, PyErr::from_value)
}

/// The exception for a webhook that is not to be trusted.
pub(crate) fn refused(py: Python<'_>, refused: &Refused) -> PyErr {
    let build = || {
        let fields = PyDict::new(py);
        fields.set_item("reason", refused.reason.as_str())?;
        let class = class(py, "WebhookVerificationError")?;
        call(&class, (&refused.message,), Some(&fields))
    };
    build().map_or_else(|problem: PyErr| problem, PyErr::from_value)
}

/// An exception that has nothing but a message.
pub(crate) fn plain(py: Python<'_>, name: &str, message: String) -> PyErr {
    class(py, name)
        .and_then(|class| call(&class, (message,), None))
        .map_or_else(|problem| problem, PyErr::from_value)
}

fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module =
        MODULE.get_or_try_init(py, || PyModule::import(py, "loki_mode_sdk.errors").map(Bound::unbind))?;
    module.bind(py).getattr(name)
}

fn build(py: Python<'_>, error: Error) -> PyResult<PyErr> {
    let info = error.info();
    // What a function of the caller's own raised, such as a token provider, is raised as it is.
    if let Some(raised) = info.cause.as_ref().and_then(|cause| cause.downcast_ref::<PyErr>()) {
        return Ok(raised.clone_ref(py));
    }
    let fields = PyDict::new(py);
    fields.set_item("status_code", info.status_code)?;
    fields.set_item("response_body", info.response_body)?;
    fields.set_item("code", info.code)?;
    fields.set_item("method", info.method)?;
    fields.set_item("path", info.path)?;
    fields.set_item("attempts", info.attempts)?;
    fields.set_item("retry_after", info.retry_after)?;
    // No `_` here: a new kind has to be thought about.
    match info.kind {
        ErrorKind::Argument => return Ok(PyTypeError::new_err(info.message)),
        // The caller has the exception of the signal handler; this one is for an interruption without one.
        ErrorKind::Interrupted => return Ok(PyKeyboardInterrupt::new_err(info.message)),
        ErrorKind::Cancelled => {
            let class = PyModule::import(py, "asyncio")?.getattr("CancelledError")?;
            return Ok(PyErr::from_value(class.call1((info.message,))?));
        }
        ErrorKind::PermissionDenied => fields.set_item("required_scope", info.required_scope)?,
        ErrorKind::Validation => {
            let field_error = class(py, "FieldError")?;
            let errors = PyList::empty(py);
            for error in info.errors {
                errors.append(call(&field_error, (error.location, error.message), None)?)?;
            }
            fields.set_item("errors", errors)?;
        }
        ErrorKind::Connection | ErrorKind::Timeout => {
            fields.set_item("maybe_executed", info.maybe_executed)?
        }
        ErrorKind::Config => fields.set_item("param", info.param)?,
        ErrorKind::Authentication
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::RateLimit
        | ErrorKind::NotAvailable
        | ErrorKind::Server
        | ErrorKind::Api
        | ErrorKind::Decode => {}
    }
    let class = class(py, info.kind.class_name())?;
    let exception = call(&class, (info.message,), Some(&fields))?;
    Ok(PyErr::from_value(exception))
}
