//! Tenants.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// A tenant.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) description: Option<String>,
    pub(crate) settings: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

const SELECT: &str = "SELECT id, name, slug, description, settings, created_at, updated_at FROM tenants";

fn read(row: &Row<'_>) -> rusqlite::Result<Tenant> {
    Ok(Tenant {
        id: row.get(0)?,
        name: row.get(1)?,
        slug: row.get(2)?,
        description: row.get(3)?,
        settings: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

/// The name for URLs: lower case, everything but ASCII letters and digits a single `-`.
pub(crate) fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// One tenant.
pub(crate) fn get(connection: &Connection, id: i64) -> rusqlite::Result<Option<Tenant>> {
    connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?.query_row([id], read).optional()
}

/// All tenants, by name.
pub(crate) fn list(connection: &Connection) -> rusqlite::Result<Vec<Tenant>> {
    connection.prepare_cached(&format!("{SELECT} ORDER BY name"))?.query_map([], read)?.collect()
}

fn taken(connection: &Connection, column: &str, value: &str, except: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(&format!("SELECT 1 FROM tenants WHERE {column} = ?1 AND id <> ?2"))?
        .exists(params![value, except])
}

/// Whether another tenant has this name, or the slug that belongs to it.
pub(crate) fn name_taken(connection: &Connection, name: &str, except: i64) -> rusqlite::Result<bool> {
    taken(connection, "name", name, except)
}

/// Whether another tenant has the slug of this name.
pub(crate) fn slug_taken(connection: &Connection, name: &str, except: i64) -> rusqlite::Result<bool> {
    taken(connection, "slug", &slug(name), except)
}

/// Creates a tenant and returns its id; a slug that is taken gets a number.
pub(crate) fn create(
    connection: &Connection,
    name: &str,
    description: Option<&str>,
    settings: Option<&str>,
    now: i64,
) -> rusqlite::Result<i64> {
    let base = slug(name);
    let mut slug = base.clone();
    let mut number = 2;
    while taken(connection, "slug", &slug, 0)? {
        slug = format!("{base}-{number}");
        number += 1;
    }
    connection
        .prepare_cached(
            "INSERT INTO tenants (name, slug, description, settings, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        )?
        .insert(params![name, slug, description, settings, now])
}

/// Changes the fields that are given.
pub(crate) fn update(
    connection: &Connection,
    id: i64,
    name: Option<&str>,
    description: Option<&str>,
    settings: Option<&str>,
    now: i64,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE tenants SET name = coalesce(?2, name), slug = coalesce(?3, slug), description = coalesce(?4, description), \
             settings = coalesce(?5, settings), updated_at = ?6 WHERE id = ?1",
        )?
        .execute(params![id, name, name.map(slug), description, settings, now])
}

/// Deletes a tenant; its projects stay, without a tenant. How many tenants that were.
pub(crate) fn delete(connection: &Connection, id: i64) -> rusqlite::Result<usize> {
    connection.execute("UPDATE projects SET tenant_id = NULL WHERE tenant_id = ?1", [id])?;
    connection.execute("DELETE FROM tenants WHERE id = ?1", [id])
}
