//! What a stream is opened with, as it comes from Python.

use std::time::Duration;

use loki_mode_core::Value;
use loki_mode_core::events::{FollowOptions, LiveOptions, Until, WatchOptions};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::finalizing::call;
use crate::options::headers;
use crate::{arguments, moments};

/// How runs are to be followed.
#[derive(Default)]
pub(super) struct Follow {
    pub(super) run_id: Option<Value>,
    pub(super) run_ids: Vec<Value>,
    pub(super) project_id: Option<Value>,
    pub(super) options: FollowOptions,
    /// Is asked about each event whether it was the last.
    pub(super) until: Option<Py<PyAny>>,
}

impl Follow {
    /// Reads what is given by name; `None` is "not given".
    pub(super) fn read(given: &Bound<'_, PyDict>) -> PyResult<Self> {
        let (mut follow, mut terms) = (Follow::default(), Terms::default());
        for (name, value) in given {
            if value.is_none() {
                continue;
            }
            let name = name.extract::<String>()?;
            let (name, value) = (name.as_str(), &value);
            let options = &mut follow.options;
            match name {
                "run_id" => follow.run_id = Some(arguments::id(name, value)?),
                "run_ids" => follow.run_ids = ids(name, value)?,
                "project_id" => follow.project_id = Some(arguments::id(name, value)?),
                "since" => options.since = Some(moments::written(name, value)?),
                "cursor" => options.cursor = Some(text(name, value)?),
                "poll_interval" => options.poll_interval = arguments::seconds(name, value)?,
                "until" if !value.is_instance_of::<PyString>() && value.is_callable() => {
                    follow.until = Some(value.clone().unbind());
                }
                "until" => options.until = until(name, value)?,
                _ => terms.read(name, value)?,
            }
        }
        let Terms { timeout, max_retries, headers } = terms;
        follow.options = FollowOptions { timeout, max_retries, headers, ..follow.options };
        Ok(follow)
    }
}

/// What is said about every stream.
#[derive(Default)]
pub(super) struct Terms {
    pub(super) timeout: Option<Duration>,
    pub(super) max_retries: Option<u32>,
    pub(super) headers: Vec<(String, String)>,
}

impl Terms {
    /// Reads one of them.
    ///
    /// # Errors
    /// It is of the wrong type, or there is none of this name.
    pub(super) fn read(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match name {
            _ if value.is_none() => {}
            "timeout" => self.timeout = arguments::seconds_or_endless(name, value)?,
            "max_retries" => self.max_retries = Some(arguments::count(name, value)?),
            "headers" => self.headers = headers(value)?,
            _ => return Err(unknown(name)),
        }
        Ok(())
    }
}

/// Which live events are wanted.
pub(super) fn live(given: &Bound<'_, PyDict>) -> PyResult<LiveOptions> {
    let (mut options, mut terms) = (LiveOptions::default(), Terms::default());
    for (name, value) in given {
        if value.is_none() {
            continue;
        }
        let name = name.extract::<String>()?;
        let (name, value) = (name.as_str(), &value);
        match name {
            "session_id" => options.session_id = Some(arguments::id(name, value)?),
            "types" => options.types = texts(name, "a collection of str", value)?,
            "min_level" => options.min_level = Some(text(name, value)?),
            "history" => options.history = Some(arguments::count(name, value)?),
            _ => terms.read(name, value)?,
        }
    }
    let Terms { timeout, max_retries, headers } = terms;
    Ok(LiveOptions { timeout, max_retries, headers, ..options })
}

/// How the dashboard is to be watched.
pub(super) fn watch(given: &Bound<'_, PyDict>) -> PyResult<WatchOptions> {
    let (mut subscribe, mut terms) = (None, Terms::default());
    for (name, value) in given {
        let name = name.extract::<String>()?;
        match name.as_str() {
            "subscribe" if value.is_none() => {}
            "subscribe" => subscribe = Some(arguments::json(&name, &value)?),
            _ => terms.read(&name, &value)?,
        }
    }
    let Terms { timeout, max_retries, headers } = terms;
    Ok(WatchOptions { subscribe, timeout, max_retries, headers })
}

fn until(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Until> {
    if let Some(state) = arguments::text(name, value)? {
        return Ok(Until::States(vec![state]));
    }
    let states = texts(name, "str, a collection of str, or a function", value)?;
    Ok(if states.is_empty() { Until::Never } else { Until::States(states) })
}

fn texts(name: &str, expected: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let read = |item: Bound<'_, PyAny>| {
        arguments::text(name, &item)?.ok_or_else(|| {
            let found =
                item.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string());
            PyTypeError::new_err(format!("{name} must be {expected}, not a collection with {found}"))
        })
    };
    items(name, expected, value)?.iter().map(read).collect()
}

fn ids(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<Value>> {
    items(name, "a collection of int or str", value)?.iter().map(|item| arguments::id(name, &item)).collect()
}

/// What stands in a list, or in whatever else can be iterated; a string would be taken for its characters.
fn items<'py>(name: &str, expected: &str, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let py = value.py();
    let is_text = value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>();
    if is_text || !value.hasattr(intern!(py, "__iter__"))? {
        return Err(arguments::mismatch(name, expected, value));
    }
    Ok(call(&py.get_type::<PyList>(), (value,), None)?.cast_into::<PyList>()?)
}

fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    arguments::text(name, value)?.ok_or_else(|| arguments::mismatch(name, "str", value))
}

pub(super) fn unknown(name: &str) -> PyErr {
    PyTypeError::new_err(format!("there is no option {name}"))
}
