//! Events: what is new in a run, and streams that give one event after the other.

mod feed;
mod options;
mod stream;

use loki_mode_core::Value;
use pyo3::prelude::*;

pub(crate) use self::stream::Stream;
use crate::arguments;
use crate::client::{Client, Given, data};

/// What has been given out so far, for each run that is polled.
#[pyclass(frozen, module = "loki_mode_sdk._native")]
pub(crate) struct EventStream {
    client: Py<Client>,
    stream: loki_mode_core::events::EventStream,
}

#[pymethods]
impl EventStream {
    #[new]
    fn new(client: Py<Client>) -> Self {
        EventStream { client, stream: loki_mode_core::events::EventStream::new() }
    }

    /// The events that were not given out yet, oldest first.
    fn poll<'py>(
        &self,
        py: Python<'py>,
        run_id: &Bound<'py, PyAny>,
        since: &Bound<'py, PyAny>,
        timeout: &Bound<'py, PyAny>,
        max_retries: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let run_id: Value = arguments::id("run_id", run_id)?;
        let since = if since.is_none() { None } else { Some(options::moment("since", since)?) };
        let given = Given { timeout, max_retries, headers };
        let response = self
            .client
            .get()
            .run(py, given, |engine, call| engine.poll_events(&self.stream, run_id, since, call))?;
        data(py, &response)
    }
}
