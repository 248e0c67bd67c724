//! The logger `loki_mode_sdk` of Python's `logging`: one DEBUG line for each attempt.

use loki_mode_core::AttemptRecord;
use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::finalizing::{call, stay};

/// `logging.DEBUG`.
const DEBUG: u8 = 10;

/// The logger, if somebody listens. `logging` is not imported for it: who has not imported it cannot be listening.
pub(crate) fn listened_to<'py>(py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let logger = match LOGGER.get(py) {
        Some(logger) => logger.bind(py).clone(),
        None => {
            let modules = PyModule::import(py, intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
            let logging = modules.call_method1(intern!(py, "get"), (intern!(py, "logging"),))?;
            // Not there, or another thread is just importing it.
            let Some(get) = logging.getattr_opt(intern!(py, "getLogger"))? else { return Ok(None) };
            let logger = call(&get, (intern!(py, "loki_mode_sdk"),), None)?;
            LOGGER.get_or_init(py, || logger.unbind()).bind(py).clone()
        }
    };
    let is_enabled_for = logger.getattr(intern!(py, "isEnabledFor"))?;
    let enabled = call(&is_enabled_for, (DEBUG,), None)?.is_truthy()?;
    Ok(enabled.then_some(logger))
}

/// Writes a line for each attempt: method and path without the query, never a header or a body.
///
/// # Errors
/// What is no `Exception`, such as `KeyboardInterrupt`. Failures of logging itself do not hide the outcome of a call.
pub(crate) fn write(logger: &Bound<'_, PyAny>, attempts: &[AttemptRecord]) -> PyResult<()> {
    let py = logger.py();
    let debug = logger.getattr(intern!(py, "debug"))?;
    for attempt in attempts {
        let outcome = match (attempt.status, attempt.kind) {
            (Some(status), _) => status.to_string(),
            (None, kind) => {
                let class = kind.map_or("no answer", |kind| kind.class_name());
                format!("{class} ({})", attempt.problem.as_deref().unwrap_or("unknown"))
            }
        };
        let milliseconds = attempt.duration.as_secs_f64() * 1e3;
        let line = (
            intern!(py, "%s %s: %s in %.1f ms, attempt %d"),
            attempt.method,
            &attempt.path,
            outcome,
            milliseconds,
            attempt.number,
        );
        if let Err(error) = call(&debug, line, None) {
            if !error.is_instance_of::<PyException>(py) {
                return Err(error);
            }
            stay(|| error.write_unraisable(py, Some(logger)));
        }
    }
    Ok(())
}

/// Does what the environment variable `LOKI_LOG` says, if it is set.
pub(crate) fn set_up_from_environment(py: Python<'_>) -> PyResult<()> {
    static DONE: PyOnceLock<()> = PyOnceLock::new();
    let Some(level) = std::env::var_os("LOKI_LOG").filter(|level| !level.is_empty()) else { return Ok(()) };
    DONE.get_or_try_init(py, || {
        PyModule::import(py, "loki_mode_sdk.logs")?.call_method1("write_to_stderr", (level,)).map(drop)
    })
    .map(drop)
}
