//! Checkpoints.

use rusqlite::{Connection, Row, params};

use crate::clock::{self, Form};

/// A checkpoint.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) id: String,
    pub(crate) git_sha: String,
    pub(crate) message: String,
    pub(crate) files: Vec<String>,
    pub(crate) created_at: i64,
}

/// What every checkpoint saves.
const FILES: [&str; 3] = ["metadata.json", "dashboard-state.json", "session.json"];

fn read(row: &Row<'_>) -> rusqlite::Result<Checkpoint> {
    Ok(Checkpoint {
        id: row.get(0)?,
        git_sha: row.get(1)?,
        message: row.get(2)?,
        files: FILES.map(str::to_owned).to_vec(),
        created_at: row.get(3)?,
    })
}

/// The newest checkpoints, newest first.
pub(crate) fn list(connection: &Connection, limit: i64) -> rusqlite::Result<Vec<Checkpoint>> {
    connection
        .prepare_cached(
            "SELECT id, git_sha, message, created_at FROM checkpoints ORDER BY created_at DESC LIMIT ?1",
        )?
        .query_map([limit], read)?
        .collect()
}

/// Makes a checkpoint. As on real servers its id is the second in which it was made, and a second one in the same
/// second takes the place of the first.
pub(crate) fn create(connection: &Connection, message: &str, now: i64) -> rusqlite::Result<()> {
    let mut stamp = String::new();
    clock::write(&mut stamp, now, Form::NaiveSeconds);
    let id = format!("chk-{}", stamp.replace(['-', ':'], "").replace('T', "-"));
    let git_sha = format!("{:08x}", now / clock::SECOND);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO checkpoints (id, git_sha, message, created_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![id, git_sha, message, now])?;
    Ok(())
}
