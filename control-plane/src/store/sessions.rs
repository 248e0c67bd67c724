//! Sessions: every run is executed by one; others are started through the API, or added by seed data.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::store::session_tasks;

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    /// The project; 0 if it has none.
    pub(crate) project_id: i64,
    /// The run that it executes, if it does.
    pub(crate) run_id: Option<i64>,
    pub(crate) status: String,
    pub(crate) pid: Option<i64>,
    pub(crate) started_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) prd_path: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) phase: Option<String>,
    pub(crate) agents_spawned: i64,
    pub(crate) agents_completed: i64,
}

impl Session {
    /// Whether it has not ended yet.
    pub(crate) fn is_active(&self) -> bool {
        self.status == "running"
    }
}

/// The provider of sessions that do not name one.
pub(crate) const DEFAULT_PROVIDER: &str = "claude";

/// The phase of a session that executes a run is the one that the run is in.
const SELECT: &str = "SELECT id, project_id, run_id, status, pid, started_at, updated_at, prd_path, provider, \
    coalesce(phase, (SELECT phase FROM run_events WHERE run_id = sessions.run_id AND phase IS NOT NULL ORDER BY run_events.id DESC LIMIT 1)), \
    coalesce(agents_spawned, 0), coalesce(agents_completed, 0) \
    FROM sessions LEFT JOIN started_sessions ON session_id = id";

fn read(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get(0)?,
        project_id: row.get(1)?,
        run_id: row.get(2)?,
        status: row.get(3)?,
        pid: row.get(4)?,
        started_at: row.get(5)?,
        updated_at: row.get(6)?,
        prd_path: row.get(7)?,
        provider: row.get(8)?,
        phase: row.get(9)?,
        agents_spawned: row.get(10)?,
        agents_completed: row.get(11)?,
    })
}

/// The name of the session that executes a run.
pub(crate) fn name_for_run(run_id: i64) -> String {
    format!("session-{run_id}")
}

/// One session.
pub(crate) fn get(connection: &Connection, id: &str) -> rusqlite::Result<Option<Session>> {
    connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?.query_row([id], read).optional()
}

/// The sessions of a project, newest first.
pub(crate) fn of_project(connection: &Connection, project_id: i64) -> rusqlite::Result<Vec<Session>> {
    connection
        .prepare_cached(&format!(
            "{SELECT} WHERE project_id = ?1 ORDER BY started_at DESC, sessions.rowid DESC"
        ))?
        .query_map([project_id], read)?
        .collect()
}

/// All sessions, newest first.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Session>> {
    connection
        .prepare_cached(&format!("{SELECT} ORDER BY started_at DESC, sessions.rowid DESC"))?
        .query_map([], read)?
        .collect()
}

/// The session at work that was started through the API, if there is one.
pub(crate) fn playing(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT id FROM sessions JOIN started_sessions ON session_id = id WHERE status = 'running'",
        )?
        .query_row([], |row| row.get(0))
        .optional()
}

/// The sessions that are at work, oldest first.
pub(crate) fn running(connection: &Connection) -> rusqlite::Result<Vec<Session>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE status = 'running' ORDER BY started_at, sessions.rowid"))?
        .query_map([], read)?
        .collect()
}

/// Starts a session. The process is this server's own: it plays the agents.
pub(crate) fn start(
    connection: &Connection,
    id: &str,
    project_id: i64,
    run_id: Option<i64>,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO sessions (id, project_id, run_id, status, pid, started_at, updated_at) VALUES (?1, ?2, ?3, 'running', ?4, ?5, ?5)",
        )?
        .execute(params![id, project_id, run_id, std::process::id(), now])?;
    Ok(())
}

/// Notes that the session of a run was at work.
pub(crate) fn touch_run(connection: &Connection, run_id: i64, now: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE sessions SET updated_at = ?2 WHERE run_id = ?1 AND status = 'running'")?
        .execute(params![run_id, now])?;
    Ok(())
}

/// Ends the session of a run that ended in this state.
pub(crate) fn end_of_run(
    connection: &Connection,
    run_id: i64,
    run_status: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let status = if run_status == "cancelled" { "stopped" } else { run_status };
    connection
        .prepare_cached("UPDATE sessions SET status = ?2, pid = NULL, updated_at = ?3 WHERE run_id = ?1")?
        .execute(params![run_id, status, now])?;
    Ok(())
}

/// What a session starts with that is started through the API.
#[derive(Debug)]
pub(crate) struct NewSession<'a> {
    pub(crate) prd_path: Option<&'a str>,
    pub(crate) provider: &'a str,
    pub(crate) options: Option<&'a str>,
}

/// Starts a session that executes no run, and returns its id.
pub(crate) fn start_playing(
    connection: &Connection,
    session: &NewSession<'_>,
    now: i64,
) -> rusqlite::Result<String> {
    let number = connection
        .prepare_cached(
            "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'started_sessions'",
        )?
        .query_row([], |row| row.get::<_, i64>(0))?;
    let id = format!("session_{number}");
    connection
        .prepare_cached(
            "INSERT INTO started_sessions (session_id, prd_path, provider, options) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![id, session.prd_path, session.provider, session.options])?;
    start(connection, &id, 0, None, now)?;
    Ok(id)
}

/// The options that a session was started with, as JSON text.
pub(crate) fn options(connection: &Connection, id: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT options FROM started_sessions WHERE session_id = ?1")?
        .query_row([id], |row| row.get(0))
}

/// A session enters a phase; returns the one before it.
pub(crate) fn enter_phase(
    connection: &Connection,
    id: &str,
    phase: &str,
) -> rusqlite::Result<Option<String>> {
    let before = connection
        .prepare_cached("SELECT phase FROM started_sessions WHERE session_id = ?1")?
        .query_row([id], |row| row.get(0))?;
    connection
        .prepare_cached("UPDATE started_sessions SET phase = ?2 WHERE session_id = ?1")?
        .execute([id, phase])?;
    Ok(before)
}

/// Agents of a session start, and end.
pub(crate) fn count_agents(
    connection: &Connection,
    id: &str,
    spawned: i64,
    completed: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE started_sessions SET agents_spawned = agents_spawned + ?2, agents_completed = agents_completed + ?3 \
             WHERE session_id = ?1",
        )?
        .execute(params![id, spawned, completed])?;
    Ok(())
}

/// Notes that a session was at work.
pub(crate) fn touch(connection: &Connection, id: &str, now: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE sessions SET updated_at = ?2 WHERE id = ?1")?
        .execute(params![id, now])?;
    Ok(())
}

/// Ends a session at work that executes no run.
pub(crate) fn end(connection: &Connection, id: &str, status: &str, now: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE sessions SET status = ?2, pid = NULL, updated_at = ?3 WHERE id = ?1")?
        .execute(params![id, status, now])?;
    connection
        .prepare_cached(
            "UPDATE started_sessions SET agents_completed = agents_spawned WHERE session_id = ?1",
        )?
        .execute([id])?;
    session_tasks::skip_rest(connection, id, now)
}

/// Ends the sessions that a server which is no more was playing.
pub(crate) fn end_orphans(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    while let Some(id) = playing(connection)? {
        end(connection, &id, "stopped", now)?;
    }
    Ok(())
}

/// Deletes a session and its tasks.
pub(crate) fn delete(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    session_tasks::delete(connection, id)?;
    for table in ["DELETE FROM started_sessions WHERE session_id = ?1", "DELETE FROM sessions WHERE id = ?1"]
    {
        connection.prepare_cached(table)?.execute([id])?;
    }
    Ok(())
}
