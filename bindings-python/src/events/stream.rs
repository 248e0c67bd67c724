//! The class below all iterators of events in Python.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PySystemError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};

use super::feed::Feed;
use super::lists::{self, Pages};
use super::options::{self, Follow};
use crate::aio::{self, Call, Outcome, Pools, Room, Terms};
use crate::client::Client;
use crate::{arguments, errors, logs};

/// An iterator of events. The classes that users know extend it in Python; that it is iterated here has a reason:
/// between this and a `for` loop there is no Python code, at which a signal could take away an event.
#[pyclass(frozen, subclass, module = "loki_mode_sdk._native")]
pub(crate) struct Stream {
    feed: Arc<Feed>,
    pools: Arc<Pools>,
    /// How long it waits for a token.
    patience: Duration,
    /// The id of the run, if it is one that is followed.
    run_id: Option<String>,
}

#[pymethods]
impl Stream {
    #[new]
    #[pyo3(signature = (client, source, **options))]
    fn new(
        py: Python<'_>,
        client: &Bound<'_, Client>,
        source: &str,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let none = PyDict::new(py);
        let options = options.unwrap_or(&none);
        let engine = &client.get().engine;
        let (opened, until, run_id) = match source {
            "follow" => {
                let Follow { run_id, options, until, .. } = Follow::read(options)?;
                let run_id =
                    run_id.ok_or_else(|| PyTypeError::new_err("run_id must be int or str, not None"))?;
                let text = run_id.to_text().into_owned();
                (engine.follow(run_id, &options), until, Some(text))
            }
            "follow_many" => {
                let Follow { run_ids, project_id, options, until, .. } = Follow::read(options)?;
                (engine.follow_many(run_ids, project_id, &options), until, None)
            }
            "events" => (engine.events(&options::live(options)?), None, None),
            "pages" => {
                let Pages { operation, args, options } = lists::pages(options)?;
                (engine.pages(operation, args, options), None, None)
            }
            "end_of_run" => {
                let (run_id, options) = lists::end_of_run(options)?;
                (engine.wait_for_run(run_id, &options), None, None)
            }
            "watch" => (engine.watch(&options::watch(options)?), None, None),
            _ => return Err(PySystemError::new_err(format!("the native module knows no stream {source}"))),
        };
        let stream = opened.map_err(|error| errors::raise(py, error))?;
        let pools = Arc::clone(&client.get().pools);
        Ok(Stream {
            feed: Arc::new(Feed::new(stream, matches!(source, "events" | "watch"), until)),
            pools,
            patience: engine.options().timeout,
            run_id,
        })
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.feed.next(py)
    }

    /// The next event, if it has come; `None` if not, and at the end.
    #[pyo3(name = "_at_hand")]
    fn at_hand<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.feed.at_hand(py)
    }

    /// Begins to wait for events, for the running event loop. What is awaited says whether to look for what is at hand,
    /// and to wait again if that is nothing; if not, it is the end.
    #[pyo3(name = "_begin")]
    fn begin(&self, py: Python<'_>) -> PyResult<Call> {
        let logger = logs::listened_to(py)?.map(Bound::unbind);
        let terms = Terms {
            // The stream knows itself how long it may last.
            timeout: Duration::MAX,
            // It asks for a token with each request, on a thread that is its own.
            patience: self.patience,
            first: None,
            max_retries: None,
            headers: Vec::new(),
            record_attempts: logger.is_some(),
        };
        let (waiting, waited) = (Arc::clone(&self.feed), Arc::clone(&self.feed));
        aio::submit(
            py,
            &self.pools,
            Room::Streams,
            terms,
            move |call| waiting.wait_outside(call).map(GoesOn),
            move |py, outcome| {
                if let Some(logger) = &logger {
                    waited.write_attempts(logger.bind(py))?;
                }
                let GoesOn(goes_on) = outcome.map_err(|error| errors::raise(py, error))?;
                Ok(PyBool::new(py, goes_on).to_owned().into_any().unbind())
            },
        )
    }

    /// Ends the iteration, whichever thread it is in.
    #[pyo3(name = "_close")]
    fn close(&self) {
        self.feed.close();
    }

    #[getter(_closed)]
    fn is_closed(&self) -> bool {
        self.feed.is_closed()
    }

    /// Where to go on after the event that was given out last.
    #[getter(_cursor)]
    fn cursor(&self) -> String {
        self.feed.cursor()
    }

    /// The last known state of a run; without an id, of the one that is followed.
    #[pyo3(name = "_status_of", signature = (run_id=None))]
    fn status_of(&self, run_id: Option<&Bound<'_, PyAny>>) -> PyResult<Option<String>> {
        let given = run_id.map(|id| arguments::id("run_id", id)).transpose()?;
        let id = given.as_ref().map(loki_mode_core::Value::to_text);
        Ok(id.as_deref().or(self.run_id.as_deref()).and_then(|id| self.feed.status_of(id)))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.feed.traverse(&visit)
    }

    fn __clear__(&self) {
        self.feed.clear();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A thread of the pool may still refer to the feed: it is not to wait for nobody, nor to hold what is Python's.
        self.feed.abandon();
    }
}

/// What a wait brings: whether the stream goes on.
struct GoesOn(bool);

impl Outcome for GoesOn {
    fn bytes(&self) -> usize {
        // What has come is decoded later, and not all at once.
        0
    }
}
