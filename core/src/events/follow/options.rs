//! What is to be followed, and until when.

use std::time::Duration;

use super::Follower;
use crate::args::Value;
use crate::client::Client;
use crate::error::Error;
use crate::events::cursor::Cursor;
use crate::stream::Stream;

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
