//! From instances to dicts and back.

use loki_mode_spec::{FieldType, Model, Presence};
use pyo3::exceptions::{PyRecursionError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::view::View;
use crate::generated::models::instance;

/// How deep dicts and lists may be nested: a dict that holds itself ends here.
const MAX_DEPTH: usize = 500;

fn check_depth(depth: usize) -> PyResult<()> {
    if depth > MAX_DEPTH {
        return Err(PyRecursionError::new_err("nested too deep"));
    }
    Ok(())
}

/// The value with its dicts and lists copied and its model instances turned into dicts.
pub(super) fn plain<'py>(value: &Bound<'py, PyAny>, depth: usize) -> PyResult<Bound<'py, PyAny>> {
    check_depth(depth)?;
    let py = value.py();
    if let Ok(dict) = value.cast::<PyDict>() {
        let copy = PyDict::new(py);
        for (key, value) in dict {
            copy.set_item(key, plain(&value, depth + 1)?)?;
        }
        return Ok(copy.into_any());
    }
    if let Ok(list) = value.cast::<PyList>() {
        let copy = PyList::empty(py);
        for value in list {
            copy.append(plain(&value, depth + 1)?)?;
        }
        return Ok(copy.into_any());
    }
    if is_model(value)? {
        return value.call_method0(intern!(py, "to_dict"));
    }
    Ok(value.clone())
}

fn is_model(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let class = value.get_type();
    Ok(class.module()?.to_cow()? == "loki_mode_sdk"
        && loki_mode_spec::models().any(|model| class.name().is_ok_and(|name| name == model.name)))
}

/// An instance of the class of a model.
pub(crate) fn from_dict<'py>(
    model: &'static Model,
    data: &Bound<'py, PyAny>,
    depth: usize,
) -> PyResult<Bound<'py, PyAny>> {
    check_depth(depth)?;
    let Ok(dict) = data.cast::<PyDict>() else {
        return Err(PyTypeError::new_err(format!(
            "{}.from_dict takes a dict, not {}",
            model.name,
            data.get_type().name()?
        )));
    };
    let mut values: Vec<Option<Bound<'py, PyAny>>> = vec![None; model.fields.len()];
    let mut extra = Vec::new();
    for (key, value) in dict {
        let Ok(key) = key.cast_into::<PyString>() else {
            return Err(PyTypeError::new_err(format!("{}.from_dict: all keys must be str", model.name)));
        };
        let name = key.to_cow()?;
        match model.fields.iter().position(|field| field.wire == name) {
            Some(index) => values[index] = Some(field_value(model.fields[index].ty, &value, depth)?),
            None => extra.push((key.clone().unbind(), plain(&value, depth + 1)?.unbind())),
        }
    }
    for (field, value) in model.fields.iter().zip(&values) {
        if field.presence == Presence::Required && value.as_ref().is_none_or(|value| value.is_none()) {
            return Err(PyValueError::new_err(format!(
                "{}.from_dict: {} is missing",
                model.name, field.wire
            )));
        }
    }
    instance(data.py(), model, &mut values.into_iter(), extra)
}

fn field_value<'py>(ty: FieldType, value: &Bound<'py, PyAny>, depth: usize) -> PyResult<Bound<'py, PyAny>> {
    match ty {
        FieldType::Model(model) if value.is_instance_of::<PyDict>() => from_dict(model, value, depth + 1),
        FieldType::List(model) if value.is_instance_of::<PyList>() => {
            let list = PyList::empty(value.py());
            for item in value.cast::<PyList>()? {
                list.append(field_value(FieldType::Model(model), &item, depth + 1)?)?;
            }
            Ok(list.into_any())
        }
        _ if is_model(value)? => Ok(value.clone()),
        _ => plain(value, depth + 1),
    }
}

/// The instance with some fields exchanged: `copy.replace` of Python 3.13.
pub(crate) fn replaced<'py>(
    py: Python<'py>,
    view: &View<'_>,
    changes: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let dict = view.to_dict(py)?;
    for (key, value) in changes.into_iter().flatten() {
        let Some(field) = view.model.fields.iter().find(|field| key.eq(field.name).unwrap_or(false)) else {
            return Err(PyTypeError::new_err(format!("{} has no field {key}", view.model.name)));
        };
        dict.set_item(field.wire, value)?;
    }
    from_dict(view.model, dict.as_any(), 0)
}
