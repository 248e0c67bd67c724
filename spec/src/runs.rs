//! Runs and their timelines.

use crate::Chapter;
use crate::known::Known;
use crate::operation::{Bridge, Field, FieldType, Model, Operation, Param, ParamType, Returns};

const STATUSES: &Known =
    &Known::new("RunStatus", &["running", "replaying", "completed", "failed", "cancelled"]);

/// States in which a run does nothing any more; some servers have other words for them than the documented ones.
pub const ENDED_RUN_STATUSES: &[&str] = &["completed", "failed", "cancelled", "canceled", "stopped", "error"];

/// Types of events that are the last ones of a run.
pub const LAST_RUN_EVENTS: &[&str] =
    &["run_completed", "run_failed", "run_cancelled", "run_end", "run_ended"];

/// What a timeline is a list of.
pub const RUN_EVENT: Model = Model {
    name: "RunEvent",
    doc: "Something that happened in a run. Its identity is `id`: many events can share one `timestamp`.",
    fields: &[
        Field::required("id", FieldType::Id, "Identifier of the event; ascending within a run."),
        Field::expected("run_id", FieldType::Id, "Run that the event belongs to."),
        Field::expected("event_type", FieldType::Str, "What happened, for example `phase_start`."),
        Field::optional("phase", FieldType::Str, "Phase of the run, for example `REASON`."),
        Field::optional("details", FieldType::Object, "Whatever belongs to this kind of event."),
        Field::expected(
            "timestamp",
            FieldType::Timestamp,
            "When it happened; one-second resolution on real servers.",
        ),
    ],
};

/// A run.
pub const RUN: Model = Model {
    name: "Run",
    doc: "One execution of an agent on a project.",
    fields: &[
        Field::required("id", FieldType::Id, "Identifier of the run."),
        Field::expected("project_id", FieldType::Id, "Project that the run belongs to."),
        Field::expected("status", FieldType::Str, "State of the run.").known(STATUSES),
        Field::expected(
            "trigger",
            FieldType::Str,
            "What started the run, for example `manual`, `api` or `replay`.",
        ),
        Field::optional(
            "config",
            FieldType::Object,
            "Free-form configuration that the run was started with.",
        ),
        Field::expected("started_at", FieldType::Timestamp, "When it started."),
        Field::optional("ended_at", FieldType::Timestamp, "When it ended; none while it runs."),
        Field::optional("created_at", FieldType::Timestamp, "When it was created."),
        Field::optional("session_id", FieldType::Id, "Session that executes the run."),
        Field::optional("result_summary", FieldType::Json, "What came out of it."),
        Field::optional("parent_run_id", FieldType::Id, "Run that this one replays."),
        Field::optional("events", FieldType::List(&RUN_EVENT), "Events so far; always empty in lists."),
    ],
};

const RUN_ID: Param = Param::path("run_id", "Identifier of the run.");

/// The operation by which the engine finds out what the state of a run is.
pub const GET_RUN: Operation = Operation::get("get_run", "/api/runs/{run_id}", Returns::Model(&RUN))
    .v2("/api/v2/runs/{run_id}")
    .doc("Returns one run with its events.")
    .params(&[RUN_ID]);

/// The operation by which the engine finds the runs of a project.
pub const LIST_RUNS: Operation = Operation::get("list_runs", "/api/runs", Returns::List(&RUN, &["runs"]))
    .v2("/api/v2/runs")
    .doc(
        "Lists runs, newest first. Servers answer 50 at the most unless `limit` says otherwise, and do not say whether \
         there are others: `iter_runs` gives all.",
    )
    .params(&[
        Param::query("project_id", ParamType::Id, "Only runs of this project."),
        Param::query("status", ParamType::Str, "Only runs in this state.").known(STATUSES),
        Param::query("limit", ParamType::Int, "How many at most: 1 to 1000; the server's default is 50.").keyword(),
        Param::query("offset", ParamType::Int, "How many to skip: 0 or more.").keyword(),
    ])
    .paged("iter_runs", 1000);

/// The operation by which the engine follows a run.
pub const GET_RUN_TIMELINE: Operation = Operation::get("get_run_timeline", "/api/runs/{run_id}/timeline", Returns::List(&RUN_EVENT, &["events"]))
    .v2("/api/v2/runs/{run_id}/timeline")
    .doc(
        "Returns the events of a run, oldest first: all of them, unless `since` or `after` says otherwise. Servers that do \
         not know these two ignore them and answer the whole list.",
    )
    .params(&[
        RUN_ID,
        Param::query(
            "since",
            ParamType::Timestamp,
            "Only events at or after this timestamp, where the server knows this parameter.",
        )
        .keyword(),
        Param::query(
            "after",
            ParamType::Id,
            "Only events that follow the one of this identifier, where the server knows this parameter.",
        )
        .keyword(),
    ])
    .bridges(&[Bridge::TimelineOfUnknownRun]);

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Runs",
    models: &[&RUN_EVENT, &RUN],
    operations: &[
        LIST_RUNS,
        GET_RUN,
        Operation::post("create_run", "/api/runs", Returns::Model(&RUN))
            .answers(201)
            .v2("/api/v2/runs")
            .doc("Starts a run and returns it. Real servers do not check that the project exists.")
            .params(&[
                Param::body("project_id", ParamType::Id, "Project to run."),
                Param::body("trigger", ParamType::Str, "What starts the run.").default_str("manual"),
                Param::body("config", ParamType::Object, "Free-form configuration of the run.").optional().keyword(),
            ]),
        Operation::post("cancel_run", "/api/runs/{run_id}/cancel", Returns::Model(&RUN))
            .v2("/api/v2/runs/{run_id}/cancel")
            .doc(
                "Cancels a run and returns it. One that has already ended is a conflict; real servers answer \"not found\" for it, \
                 and the run is looked at to tell which it is.",
            )
            .params(&[RUN_ID])
            .bridges(&[Bridge::NotFoundOrWrongState("cancelled")]),
        Operation::post("replay_run", "/api/runs/{run_id}/replay", Returns::Model(&RUN))
            .v2("/api/v2/runs/{run_id}/replay")
            .doc(
                "Starts a new run with the configuration of an ended one and returns the new run, whose `parent_run_id` is \
                 the old one. A run that has not ended yet is a conflict; real servers answer \"not found\" for it, and the run is \
                 looked at to tell which it is.",
            )
            .params(&[RUN_ID])
            .bridges(&[Bridge::NotFoundOrWrongState("replayed")]),
        GET_RUN_TIMELINE,
        Operation::post("create_run_event", "/api/runs/{run_id}/events", Returns::Model(&RUN_EVENT))
            .answers(201)
            .v2("/api/v2/runs/{run_id}/events")
            .doc(
                "Adds an event to the timeline of a run and returns it. The local control plane has this route, for tests \
                 and for agents of your own; deployed servers do not.",
            )
            .params(&[
                RUN_ID,
                Param::body("event_type", ParamType::Str, "What happened, for example `phase_start`."),
                Param::body("phase", ParamType::Str, "Phase of the run, for example `REASON`.").optional(),
                Param::body("details", ParamType::Object, "Whatever belongs to this kind of event.").optional(),
            ]),
    ],
};
