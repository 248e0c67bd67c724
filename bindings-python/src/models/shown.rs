//! Values as `repr` shows them: short, and without what looks like a secret.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

/// Characters of a value that are shown; what is longer is cut.
const SHOWN: usize = 60;

/// What stands for a secret.
pub(super) const MASK: &str = "'***'";

/// Words in keys whose values are secrets where they are text. Numbers are none: `max_tokens` says how many.
const SECRET: [&str; 9] = [
    "token",
    "secret",
    "password",
    "passwd",
    "api_key",
    "apikey",
    "private_key",
    "authorization",
    "credential",
];

/// How many instances may be shown within one another: of those further in, nothing would be left after the cuts.
const NESTED: usize = 60;

thread_local! {
    static SHOWING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// An instance is being shown by this thread, as long as this lives.
pub(super) struct Showing;

impl Showing {
    /// Begins with the instance at this address; `None` if it is being shown already, as one that holds itself is.
    pub(super) fn begin(address: usize) -> Option<Self> {
        SHOWING.with_borrow_mut(|all| {
            if all.len() >= NESTED || all.contains(&address) {
                return None;
            }
            all.push(address);
            Some(Showing)
        })
    }
}

impl Drop for Showing {
    fn drop(&mut self) {
        SHOWING.with_borrow_mut(Vec::pop);
    }
}

/// The value, cut.
pub(super) fn shown(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let mut text = String::new();
    write(value, &mut text)?;
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    Ok(text)
}

/// Writes at least as much as is shown, and little more: a list of 100,000 is not written whole to be cut then.
fn write(value: &Bound<'_, PyAny>, text: &mut String) -> PyResult<()> {
    if is_enough(text) {
        return Ok(());
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        text.push('{');
        // A copy, as another thread may change the dict meanwhile.
        for (index, (key, value)) in (&dict.copy()?).into_iter().enumerate() {
            if is_enough(text) {
                break;
            }
            if index > 0 {
                text.push_str(", ");
            }
            write(&key, text)?;
            text.push_str(": ");
            if is_secret(&key, &value) {
                text.push_str(MASK);
            } else {
                write(&value, text)?;
            }
        }
        text.push('}');
        return Ok(());
    }
    if let Ok(list) = value.cast::<PyList>() {
        text.push('[');
        for (index, value) in list.iter().enumerate() {
            if is_enough(text) {
                break;
            }
            if index > 0 {
                text.push_str(", ");
            }
            write(&value, text)?;
        }
        text.push(']');
        return Ok(());
    }
    if let Ok(string) = value.cast_exact::<PyString>()
        && string.len()? > SHOWN
    {
        // One character more than is shown, so that the cut shows.
        let start = string.call_method1(
            "__getitem__",
            (pyo3::types::PySlice::new(value.py(), 0, SHOWN as isize + 1, 1),),
        )?;
        text.push_str(&start.repr()?.to_string_lossy());
        return Ok(());
    }
    text.push_str(&value.repr()?.to_string_lossy());
    Ok(())
}

/// Bytes are counted, of which there are never fewer than characters, four for one at the most.
fn is_enough(text: &str) -> bool {
    text.len() > 4 * SHOWN
}

fn is_secret(key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> bool {
    if !value.is_instance_of::<PyString>() {
        return false;
    }
    let Ok(key) = key.cast::<PyString>() else { return false };
    let key = key.to_string_lossy().to_lowercase();
    SECRET.iter().any(|word| key.contains(word))
        || loki_mode_spec::models()
            .flat_map(|model| model.fields)
            .any(|field| field.secret && key == field.wire)
}
