//! Dates and times: those of servers as `datetime`, those of callers as text.

use loki_mode_core::events;
use loki_mode_spec::FieldType;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDateTime, PyString, PyType, PyTzInfo};

use crate::arguments;
use crate::finalizing::call;

/// An argument: text as servers write it, a `datetime` or a `date`.
pub(crate) fn written(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    const EXPECTED: &str = "str, datetime.datetime or datetime.date";
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Some(text) = arguments::text(name, value)? {
        return Ok(text);
    }
    let py = value.py();
    // A `datetime` is one, too.
    if !value.is_instance(CLASS.import(py, "datetime", "date")?)? {
        return Err(arguments::mismatch(name, EXPECTED, value));
    }
    // One without an offset stays without, which means UTC to the engine.
    let written = call(&value.getattr(intern!(py, "isoformat"))?, (), None)?;
    arguments::text(name, &written)?.ok_or_else(|| arguments::mismatch(name, EXPECTED, value))
}

/// Reads a timestamp as servers write it, and returns it in UTC.
///
/// It may have an offset, or `Z`, or neither, which means UTC; fractions of a second are cut after
/// six digits. A bare date is its first moment.
///
/// Args:
///     text: The timestamp, for example `2026-11-21T22:50:49.642180`.
///
/// Raises:
///     ValueError: It is none.
///     TypeError: It is no str.
#[pyfunction]
pub(crate) fn parse_timestamp<'py>(text: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDateTime>> {
    let string = text.cast::<PyString>().map_err(|_| arguments::mismatch("text", "str", text))?;
    read(string)?.ok_or_else(|| PyValueError::new_err(format!("not a timestamp: {}", shown(string.as_any()))))
}

/// The moment, if the text is one.
fn read<'py>(text: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
    let py = text.py();
    let moment = events::parse_timestamp_in_utc(&text.to_string_lossy());
    // Python has no year before the first.
    let Some(moment) = moment.filter(|moment| moment.year() >= 1) else { return Ok(None) };
    let narrow = |number: i8| u8::try_from(number).unwrap_or(0);
    PyDateTime::new(
        py,
        moment.year().into(),
        narrow(moment.month()),
        narrow(moment.day()),
        narrow(moment.hour()),
        narrow(moment.minute()),
        narrow(moment.second()),
        u32::try_from(moment.subsec_nanosecond() / 1000).unwrap_or(0),
        Some(&*PyTzInfo::utc(py)?),
    )
    .map(Some)
}

/// The text of a value, for a message.
fn shown(value: &Bound<'_, PyAny>) -> String {
    const SHOWN: usize = 60;
    let text = value.repr().map_or_else(|_| "what cannot be shown".to_owned(), |text| text.to_string());
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Gives the class of each model a property `<field>_dt` for each field that is a timestamp.
///
/// Added to the classes instead of written into each: fifty getters would weigh more than this one.
pub(crate) fn add_properties(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let property = py.import("builtins")?.getattr("property")?;
    for model in loki_mode_spec::models() {
        // Some are plain dicts in Python.
        let Some(class) = module.getattr_opt(model.name)? else { continue };
        let class = class.cast_into::<PyType>()?;
        for field in model.fields.iter().filter(|field| matches!(field.ty, FieldType::Timestamp)) {
            let getter = Bound::new(py, Moment { model: model.name, field: field.name })?;
            let doc = format!("`{}` as a datetime in UTC.", field.name);
            class.setattr(
                format!("{}_dt", field.name),
                property.call1((getter, py.None(), py.None(), doc))?,
            )?;
        }
    }
    Ok(())
}

/// What such a property calls.
#[pyclass(frozen, module = "loki_mode_sdk._native")]
struct Moment {
    model: &'static str,
    field: &'static str,
}

#[pymethods]
impl Moment {
    fn __call__<'py>(&self, instance: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        let value = instance.getattr(self.field)?;
        if value.is_none() {
            return Ok(None);
        }
        let moment = match value.cast::<PyString>() {
            Ok(text) => read(text)?,
            Err(_) => None,
        };
        let refusal = || {
            let Moment { model, field } = self;
            PyValueError::new_err(format!("{model}.{field} is not a timestamp: {}", shown(&value)))
        };
        moment.map(Some).ok_or_else(refusal)
    }
}
