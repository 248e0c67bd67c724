//! Live events: what the event stream and its history hold.

use crate::Chapter;
use crate::known::Known;
use crate::operation::{Field, FieldType, Model, Operation, Param, ParamType, Returns};

const MESSAGE_TYPES: &Known = &Known::new(
    "DashboardMessageType",
    &[
        "connected",
        "ping",
        "pong",
        "subscribed",
        "project_created",
        "project_updated",
        "project_deleted",
        "task_created",
        "task_updated",
        "task_moved",
        "task_deleted",
        "status_update",
        "trust_update",
    ],
);
const GAP_REASONS: &Known = &Known::new("GapReason", &["server_restarted", "history_too_short", "no_replay"]);

/// What comes over the event stream.
pub const LIVE_EVENT: Model = Model {
    name: "LiveEvent",
    doc: "Something that happened just now. Its `type` says what, and with it what `data` holds; there can be types that are not known.",
    fields: &[
        Field::required("type", FieldType::Str, "What happened, for example `task:completed`."),
        Field::optional(
            "id",
            FieldType::Str,
            "Identifier of the event, for example `evt_6_1795301856149`; the count in it begins anew when the server is restarted.",
        ),
        Field::expected("timestamp", FieldType::Timestamp, "When it happened."),
        Field::optional("session_id", FieldType::Label, "Session in which it happened.").wire("sessionId"),
        Field::expected("data", FieldType::Object, "Whatever belongs to this type of event."),
    ],
};

const EVENT_HISTORY: Model = Model {
    name: "EventHistory",
    doc: "Events that the server still remembers.",
    fields: &[
        Field::required("events", FieldType::List(&LIVE_EVENT), "The events, oldest first."),
        Field::expected("count", FieldType::Int, "How many these are."),
    ],
};

pub(crate) const DASHBOARD_MESSAGE: Model = Model {
    name: "DashboardMessage",
    doc: "A message of the dashboard's WebSocket.",
    fields: &[
        Field::required("type", FieldType::Str, "What it is about.").known(MESSAGE_TYPES),
        Field::optional(
            "data",
            FieldType::Json,
            "What belongs to it: for projects and tasks an object with their `id`.",
        ),
    ],
};

/// One type of live event.
#[derive(Debug)]
pub struct EventType {
    /// The type, for example `task:completed`.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub doc: &'static str,
    /// What its `data` holds, as far as that is known.
    pub data: Option<&'static Model>,
}

const SESSION_DATA: Model = Model {
    name: "SessionEventData",
    doc: "What events of the type `session:...` hold.",
    fields: &[
        Field::expected("status", FieldType::Str, "State that the session is in now."),
        Field::expected("message", FieldType::Str, "What happened, for people."),
    ],
};

const PHASE_DATA: Model = Model {
    name: "PhaseEventData",
    doc: "What events of the type `phase:...` hold.",
    fields: &[
        Field::expected("phase", FieldType::Str, "The phase."),
        Field::optional("previous_phase", FieldType::Str, "The phase before it.").wire("previousPhase"),
    ],
};

const TASK_DATA: Model = Model {
    name: "TaskEventData",
    doc: "What events of the type `task:...` hold.",
    fields: &[
        Field::expected("task_id", FieldType::Str, "Identifier of the task.").wire("taskId"),
        Field::expected("title", FieldType::Str, "What is to be done, in a line."),
        Field::expected("status", FieldType::Str, "State that the task is in now."),
        Field::optional("output", FieldType::Str, "What came of it."),
        Field::optional("error", FieldType::Str, "Why it failed."),
    ],
};

const LOG_DATA: Model = Model {
    name: "LogEventData",
    doc: "What events of the type `log:...` hold.",
    fields: &[Field::expected("message", FieldType::Str, "The line of the log.")],
};

const HEARTBEAT_DATA: Model = Model {
    name: "HeartbeatEventData",
    doc: "What events of the type `heartbeat` hold.",
    fields: &[
        Field::expected("uptime", FieldType::Int, "How long the session has been running, in milliseconds."),
        Field::expected("active_agents", FieldType::Int, "Agents at work.").wire("activeAgents"),
        Field::expected("queued_tasks", FieldType::Int, "Tasks that wait.").wire("queuedTasks"),
    ],
};

const GAP_DATA: Model = Model {
    name: "GapEventData",
    doc: "What events of the type `gap` hold.",
    fields: &[
        Field::expected("reason", FieldType::Str, "Why what was missed could not be had.").known(GAP_REASONS),
        Field::optional("last_event_id", FieldType::Str, "The last event that was received before.")
            .wire("lastEventId"),
    ],
};

const fn event(name: &'static str, doc: &'static str, data: Option<&'static Model>) -> EventType {
    EventType { name, doc, data }
}

/// Every known type of live event.
pub const EVENT_TYPES: &[EventType] = &[
    event("session:started", "A session was started.", Some(&SESSION_DATA)),
    event("session:paused", "A session was paused.", Some(&SESSION_DATA)),
    event("session:resumed", "A session goes on after a pause.", Some(&SESSION_DATA)),
    event("session:stopped", "A session was stopped.", Some(&SESSION_DATA)),
    event("session:completed", "A session has come to its end.", Some(&SESSION_DATA)),
    event("session:failed", "A session has failed.", Some(&SESSION_DATA)),
    event("phase:started", "A phase began.", Some(&PHASE_DATA)),
    event("phase:completed", "A phase has come to its end.", Some(&PHASE_DATA)),
    event("phase:failed", "A phase has failed.", Some(&PHASE_DATA)),
    event("task:created", "A task was created.", Some(&TASK_DATA)),
    event("task:started", "Work on a task began.", Some(&TASK_DATA)),
    event("task:progress", "Work on a task goes on.", Some(&TASK_DATA)),
    event("task:completed", "A task is done.", Some(&TASK_DATA)),
    event("task:failed", "A task has failed.", Some(&TASK_DATA)),
    event("agent:spawned", "An agent was started.", None),
    event("agent:output", "An agent said something.", None),
    event("agent:completed", "An agent has done its work.", None),
    event("agent:failed", "An agent has failed.", None),
    event("log:debug", "A line of the log, for debugging.", Some(&LOG_DATA)),
    event("log:info", "A line of the log.", Some(&LOG_DATA)),
    event("log:warn", "A line of the log that warns.", Some(&LOG_DATA)),
    event("log:error", "A line of the log that tells of an error.", Some(&LOG_DATA)),
    event("metrics:update", "Figures have changed.", None),
    event("input:requested", "A session waits for the input of a person.", None),
    event("heartbeat", "A session is still at work.", Some(&HEARTBEAT_DATA)),
    event(
        "gap",
        "Events may be missing here: the connection was lost, and what was missed could not be had. Made by the SDK itself.",
        Some(&GAP_DATA),
    ),
];

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Live events",
    models: &[&LIVE_EVENT, &EVENT_HISTORY, &DASHBOARD_MESSAGE],
    operations: &[
        Operation::get("get_event_history", "/api/events/history", Returns::Model(&EVENT_HISTORY))
            .doc(
                "Returns the latest events that the server remembers, oldest first. It forgets them when it is restarted. \
                 Dashboards have no such route.",
            )
            .params(&[
                Param::query("session_id", ParamType::Str, "Only events of this session.").wire("sessionId"),
                Param::query(
                    "types",
                    ParamType::StrList,
                    "Only events of these types, for example `task:completed`; an empty list leaves the choice to the server.",
                ),
                Param::query("limit", ParamType::Int, "How many at most; the server's default is 100."),
            ])
            .loki("get_event_history"),
        Operation::get("get_event_stats", "/api/events/stats", Returns::Object)
            .doc("Returns figures about the event stream. Dashboards have no such route.")
            .loki("get_event_stats"),
    ],
};
