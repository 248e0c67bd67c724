//! Runs and their events.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::auth::Tenants;
use crate::store::sessions;

/// A run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: i64,
    pub(crate) project_id: i64,
    pub(crate) status: String,
    pub(crate) trigger: String,
    pub(crate) config: Option<String>,
    pub(crate) result_summary: Option<String>,
    pub(crate) parent_run_id: Option<i64>,
    pub(crate) started_at: i64,
    pub(crate) ended_at: Option<i64>,
}

impl Run {
    /// Whether it has not ended yet.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.status.as_str(), "running" | "replaying")
    }
}

/// An event of a run.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) run_id: i64,
    pub(crate) event_type: String,
    pub(crate) phase: Option<String>,
    pub(crate) details: Option<String>,
    pub(crate) timestamp: i64,
}

const SELECT: &str = "SELECT id, project_id, status, trigger, config, result_summary, parent_run_id, started_at, ended_at FROM runs";
const SELECT_EVENT: &str = "SELECT id, run_id, event_type, phase, details, timestamp FROM run_events";

fn read(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: row.get(0)?,
        project_id: row.get(1)?,
        status: row.get(2)?,
        trigger: row.get(3)?,
        config: row.get(4)?,
        result_summary: row.get(5)?,
        parent_run_id: row.get(6)?,
        started_at: row.get(7)?,
        ended_at: row.get(8)?,
    })
}

fn read_event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        id: row.get(0)?,
        run_id: row.get(1)?,
        event_type: row.get(2)?,
        phase: row.get(3)?,
        details: row.get(4)?,
        timestamp: row.get(5)?,
    })
}

/// One run.
pub(crate) fn get(connection: &Connection, id: i64) -> rusqlite::Result<Option<Run>> {
    connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?.query_row([id], read).optional()
}

/// Which runs to list.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    pub(crate) project_id: Option<i64>,
    pub(crate) status: Option<&'a str>,
    pub(crate) tenants: Tenants,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
    pub(crate) by_second: bool,
}

/// Runs, newest first.
pub(crate) fn list(connection: &Connection, filter: &Filter<'_>) -> rusqlite::Result<Vec<Run>> {
    let order = if filter.by_second { "started_at / 1000000 DESC, id ASC" } else { "id DESC" };
    let tenant = match filter.tenants {
        Tenants::All => None,
        Tenants::Only(id) => Some(id),
        Tenants::None => return Ok(Vec::new()),
    };
    connection
        .prepare_cached(&format!(
            "{SELECT} WHERE (?1 IS NULL OR project_id = ?1) AND (?2 IS NULL OR status = ?2) \
             AND (?3 IS NULL OR project_id IN (SELECT id FROM projects WHERE tenant_id = ?3)) ORDER BY {order} LIMIT ?4 OFFSET ?5"
        ))?
        .query_map(params![filter.project_id, filter.status, tenant, filter.limit, filter.offset], read)?
        .collect()
}

/// The events of a run, oldest first.
pub(crate) fn events(connection: &Connection, run_id: i64) -> rusqlite::Result<Vec<Event>> {
    events_from(connection, run_id, None, None)
}

/// The events of a run that are not older than `since` and follow the event `after`, oldest first. Each of the two
/// bounds has an index: when nothing is new, this is cheap however long the timeline is.
pub(crate) fn events_from(
    connection: &Connection,
    run_id: i64,
    since: Option<i64>,
    after: Option<i64>,
) -> rusqlite::Result<Vec<Event>> {
    let select = |bounds: &str, values: &[i64]| -> rusqlite::Result<Vec<Event>> {
        connection
            .prepare_cached(&format!("{SELECT_EVENT} WHERE run_id = ?1 {bounds} ORDER BY id"))?
            .query_map(rusqlite::params_from_iter(values), read_event)?
            .collect()
    };
    match (since, after) {
        (None, None) => select("", &[run_id]),
        (None, Some(after)) => select("AND id > ?2", &[run_id, after]),
        (Some(since), None) => select("AND timestamp >= ?2", &[run_id, since]),
        (Some(since), Some(after)) => select("AND id > ?2 AND timestamp >= ?3", &[run_id, after, since]),
    }
}

/// The phase that a run was in before an event.
pub(crate) fn phase_before(connection: &Connection, event: &Event) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT phase FROM run_events WHERE run_id = ?1 AND id < ?2 AND phase IS NOT NULL ORDER BY id DESC LIMIT 1",
        )?
        .query_row([event.run_id, event.id], |row| row.get(0))
        .optional()
}

/// What a new run starts with.
#[derive(Debug)]
pub(crate) struct NewRun<'a> {
    pub(crate) project_id: i64,
    pub(crate) status: &'a str,
    pub(crate) trigger: &'a str,
    pub(crate) config: Option<&'a str>,
    pub(crate) parent_run_id: Option<i64>,
}

/// Starts a run, with a session that executes it, and returns its id.
pub(crate) fn create(connection: &Connection, run: &NewRun<'_>, now: i64) -> rusqlite::Result<i64> {
    let id = connection
        .prepare_cached(
            "INSERT INTO runs (project_id, status, trigger, config, parent_run_id, started_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .insert(params![run.project_id, run.status, run.trigger, run.config, run.parent_run_id, now])?;
    sessions::start(connection, &sessions::name_for_run(id), run.project_id, Some(id), now)?;
    Ok(id)
}

/// Ends an active run and its session; whether it was active.
pub(crate) fn end(connection: &Connection, id: i64, status: &str, now: i64) -> rusqlite::Result<bool> {
    let ended = connection
        .prepare_cached(
            "UPDATE runs SET status = ?2, ended_at = ?3 WHERE id = ?1 AND status IN ('running', 'replaying')",
        )?
        .execute(params![id, status, now])?;
    if ended > 0 {
        sessions::end_of_run(connection, id, status, now)?;
    }
    Ok(ended > 0)
}

/// The state that an event of this type puts its run in, if it ends it.
pub(crate) fn end_status(event_type: &str) -> Option<&'static str> {
    match event_type {
        "run_completed" => Some("completed"),
        "run_failed" => Some("failed"),
        _ => None,
    }
}

/// Adds an event to a run and returns it. The types `run_completed` and `run_failed` end an active run.
pub(crate) fn add_event(
    connection: &Connection,
    run_id: i64,
    event_type: &str,
    phase: Option<&str>,
    details: Option<&str>,
    now: i64,
) -> rusqlite::Result<Event> {
    let id = connection
        .prepare_cached(
            "INSERT INTO run_events (run_id, event_type, phase, details, timestamp) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .insert(params![run_id, event_type, phase, details, now])?;
    match end_status(event_type) {
        Some(status) => {
            end(connection, run_id, status, now)?;
        }
        None => sessions::touch_run(connection, run_id, now)?,
    }
    connection.prepare_cached(&format!("{SELECT_EVENT} WHERE id = ?1"))?.query_row([id], read_event)
}

/// The phase and the number of phases begun in the newest active run, for the server's status.
pub(crate) fn progress(connection: &Connection) -> rusqlite::Result<Option<(i64, String, i64)>> {
    connection
        .prepare_cached(
            "SELECT runs.id, coalesce((SELECT phase FROM run_events WHERE run_id = runs.id AND phase IS NOT NULL ORDER BY id DESC LIMIT 1), ''), \
             (SELECT count(*) FROM run_events WHERE run_id = runs.id AND event_type = 'phase_start') \
             FROM runs WHERE status IN ('running', 'replaying') ORDER BY id DESC LIMIT 1",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
}
