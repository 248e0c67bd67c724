//! From instances to dicts and back.

use std::cell::Cell;

use loki_mode_spec::{FieldType, Model, Presence};
use pyo3::exceptions::{PyRecursionError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::fit::{Misfit, check};
use super::view::View;
use crate::generated::models::instance;

/// How deep dicts, lists and instances may be nested: what holds itself ends here.
const MAX_DEPTH: usize = 500;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// One level of what is nested, as long as it lives. Counted for the thread and not handed down, since the way from an
/// instance to those it holds leads through Python.
pub(super) struct Level;

impl Level {
    pub(super) fn enter() -> PyResult<Self> {
        let depth = DEPTH.get();
        if depth > MAX_DEPTH {
            return Err(PyRecursionError::new_err("nested too deep"));
        }
        DEPTH.set(depth + 1);
        Ok(Level)
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// The value with its dicts and lists copied and its model instances turned into dicts.
///
/// What is walked is the copy that nobody else has: another thread may change the original meanwhile.
pub(super) fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let _level = Level::enter()?;
    let py = value.py();
    if let Ok(dict) = value.cast::<PyDict>() {
        let copy = dict.copy()?;
        for (key, value) in &copy {
            if may_hold(&value)? {
                // The key is there already, so that the dict keeps its size while it is walked.
                copy.set_item(key, plain(&value)?)?;
            }
        }
        return Ok(copy.into_any());
    }
    if let Ok(list) = value.cast::<PyList>() {
        let copy = PyList::empty(py);
        for value in list {
            copy.append(plain(&value)?)?;
        }
        return Ok(copy.into_any());
    }
    if is_model(value)? {
        return value.call_method0(intern!(py, "to_dict"));
    }
    Ok(value.clone())
}

/// Whether [`plain`] makes something else of it.
fn may_hold(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(value.is_instance_of::<PyDict>() || value.is_instance_of::<PyList>() || is_model(value)?)
}

fn is_model(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    if value.is_exact_instance_of::<PyString>() {
        return Ok(false);
    }
    let class = value.get_type();
    Ok(class.module()?.to_cow()? == "loki_mode_sdk"
        && loki_mode_spec::models().any(|model| class.name().is_ok_and(|name| name == model.name)))
}

/// Whether `value` is an instance of the class of this model.
pub(super) fn is_instance_of(value: &Bound<'_, PyAny>, model: &Model) -> PyResult<bool> {
    Ok(is_model(value)? && value.get_type().name()? == model.name)
}

/// An instance from a dict of unknown origin: every value has to be what the table says.
pub(crate) fn from_dict<'py>(model: &'static Model, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Making { is_checked: true }
        .instance(model, data)
        .map_err(|misfit| misfit.raised(&format!("{}.from_dict", model.name)))
}

/// An instance from the dict of another one, as it is: what constructors took is not looked at again.
pub(crate) fn restored<'py>(model: &'static Model, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Making { is_checked: false }.instance(model, data).map_err(|misfit| misfit.raised(model.name))
}

/// How instances are made from dicts.
struct Making {
    is_checked: bool,
}

impl Making {
    fn instance<'py>(
        &self,
        model: &'static Model,
        data: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>, Misfit> {
        let _level = Level::enter()?;
        let py = data.py();
        let Ok(dict) = data.cast::<PyDict>() else { return Err(Misfit::kind("dict", data)) };
        let mut values: Vec<Option<Bound<'py, PyAny>>> = vec![None; model.fields.len()];
        let mut extra = Vec::new();
        // A copy, for the reason that `plain` gives.
        for (key, value) in &dict.copy()? {
            let Ok(key) = key.cast_into::<PyString>() else {
                return Err(PyTypeError::new_err(format!("{}: all keys must be str", model.name)).into());
            };
            // What has no UTF-8, since JSON may name half a surrogate pair, is no field.
            let name = key.to_string_lossy();
            match model.fields.iter().position(|field| field.wire == name) {
                Some(index) => {
                    let field = &model.fields[index];
                    // One that is required and null is reported as missing, when all are there.
                    let made = if value.is_none() { Ok(value) } else { self.field(field.ty, &value) };
                    values[index] = Some(made.map_err(|misfit| misfit.below(field.wire))?);
                }
                None => extra.push((key.clone().unbind(), plain(&value)?.unbind())),
            }
        }
        for (field, value) in model.fields.iter().zip(&values) {
            let is_missing = value.as_ref().is_none_or(|value| value.is_none());
            if field.presence == Presence::Required && is_missing {
                return Err(Misfit::missing().below(field.wire));
            }
        }
        Ok(instance(py, model, &mut values.into_iter(), extra)?)
    }

    fn field<'py>(&self, ty: FieldType, value: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>, Misfit> {
        if self.is_checked {
            check(ty, value)?;
        }
        match ty {
            FieldType::Model(model) if value.is_instance_of::<PyDict>() => self.instance(model, value),
            FieldType::List(model) if value.is_instance_of::<PyList>() => {
                let list = PyList::empty(value.py());
                for (index, item) in value.cast::<PyList>().map_err(PyErr::from)?.iter().enumerate() {
                    let made = self.field(FieldType::Model(model), &item);
                    list.append(made.map_err(|misfit| misfit.at(index))?)?;
                }
                Ok(list.into_any())
            }
            _ if is_model(value)? => Ok(value.clone()),
            _ => Ok(plain(value)?),
        }
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
    restored(view.model, dict.as_any())
}
