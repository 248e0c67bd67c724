//! The audit log: every entry carries a hash over its own text and the hash of the entry before it.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest, Sha256};

use crate::auth::hex;
use crate::clock::{self, Form};
use crate::json::Object;

/// What stands for the hash before the first entry.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An entry to be written.
#[derive(Debug, Default)]
pub(crate) struct Entry<'a> {
    pub(crate) timestamp: i64,
    pub(crate) action: &'a str,
    pub(crate) resource_type: &'a str,
    pub(crate) resource_id: Option<&'a str>,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) token_id: Option<&'a str>,
    pub(crate) ip_address: Option<&'a str>,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
}

const SELECT: &str = "SELECT timestamp, action, resource_type, resource_id, user_id, token_id, ip_address, user_agent, \
    success, error, details, hash, day FROM audit";

fn text<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Option<&'r str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

/// Opens an object for a row and adds everything but its hash: what is hashed, and what is sent.
fn fields<'a>(out: &'a mut String, row: &Row<'_>, time: Form) -> rusqlite::Result<Object<'a>> {
    Ok(Object::open(out)
        .time("timestamp", row.get(0)?, time)
        .opt_str("action", text(row, 1)?)
        .opt_str("resource_type", text(row, 2)?)
        .opt_str("resource_id", text(row, 3)?)
        .opt_str("user_id", text(row, 4)?)
        .opt_str("token_id", text(row, 5)?)
        .opt_str("ip_address", text(row, 6)?)
        .opt_str("user_agent", text(row, 7)?)
        .bool("success", row.get(8)?)
        .opt_str("error", text(row, 9)?)
        .opt_raw("details", text(row, 10)?))
}

/// The hash of a row on top of the hash before it. The hashed form of times does not depend on the profile.
fn chained(previous: &str, row: &Row<'_>) -> rusqlite::Result<String> {
    let mut canonical = String::with_capacity(320);
    fields(&mut canonical, row, Form::OffsetMicros)?.close();
    Ok(hex(&Sha256::new().chain_update(previous).chain_update(canonical).finalize()))
}

/// The number of entries and the hash of the last one.
fn head(connection: &Connection) -> rusqlite::Result<(i64, String)> {
    let head = connection
        .prepare_cached("SELECT entries, hash FROM audit_head WHERE id = 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(head.unwrap_or_else(|| (0, GENESIS.to_owned())))
}

/// Adds an entry to the end of the chain. Belongs into the transaction of the change that it records.
pub(crate) fn append(connection: &Connection, entry: &Entry<'_>) -> rusqlite::Result<()> {
    let (entries, previous) = head(connection)?;
    let seq = connection
        .prepare_cached(
            "INSERT INTO audit (day, timestamp, action, resource_type, resource_id, user_id, token_id, ip_address, user_agent, \
             success, error, details, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, '{}', '')",
        )?
        .insert(params![
            clock::day(entry.timestamp),
            entry.timestamp,
            entry.action,
            entry.resource_type,
            entry.resource_id,
            entry.user_id,
            entry.token_id,
            entry.ip_address,
            entry.user_agent,
            entry.error.is_none(),
            entry.error
        ])?;
    let hash = connection
        .prepare_cached(&format!("{SELECT} WHERE seq = ?1"))?
        .query_row([seq], |row| chained(&previous, row))?;
    connection.prepare_cached("UPDATE audit SET hash = ?2 WHERE seq = ?1")?.execute(params![seq, hash])?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO audit_head (id, entries, hash) VALUES (1, ?1, ?2)")?
        .execute(params![entries + 1, hash])?;
    Ok(())
}

/// Which entries to list.
#[derive(Debug, Default)]
pub(crate) struct Filter<'a> {
    /// First and last day as texts, compared as such.
    pub(crate) days: (Option<&'a str>, Option<&'a str>),
    /// First and last point in time.
    pub(crate) times: (Option<i64>, Option<i64>),
    pub(crate) action: Option<&'a str>,
    pub(crate) resource_type: Option<&'a str>,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

/// The entries, newest first, as a JSON array.
pub(crate) fn query(connection: &Connection, filter: &Filter<'_>, time: Form) -> rusqlite::Result<String> {
    let mut statement = connection.prepare_cached(&format!(
        "{SELECT} WHERE (?1 IS NULL OR day >= ?1) AND (?2 IS NULL OR day <= ?2) AND (?3 IS NULL OR timestamp >= ?3) \
         AND (?4 IS NULL OR timestamp <= ?4) AND (?5 IS NULL OR action = ?5) AND (?6 IS NULL OR resource_type = ?6) \
         ORDER BY seq DESC LIMIT ?7 OFFSET ?8"
    ))?;
    let mut rows = statement.query(params![
        filter.days.0,
        filter.days.1,
        filter.times.0,
        filter.times.1,
        filter.action,
        filter.resource_type,
        filter.limit,
        filter.offset
    ])?;
    let mut out = String::from("[");
    while let Some(row) = rows.next()? {
        if out.len() > 1 {
            out.push(',');
        }
        fields(&mut out, row, time)?.opt_str("_integrity_hash", text(row, 11)?).close();
    }
    out.push(']');
    Ok(out)
}

/// What a verification found in the entries of a day; real servers keep a file for each.
#[derive(Debug)]
pub(crate) struct DayOutcome {
    pub(crate) day: String,
    pub(crate) entries: i64,
    /// The first entry that does not fit, from 1.
    pub(crate) first_tampered: Option<i64>,
    pub(crate) last_hash: String,
}

/// Recomputes the whole chain. The days after a broken link are checked from the stored hash on, so that one change is
/// reported once.
pub(crate) fn verify(connection: &Connection) -> rusqlite::Result<Vec<DayOutcome>> {
    let (entries, last) = head(connection)?;
    let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY seq"))?;
    let mut rows = statement.query([])?;
    let mut days: Vec<DayOutcome> = Vec::new();
    let mut previous = GENESIS.to_owned();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        let day = text(row, 12)?.unwrap_or_default();
        if days.last().is_none_or(|outcome| outcome.day != day) {
            let outcome = DayOutcome {
                day: day.to_owned(),
                entries: 0,
                first_tampered: None,
                last_hash: String::new(),
            };
            days.push(outcome);
        }
        let expected = chained(&previous, row)?;
        let stored: String = row.get(11)?;
        let timestamp: i64 = row.get(0)?;
        if let Some(outcome) = days.last_mut() {
            outcome.entries += 1;
            if outcome.first_tampered.is_none() && (expected != stored || clock::day(timestamp) != day) {
                outcome.first_tampered = Some(outcome.entries);
            }
            outcome.last_hash.clone_from(&stored);
        }
        previous = stored;
    }
    if count != entries || previous != last {
        // Entries are missing at the end: the first that does not fit is the one after the last that is there.
        if days.is_empty() {
            let day = clock::day(clock::now());
            days.push(DayOutcome { day, entries: 0, first_tampered: None, last_hash: previous });
        }
        if let Some(outcome) = days.last_mut() {
            outcome.first_tampered.get_or_insert(outcome.entries + 1);
        }
    }
    Ok(days)
}
