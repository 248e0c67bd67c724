//! The dashboard's WebSocket: messages as they come, the connection kept alive and opened again when it is lost.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use loki_mode_spec::WATCH;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::made::{Gap, Reason};
use super::pace::Patience;
use super::terms::Terms;
use super::trouble::is_passing;
use crate::client::Client;
use crate::error::{Error, ErrorInfo, ErrorKind};
use crate::execution::unreachable;
use crate::headers;
use crate::mask;
use crate::request::Request;
use crate::stream::{Batch, Pull, Source, Step, Stream, ended};
use crate::transport::{Heard, Refusal, Socket};

/// How long we are silent before we show that we are there. Servers ask after 30 s, and some hang up after 60 s.
const PING_AFTER: Duration = Duration::from_secs(20);
/// How long the answer may take.
const PONG_WITHIN: Duration = Duration::from_secs(15);
/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(1);
/// Servers take 60 handshakes a minute.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// A 403 can also mean that there were too many handshakes in the last minute.
const LONGEST_REFUSAL: Duration = Duration::from_secs(90);
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(5);

/// How the dashboard is watched.
#[derive(Debug, Clone, Default)]
pub struct WatchOptions {
    /// JSON text to subscribe with, each time the connection is opened. The servers that are known send everything to
    /// everybody, and only confirm it. Default: none.
    pub subscribe: Option<String>,
    /// The longest that the stream may last; then it fails with [`Error::Timeout`]. Default: without end.
    pub timeout: Option<Duration>,
    /// How many failures in a row to connect are waited out; the next one is given out, and the stream can be asked again.
    /// Default: as many as come, once there was a connection.
    pub max_retries: Option<u32>,
    /// Headers to send with each handshake; one of the client's of the same name is left out.
    pub headers: Vec<(String, String)>,
}

impl Client {
    /// The messages of the dashboard's WebSocket (`/ws`), as they come. The stream does not end by itself: it shows that it
    /// is there, notices when the server is not, and connects again, at most once a second. There is no history: after a
    /// reconnection a message of type `gap` says that others may be missing.
    ///
    /// The token travels in the query of the request; it is shown nowhere.
    ///
    /// # Errors
    /// [`Error::Config`] naming the option that is no good.
    pub fn watch(&self, options: &WatchOptions) -> Result<Stream, Error> {
        let subscribe = match &options.subscribe {
            None => None,
            Some(json) => {
                let value: &RawValue = serde_json::from_str(json).map_err(|error| {
                    Error::config("subscribe", format!("`subscribe` is no JSON: {error}"))
                })?;
                Some(format!(r#"{{"type":"subscribe","data":{}}}"#, value.get()))
            }
        };
        if !self.shared().server.http.opens_sockets() {
            let message = "`proxy`: WebSockets do not go through a proxy for http; use an https `base_url`, or exempt \
                           the host with NO_PROXY";
            return Err(Error::config("proxy", message));
        }
        let terms = Terms::new(options.timeout, options.max_retries, &options.headers)?;
        let now = Instant::now();
        let watch = Watch {
            client: self.clone(),
            terms,
            subscribe,
            line: None,
            ready: VecDeque::new(),
            patience: Patience::default(),
            hold: now,
            began: now,
            connected_before: false,
            refused_since: None,
        };
        Ok(Stream::new(self, Box::new(watch), Default::default()))
    }
}

struct Watch {
    client: Client,
    terms: Terms,
    /// The message to subscribe with.
    subscribe: Option<String>,
    line: Option<Line>,
    /// What was heard and not handed out yet.
    ready: VecDeque<String>,
    patience: Patience,
    /// No connection before this moment.
    hold: Instant,
    began: Instant,
    connected_before: bool,
    refused_since: Option<Instant>,
}

/// An open connection.
struct Line {
    socket: Socket,
    opened: Instant,
    heard: Instant,
    said: Instant,
    /// We have asked whether the server is there, and it has not answered.
    asked: Option<Instant>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
}

impl Watch {
    fn connect(&mut self, pull: &Pull<'_>) -> Result<(), Error> {
        let shared = self.client.shared();
        let authorization = shared.credentials.authorization()?;
        let token = authorization.as_ref().and_then(mask::token_of);
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let (Some(name), Some(token)) = (WATCH.token_param, token) {
            query.append_pair(name, token);
        }
        let request = Request { query: query.finish(), ..Request::get(WATCH.path) };
        let url = shared.server.base.join(&request);
        let now = Instant::now();
        // Whatever becomes of it, the next one is not at once.
        self.hold = now + LEAST_PAUSE;
        let limit = usize::try_from(self.client.options().max_body_bytes).unwrap_or(usize::MAX);
        let limits = pull.limits(now + self.terms.timeout(self.client.options().timeout));
        let headers = headers::checked("headers", self.terms.headers())?;
        let socket = match shared.server.http.socket(&url, [&shared.headers, &headers], &limits, limit) {
            Ok(socket) => socket,
            Err(Refusal::Unreachable(failure)) => {
                let error = unreachable(&self.client, WATCH.path, failure);
                return self.setback(error);
            }
            Err(Refusal::Status(status)) => return self.refused(status),
            Err(Refusal::NotWebSocket(problem)) => {
                let message =
                    format!("GET {}: the server does not speak WebSocket here: {problem}", WATCH.path);
                return self.setback(self.error(ErrorKind::NotAvailable, None, message));
            }
        };
        let now = Instant::now();
        let mut line = Line { socket, opened: now, heard: now, said: now, asked: None };
        if let Some(subscribe) = &self.subscribe
            && !line.say(subscribe, pull)
        {
            return self.setback(self.error(
                ErrorKind::Connection,
                None,
                "the connection was lost".to_owned(),
            ));
        }
        self.refused_since = None;
        self.terms.succeeded();
        if std::mem::replace(&mut self.connected_before, true) {
            let gap = Gap { reason: Reason::NoReplay, last_event_id: None };
            self.ready.push_back(gap.to_json());
        }
        self.line = Some(line);
        Ok(())
    }

    fn error(&self, kind: ErrorKind, status_code: Option<u16>, message: String) -> Error {
        ErrorInfo {
            method: Some("GET".to_owned()),
            path: Some(WATCH.path.to_owned()),
            status_code,
            attempts: 1,
            maybe_executed: (kind == ErrorKind::Connection).then_some(false),
            ..ErrorInfo::new(kind, message)
        }
        .into()
    }

    /// The server answered the handshake with a status.
    ///
    /// # Errors
    /// Unless it may be over in a while.
    fn refused(&mut self, status: u16) -> Result<(), Error> {
        let (kind, why) = match status {
            401 | 403 => (
                ErrorKind::PermissionDenied,
                "the token is missing or not valid, or there were too many handshakes in the last minute",
            ),
            404 | 405 | 200..=399 => (ErrorKind::NotAvailable, "this server has no WebSocket here"),
            429 => (ErrorKind::RateLimit, "too many handshakes"),
            500..=599 => (ErrorKind::Server, "the server is in trouble"),
            _ => (ErrorKind::Api, "the server refused the handshake"),
        };
        let error = self.error(kind, Some(status), format!("GET {}: {status}: {why}", WATCH.path));
        if kind == ErrorKind::PermissionDenied && self.connected_before {
            let now = Instant::now();
            let is_short = self.refused_since.get_or_insert(now).elapsed() < LONGEST_REFUSAL;
            if is_short && self.terms.may_retry() {
                self.hold = now + PAUSE_AFTER_REFUSAL;
                return Ok(());
            }
        }
        self.setback(error)
    }

    /// # Errors
    /// The failure, if there is no point in trying again.
    fn setback(&mut self, error: Error) -> Result<(), Error> {
        let pause = self.patience.failed(None, fastrand::f64()).max(LEAST_PAUSE);
        self.hold = Instant::now() + pause;
        let patient = self.connected_before || self.began.elapsed() < self.client.options().timeout;
        if is_passing(&error) && patient && self.terms.may_retry() { Ok(()) } else { Err(error) }
    }

    fn lost(&mut self) {
        if let Some(line) = self.line.take() {
            if line.opened.elapsed() >= GOOD {
                self.patience.succeeded();
            }
            self.hold = self.hold.max(Instant::now() + self.patience.failed(None, fastrand::f64()));
        }
    }

    /// Waits for a message.
    fn hear(&mut self, pull: &Pull<'_>, deadline: Instant) -> Result<(), Error> {
        let Some(line) = &mut self.line else { return Ok(()) };
        let heard = line.socket.hear(&pull.limits(deadline)).map_err(ended)?;
        if !matches!(heard, Heard::Nothing) {
            (line.heard, line.asked) = (Instant::now(), None);
        }
        match heard {
            Heard::Nothing | Heard::Sign => {}
            Heard::End => self.lost(),
            Heard::Text(text) => match serde_json::from_str::<Said<'_>>(&text) {
                Ok(said) if said.kind == "ping" => {
                    if !line.say(r#"{"type":"pong"}"#, pull) {
                        self.lost();
                    }
                }
                Ok(said) if said.kind == "pong" => {}
                Ok(_) => self.ready.push_back(text),
                // Not a message in the usual form: kept all the same.
                Err(_) => {
                    let data = serde_json::from_str::<&RawValue>(&text).map(|json| json.get().to_owned());
                    let data = data.unwrap_or_else(|_| serde_json::Value::from(text.as_str()).to_string());
                    self.ready.push_back(format!(r#"{{"type":"message","data":{data}}}"#));
                }
            },
        }
        Ok(())
    }
}

impl Line {
    fn say(&mut self, text: &str, pull: &Pull<'_>) -> bool {
        self.said = Instant::now();
        self.socket.send(text, &pull.limits(self.said + PONG_WITHIN))
    }
}

impl Source for Watch {
    fn step(&mut self, pull: &mut Pull<'_>) -> Result<Step, Error> {
        loop {
            if !self.ready.is_empty() {
                let texts: Vec<String> = self.ready.drain(..).collect();
                return Ok(Step::Items(Batch::new(
                    format!("[{}]", texts.join(",")),
                    texts.len(),
                    WATCH.item,
                )));
            }
            if self.terms.is_over() {
                self.line = None;
            }
            self.terms.check_time()?;
            let Some(line) = &mut self.line else {
                if !pull.wait_until(self.terms.at_most(self.hold))? {
                    return Ok(Step::Idle);
                }
                self.terms.check_time()?;
                self.connect(pull)?;
                continue;
            };
            let now = Instant::now();
            if line.asked.is_some_and(|asked| now >= asked + PONG_WITHIN) {
                self.lost();
                continue;
            }
            if line.asked.is_none() && now >= line.said.min(line.heard) + PING_AFTER {
                line.asked = Some(now);
                if !line.say(r#"{"type":"ping"}"#, pull) {
                    self.lost();
                }
                continue;
            }
            if pull.is_due() {
                return Ok(Step::Idle);
            }
            let next = match line.asked {
                Some(asked) => asked + PONG_WITHIN,
                None => line.said.min(line.heard) + PING_AFTER,
            };
            let deadline = self.terms.at_most(next.min(pull.idle_at()));
            self.hear(pull, deadline)?;
        }
    }
}
