//! What all streams have in common: they are pulled from, batch by batch, on the thread of whoever asks.
//!
//! A stream has no thread of its own. That bounds memory without further ado (who does not ask gets nothing), lets a
//! process fork, and leaves it to each language where the waiting is done.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use loki_mode_spec::{Model, Returns};
use serde_json::value::RawValue;

use super::cursor::Cursor;
use super::watermark::Entry;
use crate::attempts::AttemptRecord;
use crate::call::{CallOptions, CancelToken, Limits, Stop};
use crate::client::Client;
use crate::decode::{self, Builder};
use crate::error::{Error, ErrorInfo, ErrorKind};

/// How long a stream waits before it reports that it is idle.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);
/// How many attempts are kept before they are handed over.
const LOG_SIZE: usize = 64;

/// What a caller says about one [`Stream::next`].
#[derive(Default)]
pub struct StreamCall<'a> {
    /// Ends the wait with [`Error::Cancelled`] when it is cancelled.
    pub cancel: Option<CancelToken>,
    /// See [`CallOptions::interrupted`].
    pub interrupted: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// See [`CallOptions::record_attempts`]; they are in [`Pulled::attempt_log`].
    pub record_attempts: bool,
}

/// What came of one [`Stream::next`].
#[derive(Debug)]
pub struct Pulled {
    /// The step itself.
    pub step: Result<Step, Error>,
    /// The attempts since the last one, if they were asked for.
    pub attempt_log: Vec<AttemptRecord>,
}

/// How a stream went on.
#[derive(Debug)]
pub enum Step {
    /// Some events; at least one.
    Events(Batch),
    /// Nothing for a while: ask again. Gives the caller an opportunity to write its log.
    Idle,
    /// There will be no more events.
    End,
}

/// Some events, in order.
#[derive(Debug)]
pub struct Batch {
    json: String,
    count: usize,
    model: &'static Model,
}

impl Batch {
    pub(crate) fn new(json: String, count: usize, model: &'static Model) -> Self {
        Batch { json, count, model }
    }

    /// The events as a JSON array.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Builds the list of events.
    ///
    /// # Errors
    /// [`Error::Decode`] if one of them is not what the server promises.
    pub fn decode<B: Builder>(&self, builder: &mut B) -> Result<B::Value, Error> {
        decode::decode_list(self.model, self.json.as_bytes(), builder).map_err(|failure| {
            let message = format!("an event is not a {}: {failure}", self.model.name);
            ErrorInfo::new(ErrorKind::Decode, message).into()
        })
    }

    /// Each event by itself, for whoever does not want to decode all of them at once.
    ///
    /// # Errors
    /// [`Error::Decode`] if they are no JSON.
    pub fn split(&self) -> Result<Vec<Batch>, Error> {
        let events: Vec<&RawValue> = serde_json::from_str(&self.json)
            .map_err(|error| ErrorInfo::new(ErrorKind::Decode, format!("events are no JSON: {error}")))?;
        Ok(events.iter().map(|event| Batch::new(format!("[{}]", event.get()), 1, self.model)).collect())
    }
}

/// A stream of events. [`Stream::next`] gives one batch after the other until it gives [`Step::End`].
#[derive(Debug)]
pub struct Stream(Arc<Shared>);

/// What the stream shares with the client, which ends its streams when it is closed.
pub(super) struct Shared {
    client: Client,
    source: Mutex<Box<dyn Source>>,
    position: Mutex<Position>,
    closed: AtomicBool,
    /// Ends the wait that is under way.
    waiting: Mutex<Option<CancelToken>>,
    pid: u32,
}

/// Where events come from.
pub(crate) trait Source: Send {
    /// Waits for events.
    fn step(&mut self, pull: &mut Pull<'_>) -> Result<Step, Error>;
}

/// How far the caller has got, which is less far than the source has where it has not seen all of a batch.
#[derive(Debug, Default)]
pub(crate) struct Position {
    /// Without the batch that was handed out last.
    pub(crate) cursor: Cursor,
    /// That batch: which run each of its events belongs to.
    pub(crate) batch: Vec<(usize, Entry)>,
    /// The last known state of the runs that are followed.
    pub(crate) statuses: Vec<(String, String)>,
}

impl Position {
    /// Takes the last batch for seen.
    fn settle(&mut self) {
        for (run, entry) in std::mem::take(&mut self.batch) {
            if let Some(run) = self.cursor.runs.get_mut(run) {
                run.mark.give(&entry);
            }
        }
    }

    /// The cursor of a caller who has seen this many events of the last batch.
    fn cursor_at(&self, seen: usize) -> Cursor {
        let mut cursor = self.cursor.clone();
        for (run, entry) in self.batch.iter().take(seen) {
            if let Some(run) = cursor.runs.get_mut(*run) {
                run.mark.give(entry);
            }
        }
        for run in &mut cursor.runs {
            run.mark = run.mark.abridged();
        }
        if let Some(project) = &mut cursor.project {
            project.mark = project.mark.abridged();
        }
        cursor
    }
}

impl Stream {
    /// A stream that ends with its client.
    pub(crate) fn new(client: &Client, source: Box<dyn Source>, cursor: Cursor) -> Self {
        let shared = Arc::new(Shared {
            client: client.clone(),
            source: Mutex::new(source),
            position: Mutex::new(Position { cursor, ..Position::default() }),
            closed: AtomicBool::new(false),
            waiting: Mutex::new(None),
            pid: std::process::id(),
        });
        client.shared().streams.add(&shared);
        Stream(shared)
    }

    /// Waits for the next events, and takes those that it gave last for seen.
    ///
    /// After an error the stream can be asked again: what was not given out is not lost.
    pub fn next(&self, call: &StreamCall<'_>) -> Pulled {
        let mut log = Vec::new();
        let step = self.pull(call, &mut log);
        Pulled { step, attempt_log: log }
    }

    fn pull(&self, call: &StreamCall<'_>, log: &mut Vec<AttemptRecord>) -> Result<Step, Error> {
        let shared = &*self.0;
        if shared.is_inherited() {
            return Err(Error::config(
                "stream",
                "the stream was opened before this process was forked off, and belongs to the parent; open one here, \
                 with its `cursor` to go on where it stands",
            ));
        }
        if self.is_closed() {
            return Ok(Step::End);
        }
        shared.client.check_open()?;
        let mut source = match shared.source.try_lock() {
            Ok(source) => source,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::config(
                    "stream",
                    "another thread is waiting for the next event of this stream",
                ));
            }
        };
        locked(&shared.position).settle();
        let cancel = call.cancel.clone().unwrap_or_default();
        *locked(&shared.waiting) = Some(cancel.clone());
        // Who closed it, or its client, meanwhile found nothing to cancel.
        if self.is_closed() {
            cancel.cancel();
        }
        let mut pull = Pull {
            cancel,
            interrupted: call.interrupted,
            record_attempts: call.record_attempts,
            log,
            position: &shared.position,
            began: Instant::now(),
        };
        let step = shared.client.check_open().and_then(|()| source.step(&mut pull));
        *locked(&shared.waiting) = None;
        drop(source);
        let client = shared.client.check_open();
        if self.is_closed() || client.is_err() {
            shared.let_go();
        }
        match step {
            Err(Error::Cancelled(_)) if self.is_closed() => Ok(Step::End),
            Err(Error::Cancelled(_)) if client.is_err() => client.map(|()| Step::End),
            step => step,
        }
    }

    /// Takes the events that were given last for seen, as the next [`Stream::next`] would: from then on, and while that
    /// waits, [`Stream::cursor`] of none is where the caller stands.
    pub fn settle(&self) {
        if !self.0.is_inherited() {
            locked(&self.0.position).settle();
        }
    }

    /// Ends the stream: a wait that is under way ends at once, later ones do not begin, and its connection is closed.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.stop();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::SeqCst)
    }

    /// Where a caller stands who has seen this many events of the last batch: to be given to a later stream, which goes
    /// on from there.
    pub fn cursor(&self, seen: usize) -> String {
        locked(&self.0.position).cursor_at(seen).to_text()
    }

    /// The last known state of a run that is followed, if it was asked for yet.
    pub fn status_of(&self, run_id: &str) -> Option<String> {
        let position = locked(&self.0.position);
        position.statuses.iter().find(|(id, _)| id == run_id).map(|(_, status)| status.clone())
    }
}

impl Shared {
    /// Whether it is that of a process that this one was forked from.
    fn is_inherited(&self) -> bool {
        self.pid != std::process::id()
    }

    /// Ends the wait that is under way, and closes the connection.
    pub(super) fn stop(&self) {
        // Another process's lock may be held by a thread that is not in this one, and its connection is its own.
        if self.is_inherited() {
            return;
        }
        if let Some(cancel) = locked(&self.waiting).take() {
            cancel.cancel();
        }
        self.let_go();
    }

    /// Closes the connection, unless the stream is being asked: then that does so afterwards.
    fn let_go(&self) {
        if let Ok(mut source) = self.source.try_lock() {
            *source = Box::new(Nothing);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.is_inherited() {
            // What it holds, sockets above all, is the parent's.
            let source = self.source.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(std::mem::replace(source, Box::new(Nothing)));
        }
    }
}

/// The source of a stream that is gone.
struct Nothing;

impl Source for Nothing {
    fn step(&mut self, _: &mut Pull<'_>) -> Result<Step, Error> {
        Ok(Step::End)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("closed", &self.closed).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is changed in single steps.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One wait for events.
pub(crate) struct Pull<'a> {
    pub(crate) cancel: CancelToken,
    pub(crate) interrupted: Option<&'a (dyn Fn() -> bool + Sync)>,
    record_attempts: bool,
    log: &'a mut Vec<AttemptRecord>,
    position: &'a Mutex<Position>,
    began: Instant,
}

impl<'a> Pull<'a> {
    /// What bounds a part of the wait that ends at this moment.
    pub(crate) fn limits(&self, deadline: Instant) -> Limits<'_> {
        Limits { deadline, cancel: Some(&self.cancel), interrupted: self.interrupted }
    }

    /// The options of a call that belongs to the wait.
    pub(crate) fn call(&self, timeout: Duration) -> CallOptions<'a> {
        CallOptions {
            timeout: Some(timeout.max(Duration::from_millis(1))),
            // Streams have a patience of their own.
            max_retries: Some(0),
            cancel: Some(self.cancel.clone()),
            interrupted: self.interrupted,
            record_attempts: self.record_attempts,
            ..CallOptions::default()
        }
    }

    /// The options of a call that belongs to the wait and has the client's own retries and timeout.
    pub(crate) fn unhurried_call(&self) -> CallOptions<'a> {
        CallOptions { timeout: None, max_retries: None, ..self.call(Duration::ZERO) }
    }

    /// Notes attempts.
    pub(crate) fn note(&mut self, attempts: impl IntoIterator<Item = AttemptRecord>) {
        self.log.extend(attempts);
    }

    /// Changes what the caller's position is told from.
    pub(crate) fn position<R>(&self, change: impl FnOnce(&mut Position) -> R) -> R {
        change(&mut locked(self.position))
    }

    /// Whether it is time to let the caller write its log.
    pub(crate) fn is_due(&self) -> bool {
        let waited = self.began.elapsed();
        waited >= LONGEST_SILENCE
            || self.log.len() >= LOG_SIZE
            || !self.log.is_empty() && waited >= Duration::from_secs(1)
    }

    /// When the caller is to hear something, whatever happens.
    pub(crate) fn idle_at(&self) -> Instant {
        let silence = if self.log.is_empty() { LONGEST_SILENCE } else { Duration::from_secs(1) };
        self.began + silence
    }

    /// Waits until then, or for as long as the caller is to be left without a word; true if the moment has come.
    ///
    /// # Errors
    /// [`Error::Cancelled`] or [`Error::Interrupted`].
    pub(crate) fn wait_until(&self, moment: Instant) -> Result<bool, Error> {
        let until = moment.min(self.idle_at());
        let left = until.saturating_duration_since(Instant::now());
        // A limit beyond the wait, so that the wait ends first.
        self.limits(until + Duration::from_secs(60)).wait(left).map_err(ended)?;
        Ok(Instant::now() >= moment)
    }
}

/// The error of a wait that was ended from outside.
pub(crate) fn ended(stop: Stop) -> Error {
    let (kind, message) = match stop {
        Stop::Deadline => (ErrorKind::Timeout, "the time of the stream is over"),
        Stop::Cancelled => (ErrorKind::Cancelled, "the stream was cancelled"),
        Stop::Interrupted => (ErrorKind::Interrupted, "the stream was interrupted"),
    };
    ErrorInfo::new(kind, message).into()
}

/// The error of a wait that the transport gave up.
pub(crate) fn stopped(cause: &crate::transport::Cause) -> Error {
    match cause {
        crate::transport::Cause::Stopped(stop) => ended(*stop),
        other => ErrorInfo::new(ErrorKind::Connection, other.to_string()).into(),
    }
}

/// The model of an operation's list, which the events of a stream are.
pub(crate) fn listed_model(returns: &'static Returns) -> Option<&'static Model> {
    match returns {
        Returns::List(model, _) => Some(model),
        _ => None,
    }
}
