//! Sessions: the two calls of the SDK guide, and the ones of the HTTP/SSE API.

use crate::Chapter;
use crate::known::Known;
use crate::operation::{Bridge, Field, FieldType, Manager, Model, Operation, Param, ParamType, Returns};

const STATUSES: &Known = &Known::new(
    "SessionState",
    &["starting", "running", "paused", "stopping", "stopped", "completed", "failed"],
);
const PROVIDERS: &Known = &Known::new("Provider", &["claude", "codex", "gemini", "cline", "aider"]);

/// States in which nobody works on a session. Servers have further words for one at work, such as `autonomous`.
pub const RESTING_SESSION_STATUSES: &[&str] = &["paused", "stopped", "completed", "failed"];

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

const SESSION_INFO: Model = Model {
    name: "SessionInfo",
    doc: "A session as the HTTP/SSE API describes it.",
    fields: &[
        Field::required("id", FieldType::Label, "Identifier of the session."),
        Field::expected("status", FieldType::Str, "State of the session.").known(STATUSES),
        Field::optional("prd_path", FieldType::Str, "Path of the requirements document (PRD).")
            .wire("prdPath"),
        Field::optional("provider", FieldType::Str, "Provider of the agents.").known(PROVIDERS),
        Field::optional("started_at", FieldType::Timestamp, "When it started.").wire("startedAt"),
        Field::optional("updated_at", FieldType::Timestamp, "When it was last heard of.").wire("updatedAt"),
        Field::optional("pid", FieldType::Int, "Process id on the server's machine."),
        Field::optional("current_phase", FieldType::Str, "Phase that it is in.").wire("currentPhase"),
        Field::optional("task_count", FieldType::Int, "How many tasks it has.").wire("taskCount"),
        Field::optional("completed_tasks", FieldType::Int, "How many of them are done.")
            .wire("completedTasks"),
    ],
};

const STARTED_SESSION: Model = Model {
    name: "StartedSession",
    doc: "A session that was started.",
    fields: &[
        Field::required("session_id", FieldType::Label, "Identifier of the session.").wire("sessionId"),
        Field::expected("status", FieldType::Str, "State of the session.").known(STATUSES),
        Field::optional("message", FieldType::Str, "What the server says to it."),
    ],
};

const SESSION_LIST: Model = Model {
    name: "SessionList",
    doc: "All sessions of a server.",
    fields: &[
        Field::required("sessions", FieldType::List(&SESSION_INFO), "The sessions."),
        Field::expected("total", FieldType::Int, "How many there are."),
        Field::expected("running", FieldType::Int, "How many of them are at work."),
    ],
};

const TASK_COUNTS: Model = Model {
    name: "TaskCounts",
    doc: "How many tasks of a session are in each state.",
    fields: &[
        Field::expected("total", FieldType::Int, "All of them."),
        Field::expected("pending", FieldType::Int, "Those that wait."),
        Field::expected("running", FieldType::Int, "Those that are being worked on."),
        Field::expected("completed", FieldType::Int, "Those that are done."),
        Field::expected("failed", FieldType::Int, "Those that failed."),
    ],
};

const AGENT_COUNTS: Model = Model {
    name: "AgentCounts",
    doc: "How many agents a session has and had.",
    fields: &[
        Field::expected("active", FieldType::Int, "Those at work."),
        Field::expected("spawned", FieldType::Int, "Those that were started so far."),
        Field::expected("completed", FieldType::Int, "Those that have ended."),
    ],
};

const SESSION_STATUS: Model = Model {
    name: "SessionStatus",
    doc: "A session with the counts of its tasks and agents.",
    fields: &[
        Field::required("session", FieldType::Model(&SESSION_INFO), "The session."),
        Field::expected(
            "tasks",
            FieldType::Model(&TASK_COUNTS),
            "How its tasks stand; dashboards do not say.",
        ),
        Field::expected(
            "agents",
            FieldType::Model(&AGENT_COUNTS),
            "How many agents it has; dashboards do not say.",
        ),
    ],
};

const SESSION_ID: Param = Param::path("session_id", "Identifier of the session.");

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Sessions",
    models: &[
        &SESSION,
        &SESSION_INFO,
        &STARTED_SESSION,
        &SESSION_LIST,
        &TASK_COUNTS,
        &AGENT_COUNTS,
        &SESSION_STATUS,
    ],
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
                "Returns one session. Dashboards have no session routes: there it is looked up among the sessions that \
                 `/api/status` reports. `get_session_status` gives the counts of its tasks and agents, too.",
            )
            .params(&[SESSION_ID])
            .bridges(&[Bridge::SessionFromStatus, Bridge::SessionInStatus])
            .view_of("get_session_status")
            .on(Manager::Sessions),
        Operation::get("list_all_sessions", "/api/sessions", Returns::Model(&SESSION_LIST))
            .doc(
                "Lists the sessions of the server. Dashboards have no session routes: there the sessions that `/api/status` \
                 reports are returned.",
            )
            .bridges(&[Bridge::AllSessionsFromStatus])
            .loki("list_sessions"),
        Operation::get("get_session_status", "/api/sessions/{session_id}", Returns::Model(&SESSION_STATUS))
            .doc(
                "Returns a session with the counts of its tasks and agents. Dashboards have no session routes: there the \
                 session is looked up among those that `/api/status` reports, and there are no counts.",
            )
            .params(&[SESSION_ID])
            .bridges(&[Bridge::SessionFromStatus, Bridge::StatusOfSession])
            .loki("get_session"),
        Operation::post("start_session", "/api/sessions", Returns::Model(&STARTED_SESSION))
            .answers(201)
            .doc(
                "Starts a session and returns its identifier. Servers that run one session at a time refuse a second one with \
                 a conflict. Dashboards have no such route: sessions are started on their machine, with `loki start`.",
            )
            .params(&[
                Param::body("prd_path", ParamType::Str, "Path of the requirements document (PRD) on the server's machine.")
                    .wire("prdPath")
                    .optional(),
                Param::body("provider", ParamType::Str, "Provider of the agents; the server's default is `claude`.")
                    .optional()
                    .known(PROVIDERS),
                Param::body(
                    "options",
                    ParamType::Object,
                    "How the session works: `dryRun` (boolean), `verbose` (boolean), `timeout` (integer).",
                )
                .optional(),
            ])
            .typescript_object("StartSessionParams")
            .loki("start_session"),
        Operation::post("stop_session", "/api/sessions/{session_id}/stop", Returns::Object)
            .doc("Tells a session to stop, and returns what the server says to it. A session that is not at work is a conflict.")
            .params(&[SESSION_ID])
            .bridges(&[Bridge::EmptyBody])
            .loki("stop_session"),
        Operation::post("send_input", "/api/sessions/{session_id}/input", Returns::Object)
            .doc(
                "Gives a session the input of a person, and returns what the server says to it. A session that takes no input is \
                 a conflict.",
            )
            .params(&[
                SESSION_ID,
                Param::body("input", ParamType::Str, "The text."),
                Param::body("context", ParamType::Str, "What the text is about.").optional(),
            ])
            .bridges(&[Bridge::EmptyBody])
            .loki("send_input"),
        Operation::delete("delete_session", "/api/sessions/{session_id}", Returns::Nothing)
            .answers(200)
            .doc("Deletes the record of a session that has ended. One that is at work is a conflict.")
            .params(&[SESSION_ID])
            .loki("delete_session"),
    ],
};
