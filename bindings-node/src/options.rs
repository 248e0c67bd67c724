//! The options of clients and calls, as `options.ts` writes them: JSON text.

use std::sync::Arc;
use std::time::Duration;

use loki_mode_core::{Changes, Error, Options, Token};
use serde::Deserialize;

use crate::provider;
use crate::runtime::Shared;

/// The options of a client; what is not given keeps its default.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClientOptions {
    base_url: String,
    token: Option<TokenSource>,
    timeout: Option<f64>,
    connect_timeout: Option<f64>,
    max_retries: Option<u32>,
    path_style: Option<String>,
    max_connections: Option<u32>,
    headers: Option<Vec<(String, String)>>,
    max_body_bytes: Option<u64>,
    app_info: Option<String>,
    proxy: Option<String>,
    ca_file: Option<String>,
    system_roots: Option<bool>,
    client_cert_file: Option<String>,
    client_key_file: Option<String>,
    language: String,
}

/// Where a token comes from.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TokenSource {
    /// There is none.
    None,
    /// It is this one.
    Fixed(String),
    /// A function in JavaScript is asked for it.
    Provider,
}

/// What a derived client does differently; what is not given stays.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClientChanges {
    token: Option<TokenSource>,
    timeout: Option<f64>,
    max_retries: Option<u32>,
    headers: Option<Vec<(String, String)>>,
}

impl ClientOptions {
    pub(crate) fn into_options(self, runtime: &Arc<Shared>) -> Result<Options, Error> {
        let defaults = Options::default();
        Ok(Options {
            base_url: self.base_url,
            token: self.token.and_then(|token| token.into_token(runtime)),
            timeout: self.timeout.map_or(defaults.timeout, from_milliseconds),
            connect_timeout: self.connect_timeout.map_or(defaults.connect_timeout, from_milliseconds),
            max_retries: self.max_retries.unwrap_or(defaults.max_retries),
            path_style: self.path_style.map_or(Ok(defaults.path_style), |style| style.parse())?,
            language: self.language,
            app_info: self.app_info,
            max_body_bytes: self.max_body_bytes.unwrap_or(defaults.max_body_bytes),
            max_connections: self.max_connections.map_or(defaults.max_connections, |count| count as usize),
            headers: self.headers.unwrap_or_default(),
            proxy: self.proxy,
            ca_file: self.ca_file,
            system_roots: self.system_roots.unwrap_or(defaults.system_roots),
            client_cert_file: self.client_cert_file,
            client_key_file: self.client_key_file,
            ..defaults
        })
    }
}

impl ClientChanges {
    pub(crate) fn into_changes(self, runtime: &Arc<Shared>) -> Changes {
        Changes {
            timeout: self.timeout.map(from_milliseconds),
            max_retries: self.max_retries,
            token: self.token.map(|token| token.into_token(runtime)),
            headers: self.headers,
        }
    }
}

impl TokenSource {
    pub(crate) fn into_token(self, runtime: &Arc<Shared>) -> Option<Token> {
        match self {
            TokenSource::None => None,
            TokenSource::Fixed(token) => Some(Token::new(token)),
            TokenSource::Provider => Some(provider::token(Arc::clone(runtime))),
        }
    }
}

/// TypeScript lets only finite numbers above zero through. Beyond 30 years the arithmetic of clocks would overflow.
pub(crate) fn from_milliseconds(milliseconds: f64) -> Duration {
    Duration::from_secs_f64((milliseconds / 1e3).clamp(1e-3, 1e9))
}

/// Reads what TypeScript has written.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> napi::Result<T> {
    serde_json::from_str(text).map_err(|error| napi::Error::from_reason(error.to_string()))
}
