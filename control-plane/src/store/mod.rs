//! Where everything is kept: SQLite, in a file or in memory.
//!
//! A write is committed before its answer is sent. In a file the journal is a WAL with `synchronous = FULL`: a commit has
//! reached the disk when it returns, so that neither `kill -9` nor a power cut loses a write that was acknowledged. A
//! second writer (another process on the same file) waits.

pub(crate) mod audit;
pub(crate) mod checkpoints;
pub(crate) mod keys;
pub(crate) mod projects;
pub(crate) mod runs;
pub(crate) mod session_tasks;
pub(crate) mod sessions;
pub(crate) mod tasks;
pub(crate) mod tenants;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// How long a writer waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The database. One connection, since SQLite has one writer anyway and reads take microseconds.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Mutex<Connection>,
}

impl Store {
    /// Opens or creates a database file, or a database in memory.
    pub(crate) fn open(file: Option<&Path>) -> rusqlite::Result<Self> {
        let connection = match file {
            Some(file) => Connection::open(file)?,
            None => Connection::open_in_memory()?,
        };
        connection.busy_timeout(BUSY_TIMEOUT)?;
        if file.is_some() {
            // Answers with the mode that was reached.
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "FULL")?;
        }
        connection.set_prepared_statement_cache_capacity(128);
        connection.execute_batch(include_str!("schema.sql"))?;
        Ok(Store { connection: Mutex::new(connection) })
    }

    /// The connection, for reading.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic while the lock was held has rolled its transaction back: the connection is usable.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `change` in a transaction and commits it, unless it fails.
    pub(crate) fn write<T, E: From<rusqlite::Error>>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.write_and_tell(change, |_| {})
    }

    /// The same, and then `tell`, before the next change can be committed.
    pub(crate) fn write_and_tell<T, E: From<rusqlite::Error>>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
        tell: impl FnOnce(&T),
    ) -> Result<T, E> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcome = change(&transaction)?;
        transaction.commit()?;
        tell(&outcome);
        Ok(outcome)
    }
}
