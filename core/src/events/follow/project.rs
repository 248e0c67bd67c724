//! A project whose runs are followed as they start.

use std::time::Instant;

use loki_mode_spec::LIST_RUNS;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Follower;
use super::ask::arguments;
use crate::args::Value;
use crate::error::Error;
use crate::events::timeline::no_timeline;
use crate::events::timestamp::parse_timestamp;
use crate::events::watermark::{Entry, Id, Watermark, fingerprint};
use crate::run_state::RunState;
use crate::stream::Pull;

/// How many runs are asked for at a time, and how many are looked at, when the runs of a project are listed.
const PAGE: i64 = 200;
const MOST: usize = 10_000;
/// Fewer than these do not start within a second and fill a page.
const BURST: usize = 20;

/// A project whose runs are taken up as they start.
pub(super) struct Project {
    pub(super) id: Value,
    /// Which runs were seen.
    pub(super) mark: Watermark,
    pub(super) due: Instant,
    /// Runs that are active at the first look are taken up, too.
    pub(super) first: bool,
}

#[derive(Deserialize)]
struct ListedRun<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow, default)]
    started_at: Option<std::borrow::Cow<'a, str>>,
    // Not a `RunState`: what is flattened cannot hold the text of a value.
    #[serde(borrow, default)]
    status: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    ended_at: Option<&'a RawValue>,
}

impl Follower {
    /// Looks for runs of the project that have started.
    pub(super) fn discover(&mut self, pull: &mut Pull<'_>) -> Result<(), Error> {
        let Some(project) = &self.project else { return Ok(()) };
        let (id, first) = (project.id.clone(), project.first);
        let mut found: Vec<(Value, Entry, bool)> = Vec::new();
        let mut offset = 0;
        while found.len() < MOST {
            let named = vec![
                ("project_id", Some(id.clone())),
                ("limit", Some(Value::Int(PAGE))),
                ("offset", Some(Value::Int(offset)).filter(|_| offset > 0)),
            ];
            let args = arguments(&LIST_RUNS, named)?;
            let response = match self.call(pull, &LIST_RUNS, args) {
                Ok(response) => response,
                Err(error) if self.may_pass(&error) => {
                    let hold = self.hold;
                    if let Some(project) = &mut self.project {
                        project.due = hold;
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let runs: Vec<ListedRun<'_>> = serde_json::from_str(response.payload()?).map_err(no_timeline)?;
            self.terms.succeeded();
            let known = found.len();
            for run in &runs {
                let time = run.started_at.as_deref().and_then(parse_timestamp);
                let entry = Entry { id: Id::from_json(run.id.get()), print: fingerprint(time, "run"), time };
                // Runs that were started meanwhile push others on to the next page.
                if found[..known].iter().any(|(_, known, _)| known.id == entry.id) {
                    continue;
                }
                let state = RunState { status: run.status.clone(), ended_at: run.ended_at };
                found.push((json_id(run.id), entry, state.has_ended()));
            }
            let Some(project) = &self.project else { return Ok(()) };
            // A short page says nothing: servers may have a limit of their own.
            let fresh = &found[known..];
            let meets_known = fresh.iter().any(|(_, entry, _)| project.mark.knows(entry));
            if fresh.is_empty() || meets_known && !(runs.len() >= BURST && is_of_latest(project, fresh)) {
                break;
            }
            offset += i64::try_from(runs.len()).unwrap_or(PAGE);
        }
        let Some(project) = &mut self.project else { return Ok(()) };
        project.due = Instant::now() + self.interval;
        project.first = false;
        let entries: Vec<Entry> = found.iter().map(|(_, entry, _)| entry.clone()).collect();
        let fresh = project.mark.look(&entries).fresh;
        for at in &fresh {
            project.mark.give(&entries[*at]);
        }
        let fresh: Vec<_> = fresh.into_iter().map(|at| found[at].clone()).collect();
        let mark = self.project_mark();
        let mut places = Vec::new();
        for (id, _, has_ended) in fresh {
            let text = id.to_text();
            let is_followed = self.tracks.iter().any(|track| track.id.to_text() == text);
            if !(is_followed || first && has_ended) {
                places.push(self.take_up(id, None, true));
            }
        }
        pull.position(|position| {
            position.cursor.project = mark;
            position.cursor.runs.extend(places);
        });
        Ok(())
    }
}

/// Whether the page ends with a run of the latest second that is known: the newest come first, but those of one second
/// come in the order in which they were started, so that a new one may come after known ones.
fn is_of_latest(project: &Project, page: &[(Value, Entry, bool)]) -> bool {
    let time = page.last().and_then(|(_, entry, _)| entry.time);
    time.zip(project.mark.latest()).is_some_and(|(time, latest)| time.as_second() >= latest.as_second())
}

/// The id of a run as an argument.
fn json_id(id: &RawValue) -> Value {
    match serde_json::from_str::<String>(id.get()) {
        Ok(text) => Value::Str(text),
        Err(_) => id.get().parse().map_or_else(|_| Value::Str(id.get().to_owned()), Value::Int),
    }
}
