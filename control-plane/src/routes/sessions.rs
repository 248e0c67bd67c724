//! Sessions, which only the guide's server has routes for.

use rusqlite::Connection;

use super::{Call, Handler, projects};
use crate::answers::{Answer, Failure};
use crate::json;
use crate::store::sessions::{self, Session};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("list_sessions", list), ("get_session", get)];

fn write(call: &Call<'_>, session: &Session) -> String {
    let time = call.profile.row_time();
    json::object(|object| {
        object
            .str("id", &session.id)
            .int("project_id", session.project_id)
            .str("status", &session.status)
            .str("provider", "claude")
            .opt_int("pid", session.pid)
            .time("started_at", session.started_at, time)
            .time("updated_at", session.updated_at, time)
    })
}

fn list(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let project = projects::find(call, connection, call.inputs.id("project_id"))?;
    let sessions = sessions::of_project(connection, project.id)?;
    Ok(Answer::json(json::array(sessions.iter().map(|session| write(call, session)))))
}

fn get(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let session = sessions::get(connection, call.inputs.required_text("session_id"))?
        .ok_or_else(|| Failure::not_found("Session"))?;
    Ok(Answer::json(write(call, &session)))
}
