//! What the environment says about the options: `AutonomiClient.from_env` stands above.

use std::collections::HashMap;

use loki_mode_core::{PathStyle, Settings};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::finalizing::call;
use crate::{arguments, errors};

/// The options that the environment sets, as keyword arguments; those that are `given` are left out. `variable` is
/// `os.environ.get`: Python may know better than the process what is set.
#[pyfunction]
pub(crate) fn settings<'py>(
    variable: &Bound<'py, PyAny>,
    given: Vec<String>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = variable.py();
    let mut variables = HashMap::new();
    for name in Settings::VARIABLES {
        if let Some(value) = arguments::text(name, &call(variable, (name,), None)?)? {
            variables.insert(name, value);
        }
    }
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let Settings { base_url, token, timeout, max_retries, path_style, ca_file } = py
        .detach(|| Settings::read(&|name| variables.get(name).cloned(), &given))
        .map_err(|error| errors::raise(py, error))?;
    let options = PyDict::new(py);
    set(&options, "base_url", base_url)?;
    set(&options, "token", token)?;
    set(&options, "timeout", timeout.map(|timeout| timeout.as_secs_f64()))?;
    set(&options, "max_retries", max_retries)?;
    set(&options, "path_style", path_style.map(PathStyle::as_str))?;
    set(&options, "ca_file", ca_file)?;
    Ok(options)
}

fn set<'py, T: IntoPyObject<'py>>(
    options: &Bound<'py, PyDict>,
    name: &str,
    value: Option<T>,
) -> PyResult<()> {
    value.map_or(Ok(()), |value| options.set_item(name, value))
}
