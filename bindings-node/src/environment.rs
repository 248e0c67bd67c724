//! What the environment says about the options: `environment.ts` stands above.

use std::collections::HashMap;

use loki_mode_core::{PathStyle, Settings};
use napi::Result;
use napi_derive::napi;
use serde::Serialize;

use crate::failure::thrown;
use crate::options::parse;

/// As `ClientOptions` of TypeScript has them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(skip_serializing_if = "Option::is_none")]
    base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_style: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<String>,
}

/// The options that the variables, the JSON text of an object, set, as JSON text; those that are `given` by their names
/// in snake case are left out. Throws the JSON text of the error.
#[napi]
pub fn settings(variables: String, given: Vec<String>) -> Result<String> {
    let variables: HashMap<String, String> = parse(&variables)?;
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let Settings { base_url, token, timeout, max_retries, path_style, ca_file } =
        Settings::read(&|name| variables.get(name).cloned(), &given).map_err(thrown)?;
    let found = Found {
        base_url,
        token,
        timeout: timeout.map(|timeout| timeout.as_secs_f64() * 1e3),
        max_retries,
        path_style: path_style.map(PathStyle::as_str),
        ca_file,
    };
    Ok(serde_json::to_string(&found).expect("strings and numbers can be written as JSON"))
}
