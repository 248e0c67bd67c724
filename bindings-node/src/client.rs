//! A client and its calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loki_mode_core::events::EventStream as Stream;
use loki_mode_core::{Args, CallOptions, Client as Engine, Error, Options, Response, Token, Value};
use napi::Result;
use napi::bindgen_prelude::Either;
use napi_derive::napi;
use serde::Deserialize;

use crate::failure;
use crate::runtime::{Runtime, Shared};

/// The options of a client, as `options.ts` writes them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClientOptions {
    base_url: String,
    token: Option<String>,
    timeout: Option<f64>,
    max_retries: Option<u32>,
    path_style: Option<String>,
    language: String,
}

impl ClientOptions {
    fn into_options(self) -> std::result::Result<Options, Error> {
        let defaults = Options::default();
        Ok(Options {
            base_url: self.base_url,
            token: self.token.map(Token::new),
            timeout: self.timeout.map_or(defaults.timeout, from_milliseconds),
            max_retries: self.max_retries.unwrap_or(defaults.max_retries),
            path_style: self.path_style.map_or(Ok(defaults.path_style), |style| style.parse())?,
            language: self.language,
            ..defaults
        })
    }
}

/// TypeScript lets only finite numbers above zero through. Beyond 30 years the arithmetic of clocks would overflow.
fn from_milliseconds(milliseconds: f64) -> Duration {
    Duration::from_secs_f64((milliseconds / 1e3).clamp(1e-3, 1e9))
}

/// A client of one control plane.
#[napi]
pub struct Client {
    runtime: Arc<Shared>,
    engine: Engine,
}

#[napi]
impl Client {
    /// Makes a client from the JSON text of its options. What it throws has the JSON text of the error as message.
    #[napi(constructor)]
    pub fn new(runtime: &Runtime, options: String) -> Result<Self> {
        let options: ClientOptions =
            serde_json::from_str(&options).map_err(|error| napi::Error::from_reason(error.to_string()))?;
        let engine = options
            .into_options()
            .and_then(Engine::new)
            .map_err(|error| napi::Error::from_reason(failure::to_json(&error)))?;
        Ok(Client { runtime: Arc::clone(runtime.shared()), engine })
    }

    /// Starts a call. `arguments` is a JSON array, one item for each parameter of the operation, null if not given.
    #[napi]
    pub fn call(
        &self,
        id: u32,
        operation: String,
        arguments: String,
        timeout: Option<f64>,
        max_retries: Option<u32>,
    ) -> Result<()> {
        let Some(operation) = loki_mode_spec::operation(&operation) else {
            return Err(napi::Error::from_reason(format!("no operation is called {operation}")));
        };
        self.start(id, timeout, max_retries, move |engine, call| {
            engine.execute(operation, Args::from_json(operation, &arguments)?, call)
        })
    }

    /// Starts a call that takes from a stream what it has not given out yet of the events of a run.
    #[napi]
    pub fn poll_events(
        &self,
        id: u32,
        stream: &EventStream,
        run_id: Either<i64, String>,
        since: Option<String>,
        timeout: Option<f64>,
        max_retries: Option<u32>,
    ) -> Result<()> {
        let stream = Arc::clone(&stream.stream);
        let run_id = match run_id {
            Either::A(number) => Value::Int(number),
            Either::B(text) => Value::Str(text),
        };
        self.start(id, timeout, max_retries, move |engine, call| {
            engine.poll_events(&stream, run_id, since, call)
        })
    }

    /// Drops idle connections; later calls fail.
    #[napi]
    pub fn close(&self) {
        self.engine.close();
    }

    fn start(
        &self,
        id: u32,
        timeout: Option<f64>,
        max_retries: Option<u32>,
        call: impl FnOnce(&Engine, &CallOptions<'_>) -> std::result::Result<Response, Error> + Send + 'static,
    ) -> Result<()> {
        let engine = self.engine.clone();
        let timeout = timeout.map_or(engine.options().timeout, from_milliseconds);
        let queued = Instant::now();
        self.runtime.start(id, move |token| {
            // The wait for a thread counts: what is left of the time is what the caller still has.
            let left = timeout.saturating_sub(queued.elapsed()).max(Duration::from_millis(1));
            let options = CallOptions {
                timeout: Some(left),
                max_retries,
                cancel: Some(token),
                ..CallOptions::default()
            };
            call(&engine, &options)
                .and_then(|response| response.payload().map(str::to_owned))
                .map_err(|error| failure::to_json(&error))
        })
    }
}

/// What an event stream has given out so far.
#[napi]
pub struct EventStream {
    stream: Arc<Stream>,
}

#[napi]
impl EventStream {
    /// A stream that has given out nothing yet.
    #[napi(constructor)]
    #[allow(clippy::new_without_default, reason = "made from JavaScript only")]
    pub fn new() -> Self {
        EventStream { stream: Arc::new(Stream::new()) }
    }
}
