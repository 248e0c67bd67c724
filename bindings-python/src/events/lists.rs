//! What long lists, and the end of a run, are asked for with, as it comes from Python.

use loki_mode_core::events::WaitOptions;
use loki_mode_core::{Args, PageOptions, Value};
use loki_mode_spec::Operation;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::options::{Terms, unknown};
use crate::{arguments, client, options};

/// A list that is to be gone through.
pub(super) struct Pages {
    pub(super) operation: &'static Operation,
    pub(super) args: Args,
    pub(super) options: PageOptions,
}

/// Reads what is given by name; `None` is "not given".
pub(super) fn pages(given: &Bound<'_, PyDict>) -> PyResult<Pages> {
    let mut options = PageOptions::default();
    let (mut operation, mut values) = (None, None);
    for (name, value) in given {
        if value.is_none() {
            continue;
        }
        let name = name.extract::<String>()?;
        let (name, value) = (name.as_str(), &value);
        match name {
            "operation" => operation = Some(client::operation_of(value.cast::<PyString>()?)?),
            "arguments" => values = Some(value.cast::<PyTuple>()?.clone()),
            "max_items" => options.max_items = Some(arguments::count(name, value)?),
            "page_size" => options.page_size = Some(arguments::count(name, value)?),
            "timeout" => options.timeout = Some(arguments::seconds(name, value)?),
            "max_retries" => options.max_retries = Some(arguments::count(name, value)?),
            "headers" => options.headers = options::headers(value)?,
            _ => return Err(unknown(name)),
        }
    }
    match (operation, values) {
        (Some(operation), Some(values)) => {
            Ok(Pages { operation, args: arguments::convert(operation, &values)?, options })
        }
        _ => Err(PyTypeError::new_err("a list is an operation and its arguments")),
    }
}

/// The run whose end is waited for, and how.
pub(super) fn end_of_run(given: &Bound<'_, PyDict>) -> PyResult<(Value, WaitOptions)> {
    let (mut options, mut terms) = (WaitOptions::default(), Terms::default());
    let mut run_id = None;
    for (name, value) in given {
        let name = name.extract::<String>()?;
        let (name, value) = (name.as_str(), &value);
        match name {
            "run_id" => run_id = Some(arguments::id(name, value)?),
            "poll_interval" => options.poll_interval = arguments::seconds(name, value)?,
            _ => terms.read(name, value)?,
        }
    }
    let Terms { timeout, max_retries, headers } = terms;
    options = WaitOptions { timeout, max_retries, headers, ..options };
    let run_id = run_id.ok_or_else(|| PyTypeError::new_err("run_id must be int or str, not None"))?;
    Ok((run_id, options))
}
