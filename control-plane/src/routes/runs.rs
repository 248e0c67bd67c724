//! Runs and their timelines.

use rusqlite::Connection;
use time::format_description::well_known::Iso8601;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::{Call, Handler, projects};
use crate::answers::{Answer, Failure, Problem};
use crate::clock::{Form, SECOND};
use crate::json;
use crate::news::News;
use crate::profile::Profile;
use crate::store::runs::{self, Event, NewRun, Run};
use crate::store::{projects as stored_projects, sessions};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("list_runs", list),
    ("get_run", get),
    ("create_run", create),
    ("cancel_run", cancel),
    ("replay_run", replay),
    ("get_run_timeline", timeline),
    ("create_run_event", create_event),
];

/// How many runs are listed unless `limit` says otherwise.
const DEFAULT_LIMIT: i64 = 50;

fn write_event(profile: Profile, event: &Event) -> String {
    json::object(|object| {
        object
            .int("id", event.id)
            .int("run_id", event.run_id)
            .str("event_type", &event.event_type)
            .opt_str("phase", event.phase.as_deref())
            // An empty object comes back as null on real servers.
            .opt_raw("details", event.details.as_deref().filter(|details| *details != "{}"))
            .time("timestamp", event.timestamp, profile.row_time())
    })
}

fn write_events(profile: Profile, events: &[Event]) -> String {
    json::array(events.iter().map(|event| write_event(profile, event)))
}

fn write(profile: Profile, run: &Run, events: &[Event], end_time: Form) -> String {
    let session = profile.shows_session().then(|| sessions::name_for_run(run.id));
    json::object(|object| {
        object
            .int("id", run.id)
            .opt_str("session_id", session.as_deref())
            .int("project_id", run.project_id)
            .str("status", &run.status)
            .str("trigger", &run.trigger)
            .opt_raw("config", run.config.as_deref())
            .opt_raw("result_summary", run.result_summary.as_deref())
            .opt_int("parent_run_id", run.parent_run_id)
            .time("started_at", run.started_at, profile.row_time())
            .opt_time("ended_at", run.ended_at, end_time)
            .time("created_at", run.started_at, profile.row_time())
            .raw("events", &write_events(profile, events))
    })
}

/// The run of an id, if the caller may see it.
fn find(call: &Call<'_>, connection: &Connection, id: i64) -> Result<Run, Failure> {
    let run = runs::get(connection, id)?.ok_or_else(|| Failure::not_found("Run"))?;
    let project = stored_projects::get(connection, run.project_id)?;
    call.check_tenant(project.and_then(|project| project.tenant_id))?;
    Ok(run)
}

fn full(call: &Call<'_>, connection: &Connection, id: i64, end_time: Form) -> Result<Answer, Failure> {
    let run = find(call, connection, id)?;
    Ok(Answer::json(write(call.profile, &run, &runs::events(connection, id)?, end_time)))
}

/// The run is in a state in which this cannot be done; real servers say that it does not exist.
fn wrong_state(profile: Profile, reason: &str) -> Failure {
    if profile.reports_conflicts() { Failure::conflict(reason) } else { Failure::not_found("Run") }
}

fn list(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let filter = runs::Filter {
        project_id: call.inputs.int("project_id"),
        status: call.inputs.text("status"),
        tenants: call.tenants()?,
        limit: call.inputs.int("limit").unwrap_or(DEFAULT_LIMIT),
        offset: call.inputs.int("offset").unwrap_or(0),
        by_second: call.profile.orders_by_second(),
    };
    let runs = runs::list(connection, &filter)?;
    let end_time = call.profile.end_time();
    Ok(Answer::json(json::array(runs.iter().map(|run| write(call.profile, run, &[], end_time)))))
}

fn get(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    full(call, connection, call.inputs.id("run_id"), call.profile.end_time())
}

fn create(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let project_id = call.inputs.id("project_id");
    if !call.profile.runs_need_no_project() || call.profile.isolates_tenants() && call.principal.is_some() {
        match projects::find(call, connection, project_id) {
            Err(_)
                if call.profile.runs_need_no_project()
                    && stored_projects::get(connection, project_id)?.is_none() => {}
            outcome => drop(outcome?),
        }
    }
    let run = NewRun {
        project_id,
        status: "running",
        trigger: call.inputs.text("trigger").unwrap_or("manual"),
        config: call.inputs.object("config"),
        parent_run_id: None,
    };
    let id = runs::create(connection, &run, call.now)?;
    let run = runs::get(connection, id)?.ok_or_else(|| Failure::not_found("Run"))?;
    Ok(Answer::json(write(call.profile, &run, &[], call.profile.end_time()))
        .about(id)
        .telling([News::run_started(id)]))
}

fn cancel(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let run = find(call, connection, call.inputs.id("run_id"))?;
    if !runs::end(connection, run.id, "cancelled", call.now)? {
        return Err(wrong_state(call.profile, "Run has already ended"));
    }
    let answer = full(call, connection, run.id, call.profile.cancel_time())?;
    Ok(answer.telling([News::run_cancelled(run.id)]))
}

fn replay(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let parent = find(call, connection, call.inputs.id("run_id"))?;
    if parent.is_active() {
        return Err(wrong_state(call.profile, "Run has not ended yet"));
    }
    let run = NewRun {
        project_id: parent.project_id,
        status: "replaying",
        trigger: "replay",
        config: parent.config.as_deref(),
        parent_run_id: Some(parent.id),
    };
    let id = runs::create(connection, &run, call.now)?;
    Ok(full(call, connection, id, call.profile.end_time())?.telling([News::run_started(id)]))
}

fn timeline(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let profile = call.profile;
    let id = call.inputs.id("run_id");
    if profile.unknown_run_has_timeline() && runs::get(connection, id)?.is_none() {
        return Ok(Answer::json(json::object(|object| {
            object.int("run_id", id).raw("phases", "[]").null("current_phase").raw("events", "[]")
        })));
    }
    let run = find(call, connection, id)?;
    let since = call.inputs.text("since").map(since).transpose()?;
    let after = call.inputs.int("after");
    let events = write_events(profile, &runs::events_from(connection, id, since, after)?);
    if !profile.wraps_timeline() {
        return Ok(Answer::json(events));
    }
    let duration =
        run.ended_at.map(|ended| format!("{:.6}", (ended - run.started_at) as f64 / SECOND as f64));
    Ok(Answer::json(json::object(|object| {
        object.int("run_id", id).raw("events", &events).opt_raw("duration_seconds", duration.as_deref())
    })))
}

/// A timestamp of a caller in microseconds since 1970; one without a time zone is UTC.
fn since(text: &str) -> Result<i64, Failure> {
    let read = OffsetDateTime::parse(text, &Iso8601::DEFAULT)
        .or_else(|_| PrimitiveDateTime::parse(text, &Iso8601::DEFAULT).map(PrimitiveDateTime::assume_utc));
    let point = read.map_err(|_| {
        Failure::Invalid(vec![Problem {
            kind: "datetime_from_date_parsing",
            loc: json::strings(&["query", "since"]),
            msg: "Input should be a valid datetime".to_owned(),
            input: json::string(text),
            ctx: None,
        }])
    })?;
    Ok(i64::try_from(point.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX))
}

/// Adds an event. The types `run_completed` and `run_failed` end a run that has not ended yet.
fn create_event(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let inputs = call.inputs;
    let run = find(call, connection, inputs.id("run_id"))?;
    let event = runs::add_event(
        connection,
        run.id,
        inputs.required_text("event_type"),
        inputs.text("phase"),
        inputs.object("details"),
        call.now,
    )?;
    let before = runs::phase_before(connection, &event)?;
    let ended = run.is_active() && runs::end_status(&event.event_type).is_some();
    let news = News::run_event(&event, before.as_deref(), ended);
    Ok(Answer::json(write_event(call.profile, &event)).telling([news]))
}
