//! Live events over server-sent events: connected again when the connection is lost or silent, without repeating
//! anything, and with a word where something may be missing.

mod beats;
pub(super) mod event;
mod options;
mod ready;
mod request;

use std::time::{Duration, Instant};

use loki_mode_spec::{EVENTS, Operation, Returns};
use ureq::http::header;

use self::beats::Beats;
use self::event::{Filter, read_event};
pub use self::options::LiveOptions;
use self::ready::Ready;
use self::request::query_of;
use super::pace::Patience;
use super::replay::{Remark, Replay};
use super::sse::{Parser, Piece};
use super::terms::Terms;
use super::trouble::{LONGEST_ABSENCE, is_passing};
use crate::client::Client;
use crate::error::{Error, ErrorInfo, ErrorKind};
use crate::execution::{Execution, Incoming};
use crate::stream::{Pull, Source, Step, Stream, stopped};
use crate::transport::{Opened, Reading};

/// The call that opens the stream.
static OPEN: Operation =
    Operation::get(EVENTS.name, EVENTS.path, Returns::Nothing).doc(EVENTS.doc).params(EVENTS.params);

/// How long to wait for more of a replay whose end is not announced, and how long at the most.
const REPLAY_PAUSE: Duration = Duration::from_millis(700);
const LONGEST_REPLAY: Duration = Duration::from_secs(5);
/// How much is read at a time, and how much of what has come already is handed out in one batch.
const BUFFER: usize = 32 << 10;
const LARGE_BATCH: usize = 256 << 10;
/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(1);

impl Client {
    /// Live events (GET /api/events), as they happen, each once. The stream does not end by itself: it connects again
    /// when the connection is lost, or silent for too long, and asks for what was missed. Where that is not to be had, it
    /// gives an event of type `gap`.
    ///
    /// # Errors
    /// [`Error::Config`] naming the option that is no good.
    pub fn events(&self, options: &LiveOptions) -> Result<Stream, Error> {
        let filter = Filter::new(options)?;
        let terms = Terms::new(options.timeout, options.max_retries, &options.headers)?;
        let now = Instant::now();
        let live = Live {
            client: self.clone(),
            terms,
            query: query_of(options),
            history: options.history,
            filter,
            replay: Replay::default(),
            connection: None,
            ready: Ready::default(),
            patience: Patience::default(),
            hold: now,
            began: now,
            connected_before: false,
            absent_since: None,
            retry: Duration::ZERO,
            beats: Beats::default(),
        };
        Ok(Stream::new(self, Box::new(live), Default::default()))
    }
}

/// The stream of live events.
struct Live {
    client: Client,
    terms: Terms,
    /// What is asked for each time.
    query: Vec<(&'static str, String)>,
    history: Option<u32>,
    filter: Filter,
    replay: Replay,
    connection: Option<Connection>,
    /// What was read and not handed out yet.
    ready: Ready,
    patience: Patience,
    /// No connection before this moment.
    hold: Instant,
    began: Instant,
    connected_before: bool,
    /// Since when a server that had the route has not.
    absent_since: Option<Instant>,
    /// How long the server asks to wait before connecting again.
    retry: Duration,
    beats: Beats,
}

/// An open connection.
struct Connection {
    opened: Opened,
    parser: Parser,
    since: Instant,
    heard: Instant,
    /// Something was sent on it.
    is_good: bool,
}

impl Live {
    fn connect(&mut self, pull: &mut Pull<'_>) -> Result<(), Error> {
        let call = self.terms.call(pull.call(self.terms.timeout(self.client.options().timeout)));
        let opened = Execution::begin(self.client.shared(), &OPEN, &call)
            .and_then(|execution| execution.open(&self.request(), self.headers()));
        let Incoming { opened, attempt_log } = match opened {
            Ok(incoming) => incoming,
            Err(error) => {
                pull.note(error.details().attempt_log.iter().cloned());
                return self.setback(error);
            }
        };
        pull.note(attempt_log);
        let kind =
            opened.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
            let message =
                format!("GET {}: the answer is of type {kind:?}, not a stream of events", EVENTS.path);
            return self.setback(ErrorInfo::new(ErrorKind::Decode, message).into());
        }
        let date = opened.headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let server_time = date
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .and_then(|date| jiff::Timestamp::try_from(date).ok());
        self.replay.connected(server_time, !self.connected_before);
        let now = Instant::now();
        let limit = usize::try_from(self.client.options().max_body_bytes).unwrap_or(usize::MAX);
        let parser = Parser::new(limit);
        self.connection = Some(Connection { opened, parser, since: now, heard: now, is_good: false });
        (self.connected_before, self.absent_since) = (true, None);
        self.terms.succeeded();
        Ok(())
    }

    /// Connecting failed.
    ///
    /// # Errors
    /// The failure, if there is no point in trying again.
    fn setback(&mut self, error: Error) -> Result<(), Error> {
        let now = Instant::now();
        let asked = error.details().retry_after.and_then(crate::retry::duration);
        self.hold = now + self.patience.failed(asked, fastrand::f64()).max(self.retry);
        let passes = match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotAvailable | ErrorKind::Decode if self.connected_before => {
                self.absent_since.get_or_insert(now).elapsed() < LONGEST_ABSENCE
            }
            _ => {
                let patient = self.connected_before || self.began.elapsed() < self.client.options().timeout;
                is_passing(&error) && patient
            }
        };
        if passes && self.terms.may_retry() { Ok(()) } else { Err(explained(error)) }
    }

    /// Reads what has come, or waits for it. Once there is something to hand out, only what has come already is read on.
    fn read(&mut self, pull: &Pull<'_>, deadline: Instant) -> Result<(), Error> {
        let limits = pull.limits(deadline);
        let mut buffer = [0; BUFFER];
        loop {
            let Some(connection) = &mut self.connection else { return Ok(()) };
            let reading = match self.ready.count {
                0 => connection.opened.read(&limits, &mut buffer),
                _ => connection.opened.read_at_once(&limits, &mut buffer),
            };
            match reading {
                Ok(Reading::Bytes(count)) => self.feed(&buffer[..count])?,
                Ok(Reading::Nothing) => return Ok(()),
                Ok(Reading::End) => {
                    self.lost();
                    return Ok(());
                }
                Err(failure) => return Err(stopped(&failure.cause)),
            }
            if self.ready.count == 0 || self.ready.json.len() >= LARGE_BATCH {
                return Ok(());
            }
        }
    }

    /// Takes what the server has sent.
    fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let now = Instant::now();
        (connection.heard, connection.is_good) = (now, true);
        let (filter, replay, retry, beats, ready) =
            (&self.filter, &mut self.replay, &mut self.retry, &mut self.beats, &mut self.ready);
        let fed = connection.parser.feed(bytes, |piece| match piece {
            Piece::Frame(frame) => {
                if frame.name == b"heartbeat" {
                    beats.beat(now);
                }
                if let Some(event) = read_event(&frame, filter) {
                    replay.event(event, ready);
                }
            }
            Piece::Comment(comment) => match Remark::read(comment) {
                Some(remark) => replay.remark(remark, ready),
                None => beats.beat(now),
            },
            Piece::Retry(delay) => *retry = delay.min(Duration::from_secs(60)),
        });
        if fed.is_err() {
            self.lost();
            let message = format!(
                "GET {}: an event is larger than {} bytes, the limit set by `max_body_bytes`",
                EVENTS.path,
                self.client.options().max_body_bytes
            );
            return Err(ErrorInfo::new(ErrorKind::Decode, message).into());
        }
        Ok(())
    }

    /// The connection is of no use any more.
    fn lost(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        self.beats.connection_lost();
        // What was held back cannot be told apart any better later.
        self.settle();
        if connection.is_good && connection.since.elapsed() >= GOOD {
            self.patience.succeeded();
        }
        self.hold = Instant::now() + self.patience.failed(None, fastrand::f64()).max(self.retry);
    }

    /// Gives out what was held back.
    fn settle(&mut self) {
        self.replay.settle(&mut self.ready);
    }

    /// When something has to be done about the connection if nothing comes.
    fn next_deadline(&self, connection: &Connection, began: Instant) -> Instant {
        // A caller who was busy elsewhere has not been listening.
        let silent = connection.heard.max(began) + self.beats.longest_silence();
        if self.replay.is_holding() { silent.min(connection.heard.max(began) + REPLAY_PAUSE) } else { silent }
    }
}

impl Source for Live {
    fn step(&mut self, pull: &mut Pull<'_>) -> Result<Step, Error> {
        let began = Instant::now();
        loop {
            if let Some(batch) = self.ready.hand_out() {
                return Ok(Step::Items(batch));
            }
            if self.terms.is_over() {
                self.connection = None;
            }
            self.terms.check_time()?;
            let Some(connection) = &self.connection else {
                if !pull.wait_until(self.terms.at_most(self.hold))? {
                    return Ok(Step::Idle);
                }
                self.terms.check_time()?;
                self.connect(pull)?;
                continue;
            };
            let deadline = self.next_deadline(connection, began);
            let is_over = Instant::now() >= deadline;
            if self.replay.is_holding() && (is_over || connection.since.elapsed() >= LONGEST_REPLAY) {
                self.settle();
                continue;
            }
            if is_over {
                // Nothing has come for so long that the server, or something on the way, must be gone.
                self.beats.lapsed();
                self.lost();
                continue;
            }
            if pull.is_due() {
                return Ok(Step::Idle);
            }
            let idle = pull.idle_at();
            self.read(pull, self.terms.at_most(deadline.min(idle)))?;
        }
    }
}

/// Says what a server without live events has instead.
fn explained(error: Error) -> Error {
    let is_missing = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotAvailable);
    if !is_missing {
        return error;
    }
    let mut info = error.info();
    info.kind = ErrorKind::NotAvailable;
    info.message.push_str(
        ". Live events are a route of the HTTP/SSE API, which dashboards lack; follow runs instead",
    );
    info.into()
}
