//! Streams of events: each wait for the next ones is a job like a call, settled in the same way.

use std::sync::Arc;
use std::time::Duration;

use loki_mode_core::events::{FollowOptions, LiveOptions, Until, WaitOptions, WatchOptions};
use loki_mode_core::stream::{Pulled, Step, Stream as Source, StreamCall};
use loki_mode_core::{Args, AttemptRecord, Error, PageOptions, Value};
use napi::Result;
use napi_derive::napi;
use serde::Deserialize;

use crate::client::Client;
use crate::failure::{self, thrown};
use crate::options::{from_milliseconds, parse};
use crate::provider::{Patience, during_call};
use crate::report::{self, Wants};
use crate::runtime::{Outcome, Shared};
use crate::text::Text;

/// What there is when a stream has been idle: no events.
const NO_EVENTS: &str = "[]";
/// What there is at the end of a stream.
const END: &str = "null";

/// What is said about every stream of events.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Terms {
    timeout: Option<f64>,
    max_retries: Option<u32>,
    #[serde(default)]
    headers: Vec<(String, String)>,
}

impl Terms {
    fn timeout(&self) -> Option<Duration> {
        self.timeout.map(from_milliseconds)
    }
}

/// An identifier, as TypeScript has checked it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

impl From<Id> for Value {
    fn from(id: Id) -> Self {
        match id {
            Id::Number(number) => Value::Int(number),
            Id::Text(text) => Value::Str(text),
        }
    }
}

/// How runs are to be followed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Follow {
    run_id: Option<Id>,
    run_ids: Option<Vec<Id>>,
    project_id: Option<Id>,
    since: Option<String>,
    cursor: Option<String>,
    poll_interval: Option<f64>,
    /// States to stop in; none means never to stop.
    until: Option<Vec<String>>,
    #[serde(flatten)]
    terms: Terms,
}

/// Which live events are wanted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Live {
    session_id: Option<Id>,
    types: Option<Vec<String>>,
    min_level: Option<String>,
    history: Option<u32>,
    #[serde(flatten)]
    terms: Terms,
}

/// How the dashboard is watched.
#[derive(Deserialize)]
struct Watch {
    /// JSON text.
    subscribe: Option<String>,
    #[serde(flatten)]
    terms: Terms,
}

/// How the end of a run is waited for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wait {
    run_id: Id,
    poll_interval: Option<f64>,
    #[serde(flatten)]
    terms: Terms,
}

/// How a list is gone through.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pages {
    page_size: Option<u64>,
    max_items: Option<u64>,
    timeout: Option<f64>,
    max_retries: Option<u32>,
    headers: Option<Vec<(String, String)>>,
}

/// Events that are waited for. It is closed when nothing refers to it any more.
#[napi]
pub struct Stream {
    runtime: Arc<Shared>,
    source: Arc<Source>,
    /// How long each request waits for a token.
    patience: Duration,
}

#[napi]
impl Stream {
    /// Follows one run (`runId`), or several, from the JSON text of its options. What it throws has the JSON text of the
    /// error as message.
    #[napi(factory)]
    pub fn follow(client: &Client, options: String) -> Result<Self> {
        let Follow { run_id, run_ids, project_id, since, cursor, poll_interval, until, terms } =
            parse(&options)?;
        let defaults = FollowOptions::default();
        let options = FollowOptions {
            since,
            cursor,
            poll_interval: poll_interval.map_or(defaults.poll_interval, from_milliseconds),
            until: match until {
                None => Until::Ended,
                Some(states) if states.is_empty() => Until::Never,
                Some(states) => Until::States(states),
            },
            timeout: terms.timeout(),
            max_retries: terms.max_retries,
            headers: terms.headers,
        };
        let engine = &client.engine;
        let source = match run_id {
            Some(run_id) => engine.follow(run_id.into(), &options),
            None => {
                let run_ids = run_ids.into_iter().flatten().map(Value::from).collect();
                engine.follow_many(run_ids, project_id.map(Value::from), &options)
            }
        };
        Self::open(client, source)
    }

    /// Live events, from the JSON text of its options. Throws as `follow` does.
    #[napi(factory)]
    pub fn live(client: &Client, options: String) -> Result<Self> {
        let Live { session_id, types, min_level, history, terms } = parse(&options)?;
        let options = LiveOptions {
            session_id: session_id.map(Value::from),
            types: types.unwrap_or_default(),
            min_level,
            history,
            timeout: terms.timeout(),
            max_retries: terms.max_retries,
            headers: terms.headers,
        };
        Self::open(client, client.engine.events(&options))
    }

    /// The messages of the dashboard, from the JSON text of its options. Throws as `follow` does.
    #[napi(factory)]
    pub fn watch(client: &Client, options: String) -> Result<Self> {
        let Watch { subscribe, terms } = parse(&options)?;
        let options = WatchOptions {
            subscribe,
            timeout: terms.timeout(),
            max_retries: terms.max_retries,
            headers: terms.headers,
        };
        Self::open(client, client.engine.watch(&options))
    }

    /// The end of a run, whose only item is the run, from the JSON text of its options. Throws as `follow` does.
    #[napi(factory)]
    pub fn end_of_run(client: &Client, options: String) -> Result<Self> {
        let Wait { run_id, poll_interval, terms } = parse(&options)?;
        let defaults = WaitOptions::default();
        let options = WaitOptions {
            poll_interval: poll_interval.map_or(defaults.poll_interval, from_milliseconds),
            timeout: terms.timeout(),
            max_retries: terms.max_retries,
            headers: terms.headers,
        };
        Self::open(client, client.engine.wait_for_run(run_id.into(), &options))
    }

    /// The items of a list, page by page; arguments as for a call, and the JSON text of the options. Throws as `follow`
    /// does.
    #[napi(factory)]
    pub fn pages(client: &Client, operation: String, arguments: String, options: String) -> Result<Self> {
        let Some(operation) = loki_mode_spec::operation(&operation) else {
            return Err(napi::Error::from_reason(format!("no operation is called {operation}")));
        };
        let Pages { page_size, max_items, timeout, max_retries, headers } = parse(&options)?;
        let options = PageOptions {
            page_size,
            max_items,
            timeout: timeout.map(from_milliseconds),
            max_retries,
            headers: headers.unwrap_or_default(),
        };
        let args = Args::from_json(operation, &arguments);
        Self::open(client, args.and_then(|args| client.engine.pages(operation, args, options)))
    }

    fn open(client: &Client, source: std::result::Result<Source, Error>) -> Result<Self> {
        let source = Arc::new(source.map_err(thrown)?);
        let patience = client.engine.options().timeout;
        Ok(Stream { runtime: Arc::clone(&client.runtime), source, patience })
    }

    /// Takes all events that it gave last for seen, and starts to wait for the next ones, as a call of this id. The data
    /// is a JSON array of events, empty if there is nothing yet and it should be asked again, or null at the end.
    #[napi]
    pub fn next(&self, id: u32, wants: u32) -> Result<()> {
        self.source.settle();
        let source = Arc::clone(&self.source);
        let (wants, patience) = (Wants(wants), Patience::Each(self.patience));
        self.runtime.start_wait(id, move |token| {
            let call =
                StreamCall { cancel: Some(token), record_attempts: wants.log(), ..StreamCall::default() };
            outcome(during_call(id, patience, || source.next(&call)), wants)
        })
    }

    /// Ends it; a wait that is under way gives the end.
    #[napi]
    pub fn close(&self) {
        self.source.close();
    }

    /// Where a caller stands who has seen this many of the events that it gave since the last `next`.
    #[napi]
    pub fn cursor(&self, seen: u32) -> String {
        self.source.cursor(seen as usize)
    }

    /// The last known state of a run that is followed.
    #[napi]
    pub fn status_of(&self, run_id: String) -> Option<String> {
        self.source.status_of(&run_id)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.close();
    }
}

/// What JavaScript is told about a wait that is over.
fn outcome(Pulled { step, attempt_log }: Pulled, wants: Wants) -> Outcome {
    let result = match step {
        Ok(Step::Items(batch)) => Ok(batch.json().to_owned()),
        Ok(Step::Idle) => Ok(NO_EVENTS.to_owned()),
        Ok(Step::End) => Ok(END.to_owned()),
        Err(error) => Err(failure::to_json(error)),
    };
    let log: &[AttemptRecord] = &attempt_log;
    Outcome { result: result.map(Text::new).map_err(Text::new), report: report::to_json(wants, None, log) }
}
