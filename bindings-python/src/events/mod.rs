//! Events: what is new in a run, and streams that give one event after the other.

mod feed;
mod lists;
mod options;
mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loki_mode_core::{CallOptions, Response, Value};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

pub(crate) use self::stream::Stream;
use crate::aio::Call;
use crate::client::{Client, Given, awaited_data, data};
use crate::{arguments, moments};

/// What has been given out so far, for each run that is polled.
#[pyclass(frozen, module = "loki_mode_sdk._native")]
pub(crate) struct EventStream {
    client: Py<Client>,
    polls: Arc<Polls>,
    /// Events that were awaited and not taken yet: by whoever awaited them or, if that was cancelled, by the next.
    ready: Arc<ForRuns<Py<PyAny>>>,
}

struct Polls {
    stream: loki_mode_core::events::EventStream,
    /// Answers that were awaited and not decoded yet.
    come: ForRuns<Response>,
}

/// For each run what is to be taken, oldest first.
struct ForRuns<T>(Mutex<HashMap<String, Vec<T>>>);

impl<T> ForRuns<T> {
    fn new() -> Self {
        ForRuns(Mutex::default())
    }

    fn put(&self, run_id: String, what: T) {
        self.lock().entry(run_id).or_default().push(what);
    }

    fn take(&self, run_id: &str) -> Vec<T> {
        self.lock().remove(run_id).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<T>>> {
        // What is guarded is changed in single steps.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl EventStream {
    #[new]
    fn new(client: Py<Client>) -> Self {
        let stream = loki_mode_core::events::EventStream::new();
        let polls = Arc::new(Polls { stream, come: ForRuns::new() });
        EventStream { client, polls, ready: Arc::new(ForRuns::new()) }
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
        let (run_id, since) = asked(run_id, since)?;
        let given = Given { timeout, max_retries, headers };
        let response = self
            .client
            .get()
            .run(py, given, |engine, call| engine.poll_events(&self.polls.stream, run_id, since, call))?;
        data(py, &response)
    }

    /// Begins what `poll` does, on a thread of the pool, for the running event loop. What comes is to be taken by `take`.
    fn begin_poll(
        &self,
        py: Python<'_>,
        run_id: &Bound<'_, PyAny>,
        since: &Bound<'_, PyAny>,
        timeout: &Bound<'_, PyAny>,
        max_retries: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<Call> {
        let (run_id, since) = asked(run_id, since)?;
        let text = run_id.to_text().into_owned();
        let (polls, in_place) = (Arc::clone(&self.polls), text.clone());
        let (answered, ready) = (Arc::clone(&self.polls), Arc::clone(&self.ready));
        let call = move |engine: &loki_mode_core::Client, call: &CallOptions<'_>| {
            let response = engine.poll_events(&polls.stream, run_id, since, call)?;
            polls.come.put(in_place, response.clone());
            Ok(response)
        };
        let build = move |py: Python<'_>, _: &Response| {
            for response in answered.come.take(&text) {
                ready.put(text.clone(), awaited_data(py, &response)?);
            }
            Ok(py.None())
        };
        let given = Given { timeout, max_retries, headers };
        self.client.get().begin_run(py, given, Box::new(call), Box::new(build))
    }

    /// The events of a run that were awaited.
    fn take<'py>(&self, py: Python<'py>, run_id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let run_id = arguments::id("run_id", run_id)?;
        let mut lists = self.ready.take(&run_id.to_text()).into_iter().map(|list| list.into_bound(py));
        let Some(events) = lists.next() else { return Ok(PyList::empty(py).into_any()) };
        for list in lists {
            events.call_method1(intern!(py, "extend"), (list,))?;
        }
        Ok(events)
    }
}

/// The arguments of a poll.
fn asked(run_id: &Bound<'_, PyAny>, since: &Bound<'_, PyAny>) -> PyResult<(Value, Option<String>)> {
    let run_id = arguments::id("run_id", run_id)?;
    Ok((run_id, if since.is_none() { None } else { Some(moments::written("since", since)?) }))
}
