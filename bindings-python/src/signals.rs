//! Ctrl-C and other signals while a call waits outside the interpreter.

use std::sync::{Mutex, OnceLock, PoisonError};

use pyo3::prelude::*;

use crate::finalizing::{call, stay};

/// Looks for signals during one call.
#[derive(Default)]
pub(crate) struct Signals {
    /// Python runs signal handlers on its main thread only; found out when first asked, which a quick call never is.
    on_main_thread: OnceLock<bool>,
    raised: Mutex<Option<PyErr>>,
}

impl Signals {
    /// Runs the handlers of signals that have arrived; true if one raised.
    pub(crate) fn pending(&self) -> bool {
        if self.on_main_thread.get() == Some(&false) {
            return false;
        }
        stay(|| {
            Python::attach(|py| {
                // A failure to find out is taken for "yes": on another thread checking is merely in vain.
                if !*self.on_main_thread.get_or_init(|| is_main_thread(py).unwrap_or(true)) {
                    return false;
                }
                let Err(error) = py.check_signals() else { return false };
                *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                true
            })
        })
    }

    /// What a handler raised.
    pub(crate) fn into_raised(self) -> Option<PyErr> {
        self.raised.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = PyModule::import(py, "threading")?;
    let main = call(&threading.getattr("main_thread")?, (), None)?.getattr("ident")?;
    main.eq(threading.call_method0("get_ident")?)
}
