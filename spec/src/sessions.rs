//! Sessions.

use crate::Chapter;
use crate::operation::{Bridge, Field, FieldType, Manager, Model, Operation, Param, Returns};

const STATUSES: &[&str] = &["starting", "running", "paused", "stopping", "stopped", "completed", "failed"];

pub(crate) const SESSION: Model = Model {
    name: "Session",
    doc: "A process of agents at work on a project.",
    fields: &[
        Field::required("id", FieldType::Id, "Identifier of the session."),
        Field::optional(
            "project_id",
            FieldType::Id,
            "Project that the session works on; real servers do not say.",
        ),
        Field::expected("status", FieldType::Str, "State of the session.").known(STATUSES),
        Field::optional("provider", FieldType::Str, "Provider of the agents, for example `claude`."),
        Field::optional("pid", FieldType::Int, "Process id on the server's machine."),
        Field::optional("started_at", FieldType::Timestamp, "When it started."),
        Field::optional("updated_at", FieldType::Timestamp, "When it was last heard of."),
        Field::optional("log_file", FieldType::Str, "Path of its log on the server's machine."),
    ],
};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Sessions",
    models: &[&SESSION],
    operations: &[
        Operation::get("list_sessions", "/api/projects/{project_id}/sessions", Returns::List(&SESSION, &["sessions"]))
            .doc(
                "Lists the sessions of a project. Real servers have no session routes and serve one project directory: there \
                 the sessions that `/api/status` reports are returned, whatever the project. A server that counts an active \
                 session but gives it no id has one called `current`.",
            )
            .params(&[Param::path("project_id", "Identifier of the project.")])
            .bridges(&[Bridge::SessionsFromStatus])
            .on(Manager::Sessions),
        Operation::get("get_session", "/api/sessions/{session_id}", Returns::Model(&SESSION))
            .doc(
                "Returns one session. Real servers have no session routes: there it is looked up among the sessions that \
                 `/api/status` reports.",
            )
            .params(&[Param::path("session_id", "Identifier of the session.")])
            .bridges(&[Bridge::SessionFromStatus])
            .on(Manager::Sessions),
    ],
};
