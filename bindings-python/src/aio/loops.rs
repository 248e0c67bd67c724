//! The mailboxes of the event loops that run on this thread.

use std::cell::RefCell;
use std::sync::Arc;

use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use super::bell::Bell;
use super::mailbox::{Mailbox, Reader};
use crate::finalizing::call;

/// A loop that has a mailbox.
struct Known {
    /// Its address, to find it quickly, and a weak reference, to be sure.
    address: usize,
    reference: Py<PyWeakrefReference>,
    mailbox: Arc<Mailbox>,
}

thread_local! {
    // For each thread its own: no lock that a fork could leave taken. A loop that moves to another thread has a second
    // mailbox there.
    static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

/// The running event loop and its mailbox.
pub(super) fn current(py: Python<'_>) -> PyResult<(Bound<'_, PyAny>, Arc<Mailbox>)> {
    let event_loop = running(py)?;
    let address = event_loop.as_ptr() as usize;
    // Nothing in here runs Python code, which could come back.
    let known = KNOWN.with_borrow(|known| {
        let at_address = |known: &&Known| known.address == address && known.mailbox.is_open();
        known
            .iter()
            .filter(at_address)
            .find(|known| known.reference.bind(py).upgrade().is_some_and(|found| found.is(&event_loop)))
            .map(|known| Arc::clone(&known.mailbox))
    });
    if let Some(mailbox) = known {
        return Ok((event_loop, mailbox));
    }
    let mailbox = connect(&event_loop)?;
    let reference = PyWeakrefReference::new(&event_loop)?.unbind();
    let outdated: Vec<Known> = KNOWN.with_borrow_mut(|known| {
        let outdated = known.extract_if(.., |known| !known.mailbox.is_open()).collect();
        known.push(Known { address, reference, mailbox: Arc::clone(&mailbox) });
        outdated
    });
    drop(outdated);
    Ok((event_loop, mailbox))
}

pub(super) fn running(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let get = GET.import(py, "asyncio", "get_running_loop")?;
    get.call0().map_err(|error| {
        if !error.is_instance_of::<PyRuntimeError>(py) {
            return error;
        }
        let told = PyRuntimeError::new_err(
            "no event loop of asyncio is running here: await the call in a coroutine that asyncio.run(), uvloop or anyio's \
             asyncio backend runs (trio is not supported)",
        );
        told.set_cause(py, Some(error));
        told
    })
}

/// Has the loop listen to a new mailbox.
fn connect(event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Mailbox>> {
    let py = event_loop.py();
    if let Some(bell) = Bell::new()? {
        let descriptor = bell.descriptor();
        let mailbox = Arc::new(Mailbox::new(Some(bell)));
        let reader = Bound::new(py, Reader::new(Arc::clone(&mailbox)))?;
        match call(&event_loop.getattr(intern!(py, "add_reader"))?, (descriptor, reader), None) {
            Ok(_) => return Ok(mailbox),
            Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {}
            Err(error) => return Err(error),
        }
    }
    let mailbox = Arc::new(Mailbox::new(None));
    let reader = Bound::new(py, Reader::new(Arc::clone(&mailbox)))?;
    let listen = PyModule::import(py, "loki_mode_sdk.aio")?.getattr("listen")?;
    call(&listen, (event_loop, reader), None)?;
    Ok(mailbox)
}
