//! Plays runs: one after the other moves through its phases, event by event, and ends.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::sleep;

use crate::clock;
use crate::json;
use crate::news::News;
use crate::router::App;
use crate::store::runs::{self, NewRun};

/// The phases of an iteration.
pub(crate) const PHASES: &[&str] = &["REASON", "ACT", "REFLECT", "VERIFY"];
/// What happens within a phase, between its start and its end.
const WORK: &[(&str, &[(&str, &str)])] = &[
    ("REASON", &[("thought", "Read the task and the files it names")]),
    ("ACT", &[("tool_call", "Edit src/checkout.rs"), ("tool_call", "Run the unit tests")]),
    ("REFLECT", &[("thought", "Two tests fail: the cart is empty after a reload")]),
    ("VERIFY", &[("test_result", "41 passed, 0 failed")]),
];

/// An event to come.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    event_type: &'static str,
    phase: Option<&'static str>,
    details: String,
}

/// Every event of a run, in order; the last one ends it.
fn script(run_id: i64) -> Vec<Step> {
    let mut steps = Vec::new();
    let step = |event_type, phase, details| Step { event_type, phase, details };
    for (phase, work) in WORK {
        let iteration = || json::object(|object| object.int("iteration", 1));
        steps.push(step("phase_start", Some(*phase), iteration()));
        for (event_type, message) in *work {
            steps.push(step(event_type, Some(phase), json::object(|object| object.str("message", message))));
        }
        steps.push(step("phase_end", Some(*phase), iteration()));
    }
    // Every fourth run fails, so that both ends can be seen.
    let end = if run_id % 4 == 0 { "run_failed" } else { "run_completed" };
    steps.push(step(end, None, json::object(|object| object.int("iterations", 1))));
    steps
}

/// The pause before an event: 0.3 to 1 s, uneven.
fn pause(index: usize) -> Duration {
    Duration::from_millis(300 + (index as u64 * 277) % 700)
}

/// The run to play next: one that is at work, or else a new one on the next project.
fn next_run(connection: &Connection, turn: usize) -> rusqlite::Result<(Option<i64>, Option<News>)> {
    let filter = runs::Filter {
        project_id: None,
        status: Some("running"),
        tenants: crate::auth::Tenants::All,
        limit: 1,
        offset: 0,
        by_second: false,
    };
    if let Some(run) = runs::list(connection, &filter)?.first() {
        return Ok((Some(run.id), None));
    }
    let projects: Vec<i64> = connection
        .prepare_cached("SELECT id FROM projects ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if projects.is_empty() {
        return Ok((None, None));
    }
    let run = NewRun {
        project_id: projects[turn % projects.len()],
        status: "running",
        trigger: "demo",
        config: Some("{\"provider\":\"claude\",\"max_iterations\":1}"),
        parent_run_id: None,
    };
    let id = runs::create(connection, &run, clock::now())?;
    Ok((Some(id), Some(News::run_started(id))))
}

/// Adds the event, unless the run has been ended by someone else; whether it was added.
fn play(connection: &Connection, run_id: i64, step: &Step) -> rusqlite::Result<(bool, Option<News>)> {
    match runs::get(connection, run_id)? {
        Some(run) if run.is_active() => {
            let details = Some(step.details.as_str());
            let event =
                runs::add_event(connection, run_id, step.event_type, step.phase, details, clock::now())?;
            let before = runs::phase_before(connection, &event)?;
            let ended = runs::end_status(step.event_type).is_some();
            Ok((true, Some(News::run_event(&event, before.as_deref(), ended))))
        }
        _ => Ok((false, None)),
    }
}

/// Plays for as long as the server runs; `speed` 2 is twice as fast.
pub(crate) async fn run(app: Arc<App>, speed: f64) -> rusqlite::Result<()> {
    for turn in 0.. {
        let run_id = write(&app, move |connection| next_run(connection, turn)).await?;
        let Some(run_id) = run_id else {
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        for (index, step) in script(run_id).into_iter().enumerate() {
            sleep(pause(index).div_f64(speed)).await;
            if !write(&app, move |connection| play(connection, run_id, &step)).await? {
                break;
            }
        }
    }
    Ok(())
}

/// Carries a change out, and tells the news of it.
async fn write<T: Send + 'static>(
    app: &Arc<App>,
    change: impl FnOnce(&Connection) -> rusqlite::Result<(T, Option<News>)> + Send + 'static,
) -> rusqlite::Result<T> {
    let app = Arc::clone(app);
    let task = tokio::task::spawn_blocking(move || {
        let tell = |(_, news): &(T, Option<News>)| {
            if let Some(news) = news {
                news.tell(&app);
            }
        };
        app.store.write_and_tell(|transaction| change(transaction), tell).map(|(outcome, _)| outcome)
    });
    // A panic goes on here; a cancelled task means that the server is stopping.
    task.await.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(rusqlite::Error::InvalidQuery),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_through_all_phases_and_ends() {
        let started: Vec<_> = script(1)
            .into_iter()
            .filter(|step| step.event_type == "phase_start")
            .filter_map(|step| step.phase)
            .collect();
        assert_eq!(started, PHASES);
        assert_eq!(script(1).last().unwrap().event_type, "run_completed");
        assert_eq!(script(4).last().unwrap().event_type, "run_failed");
    }
}
