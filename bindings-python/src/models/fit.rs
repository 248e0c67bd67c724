//! Whether a Python value is what the table says about a field, and what is said if it is not.

use loki_mode_spec::FieldType;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};

use super::copies::is_instance_of;

/// Why a dict is no instance of a model.
pub(super) enum Misfit {
    /// Python raised something on the way.
    Raised(PyErr),
    /// A value is missing or of the wrong type.
    Found {
        /// The way to the place, innermost first.
        trail: Vec<Segment>,
        /// What is wrong there.
        problem: String,
        /// Whether it is missing rather than of the wrong type.
        is_missing: bool,
    },
}

/// One step of the way to a place.
pub(super) enum Segment {
    Field(&'static str),
    Index(usize),
}

impl From<PyErr> for Misfit {
    fn from(error: PyErr) -> Self {
        Misfit::Raised(error)
    }
}

impl Misfit {
    /// It is of another type than it must be.
    pub(super) fn kind(expected: &str, found: &Bound<'_, PyAny>) -> Self {
        let found =
            found.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string());
        let problem = format!("must be {expected}, not {found}");
        Misfit::Found { trail: Vec::new(), problem, is_missing: false }
    }

    /// It is required and not there.
    pub(super) fn missing() -> Self {
        Misfit::Found { trail: Vec::new(), problem: "is missing".to_owned(), is_missing: true }
    }

    /// The same, seen from the object that has it as a field.
    pub(super) fn below(self, field: &'static str) -> Self {
        self.seen_from(Segment::Field(field))
    }

    /// The same, seen from the list that has it as an item.
    pub(super) fn at(self, index: usize) -> Self {
        self.seen_from(Segment::Index(index))
    }

    fn seen_from(mut self, segment: Segment) -> Self {
        if let Misfit::Found { trail, .. } = &mut self {
            trail.push(segment);
        }
        self
    }

    /// The exception, which says who found it and where.
    pub(super) fn raised(self, finder: &str) -> PyErr {
        let (trail, problem, is_missing) = match self {
            Misfit::Raised(error) => return error,
            Misfit::Found { trail, problem, is_missing } => (trail, problem, is_missing),
        };
        let mut place = String::new();
        for segment in trail.iter().rev() {
            match segment {
                Segment::Index(index) => place.push_str(&format!("[{index}]")),
                Segment::Field(name) if place.is_empty() => place.push_str(name),
                Segment::Field(name) => place.push_str(&format!(".{name}")),
            }
        }
        let place = if place.is_empty() { "data" } else { &place };
        let message = format!("{finder}: {place} {problem}");
        if is_missing { PyValueError::new_err(message) } else { PyTypeError::new_err(message) }
    }
}

/// Looks at the value itself, not at what is in it; fields and items of models are looked at one by one.
pub(super) fn check(ty: FieldType, value: &Bound<'_, PyAny>) -> Result<(), Misfit> {
    let is_int = || value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>();
    // Some servers write `2.0` for 2, and answers are taken as they came.
    let is_integral = || {
        value.cast::<PyFloat>().is_ok_and(|number| {
            let number = number.extract::<f64>().unwrap_or(f64::NAN);
            number.fract() == 0.0
        })
    };
    let is_str = || value.is_instance_of::<PyString>();
    let (fits, expected) = match ty {
        FieldType::Id => (is_int() || is_str() || is_integral(), "int or str"),
        FieldType::Str | FieldType::Timestamp => (is_str(), "str"),
        FieldType::Label => (is_str() || is_int() || is_integral(), "str or int"),
        FieldType::Int => (is_int() || is_integral(), "int"),
        FieldType::Float => (is_int() || value.is_instance_of::<PyFloat>(), "a number"),
        FieldType::Bool => (value.is_instance_of::<PyBool>(), "bool"),
        FieldType::Object => (value.is_instance_of::<PyDict>(), "dict"),
        FieldType::Json => return Ok(()),
        FieldType::List(_) => (value.is_instance_of::<PyList>(), "list"),
        FieldType::Model(model) => {
            (value.is_instance_of::<PyDict>() || is_instance_of(value, model)?, "dict")
        }
        FieldType::StrList => {
            let Ok(list) = value.cast::<PyList>() else { return Err(Misfit::kind("a list of str", value)) };
            for (index, item) in list.iter().enumerate() {
                if !item.is_instance_of::<PyString>() {
                    return Err(Misfit::kind("str", &item).at(index));
                }
            }
            return Ok(());
        }
    };
    if fits { Ok(()) } else { Err(Misfit::kind(expected, value)) }
}
