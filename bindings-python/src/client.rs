//! The waist: one class, through which every call goes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use loki_mode_core::{Args, CallOptions, Error, Response};
use loki_mode_spec::{Operation, Returns};
use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::aio::{self, Call, Pools, Room, Terms};
use crate::objects::Objects;
use crate::signals::Signals;
use crate::{arguments, collector, errors, logs, options};

/// A connection to a control plane. Safe to use from many threads at once.
#[pyclass(frozen, module = "loki_mode_sdk._native")]
pub(crate) struct Client {
    pub(crate) engine: loki_mode_core::Client,
    /// Where calls for asyncio are made.
    pub(crate) pools: Arc<Pools>,
    /// The function that gives the token, if one does: calls for asyncio ask it themselves. In common with those clients
    /// that the engine has the token in common with.
    provider: Arc<ArcSwapOption<Py<PyAny>>>,
}

/// What a caller says about a single call, as it comes from Python; `None` is "not given".
#[derive(Clone, Copy)]
pub(crate) struct Given<'a, 'py> {
    pub(crate) timeout: &'a Bound<'py, PyAny>,
    pub(crate) max_retries: &'a Bound<'py, PyAny>,
    pub(crate) headers: &'a Bound<'py, PyAny>,
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (**options))]
    fn new(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        logs::set_up_from_environment(py)?;
        let provider = options::provider(options)?;
        let options = options.map(options::read).transpose()?.unwrap_or_default();
        // Reading certificates takes a while.
        let engine = py.detach(|| loki_mode_core::Client::new(options));
        let engine = engine.map_err(|error| errors::raise(py, error))?;
        let pools = Arc::new(Pools::new(engine.options().max_connections));
        Ok(Client { engine, pools, provider: Arc::new(provider.into()) })
    }

    /// A client that shares connections with this one; takes `timeout`, `max_retries`, `token`, `headers`.
    #[pyo3(signature = (**changes))]
    fn with_options(&self, py: Python<'_>, changes: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let provider = options::provider(changes)?;
        let changes = changes.map(options::changes).transpose()?.unwrap_or_default();
        let provider =
            if changes.token.is_some() { Arc::new(provider.into()) } else { Arc::clone(&self.provider) };
        let engine = self.engine.with_options(changes).map_err(|error| errors::raise(py, error))?;
        Ok(Client { engine, pools: Arc::clone(&self.pools), provider })
    }

    /// Exchanges the token: text, a function that returns it, or none.
    fn set_token(&self, token: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = token.py();
        let (provider, token) = (options::provider_of(token)?, options::token(token)?);
        // The last use of the old one may end here; whatever its provider does then, it waits for nothing of ours.
        py.detach(|| self.engine.set_token(token)).map_err(|error| errors::raise(py, error))?;
        let before = self.provider.swap(provider);
        drop(before);
        Ok(())
    }

    /// What the user should know about how this client is set up, each as a sentence.
    fn warnings(&self) -> Vec<String> {
        self.engine.warnings().iter().map(ToString::to_string).collect()
    }

    /// Executes an operation of the table with one argument for each of its parameters; `None` is "not given".
    fn call<'py>(
        &self,
        operation: &Bound<'py, PyString>,
        arguments: &Bound<'py, PyTuple>,
        timeout: &Bound<'py, PyAny>,
        max_retries: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let response = self.execute(operation, arguments, Given { timeout, max_retries, headers })?;
        data(operation.py(), &response)
    }

    /// The same, but returns data, status, headers (lower-case names) and the number of attempts.
    fn call_raw<'py>(
        &self,
        operation: &Bound<'py, PyString>,
        arguments: &Bound<'py, PyTuple>,
        timeout: &Bound<'py, PyAny>,
        max_retries: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
    ) -> PyResult<Whole<'py>> {
        let response = self.execute(operation, arguments, Given { timeout, max_retries, headers })?;
        Ok(whole(data(operation.py(), &response)?, &response))
    }

    /// Begins what `call`, or with `whole` what `call_raw` does, on a thread of the pool, for the running event loop.
    #[allow(clippy::too_many_arguments, reason = "an object of them would cost a look-up each")]
    fn begin(
        &self,
        operation: &Bound<'_, PyString>,
        arguments: &Bound<'_, PyTuple>,
        timeout: &Bound<'_, PyAny>,
        max_retries: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        whole: bool,
    ) -> PyResult<Call> {
        let py = operation.py();
        let (operation, arguments) = prepare(operation, arguments)?;
        let call = move |engine: &loki_mode_core::Client, call: &CallOptions<'_>| {
            engine.execute(operation, arguments, call)
        };
        let build = if whole { awaited_whole } else { awaited_data };
        self.begin_run(py, Given { timeout, max_retries, headers }, Box::new(call), Box::new(build))
    }

    /// Closes idle connections and makes every later call fail.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.engine.close());
    }

    #[getter]
    fn base_url(&self) -> &str {
        &self.engine.options().base_url
    }
}

impl Client {
    fn execute<'py>(
        &self,
        operation: &Bound<'py, PyString>,
        arguments: &Bound<'py, PyTuple>,
        given: Given<'_, 'py>,
    ) -> PyResult<Response> {
        let py = operation.py();
        let (operation, arguments) = prepare(operation, arguments)?;
        self.run(py, given, |engine, call| engine.execute(operation, arguments, call))
    }

    /// Leaves the interpreter for as long as a call takes: the only place that does.
    pub(crate) fn run<'py>(
        &self,
        py: Python<'py>,
        given: Given<'_, 'py>,
        call: impl FnOnce(&loki_mode_core::Client, &CallOptions<'_>) -> Result<Response, Error> + Send,
    ) -> PyResult<Response> {
        let Wanted { timeout, max_retries, headers } = given.read()?;
        let logger = logs::listened_to(py)?;
        let record_attempts = logger.is_some();
        let signals = Signals::default();
        let outcome = py.detach(|| {
            let interrupted = || signals.pending();
            let options = CallOptions {
                timeout,
                max_retries,
                interrupted: Some(&interrupted),
                headers: &headers,
                record_attempts,
                ..CallOptions::default()
            };
            call(&self.engine, &options)
        });
        if let Some(logger) = &logger {
            write_attempts(logger, &outcome)?;
        }
        outcome.map_err(|error| signals.into_raised().unwrap_or_else(|| errors::raise(py, error)))
    }

    /// Has a thread of the pool make a call, for the running event loop; `build` makes what is awaited of its answer.
    pub(crate) fn begin_run<'py>(
        &self,
        py: Python<'py>,
        given: Given<'_, 'py>,
        call: Box<BegunCall>,
        build: Box<Build>,
    ) -> PyResult<Call> {
        let Wanted { timeout, max_retries, headers } = given.read()?;
        let logger = logs::listened_to(py)?.map(Bound::unbind);
        let timeout = timeout.unwrap_or(self.engine.options().timeout);
        // A wrong timeout is told before anybody is asked for anything.
        let first = if timeout.is_zero() { None } else { self.provider.load_full() };
        let record_attempts = logger.is_some();
        let terms = Terms { timeout, patience: timeout, first, max_retries, headers, record_attempts };
        let engine = self.engine.clone();
        aio::submit(
            py,
            &self.pools,
            Room::Calls,
            terms,
            move |options| call(&engine, options),
            move |py, outcome| {
                if let Some(logger) = &logger {
                    write_attempts(logger.bind(py), &outcome)?;
                }
                build(py, &outcome.map_err(|error| errors::raise(py, error))?)
            },
        )
    }
}

/// What a thread of the pool makes, on an engine of its own.
pub(crate) type BegunCall =
    dyn FnOnce(&loki_mode_core::Client, &CallOptions<'_>) -> Result<Response, Error> + Send;

/// Makes what is awaited of an answer, on the loop.
pub(crate) type Build = dyn FnOnce(Python<'_>, &Response) -> PyResult<Py<PyAny>> + Send;

/// What a caller says about a single call, read; what is not given is as for the client.
struct Wanted {
    timeout: Option<Duration>,
    max_retries: Option<u32>,
    headers: Vec<(String, String)>,
}

impl Given<'_, '_> {
    fn read(self) -> PyResult<Wanted> {
        fn read<'py, T>(
            value: &Bound<'py, PyAny>,
            read: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
        ) -> PyResult<Option<T>> {
            if value.is_none() { Ok(None) } else { read(value).map(Some) }
        }
        Ok(Wanted {
            timeout: read(self.timeout, |value| arguments::seconds("timeout", value))?,
            max_retries: read(self.max_retries, |value| arguments::count("max_retries", value))?,
            headers: options::headers(self.headers)?,
        })
    }
}

fn prepare(
    operation: &Bound<'_, PyString>,
    arguments: &Bound<'_, PyTuple>,
) -> PyResult<(&'static Operation, Args)> {
    let operation = operation_of(operation)?;
    Ok((operation, arguments::convert(operation, arguments)?))
}

fn write_attempts(logger: &Bound<'_, PyAny>, outcome: &Result<Response, Error>) -> PyResult<()> {
    let attempts = match outcome {
        Ok(response) => &response.attempt_log,
        Err(error) => &error.details().attempt_log,
    };
    logs::write(logger, attempts)
}

/// Data, status, headers and the number of attempts.
type Whole<'py> = (Bound<'py, PyAny>, u16, Vec<(String, String)>, u32);

fn whole<'py>(data: Bound<'py, PyAny>, response: &Response) -> Whole<'py> {
    (data, response.status, response.headers(), response.attempts)
}

/// Builds the data of an answer.
pub(crate) fn data<'py>(py: Python<'py>, response: &Response) -> PyResult<Bound<'py, PyAny>> {
    let _resting = collector::rest(py, response.body().len())?;
    decoded(py, response, Objects::new(py))
}

/// The same for an answer that is awaited: a long one is decoded on a thread of its own, which takes turns with the loop.
pub(crate) fn awaited_data(py: Python<'_>, response: &Response) -> PyResult<Py<PyAny>> {
    let built = if aio::is_large(response) {
        decoded(py, response, Objects::in_turns(py)?)
    } else {
        data(py, response)
    };
    built.map(Bound::unbind)
}

fn awaited_whole(py: Python<'_>, response: &Response) -> PyResult<Py<PyAny>> {
    let data = awaited_data(py, response)?.into_bound(py);
    Ok(whole(data, response).into_pyobject(py)?.into_any().unbind())
}

fn decoded<'py>(
    py: Python<'py>,
    response: &Response,
    mut objects: Objects<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    if matches!(response.operation().returns, Returns::Nothing) {
        return Ok(py.None().into_bound(py));
    }
    let built = response.decode(&mut objects);
    built.map_err(|error| objects.into_raised().unwrap_or_else(|| errors::raise(py, error)))
}

/// Builds what an operation returns from the body of an answer: the second half of a call, for tests without a server.
#[pyfunction]
pub(crate) fn decode<'py>(
    py: Python<'py>,
    operation: &Bound<'py, PyString>,
    body: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    let mut objects = Objects::new(py);
    let _resting = collector::rest(py, body.len())?;
    loki_mode_core::decode::decode(&operation_of(operation)?.returns, body, &mut objects).map_err(|failure| {
        objects.into_raised().unwrap_or_else(|| errors::plain(py, "DecodeError", failure.to_string()))
    })
}

pub(crate) fn operation_of(name: &Bound<'_, PyString>) -> PyResult<&'static Operation> {
    let name = name.to_cow()?;
    loki_mode_spec::operation(&name)
        .ok_or_else(|| PySystemError::new_err(format!("the native module knows no operation {name}")))
}
