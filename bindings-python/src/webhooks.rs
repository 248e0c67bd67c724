//! Webhooks that come in: `loki_mode_sdk/webhooks.py` stands above.

use loki_mode_core::webhook::{self, Headers, Scheme, Secret, Stamp, Window};
use loki_mode_spec::Returns;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple,
};

use crate::finalizing::call;
use crate::objects::Objects;
use crate::{arguments, errors};

/// Raises unless the webhook was signed with one of the secrets, within `tolerance` seconds of `now`.
#[pyfunction]
pub(crate) fn verify_webhook<'py>(
    py: Python<'py>,
    body: &Bound<'py, PyAny>,
    headers: &Bound<'py, PyAny>,
    secrets: &Bound<'py, PyAny>,
    tolerance: &Bound<'py, PyAny>,
    now: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let body = Body::read(body)?;
    let headers = read_headers(headers)?;
    let secrets = read_secrets(secrets)?;
    let window = Window::new(number("tolerance", tolerance)?, number("now", now)?)
        .map_err(|error| errors::raise(py, error))?;
    let bytes = body.bytes();
    py.detach(|| webhook::verify(bytes, &headers, &secrets, window))
        .map_err(|refused| errors::refused(py, &refused))
}

/// The fields of the event that the body is, and the body itself as a dict.
#[pyfunction]
pub(crate) fn parse_webhook<'py>(
    py: Python<'py>,
    body: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let body = Body::read(body)?;
    let event = webhook::parse(body.bytes()).map_err(|error| errors::raise(py, error))?;
    let fields = serde_json::to_vec(&event).expect("strings, numbers and JSON can be written as JSON");
    Ok((dict(py, &fields)?, dict(py, body.bytes())?))
}

/// The headers that a sender adds.
#[pyfunction]
pub(crate) fn sign_webhook<'py>(
    py: Python<'py>,
    body: &Bound<'py, PyAny>,
    secret: &Bound<'py, PyAny>,
    scheme: &Bound<'py, PyAny>,
    id: &Bound<'py, PyAny>,
    timestamp: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let body = Body::read(body)?;
    let secret =
        Secret::required(read_secret("secret", secret)?).map_err(|error| errors::raise(py, error))?;
    let scheme = text("scheme", scheme)?.parse::<Scheme>().map_err(|error| errors::raise(py, error))?;
    let id = text("id", id)?;
    let stamp = Stamp::new(&id, number("timestamp", timestamp)?).map_err(|error| errors::raise(py, error))?;
    let headers = PyDict::new(py);
    for (name, value) in webhook::sign(body.bytes(), &secret, scheme, stamp) {
        headers.set_item(name, value)?;
    }
    Ok(headers)
}

/// The body of a request as it came.
enum Body<'py> {
    Bytes(Bound<'py, PyBytes>),
    Text(String),
}

impl<'py> Body<'py> {
    fn read(body: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Some(bytes) = bytes(body)? {
            return Ok(Body::Bytes(bytes));
        }
        if let Some(text) = arguments::text("body", body)? {
            return Ok(Body::Text(text));
        }
        Err(PyTypeError::new_err(format!(
            "body must be the raw body of the request, bytes or str, not {}: what was parsed can no longer be \
             checked. Flask: request.get_data(); FastAPI and Starlette: await request.body(); Django: request.body",
            body.get_type().name()?
        )))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Body::Bytes(bytes) => bytes.as_bytes(),
            Body::Text(text) => text.as_bytes(),
        }
    }
}

/// The headers that matter, from a mapping (that of a framework, or a WSGI environment) or a list of pairs, as ASGI has
/// it.
fn read_headers(given: &Bound<'_, PyAny>) -> PyResult<Headers> {
    const EXPECTED: &str = "a mapping, or a list of pairs, of names and values";
    let pairs = match given.getattr_opt("items")? {
        Some(items) => call(&items, (), None)?,
        None => given.clone(),
    };
    let mut headers = Headers::default();
    for pair in list(&pairs, || arguments::mismatch("headers", EXPECTED, given))? {
        let pair = match pair.cast::<PyList>() {
            Ok(list) => list.to_tuple(),
            Err(_) => pair.cast_into::<PyTuple>().map_err(|error| match error.into_inner() {
                // Those of a text are texts, which nobody means.
                _ if given.is_instance_of::<PyString>() => arguments::mismatch("headers", EXPECTED, given),
                item => arguments::mismatch("what headers lists", "pairs of a name and a value", &item),
            })?,
        };
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
        let name = header_text(&name)
            .ok_or_else(|| arguments::mismatch("the names in headers", "str or bytes", &name))?;
        // A request of Starlette is a mapping, and so is what functions in the cloud are called with.
        if name == "headers" && !value.is_none() && header_text(&value).is_none() {
            let problem = "headers must be those of the request, request.headers, not the request itself";
            return Err(PyTypeError::new_err(problem));
        }
        // A WSGI environment holds objects of all kinds beside the headers.
        // None is what `headers.get(..)` gives for one that is not there.
        if Headers::matter(&name) && !value.is_none() {
            add(&mut headers, &name, &value)?;
        }
    }
    Ok(headers)
}

fn add(headers: &mut Headers, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Some(text) = header_text(value) {
        headers.add(name, &text);
        return Ok(());
    }
    let several = match value.cast::<PyList>() {
        Ok(list) => list.to_tuple(),
        Err(_) => value
            .cast::<PyTuple>()
            .map_err(|_| arguments::mismatch(&format!("the header {name}"), "str", value))?
            .clone(),
    };
    for item in several {
        let text = header_text(&item)
            .ok_or_else(|| arguments::mismatch(&format!("the header {name}"), "a list of str", value))?;
        headers.add(name, &text);
    }
    Ok(())
}

/// What is not Unicode is no signature either: it only has to stay different from one.
fn header_text(value: &Bound<'_, PyAny>) -> Option<String> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Some(String::from_utf8_lossy(bytes.as_bytes()).into_owned());
    }
    let text = value.cast::<PyString>().ok()?;
    Some(text.to_string_lossy().into_owned())
}

/// The secrets: one, several, or none. Those that are empty or None are left out: a setting that is missing.
fn read_secrets(given: &Bound<'_, PyAny>) -> PyResult<Vec<Secret>> {
    const EXPECTED: &str = "str, bytes or a list of them";
    if given.is_none() || is_secret(given) {
        return Ok(read_secret("secrets", given)?.into_iter().collect());
    }
    if given.is_instance_of::<PyDict>() {
        return Err(arguments::mismatch("secrets", EXPECTED, given));
    }
    let mut secrets = Vec::new();
    for item in list(given, || arguments::mismatch("secrets", EXPECTED, given))? {
        secrets.extend(read_secret("secrets", &item)?);
    }
    Ok(secrets)
}

fn is_secret(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyString>() || is_bytes(value)
}

/// Not whatever has a buffer: an array of numbers has one, too.
fn is_bytes(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyByteArray>()
        || value.is_instance_of::<PyMemoryView>()
}

/// Bytes, copied where they could change meanwhile; `None` if it is something else.
fn bytes<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Some(bytes.clone()));
    }
    if !is_bytes(value) {
        return Ok(None);
    }
    let copy = call(value.py().get_type::<PyBytes>().as_any(), (value,), None)?;
    Ok(Some(copy.cast_into()?))
}

fn read_secret(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<Secret>> {
    if value.is_none() {
        return Ok(None);
    }
    if let Some(key) = bytes(value)? {
        return Ok(Secret::from_bytes(key.as_bytes()));
    }
    let text = arguments::text(name, value)?;
    let text = text.ok_or_else(|| arguments::mismatch(name, "str or bytes", value))?;
    Secret::from_text(name, &text).map_err(|error| errors::raise(value.py(), error))
}

/// Whatever can be iterated, as a list; `otherwise` is raised for what cannot.
fn list<'py>(given: &Bound<'py, PyAny>, otherwise: impl FnOnce() -> PyErr) -> PyResult<Bound<'py, PyList>> {
    let py = given.py();
    if !given.hasattr(pyo3::intern!(py, "__iter__"))? {
        return Err(otherwise());
    }
    Ok(call(py.get_type::<PyList>().as_any(), (given,), None)?.cast_into()?)
}

fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    arguments::text(name, value)?.ok_or_else(|| arguments::mismatch(name, "str", value))
}

fn number(name: &str, value: &Bound<'_, PyAny>) -> PyResult<f64> {
    let is_number = value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>();
    if !is_number || value.is_instance_of::<PyBool>() {
        return Err(arguments::mismatch(name, "a number of seconds", value));
    }
    // An integer too large for a float is as good as infinity.
    Ok(value.extract().unwrap_or(f64::INFINITY))
}

fn dict<'py>(py: Python<'py>, json: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut objects = Objects::new(py);
    loki_mode_core::decode::decode(&Returns::Object, json, &mut objects).map_err(|failure| {
        objects.into_raised().unwrap_or_else(|| errors::plain(py, "DecodeError", failure.to_string()))
    })
}
