//! Tasks of sessions.

use rusqlite::Connection;

use super::{Call, Handler, sessions};
use crate::answers::{Answer, Failure};
use crate::clock::Form;
use crate::json;
use crate::store::session_tasks::{self, SessionTask};

pub(super) const HANDLERS: &[(&str, Handler)] =
    &[("list_session_tasks", list), ("list_active_tasks", active), ("list_queued_tasks", queued)];

/// How many tasks are listed unless `limit` says otherwise.
const DEFAULT_LIMIT: i64 = 100;

fn write(task: &SessionTask) -> String {
    json::object(|object| {
        object
            .str("id", &task.name())
            .str("sessionId", &task.session_id)
            .str("title", &task.title)
            .str("description", &task.description)
            .str("status", &task.status)
            .int("priority", task.priority)
            .time("createdAt", task.created_at, Form::ZuluMillis)
            .opt_time("startedAt", task.started_at, Form::ZuluMillis)
            .opt_time("completedAt", task.completed_at, Form::ZuluMillis)
            .opt_str("agent", task.agent.as_deref())
            .opt_str("output", task.output.as_deref())
            .opt_str("error", task.error.as_deref())
    })
}

fn write_all(tasks: &[SessionTask]) -> String {
    json::array(tasks.iter().map(write))
}

fn list(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let session = sessions::find(call, connection)?;
    let status = call.inputs.text("status");
    let limit = call.inputs.int("limit").unwrap_or(DEFAULT_LIMIT);
    let offset = call.inputs.int("offset").unwrap_or(0);
    let tasks = session_tasks::of_session(connection, &session.id, status, limit, offset)?;
    let counts = session_tasks::counts(connection, &session.id)?;
    let total: i64 =
        counts.iter().filter(|(state, _)| status.is_none_or(|status| status == state)).map(|(_, n)| n).sum();
    let shown = i64::try_from(tasks.len()).unwrap_or(i64::MAX);
    let pagination = json::object(|object| {
        object
            .int("total", total)
            .int("limit", limit)
            .int("offset", offset)
            .bool("hasMore", offset.saturating_add(shown) < total)
    });
    let summary =
        json::object(|object| counts.iter().fold(object, |object, (state, count)| object.int(state, *count)));
    Ok(Answer::json(json::object(|object| {
        object.raw("tasks", &write_all(&tasks)).raw("pagination", &pagination).raw("summary", &summary)
    })))
}

fn in_states(connection: &Connection, states: [&str; 2]) -> Result<Answer, Failure> {
    let tasks = session_tasks::in_states(connection, states)?;
    let count = i64::try_from(tasks.len()).unwrap_or(i64::MAX);
    Ok(Answer::json(json::object(|object| object.raw("tasks", &write_all(&tasks)).int("count", count))))
}

fn active(_: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    in_states(connection, ["running", "running"])
}

fn queued(_: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    in_states(connection, ["pending", "queued"])
}
