//! API keys. A token is never stored, only its salted hash.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::answers::Failure;
use crate::auth::{self, Principal};
use crate::clock::{self, SECOND};

/// How stale `last_used` may get, so that reads do not turn into a write each.
const LAST_USED_RESOLUTION: i64 = 60 * SECOND;

/// A key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) hash: String,
    pub(crate) salt: String,
    /// JSON array of strings.
    pub(crate) scopes: String,
    pub(crate) role: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) last_used: Option<i64>,
    pub(crate) revoked: bool,
    pub(crate) description: Option<String>,
    /// JSON array of strings.
    pub(crate) allowed_ips: Option<String>,
    pub(crate) rate_limit: Option<i64>,
    pub(crate) rotating_from: Option<String>,
    /// When a key that was replaced stops working.
    pub(crate) rotation_expires_at: Option<i64>,
}

const SELECT: &str = "SELECT id, name, hash, salt, scopes, role, created_at, expires_at, last_used, revoked, description, \
    allowed_ips, rate_limit, rotating_from, rotation_expires_at FROM keys";

fn read(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key {
        id: row.get(0)?,
        name: row.get(1)?,
        hash: row.get(2)?,
        salt: row.get(3)?,
        scopes: row.get(4)?,
        role: row.get(5)?,
        created_at: row.get(6)?,
        expires_at: row.get(7)?,
        last_used: row.get(8)?,
        revoked: row.get(9)?,
        description: row.get(10)?,
        allowed_ips: row.get(11)?,
        rate_limit: row.get(12)?,
        rotating_from: row.get(13)?,
        rotation_expires_at: row.get(14)?,
    })
}

/// The key of this id or, failing that, the oldest of this name.
pub(crate) fn find(connection: &Connection, identifier: &str) -> rusqlite::Result<Option<Key>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE id = ?1 OR name = ?1 ORDER BY id <> ?1, seq LIMIT 1"))?
        .query_row([identifier], read)
        .optional()
}

/// All keys that are not revoked, oldest first.
pub(crate) fn list(connection: &Connection) -> rusqlite::Result<Vec<Key>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE NOT revoked ORDER BY seq"))?
        .query_map([], read)?
        .collect()
}

/// Whether a key has this name.
pub(crate) fn name_taken(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM keys WHERE name = ?1")?.exists([name])
}

/// What a new key starts with.
#[derive(Debug, Default)]
pub(crate) struct NewKey<'a> {
    pub(crate) name: &'a str,
    pub(crate) scopes: &'a str,
    pub(crate) role: Option<&'a str>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) description: Option<&'a str>,
    pub(crate) allowed_ips: Option<&'a str>,
    pub(crate) rate_limit: Option<i64>,
    pub(crate) rotating_from: Option<&'a str>,
}

/// Stores a key for this token and returns it.
pub(crate) fn create(
    connection: &Connection,
    token: &str,
    key: &NewKey<'_>,
    now: i64,
) -> Result<Key, Failure> {
    let salt = auth::new_salt()?;
    let hash = auth::hash(token, &salt);
    let id = &hash[..12];
    connection
        .prepare_cached(
            "INSERT INTO keys (id, name, hash, salt, scopes, role, created_at, expires_at, description, allowed_ips, rate_limit, rotating_from) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            id,
            key.name,
            hash,
            salt,
            key.scopes,
            key.role,
            now,
            key.expires_at,
            key.description,
            key.allowed_ips,
            key.rate_limit,
            key.rotating_from
        ])?;
    find(connection, id)?.ok_or_else(|| Failure::Internal("a key vanished".to_owned()))
}

/// Changes the fields that are given.
pub(crate) fn update(
    connection: &Connection,
    id: &str,
    description: Option<&str>,
    allowed_ips: Option<&str>,
    rate_limit: Option<i64>,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE keys SET description = coalesce(?2, description), allowed_ips = coalesce(?3, allowed_ips), \
             rate_limit = coalesce(?4, rate_limit) WHERE id = ?1",
        )?
        .execute(params![id, description, allowed_ips, rate_limit])
}

/// Gives a key its name as a replaced one and the end of its grace period.
pub(crate) fn retire(connection: &Connection, key: &Key, until: i64) -> rusqlite::Result<usize> {
    connection.execute(
        "UPDATE keys SET name = ?2, rotation_expires_at = ?3 WHERE id = ?1",
        params![key.id, format!("{}__rotating", key.name), until],
    )
}

/// Deletes a key.
pub(crate) fn delete(connection: &Connection, id: &str) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM keys WHERE id = ?1", [id])
}

/// The key that a token opens, unless it is revoked, has expired or was replaced and its grace period is over.
pub(crate) fn holder(connection: &Connection, token: &str) -> Result<Option<Principal>, Failure> {
    let now = clock::now();
    let mut statement = connection.prepare_cached(
        "SELECT id, name, scopes, hash, salt, last_used FROM keys WHERE NOT revoked \
         AND (expires_at IS NULL OR expires_at > ?1) AND (rotation_expires_at IS NULL OR rotation_expires_at > ?1)",
    )?;
    let mut rows = statement.query([now])?;
    while let Some(row) = rows.next()? {
        let hash = auth::hash(token, row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?);
        // Both sides are hashes: how long a comparison takes says nothing about the token.
        if row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)? != hash {
            continue;
        }
        let scopes: String = row.get(2)?;
        let scopes =
            serde_json::from_str(&scopes).map_err(|error| Failure::Internal(format!("scopes: {error}")))?;
        let principal = Principal { key_id: row.get(0)?, name: row.get(1)?, scopes };
        let last_used: Option<i64> = row.get(5)?;
        drop(rows);
        if last_used.is_none_or(|last| now - last > LAST_USED_RESOLUTION) {
            connection
                .prepare_cached("UPDATE keys SET last_used = ?2 WHERE id = ?1")?
                .execute(params![principal.key_id, now])?;
        }
        return Ok(Some(principal));
    }
    Ok(None)
}
