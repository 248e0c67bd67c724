//! Arguments from Python, owned and checked, so that a call can leave the interpreter.

use loki_mode_core::{Args, Value};
use loki_mode_spec::{Operation, Param, ParamType};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyUnicodeEncodeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::finalizing::call;
use crate::{errors, moments};

/// The arguments of a call, from one Python value for each parameter; `None` is "not given".
pub(crate) fn convert(operation: &'static Operation, given: &Bound<'_, PyTuple>) -> PyResult<Args> {
    let py = given.py();
    let mut values = Vec::with_capacity(operation.params.len());
    for (param, value) in operation.params.iter().zip(given) {
        values.push(if value.is_none() { None } else { Some(convert_one(param, &value)?) });
    }
    Args::new(operation, values).map_err(|error| errors::raise(py, error))
}

fn convert_one(param: &Param, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    match param.ty {
        ParamType::Id => id(param.name, value),
        ParamType::Str => {
            text(param.name, value)?.map(Value::Str).ok_or_else(|| mismatch(param.name, "str", value))
        }
        ParamType::Timestamp => moments::written(param.name, value).map(Value::Str),
        ParamType::Int => integer(value)?.ok_or_else(|| mismatch(param.name, "int", value)),
        ParamType::Bool => match value.cast::<PyBool>() {
            Ok(value) => Ok(Value::Bool(value.is_true())),
            Err(_) => Err(mismatch(param.name, "bool", value)),
        },
        ParamType::StrList => string_list(param.name, value),
        ParamType::Object => object(param.name, value),
    }
}

/// An identifier: an integer of any size, or a string.
pub(crate) fn id(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if let Some(text) = text(name, value)? {
        return Ok(Value::Str(text));
    }
    integer(value)?.ok_or_else(|| mismatch(name, "int or str", value))
}

/// The text of a `str`; `None` if it is something else.
pub(crate) fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let Ok(string) = value.cast::<PyString>() else { return Ok(None) };
    match string.to_cow() {
        Ok(text) => Ok(Some(text.into_owned())),
        // Half a surrogate pair has no UTF-8.
        Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(value.py()) => {
            Err(errors::config(value.py(), name, format!("{name} is not valid Unicode text: {error}")))
        }
        Err(error) => Err(error),
    }
}

/// An integer, or what says that it is one (`__index__`, as those of NumPy do); `None` if it is something else.
/// `bool` is an `int` to Python, but nobody means `True` when a number is asked for.
fn integer(value: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    if value.is_instance_of::<PyBool>() {
        return Ok(None);
    }
    let value = match value.cast::<PyInt>() {
        Ok(value) => value.clone().into_any(),
        Err(_) if value.hasattr(intern!(value.py(), "__index__"))? => {
            call(&value.getattr(intern!(value.py(), "__index__"))?, (), None)?
        }
        Err(_) => return Ok(None),
    };
    match value.extract::<i64>() {
        Ok(small) => Ok(Some(Value::Int(small))),
        // `int.__repr__` and not `str()`: a subclass such as an enum has words of its own.
        Err(_) => {
            let digits =
                value.py().get_type::<PyInt>().call_method1(intern!(value.py(), "__repr__"), (&value,))?;
            Ok(Some(Value::Json(digits.extract()?)))
        }
    }
}

fn string_list(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    const EXPECTED: &str = "a list of str";
    if !value.is_instance_of::<PyList>() && !value.is_instance_of::<PyTuple>() {
        return Err(mismatch(name, EXPECTED, value));
    }
    let mut items = Vec::new();
    for item in value.try_iter()? {
        let item = item?;
        match text(name, &item)? {
            Some(text) => items.push(serde_json::Value::String(text)),
            None => {
                let found = item.get_type().name()?;
                return Err(PyTypeError::new_err(format!(
                    "{name} must be {EXPECTED}, not a list with {found}"
                )));
            }
        }
    }
    Ok(Value::Json(serde_json::Value::Array(items).to_string()))
}

fn object(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if !value.is_instance_of::<PyDict>() {
        return Err(mismatch(name, "dict", value));
    }
    json(name, value).map(Value::Json)
}

/// JSON text, by the standard library: it knows enums, subclasses and whatever Python adds to them.
pub(crate) fn json(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    let options = PyDict::new(py);
    // NaN and infinity are no JSON, and real servers answer 500 to them.
    options.set_item(intern!(py, "allow_nan"), false)?;
    let dumps = DUMPS.import(py, "json", "dumps")?;
    match call(dumps, (value,), Some(&options)) {
        Ok(text) => text.extract(),
        Err(error) if error.is_instance_of::<PyTypeError>(py) => {
            Err(PyTypeError::new_err(format!("{name} cannot be written as JSON: {}", error.value(py))))
        }
        Err(error) if error.is_instance_of::<PyValueError>(py) => {
            let problem = format!("{name} cannot be written as JSON: {}", error.value(py));
            Err(errors::config(py, name, problem))
        }
        Err(error) => Err(error),
    }
}

/// A number of seconds.
pub(crate) fn seconds(name: &str, value: &Bound<'_, PyAny>) -> PyResult<std::time::Duration> {
    let seconds = number_of_seconds(name, value)?;
    loki_mode_core::timeout_from_seconds(name, seconds).map_err(|error| errors::raise(value.py(), error))
}

/// How long something may last that need not end: infinity is "without end".
pub(crate) fn seconds_or_endless(
    name: &str,
    value: &Bound<'_, PyAny>,
) -> PyResult<Option<std::time::Duration>> {
    let is_endless = number_of_seconds(name, value)? == f64::INFINITY;
    if is_endless { Ok(None) } else { seconds(name, value).map(Some) }
}

/// The number, or what says of itself that it is one (`__float__`, as those of NumPy do, or `__index__`).
fn number_of_seconds(name: &str, value: &Bound<'_, PyAny>) -> PyResult<f64> {
    let py = value.py();
    if let Ok(number) = value.cast_exact::<PyFloat>() {
        return Ok(number.value());
    }
    let is_number = value.hasattr(intern!(py, "__float__"))? || value.hasattr(intern!(py, "__index__"))?;
    if value.is_instance_of::<PyBool>() || !is_number {
        return Err(mismatch(name, "a number of seconds", value));
    }
    match call(&py.get_type::<PyFloat>(), (value,), None) {
        Ok(number) => number.extract(),
        // An integer too large for a float is as good as infinity.
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => Ok(f64::INFINITY),
        // It has the method, but is none, as an array is.
        Err(error) if error.is_instance_of::<PyTypeError>(py) || error.is_instance_of::<PyValueError>(py) => {
            Err(mismatch(name, "a number of seconds", value))
        }
        Err(error) => Err(error),
    }
}

/// A count: an integer from 0 that fits.
pub(crate) fn count<T: TryFrom<i64>>(name: &str, value: &Bound<'_, PyAny>) -> PyResult<T> {
    let count = match integer(value)? {
        None => return Err(mismatch(name, "int", value)),
        Some(Value::Int(count)) => T::try_from(count).ok(),
        Some(_) => None,
    };
    count.ok_or_else(|| {
        let problem = format!("{name} must be 0 or more, and not absurdly large, not {value}");
        errors::config(value.py(), name, problem)
    })
}

pub(crate) fn mismatch(name: &str, expected: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let found = value.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{name} must be {expected}, not {found}"))
}
