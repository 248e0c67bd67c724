//! Tasks of the sessions that were started through the API.

use rusqlite::{Connection, Row, params};

/// A task of a session.
#[derive(Debug)]
pub(crate) struct SessionTask {
    pub(crate) id: i64,
    pub(crate) session_id: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) status: String,
    pub(crate) priority: i64,
    pub(crate) created_at: i64,
    pub(crate) started_at: Option<i64>,
    pub(crate) completed_at: Option<i64>,
    pub(crate) agent: Option<String>,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<String>,
}

impl SessionTask {
    /// The identifier on the wire.
    pub(crate) fn name(&self) -> String {
        name(self.id)
    }
}

/// The identifier on the wire of a row.
pub(crate) fn name(id: i64) -> String {
    format!("task_{id}")
}

const SELECT: &str = "SELECT id, session_id, title, description, status, priority, created_at, started_at, completed_at, agent, \
                      output, error FROM session_tasks";

fn read(row: &Row<'_>) -> rusqlite::Result<SessionTask> {
    Ok(SessionTask {
        id: row.get(0)?,
        session_id: row.get(1)?,
        title: row.get(2)?,
        description: row.get(3)?,
        status: row.get(4)?,
        priority: row.get(5)?,
        created_at: row.get(6)?,
        started_at: row.get(7)?,
        completed_at: row.get(8)?,
        agent: row.get(9)?,
        output: row.get(10)?,
        error: row.get(11)?,
    })
}

/// A part of the tasks of a session, in a state or any, in the order in which they were created.
pub(crate) fn of_session(
    connection: &Connection,
    session: &str,
    status: Option<&str>,
    limit: i64,
    offset: i64,
) -> rusqlite::Result<Vec<SessionTask>> {
    connection
        .prepare_cached(&format!(
            "{SELECT} WHERE session_id = ?1 AND (?2 IS NULL OR status = ?2) ORDER BY id LIMIT ?3 OFFSET ?4"
        ))?
        .query_map(params![session, status, limit, offset], read)?
        .collect()
}

/// The tasks of all sessions in one of two states.
pub(crate) fn in_states(connection: &Connection, states: [&str; 2]) -> rusqlite::Result<Vec<SessionTask>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE status IN (?1, ?2) ORDER BY id"))?
        .query_map(states, read)?
        .collect()
}

/// How many tasks a session has in each state.
pub(crate) fn counts(connection: &Connection, session: &str) -> rusqlite::Result<Vec<(String, i64)>> {
    connection
        .prepare_cached("SELECT status, count(*) FROM session_tasks WHERE session_id = ?1 GROUP BY status ORDER BY status")?
        .query_map([session], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// One task.
pub(crate) fn get(connection: &Connection, id: i64) -> rusqlite::Result<SessionTask> {
    connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?.query_row([id], read)
}

/// Creates a task that waits, and returns it.
pub(crate) fn create(
    connection: &Connection,
    session: &str,
    title: &str,
    description: &str,
    priority: i64,
    now: i64,
) -> rusqlite::Result<SessionTask> {
    let id = connection
        .prepare_cached(
            "INSERT INTO session_tasks (session_id, title, description, status, priority, created_at) \
             VALUES (?1, ?2, ?3, 'pending', ?4, ?5)",
        )?
        .insert(params![session, title, description, priority, now])?;
    get(connection, id)
}

/// Work on a task begins; returns it.
pub(crate) fn start(
    connection: &Connection,
    id: i64,
    agent: &str,
    now: i64,
) -> rusqlite::Result<SessionTask> {
    connection
        .prepare_cached(
            "UPDATE session_tasks SET status = 'running', agent = ?2, started_at = ?3 WHERE id = ?1",
        )?
        .execute(params![id, agent, now])?;
    get(connection, id)
}

/// A task is done; returns it.
pub(crate) fn complete(
    connection: &Connection,
    id: i64,
    output: &str,
    now: i64,
) -> rusqlite::Result<SessionTask> {
    connection
        .prepare_cached(
            "UPDATE session_tasks SET status = 'completed', output = ?2, completed_at = ?3 WHERE id = ?1",
        )?
        .execute(params![id, output, now])?;
    get(connection, id)
}

/// What has not been done when a session ends never will be.
pub(crate) fn skip_rest(connection: &Connection, session: &str, now: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE session_tasks SET status = 'skipped', completed_at = ?2 \
             WHERE session_id = ?1 AND status NOT IN ('completed', 'failed', 'skipped')",
        )?
        .execute(params![session, now])?;
    Ok(())
}

/// Deletes the tasks of a session.
pub(crate) fn delete(connection: &Connection, session: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM session_tasks WHERE session_id = ?1")?.execute([session])?;
    Ok(())
}
