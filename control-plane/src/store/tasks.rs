//! Tasks: those of the database, and those of the session's queue that real servers list.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// A task of the database.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: i64,
    pub(crate) project_id: i64,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) status: String,
    pub(crate) priority: String,
    pub(crate) position: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) completed_at: Option<i64>,
}

/// A task of the queue.
#[derive(Debug)]
pub(crate) struct QueueTask {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) status: String,
    pub(crate) priority: String,
    pub(crate) kind: String,
    pub(crate) position: i64,
}

const SELECT: &str = "SELECT id, project_id, title, description, status, priority, position, created_at, updated_at, completed_at FROM tasks";

fn read(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task {
        id: row.get(0)?,
        project_id: row.get(1)?,
        title: row.get(2)?,
        description: row.get(3)?,
        status: row.get(4)?,
        priority: row.get(5)?,
        position: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
        completed_at: row.get(9)?,
    })
}

/// One task.
pub(crate) fn get(connection: &Connection, id: i64) -> rusqlite::Result<Option<Task>> {
    connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?.query_row([id], read).optional()
}

/// A part of the tasks of a project (or all), in a state (or any), in the order of the board.
pub(crate) fn list(
    connection: &Connection,
    project_id: Option<i64>,
    status: Option<&str>,
    limit: Option<i64>,
    offset: i64,
) -> rusqlite::Result<Vec<Task>> {
    connection
        .prepare_cached(&format!(
            "{SELECT} WHERE (?1 IS NULL OR project_id = ?1) AND (?2 IS NULL OR status = ?2) ORDER BY position, id \
             LIMIT ?3 OFFSET ?4"
        ))?
        // A limit below zero is none.
        .query_map(params![project_id, status, limit.unwrap_or(-1), offset], read)?
        .collect()
}

/// The tasks of the queue, in a state or any.
pub(crate) fn queue(connection: &Connection, status: Option<&str>) -> rusqlite::Result<Vec<QueueTask>> {
    connection
        .prepare_cached(
            "SELECT id, title, description, status, priority, type, position FROM queue_tasks \
             WHERE ?1 IS NULL OR status = ?1 ORDER BY position, id",
        )?
        .query_map([status], |row| {
            Ok(QueueTask {
                id: row.get(0)?,
                title: row.get(1)?,
                description: row.get(2)?,
                status: row.get(3)?,
                priority: row.get(4)?,
                kind: row.get(5)?,
                position: row.get(6)?,
            })
        })?
        .collect()
}

/// Adds a task to the queue.
pub(crate) fn enqueue(connection: &Connection, task: &QueueTask) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO queue_tasks (id, title, description, status, priority, type, position) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![task.id, task.title, task.description, task.status, task.priority, task.kind, task.position],
    )?;
    Ok(())
}

/// How many tasks wait, in the queue and in the database.
pub(crate) fn pending(connection: &Connection, in_queue: bool) -> rusqlite::Result<i64> {
    let table = if in_queue { "queue_tasks" } else { "tasks" };
    connection
        .prepare_cached(&format!("SELECT count(*) FROM {table} WHERE status = 'pending'"))?
        .query_row([], |row| row.get(0))
}

/// What a new task starts with.
#[derive(Debug)]
pub(crate) struct NewTask<'a> {
    pub(crate) project_id: i64,
    pub(crate) title: &'a str,
    pub(crate) description: Option<&'a str>,
    pub(crate) status: &'a str,
    pub(crate) priority: &'a str,
    pub(crate) position: i64,
}

fn is_done(status: &str) -> bool {
    matches!(status, "done" | "completed")
}

/// Creates a task and returns its id.
pub(crate) fn create(connection: &Connection, task: &NewTask<'_>, now: i64) -> rusqlite::Result<i64> {
    let completed_at = is_done(task.status).then_some(now);
    connection
        .prepare_cached(
            "INSERT INTO tasks (project_id, title, description, status, priority, position, created_at, updated_at, completed_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)",
        )?
        .insert(params![
            task.project_id,
            task.title,
            task.description,
            task.status,
            task.priority,
            task.position,
            now,
            completed_at
        ])
}

/// The fields of a task that change.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    pub(crate) status: Option<&'a str>,
    pub(crate) title: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    pub(crate) priority: Option<&'a str>,
    pub(crate) position: Option<i64>,
}

/// Changes the fields that are given; how many tasks that were.
pub(crate) fn update(
    connection: &Connection,
    id: i64,
    changes: &Changes<'_>,
    now: i64,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE tasks SET status = coalesce(?2, status), title = coalesce(?3, title), description = coalesce(?4, description), \
             priority = coalesce(?5, priority), position = coalesce(?6, position), updated_at = ?7, \
             completed_at = CASE WHEN coalesce(?2, status) IN ('done', 'completed') THEN coalesce(completed_at, ?7) END WHERE id = ?1",
        )?
        .execute(params![
            id,
            changes.status,
            changes.title,
            changes.description,
            changes.priority,
            changes.position,
            now
        ])
}

/// Deletes a task; how many that were.
pub(crate) fn delete(connection: &Connection, id: i64) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM tasks WHERE id = ?1", [id])
}
