//! Sessions, which only the guide's server has routes for: the list of a project as the guide has it, everything else as
//! the HTTP/SSE API does.

use axum::http::StatusCode;
use rusqlite::Connection;

use super::{Call, Handler, health, projects};
use crate::answers::{Answer, Failure};
use crate::clock::Form;
use crate::json;
use crate::news::News;
use crate::store::sessions::{self, DEFAULT_PROVIDER, NewSession, Session};
use crate::store::{runs, session_tasks};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("list_sessions", list_of_project),
    ("list_all_sessions", list),
    ("get_session_status", get),
    ("start_session", start),
    ("stop_session", stop),
    ("send_input", input),
    ("delete_session", delete),
];

fn list_of_project(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let project = projects::find(call, connection, call.inputs.id("project_id"))?;
    let sessions = sessions::of_project(connection, project.id)?;
    let time = call.profile.row_time();
    Ok(Answer::json(json::array(sessions.iter().map(|session| {
        json::object(|object| {
            object
                .str("id", &session.id)
                .int("project_id", session.project_id)
                .str("status", &session.status)
                .str("provider", provider(session))
                .opt_int("pid", session.pid)
                .time("started_at", session.started_at, time)
                .time("updated_at", session.updated_at, time)
        })
    }))))
}

fn provider(session: &Session) -> &str {
    session.provider.as_deref().unwrap_or(DEFAULT_PROVIDER)
}

/// The session of the path.
pub(super) fn find(call: &Call<'_>, connection: &Connection) -> Result<Session, Failure> {
    let id = call.inputs.required_text("session_id");
    let unknown =
        || Failure::coded(StatusCode::NOT_FOUND, "SESSION_NOT_FOUND", format!("Session not found: {id}"));
    sessions::get(connection, id)?.ok_or_else(unknown)
}

/// How many tasks of a session are in a state.
fn count(counts: &[(String, i64)], states: &[&str]) -> i64 {
    counts.iter().filter(|(state, _)| states.contains(&state.as_str())).map(|(_, count)| count).sum()
}

fn write(session: &Session, counts: &[(String, i64)]) -> String {
    json::object(|object| {
        object
            .str("id", &session.id)
            .opt_int("projectId", (session.project_id != 0).then_some(session.project_id))
            .opt_str("prdPath", session.prd_path.as_deref())
            .str("provider", provider(session))
            .str("status", &session.status)
            .time("startedAt", session.started_at, Form::ZuluMillis)
            .time("updatedAt", session.updated_at, Form::ZuluMillis)
            .opt_int("pid", session.pid)
            .opt_str("currentPhase", session.phase.as_deref())
            .int("taskCount", counts.iter().map(|(_, count)| count).sum())
            .int("completedTasks", count(counts, &["completed"]))
    })
}

fn list(_: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let sessions = sessions::all(connection)?;
    let running = sessions.iter().filter(|session| session.is_active()).count().to_string();
    let items = sessions
        .iter()
        .map(|session| Ok(write(session, &session_tasks::counts(connection, &session.id)?)))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let total = items.len().to_string();
    Ok(Answer::json(json::object(|object| {
        object.raw("sessions", &json::array(items)).raw("total", &total).raw("running", &running)
    })))
}

fn get(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let session = find(call, connection)?;
    let counts = session_tasks::counts(connection, &session.id)?;
    let tasks = json::object(|object| {
        object
            .int("total", counts.iter().map(|(_, count)| count).sum())
            .int("pending", count(&counts, &["pending", "queued"]))
            .int("running", count(&counts, &["running"]))
            .int("completed", count(&counts, &["completed"]))
            .int("failed", count(&counts, &["failed"]))
    });
    let agents = json::object(|object| {
        object
            .int("active", session.agents_spawned - session.agents_completed)
            .int("spawned", session.agents_spawned)
            .int("completed", session.agents_completed)
    });
    Ok(Answer::json(json::object(|object| {
        object.raw("session", &write(&session, &counts)).raw("tasks", &tasks).raw("agents", &agents)
    })))
}

/// One session at a time, as on real servers; those that execute runs do not count.
fn start(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let inputs = call.inputs;
    let provider = inputs.text("provider").unwrap_or(DEFAULT_PROVIDER);
    if !health::PROVIDERS.contains(&provider) {
        let problem = format!("provider must be one of {}, not {provider}", health::PROVIDERS.join(", "));
        return Err(Failure::coded(StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR", problem));
    }
    if !call.provides {
        let problem = format!("Provider {provider} is not available");
        return Err(Failure::coded(StatusCode::SERVICE_UNAVAILABLE, "PROVIDER_NOT_AVAILABLE", problem));
    }
    if let Some(other) = sessions::playing(connection)? {
        let problem = format!("Session already running: {other}");
        return Err(Failure::coded(StatusCode::CONFLICT, "SESSION_ALREADY_RUNNING", problem));
    }
    let session =
        NewSession { prd_path: inputs.text("prd_path"), provider, options: inputs.object("options") };
    let id = sessions::start_playing(connection, &session, call.now)?;
    let body = json::object(|object| {
        object
            .str("sessionId", &id)
            .str("status", "running")
            .str("message", &format!("Session started with provider {provider}"))
    });
    let news = News::session(&id, "running", "starting");
    Ok(Answer::json(body).about(&id).telling([news]).playing(&id))
}

fn stop(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let session = find(call, connection)?;
    if !session.is_active() {
        return Err(not_running(&session));
    }
    match session.run_id {
        Some(run) => drop(runs::end(connection, run, "cancelled", call.now)?),
        None => sessions::end(connection, &session.id, "stopped", call.now)?,
    }
    let body = json::object(|object| {
        object.str("sessionId", &session.id).str("status", "stopped").str("message", "Stop signal sent")
    });
    Ok(Answer::json(body).telling([News::session(&session.id, "stopped", "running")]))
}

fn not_running(session: &Session) -> Failure {
    Failure::coded(StatusCode::CONFLICT, "CONFLICT", format!("Session is not running: {}", session.id))
}

fn input(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let session = find(call, connection)?;
    if !session.is_active() {
        return Err(not_running(&session));
    }
    sessions::touch(connection, &session.id, call.now)?;
    let body = json::object(|object| {
        object.bool("success", true).str("sessionId", &session.id).str("message", "Input injected")
    });
    let line = format!("Input: {}", call.inputs.required_text("input"));
    Ok(Answer::json(body).telling([News::log(&session.id, "info", &line)]))
}

fn delete(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let session = find(call, connection)?;
    if session.is_active() {
        let problem = format!("Cannot delete running session: {}", session.id);
        return Err(Failure::coded(StatusCode::CONFLICT, "CONFLICT", problem));
    }
    sessions::delete(connection, &session.id)?;
    Ok(Answer::json(json::object(|object| {
        object.str("sessionId", &session.id).str("message", "Session deleted")
    })))
}
