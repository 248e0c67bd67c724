//! Following runs by polling their timelines: each event once, in order, until the runs have ended.

mod project;
mod track;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use loki_mode_spec::{Model, Operation};

use self::project::Project;
use self::track::{Checked, Stage, Track};
use super::cursor::{Cursor, ProjectMark, RunMark};
use super::pace::Patience;
use super::stream::{Batch, Pull, Source, Step, Stream, listed_model};
use super::terms::Terms;
use super::timeline::{Events, News, no_timeline};
use super::timestamp::parse_since;
use super::watermark::Watermark;
use crate::args::{Args, Value};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::response::Response;
use crate::run_state::RunState;

/// How many events are handed out at a time.
const BATCH: usize = 2048;
/// The longest that one poll may take; a slow answer to one must not hold up the others.
pub(super) const LONGEST_POLL: Duration = Duration::from_secs(30);
/// How long a run that was there may be unknown to the server before that is believed.
pub(super) const LONGEST_ABSENCE: Duration = Duration::from_secs(30);
/// How many answers in a row may be something else than a timeline before that is believed.
pub(super) const MAX_GARBLED: u32 = 5;
/// What is to be followed, and how.
#[derive(Debug, Clone)]
pub struct FollowOptions {
    /// Only events that are not older than this timestamp, in any form that servers send. Default: all.
    pub since: Option<String>,
    /// Where an earlier stream stood; see [`Stream::cursor`]. Default: at the beginning.
    pub cursor: Option<String>,
    /// About how often a run is asked for events: four times as often after news, half as often when it has been quiet
    /// for long. Default: 2 s.
    pub poll_interval: Duration,
    /// When to stop following a run. Default: when it has ended.
    pub until: Until,
    /// The longest that the stream may last; then it fails with [`Error::Timeout`]. Default: without end.
    pub timeout: Option<Duration>,
    /// How many failures in a row are waited out; the next one is given out, and the stream can be asked again. Default: as
    /// many as come, once the server has answered.
    pub max_retries: Option<u32>,
    /// Headers to send with each request; one of the client's of the same name is left out.
    pub headers: Vec<(String, String)>,
}

impl Default for FollowOptions {
    fn default() -> Self {
        FollowOptions {
            since: None,
            cursor: None,
            poll_interval: Duration::from_secs(2),
            until: Until::Ended,
            timeout: None,
            max_retries: None,
            headers: Vec::new(),
        }
    }
}

/// When a run is followed no longer; its last events are given out first.
#[derive(Debug, Clone, PartialEq)]
pub enum Until {
    /// When it has ended, in whatever state.
    Ended,
    /// When it is in one of these states, or has ended.
    States(Vec<String>),
    /// Never.
    Never,
}

impl Client {
    /// Follows a run: polls its timeline (GET /api/runs/{run_id}/timeline) and gives out each event exactly once, in order,
    /// until the run has ended. Server restarts, lost connections, 5xx, 408 and 429 are waited out.
    ///
    /// # Errors
    /// [`Error::Config`] naming the option that is no good.
    pub fn follow(&self, run_id: Value, options: &FollowOptions) -> Result<Stream, Error> {
        let cursor = options.cursor.as_deref().map(Cursor::from_text).transpose()?;
        if let Some(cursor) = &cursor {
            let id = run_id.to_text();
            if !cursor.runs.iter().any(|run| run.id == id) {
                let known: Vec<_> = cursor.runs.iter().map(|run| run.id.as_str()).collect();
                let message = format!("`cursor` is of run {}, not of run {id}", known.join(", "));
                return Err(Error::config("cursor", message));
            }
        }
        Follower::start(self.clone(), vec![run_id], None, cursor, options)
    }

    /// Follows many runs at once, on the thread of whoever asks: those that are named and, if a project is, its runs that
    /// are active and all that start later. Without a project the stream ends when all runs have.
    ///
    /// # Errors
    /// [`Error::Config`] naming the option that is no good, or if there is nothing to follow.
    pub fn follow_many(
        &self,
        run_ids: Vec<Value>,
        project_id: Option<Value>,
        options: &FollowOptions,
    ) -> Result<Stream, Error> {
        if run_ids.is_empty() && project_id.is_none() {
            return Err(Error::config(
                "run_ids",
                "`run_ids` is empty and there is no `project_id`: nothing to follow",
            ));
        }
        let cursor = options.cursor.as_deref().map(Cursor::from_text).transpose()?;
        if let (Some(mark), Some(project)) =
            (cursor.as_ref().and_then(|cursor| cursor.project.as_ref()), &project_id)
            && mark.id != project.to_text()
        {
            let message = format!("`cursor` is of project {}, not of project {}", mark.id, project.to_text());
            return Err(Error::config("cursor", message));
        }
        Follower::start(self.clone(), run_ids, project_id, cursor, options)
    }
}

/// The operations that following is made of.
struct Operations {
    timeline: &'static Operation,
    run: &'static Operation,
    runs: &'static Operation,
    /// What a timeline is a list of.
    event: &'static Model,
}

impl Operations {
    fn find() -> Result<Self, Error> {
        let named = |name: &'static str| {
            loki_mode_spec::operation(name)
                .ok_or_else(|| Error::config("operation", format!("{name} is not in the operations table")))
        };
        let timeline = named("get_run_timeline")?;
        let event = listed_model(&timeline.returns)
            .ok_or_else(|| Error::config("operation", "get_run_timeline returns no list"))?;
        Ok(Operations { timeline, run: named("get_run")?, runs: named("list_runs")?, event })
    }
}

/// Arguments by name; a parameter that the operation does not have is left out.
fn arguments(operation: &'static Operation, named: Vec<(&str, Option<Value>)>) -> Result<Args, Error> {
    let mut values = vec![None; operation.params.len()];
    for (name, value) in named {
        if let Some(at) = operation.params.iter().position(|param| param.name == name) {
            values[at] = value;
        }
    }
    Args::new(operation, values)
}

/// Whether the server leaves out the older events where it is asked to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Filters {
    Unknown,
    No,
}

/// Follows runs.
struct Follower {
    client: Client,
    operations: Operations,
    tracks: Vec<Track>,
    project: Option<Project>,
    interval: Duration,
    since: Option<Timestamp>,
    until: Until,
    terms: Terms,
    /// Events that were found and not handed out yet, and whose they are.
    ready: VecDeque<(usize, Events)>,
    /// How many of the first of them were handed out.
    handed: usize,
    filters: Filters,
    patience: Patience,
    /// No request before this moment.
    hold: Instant,
    /// When the first request was sent.
    unanswered_since: Option<Instant>,
    /// The server has answered.
    answered: bool,
}

/// What is to be done next.
enum Task {
    Poll(usize),
    Check(usize),
    Discover,
}

impl Follower {
    fn start(
        client: Client,
        run_ids: Vec<Value>,
        project_id: Option<Value>,
        cursor: Option<Cursor>,
        options: &FollowOptions,
    ) -> Result<Stream, Error> {
        let operations = Operations::find()?;
        if options.poll_interval.is_zero() {
            return Err(Error::config("poll_interval", "`poll_interval` must be above zero"));
        }
        let since = options.since.as_deref().map(parse_since).transpose()?;
        let terms = Terms::new(options.timeout, options.max_retries, &options.headers)?;
        let now = Instant::now();
        let resumed = cursor.is_some();
        let knows_project = cursor.as_ref().is_some_and(|cursor| cursor.project.is_some());
        let Cursor { runs: mut marks, project: mark } = cursor.unwrap_or_default();
        let mut follower = Follower {
            client,
            operations,
            tracks: Vec::new(),
            project: project_id.map(|id| Project {
                id,
                mark: mark.map(|mark| mark.mark).unwrap_or_default(),
                due: now,
                first: !knows_project,
            }),
            interval: options.poll_interval,
            since,
            until: options.until.clone(),
            terms,
            ready: VecDeque::new(),
            handed: 0,
            filters: Filters::Unknown,
            patience: Patience::default(),
            hold: now,
            unanswered_since: None,
            // Who was given a cursor has been answered there before.
            answered: resumed,
        };
        let mut position = Cursor { runs: Vec::new(), project: follower.project_mark() };
        for id in run_ids {
            // The id goes into a path: what does not fit there is refused here and not at the first poll.
            let args = arguments(follower.operations.timeline, vec![("run_id", Some(id.clone()))])?;
            crate::request::Request::new(
                follower.operations.timeline,
                follower.operations.timeline.path,
                &args,
            )?;
            let text = id.to_text().into_owned();
            if follower.tracks.iter().any(|track| track.id.to_text() == text) {
                continue;
            }
            let mark = marks.iter().position(|mark| mark.id == text).map(|at| marks.remove(at));
            position.runs.push(follower.take_up(id, mark, false));
        }
        if follower.project.is_some() {
            for mark in marks.into_iter().filter(|mark| !mark.ended) {
                let id = Value::Str(mark.id.clone());
                position.runs.push(follower.take_up(id, Some(mark), true));
            }
        }
        let client = follower.client.clone();
        Ok(Stream::new(&client, Box::new(follower), position))
    }

    /// Adds a run, and gives its place in cursors.
    fn take_up(&mut self, id: Value, mark: Option<RunMark>, found: bool) -> RunMark {
        let mark = mark.unwrap_or_else(|| RunMark {
            id: id.to_text().into_owned(),
            mark: Watermark::starting(self.since),
            ended: false,
        });
        let stage = if mark.ended { Stage::Over } else { Stage::Running };
        self.tracks.push(Track::new(id, found, mark.mark.clone(), stage, self.interval));
        mark
    }

    fn project_mark(&self) -> Option<ProjectMark> {
        let project = self.project.as_ref()?;
        Some(ProjectMark { id: project.id.to_text().into_owned(), mark: project.mark.clone() })
    }

    /// Hands out the next of the events that were found.
    fn hand_out(&mut self, pull: &Pull<'_>) -> Option<Batch> {
        let (track, events) = self.ready.front()?;
        let (track, begin) = (*track, self.handed);
        let end = events.len().min(begin + BATCH);
        let batch = Batch::new(events.to_json(begin..end), end - begin, self.operations.event);
        let entries = events.entries[begin..end].iter().map(|entry| (track, entry.clone())).collect();
        pull.position(|position| position.batch = entries);
        self.handed = end;
        if end == events.len() {
            self.ready.pop_front();
            self.handed = 0;
        }
        Some(batch)
    }

    /// Notes which runs are over, now that all of their events were seen.
    fn clear_away(&mut self, pull: &Pull<'_>) {
        let tracks = &mut self.tracks;
        pull.position(|position| {
            let mut at = 0;
            while at < tracks.len() {
                let track = &tracks[at];
                if track.goes_on() || track.stage == Stage::Failed && !track.found {
                    at += 1;
                } else if track.found {
                    let run = position.cursor.runs.remove(at);
                    position.statuses.retain(|(id, _)| *id != run.id);
                    tracks.remove(at);
                } else {
                    position.cursor.runs[at].ended = true;
                    at += 1;
                }
            }
        });
    }

    fn next_task(&self) -> Option<(Instant, Task)> {
        let runs = self.tracks.iter().enumerate().filter(|(_, track)| track.goes_on()).map(|(at, track)| {
            let task =
                if track.wants_check(self.interval, &self.until) { Task::Check(at) } else { Task::Poll(at) };
            (track.due, task)
        });
        let project = self.project.iter().map(|project| (project.due, Task::Discover));
        runs.chain(project).min_by_key(|(due, _)| *due)
    }

    fn call(
        &mut self,
        pull: &mut Pull<'_>,
        operation: &'static Operation,
        args: Args,
    ) -> Result<Response, Error> {
        self.unanswered_since.get_or_insert_with(Instant::now);
        let timeout = self.terms.timeout(self.client.options().timeout.min(LONGEST_POLL));
        let outcome = self.client.execute(operation, args, &self.terms.call(pull.call(timeout)));
        self.hold = Instant::now() + self.patience.spacing();
        match &outcome {
            Ok(response) => {
                pull.note(response.attempt_log.iter().cloned());
                self.patience.succeeded();
                self.hold = Instant::now() + self.patience.spacing();
                self.answered = true;
            }
            Err(error) => {
                pull.note(error.details().attempt_log.iter().cloned());
                if is_passing(error) {
                    if error.kind() == ErrorKind::RateLimit {
                        self.patience.refused();
                    }
                    let asked = error.details().retry_after.and_then(crate::retry::duration);
                    self.hold = Instant::now() + self.patience.failed(asked, fastrand::f64());
                }
            }
        }
        outcome
    }

    /// Whether a failure is to be waited out. Before the first answer, only for as long as two calls may take: whoever
    /// mistyped the address wants to know.
    fn may_pass(&mut self, error: &Error) -> bool {
        let patience = self.client.options().timeout.saturating_mul(2);
        let patient = self.answered || self.unanswered_since.is_some_and(|since| since.elapsed() < patience);
        is_passing(error) && patient && self.terms.may_retry()
    }

    fn poll(&mut self, pull: &mut Pull<'_>, at: usize) -> Result<(), Error> {
        let track = &self.tracks[at];
        let since = if self.filters == Filters::No || track.whole { None } else { track.begins_at() };
        let since_text = since.map(|since| Value::Str(since.to_string()));
        let named = vec![("run_id", Some(track.id.clone())), ("since", since_text)];
        let args = arguments(self.operations.timeline, named)?;
        let outcome = self
            .call(pull, self.operations.timeline, args)
            .and_then(|response| self.tracks[at].timeline.read(response.body(), || response.payload()));
        let interval = self.interval;
        let news = match outcome {
            Ok(news) => news,
            Err(error) => return self.setback(at, error),
        };
        self.terms.succeeded();
        let track = &mut self.tracks[at];
        track.answered();
        if let Some(since) = since {
            if news.reaches_back_beyond(since) {
                self.filters = Filters::No;
            } else if !track.timeline.mark.is_blank() && !news.meets_known {
                // What was given out last is not in it: the server began anew, or filters in a way of its own.
                track.whole = true;
                track.timeline.forget_answer();
                track.due = Instant::now();
                return Ok(());
            }
        }
        track.whole = false;
        let News { events, told, .. } = news;
        track.told = told.ended;
        track.hinted |= events.ends_run || told.ended == Some(true);
        if events.len() == 0 {
            track.pace.nothing();
        } else {
            track.pace.news();
        }
        if track.stage == Stage::Closing {
            track.stage = Stage::Over;
        }
        track.due = Instant::now() + track.pace.wait();
        if track.wants_check(interval, &self.until) {
            track.due = Instant::now();
        }
        if events.len() > 0 {
            // The caller's position stays behind until these are handed out.
            let mark = track.timeline.mark.clone();
            pull.position(|position| position.cursor.runs[at].mark = mark);
            for entry in &events.entries {
                track.timeline.mark.give(entry);
            }
            self.ready.push_back((at, events));
        }
        Ok(())
    }

    /// Looks at the state of a run.
    fn check(&mut self, pull: &mut Pull<'_>, at: usize) -> Result<(), Error> {
        let began = Instant::now();
        let id = self.tracks[at].id.clone();
        let args = arguments(self.operations.run, vec![("run_id", Some(id.clone()))])?;
        let response = match self.call(pull, self.operations.run, args) {
            Ok(response) => response,
            Err(error) => return self.setback(at, error),
        };
        let state: RunState<'_> = match serde_json::from_slice(response.body()) {
            Ok(state) => state,
            Err(error) => return self.setback(at, no_timeline(error)),
        };
        self.terms.succeeded();
        let track = &mut self.tracks[at];
        track.answered();
        track.checked = Some(Checked { when: Instant::now(), took: began.elapsed() });
        let status = state.status.as_deref().unwrap_or_default();
        let over = match &self.until {
            Until::Ended => state.has_ended(),
            Until::States(states) => state.has_ended() || states.iter().any(|state| state == status),
            Until::Never => false,
        };
        if over {
            // What happened until then may have been added after the last poll.
            (track.stage, track.due) = (Stage::Closing, Instant::now());
        } else {
            track.due = began + track.pace.wait();
        }
        let (id, status) = (id.to_text().into_owned(), status.to_owned());
        pull.position(|position| match position.statuses.iter_mut().find(|(known, _)| *known == id) {
            Some(entry) => entry.1 = status,
            None => position.statuses.push((id, status)),
        });
        Ok(())
    }

    /// A request about a run failed.
    ///
    /// # Errors
    /// The failure, if there is no point in trying again.
    fn setback(&mut self, at: usize, error: Error) -> Result<(), Error> {
        let may_pass = self.may_pass(&error);
        let hold = self.hold;
        let interval = self.interval;
        let track = &mut self.tracks[at];
        let believed = match error.kind() {
            ErrorKind::NotFound if track.known => {
                track.absent_since.get_or_insert_with(Instant::now).elapsed() >= LONGEST_ABSENCE
            }
            ErrorKind::Decode | ErrorKind::NotAvailable if track.known => {
                track.garbled += 1;
                track.garbled >= MAX_GARBLED
            }
            _ => true,
        };
        if may_pass || !believed && self.terms.may_retry() {
            track.due = if may_pass { hold } else { Instant::now() + interval.min(Duration::from_secs(2)) };
            return Ok(());
        }
        match error.kind() {
            ErrorKind::Cancelled | ErrorKind::Interrupted => {}
            // Not the run's fault: who asks again, perhaps with another token, goes on.
            ErrorKind::Authentication | ErrorKind::Config => {
                track.due = Instant::now() + interval.min(Duration::from_secs(2));
            }
            _ if is_passing(&error) => track.due = hold,
            // The others go on without it.
            _ => track.stage = Stage::Failed,
        }
        Err(error)
    }
}

/// Whether a failure may be over in a while.
pub(super) fn is_passing(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Server | ErrorKind::RateLimit => true,
        ErrorKind::Api => error.details().status_code == Some(408),
        _ => false,
    }
}

impl Source for Follower {
    fn step(&mut self, pull: &mut Pull<'_>) -> Result<Step, Error> {
        loop {
            if let Some(batch) = self.hand_out(pull) {
                return Ok(Step::Events(batch));
            }
            self.clear_away(pull);
            let Some((due, task)) = self.next_task() else { return Ok(Step::End) };
            let moment = due.max(self.hold);
            self.terms.check_time()?;
            if !pull.wait_until(self.terms.at_most(moment))? {
                return Ok(Step::Idle);
            }
            self.terms.check_time()?;
            match task {
                Task::Poll(at) => self.poll(pull, at)?,
                Task::Check(at) => self.check(pull, at)?,
                Task::Discover => self.discover(pull)?,
            }
            if self.ready.is_empty() && pull.is_due() {
                return Ok(Step::Idle);
            }
        }
    }
}
