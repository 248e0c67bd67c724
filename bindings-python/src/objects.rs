//! Python objects from JSON, made while it is read.

use std::vec::Drain;

use loki_mode_core::decode::{Builder, Refusal};
use loki_mode_spec::Model;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyNone, PyString};

use crate::collector::Turns;
use crate::finalizing::call;
use crate::generated::models::instance;
use crate::models::Extra;

/// Makes Python objects; lives for one decode.
pub(crate) struct Objects<'py> {
    py: Python<'py>,
    strings: Strings<'py>,
    /// What Python raised while an object was made.
    raised: Option<PyErr>,
    /// Set if others are to have the interpreter in between.
    turns: Option<Turns<'py>>,
}

impl<'py> Objects<'py> {
    pub(crate) fn new(py: Python<'py>) -> Self {
        Objects { py, strings: Strings::default(), raised: None, turns: None }
    }

    /// Lets others have the interpreter in between.
    pub(crate) fn in_turns(py: Python<'py>) -> PyResult<Self> {
        Ok(Objects { turns: Some(Turns::new(py)?), ..Objects::new(py) })
    }

    fn made(&mut self) -> Result<(), Refusal> {
        let outcome = self.turns.as_mut().map_or(Ok(()), Turns::count);
        self.keep(outcome)
    }

    /// The exception that ended the decode, if one did.
    pub(crate) fn into_raised(self) -> Option<PyErr> {
        self.raised
    }

    fn keep<T>(&mut self, outcome: PyResult<T>) -> Result<T, Refusal> {
        outcome.map_err(|error| {
            self.raised = Some(error);
            Refusal("Python raised an exception".to_owned())
        })
    }
}

/// A free-form object that is being filled.
pub(crate) type Entries<'py> = Vec<(Bound<'py, PyString>, Bound<'py, PyAny>)>;

impl<'py> Builder for Objects<'py> {
    type Value = Bound<'py, PyAny>;
    type List = Bound<'py, PyList>;
    type Object = Entries<'py>;

    fn null(&mut self) -> Result<Self::Value, Refusal> {
        Ok(PyNone::get(self.py).to_owned().into_any())
    }

    fn bool(&mut self, value: bool) -> Result<Self::Value, Refusal> {
        Ok(PyBool::new(self.py, value).to_owned().into_any())
    }

    fn int(&mut self, value: i64) -> Result<Self::Value, Refusal> {
        Ok(PyInt::new(self.py, value).into_any())
    }

    fn uint(&mut self, value: u64) -> Result<Self::Value, Refusal> {
        Ok(PyInt::new(self.py, value).into_any())
    }

    fn number(&mut self, digits: &str) -> Result<Self::Value, Refusal> {
        // Python refuses integers of more than 4300 digits: such an answer is no good, which is not Python's fault.
        self.py.get_type::<PyInt>().call1((digits,)).map_err(|error| Refusal(error.to_string()))
    }

    fn float(&mut self, value: f64) -> Result<Self::Value, Refusal> {
        Ok(PyFloat::new(self.py, value).into_any())
    }

    fn str(&mut self, value: &str) -> Result<Self::Value, Refusal> {
        Ok(self.strings.get(self.py, value).into_any())
    }

    fn start_list(&mut self) -> Result<Self::List, Refusal> {
        self.strings.share();
        Ok(PyList::empty(self.py))
    }

    fn push(&mut self, list: &mut Self::List, value: Self::Value) -> Result<(), Refusal> {
        let outcome = list.append(value);
        self.keep(outcome)
    }

    fn end_list(&mut self, list: Self::List) -> Result<Self::Value, Refusal> {
        Ok(list.into_any())
    }

    fn start_object(&mut self) -> Result<Self::Object, Refusal> {
        Ok(Vec::new())
    }

    fn insert(&mut self, object: &mut Self::Object, key: &str, value: Self::Value) -> Result<(), Refusal> {
        object.push((self.strings.get(self.py, key), value));
        Ok(())
    }

    fn end_object(&mut self, object: Self::Object) -> Result<Self::Value, Refusal> {
        let dict = PyDict::new(self.py);
        let outcome = object.into_iter().try_for_each(|(key, value)| dict.set_item(key, value));
        self.keep(outcome)?;
        self.made()?;
        Ok(dict.into_any())
    }

    fn model(
        &mut self,
        model: &'static Model,
        mut fields: Drain<'_, Option<Self::Value>>,
        unknown: Option<Self::Object>,
    ) -> Result<Self::Value, Refusal> {
        // One allocation serves both: entries are turned into extra fields in place.
        let unbind = |entries: Entries<'py>| -> Extra {
            entries.into_iter().map(|(key, value)| (key.unbind(), value.unbind())).collect()
        };
        let extra = unknown.map_or_else(Vec::new, unbind);
        let outcome = instance(self.py, model, &mut fields, extra);
        self.made()?;
        self.keep(outcome)
    }

    fn record(&mut self, model: &'static Model, fields: Self::Object) -> Result<Self::Value, Refusal> {
        let dict = self.end_object(fields)?;
        let outcome = record_class(self.py, model).and_then(|class| call(&class, (dict,), None));
        self.keep(outcome)
    }
}

/// The class of a record: one of the model's name, where there is one.
fn record_class<'py>(py: Python<'py>, model: &Model) -> PyResult<Bound<'py, PyAny>> {
    static RECORDS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module =
        RECORDS.get_or_try_init(py, || py.import("loki_mode_sdk.records").map(Bound::unbind))?.bind(py);
    match module.getattr_opt(model.name)? {
        Some(class) => Ok(class),
        None => module.getattr(intern!(py, "Record")),
    }
}

/// Strings of one answer: in a list most of them are keys and states that come again in every row, and one object can
/// stand for all.
#[derive(Default)]
struct Strings<'py> {
    slots: Vec<Option<Slot<'py>>>,
}

struct Slot<'py> {
    length: u8,
    bytes: [u8; LONGEST],
    string: Bound<'py, PyString>,
}

/// Bytes of the longest string that is shared; longer ones seldom come twice.
const LONGEST: usize = 24;
/// A power of two.
const SLOTS: usize = 256;

impl<'py> Strings<'py> {
    /// Begins to share: not worth it for a single object.
    fn share(&mut self) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
    }

    fn get(&mut self, py: Python<'py>, text: &str) -> Bound<'py, PyString> {
        if text.len() > LONGEST || self.slots.is_empty() {
            return PyString::new(py, text);
        }
        // FNV-1a: short keys, and a collision only costs the sharing.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        let slot = &mut self.slots[(hash >> 32) as usize % SLOTS];
        if let Some(known) = slot
            && known.bytes[..usize::from(known.length)] == *text.as_bytes()
        {
            return known.string.clone();
        }
        let string = PyString::new(py, text);
        let mut bytes = [0; LONGEST];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        *slot = Some(Slot { length: text.len() as u8, bytes, string: string.clone() });
        string
    }
}
