//! Following runs by polling their timelines: each event once, in order, until the runs have ended.

mod ask;
mod check;
mod options;
mod poll;
mod project;
mod track;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use loki_mode_spec::{GET_RUN_TIMELINE, RUN_EVENT};

use self::ask::arguments;
pub use self::options::{FollowOptions, Until};
use self::project::Project;
use self::track::{Stage, Track};
use super::cursor::{Cursor, ProjectMark, RunMark};
use super::pace::Patience;
use super::terms::Terms;
use super::timeline::Events;
use super::timestamp::parse_since;
use super::watermark::Watermark;
use crate::args::Value;
use crate::client::Client;
use crate::error::Error;
use crate::request::Request;
use crate::stream::{Batch, Pull, Source, Step, Stream};

/// How many events are handed out at a time.
const BATCH: usize = 2048;

/// Whether the server leaves out the older events where it is asked to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Filters {
    Unknown,
    No,
}

/// Follows runs.
struct Follower {
    client: Client,
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
            let args = arguments(&GET_RUN_TIMELINE, vec![("run_id", Some(id.clone()))])?;
            Request::new(&GET_RUN_TIMELINE, GET_RUN_TIMELINE.path, &args)?;
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
        let batch = Batch::new(events.to_json(begin..end), end - begin, &RUN_EVENT);
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
}

impl Source for Follower {
    fn step(&mut self, pull: &mut Pull<'_>) -> Result<Step, Error> {
        loop {
            if let Some(batch) = self.hand_out(pull) {
                return Ok(Step::Items(batch));
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
