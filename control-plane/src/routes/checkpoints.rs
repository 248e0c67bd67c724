//! Checkpoints.

use rusqlite::Connection;

use super::{Call, Handler};
use crate::answers::{Answer, Failure};
use crate::json;
use crate::store::checkpoints::{self, Checkpoint};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("list_checkpoints", list)];

/// How many checkpoints are listed unless `limit` says otherwise.
const DEFAULT_LIMIT: i64 = 20;

fn write(call: &Call<'_>, checkpoint: &Checkpoint) -> String {
    json::object(|object| {
        let object = object
            .str("id", &checkpoint.id)
            .time("created_at", checkpoint.created_at, call.profile.log_time())
            .str("git_sha", &checkpoint.git_sha)
            .str("message", &checkpoint.message);
        // The newer server says how many files there are, the others which.
        if call.profile.has_new_fields() {
            object
                .null("iteration")
                .str("git_branch", "main")
                .str("provider", "claude")
                .null("phase")
                .int("files_count", i64::try_from(checkpoint.files.len()).unwrap_or(i64::MAX))
        } else {
            object.raw("files", &json::strings(&checkpoint.files))
        }
    })
}

fn list(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let limit = call.inputs.int("limit").unwrap_or(DEFAULT_LIMIT);
    let checkpoints = checkpoints::list(connection, limit)?;
    Ok(Answer::json(json::array(checkpoints.iter().map(|checkpoint| write(call, checkpoint)))))
}
