//! The waist: one class, through which every call goes.

use loki_mode_core::{CallOptions, Error, Options, PathStyle, Response, Token};
use loki_mode_spec::{Operation, Returns};
use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::objects::Objects;
use crate::signals::Signals;
use crate::{arguments, errors};

/// A connection to a control plane. Safe to use from many threads at once.
#[pyclass(frozen, module = "loki_mode_sdk._native")]
pub(crate) struct Client {
    pub(crate) engine: loki_mode_core::Client,
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (base_url, token, timeout, max_retries, path_style, language))]
    fn new(
        base_url: &Bound<'_, PyAny>,
        token: &Bound<'_, PyAny>,
        timeout: &Bound<'_, PyAny>,
        max_retries: &Bound<'_, PyAny>,
        path_style: &Bound<'_, PyAny>,
        language: String,
    ) -> PyResult<Self> {
        let py = base_url.py();
        let string = |name, value| {
            arguments::text(name, value)?.ok_or_else(|| arguments::mismatch(name, "str", value))
        };
        let token = if token.is_none() { None } else { Some(Token::new(string("token", token)?)) };
        let path_style: PathStyle =
            string("path_style", path_style)?.parse().map_err(|error| errors::raise(py, error))?;
        let options = Options {
            base_url: string("base_url", base_url)?,
            token,
            timeout: arguments::seconds("timeout", timeout)?,
            max_retries: arguments::count("max_retries", max_retries)?,
            path_style,
            language,
            ..Options::default()
        };
        let engine = loki_mode_core::Client::new(options).map_err(|error| errors::raise(py, error))?;
        Ok(Client { engine })
    }

    /// Executes an operation of the table with one argument for each of its parameters; `None` is "not given".
    fn call<'py>(
        &self,
        py: Python<'py>,
        operation: &Bound<'py, PyString>,
        arguments: &Bound<'py, PyTuple>,
        timeout: &Bound<'py, PyAny>,
        max_retries: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let operation = operation_of(operation)?;
        let arguments = arguments::convert(operation, arguments)?;
        self.run(py, timeout, max_retries, |engine, call| engine.execute(operation, arguments, call))
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
    /// Leaves the interpreter for as long as the call takes and builds its data afterwards: the only place that does.
    pub(crate) fn run<'py>(
        &self,
        py: Python<'py>,
        timeout: &Bound<'py, PyAny>,
        max_retries: &Bound<'py, PyAny>,
        call: impl FnOnce(&loki_mode_core::Client, &CallOptions<'_>) -> Result<Response, Error> + Send,
    ) -> PyResult<Bound<'py, PyAny>> {
        let given = |value: &Bound<'py, PyAny>| !value.is_none();
        let timeout = given(timeout).then(|| arguments::seconds("timeout", timeout)).transpose()?;
        let max_retries =
            given(max_retries).then(|| arguments::count("max_retries", max_retries)).transpose()?;
        let signals = Signals::default();
        let outcome = py.detach(|| {
            let interrupted = || signals.pending();
            let options = CallOptions { timeout, max_retries, interrupted: Some(&interrupted), ..CallOptions::default() };
            call(&self.engine, &options)
        });
        let response = match outcome {
            Ok(response) => response,
            Err(error) => return Err(signals.into_raised().unwrap_or_else(|| errors::raise(py, error))),
        };
        if matches!(response.operation().returns, Returns::Nothing) {
            return Ok(py.None().into_bound(py));
        }
        let mut objects = Objects::new(py);
        match response.decode(&mut objects) {
            Ok(data) => Ok(data),
            Err(error) => Err(objects.into_raised().unwrap_or_else(|| errors::raise(py, error))),
        }
    }
}

/// Builds what an operation returns from the body of an answer: the second half of a call, for tests without a server.
#[pyfunction]
pub(crate) fn decode<'py>(
    py: Python<'py>,
    operation: &Bound<'py, PyString>,
    body: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    let mut objects = Objects::new(py);
    loki_mode_core::decode::decode(&operation_of(operation)?.returns, body, &mut objects).map_err(|failure| {
        objects.into_raised().unwrap_or_else(|| errors::plain(py, "DecodeError", failure.to_string()))
    })
}

fn operation_of(name: &Bound<'_, PyString>) -> PyResult<&'static Operation> {
    let name = name.to_cow()?;
    loki_mode_spec::operation(&name)
        .ok_or_else(|| PySystemError::new_err(format!("the native module knows no operation {name}")))
}
