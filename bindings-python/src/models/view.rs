//! What can be read from an instance, whatever its class.

use loki_mode_spec::{FieldType, Model, Presence};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::class::Extra;
use super::copies::plain;
use super::shown::{MASK, Showing, shown};

/// An instance, looked at through the table.
pub(crate) struct View<'a> {
    pub(crate) model: &'static Model,
    pub(crate) values: &'a [&'a Py<PyAny>],
    pub(crate) present: u64,
    pub(crate) extra: &'a Extra,
}

impl View<'_> {
    /// Everything as a new dict by wire name; nothing that can be changed is shared with the instance.
    pub(crate) fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (index, (field, value)) in self.model.fields.iter().zip(self.values).enumerate() {
            if self.present >> index & 1 == 1 {
                dict.set_item(field.wire, plain(value.bind(py))?)?;
            }
        }
        for (key, value) in self.extra {
            dict.set_item(key, plain(value.bind(py))?)?;
        }
        Ok(dict)
    }

    /// Shows the collector everything that the instance holds.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for value in self.values {
            visit.call(*value)?;
        }
        for (_, value) in self.extra {
            visit.call(value)?;
        }
        Ok(())
    }

    /// The fields that have a value, long ones cut, secret ones masked.
    pub(crate) fn repr(&self, py: Python<'_>) -> PyResult<String> {
        let Some(_showing) = Showing::begin(std::ptr::from_ref(self.extra).addr()) else {
            return Ok(format!("{}(...)", self.model.name));
        };
        let mut parts = Vec::new();
        for (field, value) in self.model.fields.iter().zip(self.values) {
            let value = value.bind(py);
            if value.is_none() {
                continue;
            }
            if field.secret {
                parts.push(format!("{}={MASK}", field.name));
                continue;
            }
            parts.push(format!("{}={}", field.name, shown(value)?));
        }
        Ok(format!("{}({})", self.model.name, parts.join(", ")))
    }

    /// Whether all fields are equal, unknown ones too; missing equals null.
    pub(crate) fn equals(&self, py: Python<'_>, other: &View<'_>) -> PyResult<bool> {
        for (mine, theirs) in self.values.iter().zip(other.values) {
            if !mine.is(*theirs) && !mine.bind(py).eq(theirs.bind(py))? {
                return Ok(false);
            }
        }
        if self.extra.is_empty() && other.extra.is_empty() {
            return Ok(true);
        }
        extra_dict(py, self.extra)?.eq(extra_dict(py, other.extra)?)
    }

    /// By the required fields, as equal instances have equal ones, without those that hold lists or dicts.
    pub(crate) fn hash(&self, py: Python<'_>) -> PyResult<isize> {
        let fields = self.model.fields.iter().zip(self.values);
        let required = fields.filter(|(field, _)| {
            let is_container = matches!(
                field.ty,
                FieldType::List(_) | FieldType::StrList | FieldType::Object | FieldType::Json
            );
            field.presence == Presence::Required && !is_container
        });
        PyTuple::new(py, required.map(|(_, value)| value.bind(py)).collect::<Vec<_>>())?.hash()
    }
}

fn extra_dict<'py>(py: Python<'py>, extra: &Extra) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in extra {
        dict.set_item(key, value)?;
    }
    Ok(dict)
}
