//! Projects.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::auth::Tenants;

/// A project with the number of its tasks.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) prd_path: Option<String>,
    pub(crate) status: String,
    pub(crate) tenant_id: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) task_count: i64,
    pub(crate) completed_task_count: i64,
}

const SELECT: &str = "SELECT id, name, description, prd_path, status, tenant_id, created_at, updated_at, \
    (SELECT count(*) FROM tasks WHERE project_id = projects.id), \
    (SELECT count(*) FROM tasks WHERE project_id = projects.id AND status IN ('done', 'completed')) FROM projects";

fn read(row: &Row<'_>) -> rusqlite::Result<Project> {
    Ok(Project {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        prd_path: row.get(3)?,
        status: row.get(4)?,
        tenant_id: row.get(5)?,
        created_at: row.get(6)?,
        updated_at: row.get(7)?,
        task_count: row.get(8)?,
        completed_task_count: row.get(9)?,
    })
}

/// One project.
pub(crate) fn get(connection: &Connection, id: i64) -> rusqlite::Result<Option<Project>> {
    connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?.query_row([id], read).optional()
}

/// Which projects to list.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    pub(crate) status: Option<&'a str>,
    pub(crate) tenants: Tenants,
    pub(crate) limit: Option<i64>,
    pub(crate) offset: i64,
    pub(crate) by_second: bool,
}

/// Projects, newest first.
pub(crate) fn list(connection: &Connection, filter: &Filter<'_>) -> rusqlite::Result<Vec<Project>> {
    let order = if filter.by_second { "created_at / 1000000 DESC, id ASC" } else { "id DESC" };
    let tenant = match filter.tenants {
        Tenants::All => None,
        Tenants::Only(id) => Some(id),
        Tenants::None => return Ok(Vec::new()),
    };
    connection
        .prepare_cached(&format!(
            "{SELECT} WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR tenant_id = ?2) ORDER BY {order} LIMIT ?3 OFFSET ?4"
        ))?
        .query_map(params![filter.status, tenant, filter.limit.unwrap_or(-1), filter.offset], read)?
        .collect()
}

/// Creates a project and returns its id.
pub(crate) fn create(
    connection: &Connection,
    name: &str,
    description: Option<&str>,
    prd_path: Option<&str>,
    tenant_id: Option<i64>,
    now: i64,
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO projects (name, description, prd_path, tenant_id, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        )?
        .insert(params![name, description, prd_path, tenant_id, now])
}

/// Changes the fields that are given.
pub(crate) fn update(
    connection: &Connection,
    id: i64,
    name: Option<&str>,
    description: Option<&str>,
    prd_path: Option<&str>,
    status: Option<&str>,
    now: i64,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE projects SET name = coalesce(?2, name), description = coalesce(?3, description), \
             prd_path = coalesce(?4, prd_path), status = coalesce(?5, status), updated_at = ?6 WHERE id = ?1",
        )?
        .execute(params![id, name, description, prd_path, status, now])
}

/// Deletes a project and its tasks; how many projects that were.
pub(crate) fn delete(connection: &Connection, id: i64) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM tasks WHERE project_id = ?1", [id])?;
    connection.execute("DELETE FROM projects WHERE id = ?1", [id])
}
