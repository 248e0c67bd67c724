//! Where the caller of a stream stands.

use crate::events::{Cursor, Entry};

/// How far the caller has got, which is less far than the source has where it has not seen all of a batch.
#[derive(Debug, Default)]
pub(crate) struct Position {
    /// Without the batch that was handed out last.
    pub(crate) cursor: Cursor,
    /// That batch: which run each of its events belongs to.
    pub(crate) batch: Vec<(usize, Entry)>,
    /// The last known state of the runs that are followed.
    pub(crate) statuses: Vec<(String, String)>,
}

impl Position {
    /// Takes the last batch for seen.
    pub(super) fn settle(&mut self) {
        for (run, entry) in std::mem::take(&mut self.batch) {
            if let Some(run) = self.cursor.runs.get_mut(run) {
                run.mark.give(&entry);
            }
        }
    }

    /// The cursor of a caller who has seen this many events of the last batch.
    pub(super) fn cursor_at(&self, seen: usize) -> Cursor {
        let mut cursor = self.cursor.clone();
        for (run, entry) in self.batch.iter().take(seen) {
            if let Some(run) = cursor.runs.get_mut(*run) {
                run.mark.give(entry);
            }
        }
        for run in &mut cursor.runs {
            run.mark = run.mark.abridged();
        }
        if let Some(project) = &mut cursor.project {
            project.mark = project.mark.abridged();
        }
        cursor
    }
}
