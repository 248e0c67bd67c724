//! Options from Python, each read once and checked for its type; the engine checks the values.

use std::sync::Arc;

use loki_mode_core::{Changes, Options, Token};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyMapping};

use crate::aio::Provider;
use crate::finalizing::{call, stay};
use crate::{aio, arguments, errors};

/// The options of a new client; those that are not given have the engine's defaults.
pub(crate) fn read(given: &Bound<'_, PyDict>) -> PyResult<Options> {
    let mut options = Options::default();
    for (name, value) in given {
        let name = name.extract::<String>()?;
        let (name, value) = (name.as_str(), &value);
        match name {
            "base_url" => options.base_url = text(name, value)?,
            "token" => options.token = token(value)?,
            "timeout" => options.timeout = arguments::seconds(name, value)?,
            "max_retries" => options.max_retries = arguments::count(name, value)?,
            "path_style" => {
                let style = text(name, value)?.parse();
                options.path_style = style.map_err(|error| errors::raise(value.py(), error))?;
            }
            "connect_timeout" => options.connect_timeout = arguments::seconds(name, value)?,
            "max_connections" => options.max_connections = arguments::count(name, value)?,
            "headers" => options.headers = headers(value)?,
            "max_body_bytes" => options.max_body_bytes = arguments::count(name, value)?,
            "app_info" => options.app_info = optional(name, value, text)?,
            "proxy" => options.proxy = optional(name, value, text)?,
            "ca_file" => options.ca_file = optional(name, value, path)?,
            "system_roots" => options.system_roots = flag(name, value)?,
            "client_cert_file" => options.client_cert_file = optional(name, value, path)?,
            "client_key_file" => options.client_key_file = optional(name, value, path)?,
            "language" => options.language = text(name, value)?,
            _ => return Err(unknown(name)),
        }
    }
    Ok(options)
}

/// What a derived client does differently; what is not given stays.
pub(crate) fn changes(given: &Bound<'_, PyDict>) -> PyResult<Changes> {
    let mut changes = Changes::default();
    for (name, value) in given {
        let name = name.extract::<String>()?;
        let (name, value) = (name.as_str(), &value);
        match name {
            "timeout" => changes.timeout = Some(arguments::seconds(name, value)?),
            "max_retries" => changes.max_retries = Some(arguments::count(name, value)?),
            "token" => changes.token = Some(token(value)?),
            "headers" => changes.headers = Some(headers(value)?),
            _ => return Err(unknown(name)),
        }
    }
    Ok(changes)
}

/// The function among the options that gives the token, if one does.
pub(crate) fn provider(options: Option<&Bound<'_, PyDict>>) -> PyResult<Option<Provider>> {
    match options.map(|options| options.get_item("token")).transpose()?.flatten() {
        Some(token) => provider_of(&token),
        None => Ok(None),
    }
}

/// The token, if it is a function that gives it.
pub(crate) fn provider_of(token: &Bound<'_, PyAny>) -> PyResult<Option<Provider>> {
    let is_text = token.is_none() || arguments::text("token", token)?.is_some();
    Ok((!is_text && token.is_callable()).then(|| Arc::new(token.clone().unbind())))
}

/// A token: text, a function that returns it, or none.
pub(crate) fn token(value: &Bound<'_, PyAny>) -> PyResult<Option<Token>> {
    if value.is_none() {
        return Ok(None);
    }
    if let Some(text) = arguments::text("token", value)? {
        return Ok(Some(Token::new(text)));
    }
    let provider = provider_of(value)?
        .ok_or_else(|| arguments::mismatch("token", "str or a function that returns it", value))?;
    Ok(Some(Token::provider(move || {
        // A thread of the pool does not enter the interpreter.
        if let Some(given) = aio::ask(&provider) {
            return given.map_err(Into::into);
        }
        // The engine holds no lock here, and the call has left the interpreter.
        stay(|| Python::attach(|py| ask(provider.bind(py)))).map_err(Into::into)
    })))
}

fn ask(provider: &Bound<'_, PyAny>) -> PyResult<String> {
    let given = call(provider, (), None)?;
    arguments::text("token", &given)?
        .ok_or_else(|| arguments::mismatch("what the token provider returns", "str", &given))
}

/// Headers, from a mapping of names to values; none from None.
pub(crate) fn headers(value: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    if value.is_none() {
        return Ok(Vec::new());
    }
    let Ok(mapping) = value.cast::<PyMapping>() else {
        return Err(arguments::mismatch("headers", "a mapping of str to str", value));
    };
    let mut headers = Vec::new();
    for item in stay(|| mapping.items())? {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let part = |what: &str, value: &Bound<'_, PyAny>| {
            arguments::text("headers", value)?.ok_or_else(|| arguments::mismatch(what, "str", value))
        };
        headers.push((part("the names in headers", &name)?, part("the values in headers", &value)?));
    }
    Ok(headers)
}

fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    arguments::text(name, value)?.ok_or_else(|| arguments::mismatch(name, "str", value))
}

/// The path of a file: a `str`, or a path object.
fn path(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    match value.getattr_opt("__fspath__")? {
        Some(method) => text(name, &call(&method, (), None)?),
        None => arguments::text(name, value)?
            .ok_or_else(|| arguments::mismatch(name, "str or os.PathLike", value)),
    }
}

fn flag(name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    match value.cast::<PyBool>() {
        Ok(value) => Ok(value.is_true()),
        Err(_) => Err(arguments::mismatch(name, "bool", value)),
    }
}

fn optional<T>(
    name: &str,
    value: &Bound<'_, PyAny>,
    read: impl FnOnce(&str, &Bound<'_, PyAny>) -> PyResult<T>,
) -> PyResult<Option<T>> {
    if value.is_none() { Ok(None) } else { read(name, value).map(Some) }
}

fn unknown(name: &str) -> PyErr {
    PyTypeError::new_err(format!("there is no option {name}"))
}
