//! Tasks of sessions, as the HTTP/SSE API has them.

use crate::Chapter;
use crate::known::Known;
use crate::operation::{Field, FieldType, Model, Operation, Param, ParamType, Returns};

const STATUSES: &Known =
    &Known::new("SessionTaskStatus", &["pending", "queued", "running", "completed", "failed", "skipped"]);

const SESSION_TASK: Model = Model {
    name: "SessionTask",
    doc: "A piece of work of a session.",
    fields: &[
        Field::required("id", FieldType::Label, "Identifier of the task."),
        Field::expected("session_id", FieldType::Label, "Session that the task belongs to.")
            .wire("sessionId"),
        Field::expected("title", FieldType::Str, "What is to be done, in a line."),
        Field::optional("description", FieldType::Str, "What is to be done, at length."),
        Field::expected("status", FieldType::Str, "State of the task.").known(STATUSES),
        Field::optional("priority", FieldType::Int, "How urgent it is."),
        Field::optional("created_at", FieldType::Timestamp, "When it was created.").wire("createdAt"),
        Field::optional("started_at", FieldType::Timestamp, "When work on it began.").wire("startedAt"),
        Field::optional("completed_at", FieldType::Timestamp, "When it was done.").wire("completedAt"),
        Field::optional("agent", FieldType::Str, "Agent that works on it."),
        Field::optional("output", FieldType::Str, "What came of it."),
        Field::optional("error", FieldType::Str, "Why it failed."),
    ],
};

const PAGINATION: Model = Model {
    name: "Pagination",
    doc: "Which part of a longer list this is.",
    fields: &[
        Field::expected("total", FieldType::Int, "Length of the whole list."),
        Field::expected("limit", FieldType::Int, "How many were asked for at most."),
        Field::expected("offset", FieldType::Int, "How many were skipped."),
        Field::expected("has_more", FieldType::Bool, "Whether others follow.").wire("hasMore"),
    ],
};

const SESSION_TASK_LIST: Model = Model {
    name: "SessionTaskList",
    doc: "Tasks of a session, or a part of them.",
    fields: &[
        Field::required("tasks", FieldType::List(&SESSION_TASK), "The tasks."),
        Field::optional("pagination", FieldType::Model(&PAGINATION), "Which part of all tasks this is."),
        Field::optional("summary", FieldType::Object, "How many tasks are in each state."),
    ],
};

const SESSION_TASKS: Model = Model {
    name: "SessionTasks",
    doc: "Tasks in one state, of all sessions.",
    fields: &[
        Field::required("tasks", FieldType::List(&SESSION_TASK), "The tasks."),
        Field::expected("count", FieldType::Int, "How many there are."),
    ],
};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Tasks of sessions",
    models: &[&SESSION_TASK, &PAGINATION, &SESSION_TASK_LIST, &SESSION_TASKS],
    operations: &[
        Operation::get(
            "list_session_tasks",
            "/api/sessions/{session_id}/tasks",
            Returns::Model(&SESSION_TASK_LIST),
        )
        .doc(
            "Lists the tasks of a session. Servers answer 100 at the most unless `limit` says otherwise; `pagination` says whether there \
             are others, and `iter_session_tasks` gives all. Dashboards have no such route.",
        )
        .params(&[
            Param::path("session_id", "Identifier of the session."),
            Param::query("status", ParamType::Str, "Only tasks in this state.").known(STATUSES),
            Param::query("limit", ParamType::Int, "How many at most; the server's default is 100."),
            Param::query("offset", ParamType::Int, "How many to skip: 0 or more."),
        ])
        .loki("list_session_tasks")
        .paged("iter_session_tasks", 1000),
        Operation::get("list_active_tasks", "/api/tasks/active", Returns::Model(&SESSION_TASKS))
            .doc("Lists the tasks that are being worked on, of all sessions. Dashboards have no such route.")
            .loki("list_active_tasks"),
        Operation::get("list_queued_tasks", "/api/tasks/queue", Returns::Model(&SESSION_TASKS))
            .doc("Lists the tasks that wait, of all sessions. Dashboards have no such route.")
            .loki("list_queued_tasks"),
    ],
};
