//! A small fixed set of data, so that the guide's programs find what they name: project `proj-1`, run `run-1`, a session
//! `session-id`, a key `ci-pipeline`.

use rusqlite::Connection;

use crate::answers::Failure;
use crate::auth;
use crate::clock::{self, SECOND};
use crate::json;
use crate::player::PHASES;
use crate::store::audit::{self, Entry};
use crate::store::keys::{self, NewKey};
use crate::store::runs::{self, NewRun};
use crate::store::tasks::{self, NewTask, QueueTask};
use crate::store::{checkpoints, projects, sessions, tenants};

const PROJECTS: &[(&str, &str)] = &[
    ("Storefront", "Web shop with a checkout that works offline"),
    ("Billing", "Invoices, reminders and the ledger"),
    ("Data pipeline", "Nightly imports and their reports"),
];

/// Title, state, priority.
const TASKS: &[(&str, &str, &str)] = &[
    ("Implement login", "pending", "high"),
    ("Write migration", "in_progress", "medium"),
    ("Review error messages", "review", "low"),
    ("Set up continuous integration", "done", "medium"),
    ("Cache product list", "backlog", "low"),
    ("Rotate credentials", "pending", "critical"),
];

/// Fills an empty database; leaves one that has projects as it is.
pub(crate) fn fill(connection: &Connection) -> Result<(), Failure> {
    if connection.prepare("SELECT 1 FROM projects")?.exists([])? {
        return Ok(());
    }
    let now = clock::now();
    // On a whole second, so that it is always the same events that share one.
    let start = (now / SECOND - 600) * SECOND;
    let note = |action: &str, kind: &str, id: String, error: Option<&str>| {
        audit::append(
            connection,
            &Entry {
                timestamp: start,
                action,
                resource_type: kind,
                resource_id: Some(&id),
                user_id: Some("seed"),
                error,
                ..Entry::default()
            },
        )
    };
    let tenant = tenants::create(connection, "Acme Corp", Some("The tenant of the examples"), None, start)?;
    note("create", "tenant", tenant.to_string(), None)?;
    let mut ids = Vec::new();
    for (name, description) in PROJECTS {
        let id = projects::create(connection, name, Some(description), None, Some(tenant), start)?;
        note("create", "project", id.to_string(), None)?;
        ids.push(id);
    }
    fill_runs(connection, &ids, start)?;
    fill_tasks(connection, &ids, start)?;
    checkpoints::create(connection, "before refactor", start)?;
    checkpoints::create(connection, "before deploy", start + 90 * SECOND)?;
    sessions::start(connection, "session-id", ids[0], None, start)?;
    let token = auth::new_token()?;
    let scopes = json::strings(auth::role_scopes("operator").unwrap_or_default());
    let key = NewKey { name: "ci-pipeline", scopes: &scopes, role: Some("operator"), ..NewKey::default() };
    let key = keys::create(connection, &token, &key, start)?;
    note("create", "api_key", key.id, None)?;
    note("delete", "project", "99".to_owned(), Some("Project not found"))?;
    Ok(())
}

/// One run at work whose events share seconds, one that was completed, one that failed.
fn fill_runs(connection: &Connection, projects: &[i64], start: i64) -> Result<(), Failure> {
    let config = Some("{\"provider\":\"claude\",\"max_iterations\":3}");
    let run =
        |project_id, trigger| NewRun { project_id, status: "running", trigger, config, parent_run_id: None };
    let working = runs::create(connection, &run(projects[0], "api"), start)?;
    let mut time = start;
    for iteration in 1..=2 {
        for phase in PHASES {
            let details = json::object(|object| object.int("iteration", iteration));
            for event_type in ["phase_start", "tool_call", "phase_end"] {
                runs::add_event(connection, working, event_type, Some(phase), Some(&details), time)?;
            }
            // Three to six events in each second.
            time += SECOND / 2 + SECOND / 4;
        }
    }
    for (project, outcome) in [(projects[0], "run_completed"), (projects[1], "run_failed")] {
        let id = runs::create(connection, &run(project, "manual"), start)?;
        runs::add_event(connection, id, "phase_start", Some(PHASES[0]), None, start)?;
        runs::add_event(connection, id, outcome, None, None, start + 42 * SECOND)?;
    }
    Ok(())
}

fn fill_tasks(connection: &Connection, projects: &[i64], start: i64) -> Result<(), Failure> {
    for (position, (title, status, priority)) in (0..).zip(TASKS) {
        let project_id = projects[usize::from(position >= 4)];
        let task = NewTask { project_id, title, description: None, status, priority, position };
        tasks::create(connection, &task, start)?;
        let queued = QueueTask {
            id: format!("task-{:03}", position + 1),
            title: (*title).to_owned(),
            description: String::new(),
            status: (*status).to_owned(),
            priority: (*priority).to_owned(),
            kind: "unit".to_owned(),
            position,
        };
        tasks::enqueue(connection, &queued)?;
    }
    Ok(())
}
