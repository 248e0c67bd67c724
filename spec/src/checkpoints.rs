//! Checkpoints.

use crate::Chapter;
use crate::operation::{Field, FieldType, Model, Operation, Param, ParamType, Returns};

pub(crate) const CHECKPOINT: Model = Model {
    name: "Checkpoint",
    doc: "A saved state of the work, to go back to.",
    fields: &[
        Field::required(
            "id",
            FieldType::Str,
            "Identifier of the checkpoint, for example `chk-20260212-143022`.",
        ),
        Field::expected("created_at", FieldType::Timestamp, "When it was made."),
        Field::optional("git_sha", FieldType::Str, "Commit that was checked out."),
        Field::optional("message", FieldType::Str, "What it was made for."),
        Field::optional(
            "files",
            FieldType::StrList,
            "Files that were saved; v9.22 leaves them out of lists.",
        ),
        Field::optional("files_count", FieldType::Int, "Number of files that were saved."),
        Field::optional("iteration", FieldType::Int, "Iteration of the session."),
        Field::optional("git_branch", FieldType::Str, "Branch that was checked out."),
        Field::optional("provider", FieldType::Str, "Provider of the agents, for example `claude`."),
        Field::optional("phase", FieldType::Str, "Phase of the session."),
    ],
};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Checkpoints",
    models: &[&CHECKPOINT],
    operations: &[Operation::get(
        "list_checkpoints",
        "/api/checkpoints",
        Returns::List(&CHECKPOINT, &["checkpoints"]),
    )
    .doc(
        "Lists checkpoints, newest first. Servers answer 20 at the most unless `limit` says otherwise, and never more than 200; they do \
         not say whether there are others.",
    )
    .params(&[Param::query(
        "limit",
        ParamType::Int,
        "How many at most: 1 to 200; the server's default is 20.",
    )])],
};
