//! A client and its calls.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loki_mode_core::events::EventStream as Watermarks;
use loki_mode_core::{Args, CallOptions, Client as Engine, Error, Response, Value};
use napi::Result;
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::event_loop::EventLoop;
use crate::options::{ClientChanges, ClientOptions, TokenSource, from_milliseconds, parse};
use crate::provider::{Patience, during_call};
use crate::report::{self, Wants};
use crate::runtime::{Outcome, Runtime, Shared};
use crate::{failure, failure::thrown, text::Text};

/// A client of one control plane.
#[napi]
pub struct Client {
    pub(crate) runtime: Arc<Shared>,
    event_loop: Option<Rc<EventLoop>>,
    pub(crate) engine: Engine,
}

/// What the caller says about one call.
struct Terms {
    timeout: Option<f64>,
    max_retries: Option<u32>,
    /// JSON text: a list of pairs.
    headers: Option<String>,
    wants: Wants,
}

#[napi]
impl Client {
    /// Makes a client from the JSON text of its options. What it throws has the JSON text of the error as message.
    #[napi(constructor)]
    pub fn new(runtime: &Runtime, options: String) -> Result<Self> {
        let (runtime, event_loop) = (Arc::clone(runtime.shared()), runtime.event_loop());
        let options: ClientOptions = parse(&options)?;
        let engine = options.into_options(&runtime).and_then(Engine::new).map_err(thrown)?;
        Ok(Client { runtime, event_loop, engine })
    }

    /// A client that differs in some options and shares the connections. Throws as the constructor does.
    #[napi]
    pub fn with_options(&self, changes: String) -> Result<Client> {
        let changes: ClientChanges = parse(&changes)?;
        let engine = self.engine.with_options(changes.into_changes(&self.runtime)).map_err(thrown)?;
        Ok(Client { runtime: Arc::clone(&self.runtime), event_loop: self.event_loop.clone(), engine })
    }

    /// The longest that a call may take, in milliseconds, unless the call itself says otherwise.
    #[napi]
    pub fn timeout(&self) -> f64 {
        self.engine.options().timeout.as_secs_f64() * 1e3
    }

    /// Exchanges the token; `source` is JSON text. Throws as the constructor does.
    #[napi]
    pub fn set_token(&self, source: String) -> Result<()> {
        let source: TokenSource = parse(&source)?;
        self.engine.set_token(source.into_token(&self.runtime)).map_err(thrown)
    }

    /// What the user should know about how this client is set up.
    #[napi]
    pub fn warnings(&self) -> Vec<String> {
        self.engine.warnings().iter().map(ToString::to_string).collect()
    }

    /// Starts a call. `arguments` is a JSON array, one item for each parameter of the operation, null if not given;
    /// `headers` a JSON array of pairs.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "an object of them would cost a look-up each")]
    pub fn call(
        &self,
        id: u32,
        operation: String,
        arguments: String,
        timeout: Option<f64>,
        max_retries: Option<u32>,
        headers: Option<String>,
        wants: u32,
    ) -> Result<()> {
        let Some(operation) = loki_mode_spec::operation(&operation) else {
            return Err(napi::Error::from_reason(format!("no operation is called {operation}")));
        };
        let terms = Terms { timeout, max_retries, headers, wants: Wants(wants) };
        self.start(id, terms, move |engine, call| {
            engine.execute(operation, Args::from_json(operation, &arguments)?, call)
        })
    }

    /// Starts a call that takes from a stream what it has not given out yet of the events of a run.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "an object of them would cost a look-up each")]
    pub fn poll_events(
        &self,
        id: u32,
        stream: &EventStream,
        run_id: Either<i64, String>,
        since: Option<String>,
        timeout: Option<f64>,
        max_retries: Option<u32>,
        headers: Option<String>,
        wants: u32,
    ) -> Result<()> {
        let stream = Arc::clone(&stream.stream);
        let run_id = match run_id {
            Either::A(number) => Value::Int(number),
            Either::B(text) => Value::Str(text),
        };
        let terms = Terms { timeout, max_retries, headers, wants: Wants(wants) };
        self.start(id, terms, move |engine, call| engine.poll_events(&stream, run_id, since, call))
    }

    /// Drops idle connections and ends the streams; later calls fail.
    #[napi]
    pub fn close(&self) {
        self.engine.close();
    }
}

impl Client {
    fn start(
        &self,
        id: u32,
        terms: Terms,
        call: impl FnOnce(&Engine, &CallOptions<'_>) -> std::result::Result<Response, Error> + Send + 'static,
    ) -> Result<()> {
        let Terms { timeout, max_retries, headers, wants } = terms;
        let headers: Vec<(String, String)> = headers.map_or(Ok(Vec::new()), |headers| parse(&headers))?;
        let engine = self.engine.clone();
        let timeout = timeout.map_or(engine.options().timeout, from_milliseconds);
        let granted = self.runtime.take_granted(id);
        // The wait for a token counts, and so does that for a place.
        let waited = granted.as_ref().map_or(Duration::ZERO, |granted| granted.waited);
        let began = Instant::now().checked_sub(waited).unwrap_or_else(Instant::now);
        let deadline = began + timeout;
        self.runtime.start(self.event_loop.as_deref(), id, move |token| {
            let options = CallOptions {
                timeout: Some(timeout),
                began: Some(began),
                first_token: granted.as_ref().map(|granted| granted.token.as_str()),
                max_retries,
                cancel: Some(token),
                headers: &headers,
                record_attempts: wants.log(),
                ..CallOptions::default()
            };
            outcome(wants, during_call(id, Patience::Until(deadline), || call(&engine, &options)))
        })
    }
}

/// What JavaScript is told about a call that is over.
fn outcome(wants: Wants, result: std::result::Result<Response, Error>) -> Outcome {
    match result {
        Ok(response) => {
            let payload = response.payload().map(|data| Text::new(data.to_owned()));
            Outcome {
                result: payload.map_err(|error| Text::new(failure::to_json(error))),
                report: report::to_json(wants, Some(&response), &response.attempt_log),
            }
        }
        Err(error) => {
            let report = report::to_json(wants, None, &error.details().attempt_log);
            Outcome { result: Err(Text::new(failure::to_json(error))), report }
        }
    }
}

/// What an event stream has given out so far.
#[napi]
pub struct EventStream {
    stream: Arc<Watermarks>,
}

#[napi]
impl EventStream {
    /// A stream that has given out nothing yet.
    #[napi(constructor)]
    #[allow(clippy::new_without_default, reason = "made from JavaScript only")]
    pub fn new() -> Self {
        EventStream { stream: Arc::new(Watermarks::new()) }
    }
}
