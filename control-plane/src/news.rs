//! What others hear of a change: live events, and messages for dashboards. It is told once the change is committed, in the
//! order of the commits.

use crate::json;
use crate::router::App;
use crate::store::projects::Project;
use crate::store::runs::Event;
use crate::store::sessions;
use crate::store::tasks::Task;

/// Something to tell.
#[derive(Debug)]
pub(crate) enum News {
    /// A live event: its type, its session, its data as the JSON text of an object.
    Live(String, Option<String>, String),
    /// A message for the dashboards, as JSON text.
    Dashboard(String),
}

impl News {
    /// A live event of a session.
    pub(crate) fn live(kind: &str, session: &str, data: String) -> Self {
        News::Live(kind.to_owned(), Some(session.to_owned()), data)
    }

    /// The state of a session has changed.
    pub(crate) fn session(session: &str, status: &str, before: &str) -> Self {
        let kind = match status {
            "running" => "session:started",
            "completed" => "session:completed",
            "failed" => "session:failed",
            _ => "session:stopped",
        };
        let message = format!("Status changed from {before} to {status}");
        News::live(
            kind,
            session,
            json::object(|object| object.str("status", status).str("message", &message)),
        )
    }

    /// A line of the log of a session; the level is one of the four.
    pub(crate) fn log(session: &str, level: &str, message: &str) -> Self {
        News::live(&format!("log:{level}"), session, json::object(|object| object.str("message", message)))
    }

    /// A run was started, or one was replayed.
    pub(crate) fn run_started(run_id: i64) -> Self {
        News::session(&sessions::name_for_run(run_id), "running", "starting")
    }

    /// A run was cancelled.
    pub(crate) fn run_cancelled(run_id: i64) -> Self {
        News::session(&sessions::name_for_run(run_id), "stopped", "running")
    }

    /// An event was added to the timeline of a run. Phases and ends are those of its session; a type with a colon goes out
    /// as it is, with the details as data; everything else is a line of the log.
    pub(crate) fn run_event(event: &Event, phase_before: Option<&str>, ended_run: bool) -> Self {
        let session = sessions::name_for_run(event.run_id);
        let phase = event.phase.as_deref().unwrap_or_default();
        match event.event_type.as_str() {
            "run_completed" if ended_run => News::session(&session, "completed", "running"),
            "run_failed" if ended_run => News::session(&session, "failed", "running"),
            "phase_start" => {
                let data =
                    json::object(|object| object.str("phase", phase).opt_str("previousPhase", phase_before));
                News::live("phase:started", &session, data)
            }
            "phase_end" => {
                News::live("phase:completed", &session, json::object(|object| object.str("phase", phase)))
            }
            kind if kind.contains(':') && !kind.contains(char::is_control) => {
                News::live(kind, &session, event.details.clone().unwrap_or_else(|| "{}".to_owned()))
            }
            kind => {
                let message =
                    event.details.as_deref().and_then(message_of).unwrap_or_else(|| kind.to_owned());
                let data = json::object(|object| {
                    object
                        .str("message", &message)
                        .int("runId", event.run_id)
                        .str("eventType", kind)
                        .opt_str("phase", event.phase.as_deref())
                });
                News::live("log:info", &session, data)
            }
        }
    }

    /// A project was created, updated or deleted.
    pub(crate) fn project(change: &str, project: &Project) -> Self {
        let data = json::object(|object| object.int("id", project.id).str("name", &project.name));
        News::dashboard(&format!("project_{change}"), &data)
    }

    /// A task was created or updated.
    pub(crate) fn task(change: &str, task: &Task) -> Self {
        let data = json::object(|object| {
            object
                .int("id", task.id)
                .int("project_id", task.project_id)
                .str("title", &task.title)
                .str("status", &task.status)
        });
        News::dashboard(&format!("task_{change}"), &data)
    }

    /// A task was moved to another place.
    pub(crate) fn task_moved(before: &Task, task: &Task) -> Self {
        let data = json::object(|object| {
            object
                .int("id", task.id)
                .int("project_id", task.project_id)
                .str("title", &task.title)
                .str("old_status", &before.status)
                .str("new_status", &task.status)
                .int("position", task.position)
        });
        News::dashboard("task_moved", &data)
    }

    /// A task was deleted.
    pub(crate) fn task_deleted(task: &Task) -> Self {
        let data = json::object(|object| object.int("id", task.id).int("project_id", task.project_id));
        News::dashboard("task_deleted", &data)
    }

    fn dashboard(kind: &str, data: &str) -> Self {
        News::Dashboard(json::object(|object| object.str("type", kind).raw("data", data)))
    }

    /// Tells it to everybody who listens.
    pub(crate) fn tell(&self, app: &App) {
        match self {
            News::Live(kind, session, data) => app.live.publish(kind, session.as_deref(), data),
            News::Dashboard(message) => app.dashboards.tell(message),
        }
    }
}

/// The `message` of the details of an event.
fn message_of(details: &str) -> Option<String> {
    let details: serde_json::Value = serde_json::from_str(details).ok()?;
    details.get("message")?.as_str().map(str::to_owned)
}
