//! The audit log.

use crate::Chapter;
use crate::operation::{Bridge, Field, FieldType, Model, Operation, Param, ParamType, Returns};

pub(crate) const AUDIT_ENTRY: Model = Model {
    name: "AuditEntry",
    doc: "One action that was recorded in the audit log.",
    fields: &[
        Field::required("timestamp", FieldType::Timestamp, "When it happened."),
        Field::required("action", FieldType::Str, "What was done, for example `create` or `rotate`."),
        Field::expected(
            "resource_type",
            FieldType::Str,
            "Kind of thing it was done to, for example `api_key`.",
        ),
        Field::optional("resource_id", FieldType::Label, "Identifier or name of that thing."),
        Field::optional("user_id", FieldType::Label, "Who did it."),
        Field::expected("success", FieldType::Bool, "Whether it succeeded."),
        Field::optional("token_id", FieldType::Label, "Key that was used."),
        Field::optional("ip_address", FieldType::Str, "Address it came from."),
        Field::optional("user_agent", FieldType::Str, "Program it came from."),
        Field::optional("error", FieldType::Str, "What went wrong."),
        Field::optional("details", FieldType::Object, "Whatever belongs to this kind of action."),
    ],
};

pub(crate) const AUDIT_VERIFY_RESULT: Model = Model {
    name: "AuditVerifyResult",
    doc: "Whether the hash chain of the audit log is intact.",
    fields: &[
        Field::required("valid", FieldType::Bool, "False when an entry was changed or removed."),
        Field::required("entries_checked", FieldType::Int, "Number of entries checked, over all files."),
        Field::optional("files_checked", FieldType::Int, "Number of log files checked."),
        Field::optional("files_skipped", FieldType::Int, "Number of log files that could not be checked."),
        Field::optional(
            "first_tampered_file",
            FieldType::Str,
            "File with the first entry that does not fit.",
        ),
        Field::optional("first_tampered_line", FieldType::Int, "Line of that entry in its file."),
        Field::optional("results", FieldType::Json, "Outcome for each file."),
    ],
};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Audit",
    models: &[&AUDIT_ENTRY, &AUDIT_VERIFY_RESULT],
    operations: &[
        Operation::get("query_audit", "/api/audit", Returns::List(&AUDIT_ENTRY, &["entries", "audit"]))
            .v2("/api/v2/audit")
            .doc(
                "Returns entries of the audit log, newest first: `limit` of them at the most. Servers do not say whether there are \
                 others; `iter_audit` gives all.",
            )
            .params(&[
                Param::query(
                    "start_date",
                    ParamType::Timestamp,
                    "Only entries of this day (in UTC) or time, or later ones.",
                ),
                Param::query(
                    "end_date",
                    ParamType::Timestamp,
                    "Only entries of this day (in UTC) or time, or earlier ones.",
                ),
                Param::query("action", ParamType::Str, "Only this action."),
                Param::query("limit", ParamType::Int, "How many at most: 1 to 10000.").default_int(100),
                Param::query("resource_type", ParamType::Str, "Only this kind of thing.").keyword(),
                Param::query("offset", ParamType::Int, "How many to skip: 0 or more.").keyword(),
            ])
            .typescript_object("AuditQueryParams")
            .paged("iter_audit", 10_000)
            .bridges(&[Bridge::AuditDays]),
        Operation::get("verify_audit", "/api/audit/verify", Returns::Model(&AUDIT_VERIFY_RESULT))
            .v2("/api/v2/audit/verify")
            .doc("Checks the hash chain of the audit log and names the first entry that does not fit.")
            .bridges(&[Bridge::AuditEntriesChecked]),
    ],
};
