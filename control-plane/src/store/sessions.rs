//! Sessions: every run is executed by one; others can be added by seed data.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) project_id: i64,
    pub(crate) status: String,
    pub(crate) pid: Option<i64>,
    pub(crate) started_at: i64,
    pub(crate) updated_at: i64,
}

const SELECT: &str = "SELECT id, project_id, status, pid, started_at, updated_at FROM sessions";

fn read(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get(0)?,
        project_id: row.get(1)?,
        status: row.get(2)?,
        pid: row.get(3)?,
        started_at: row.get(4)?,
        updated_at: row.get(5)?,
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
        .prepare_cached(&format!("{SELECT} WHERE project_id = ?1 ORDER BY started_at DESC, rowid DESC"))?
        .query_map([project_id], read)?
        .collect()
}

/// The sessions that are at work, oldest first.
pub(crate) fn running(connection: &Connection) -> rusqlite::Result<Vec<Session>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE status = 'running' ORDER BY started_at, rowid"))?
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
