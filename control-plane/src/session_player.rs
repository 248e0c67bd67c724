//! Plays the sessions that are started through the API: phases, agents, tasks and lines of the log, step by step.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::sleep;

use crate::clock;
use crate::json;
use crate::news::News;
use crate::router::App;
use crate::store::session_tasks::{self, SessionTask};
use crate::store::sessions;

/// Title, description, priority, what comes of it.
const TASKS: &[(&str, &str, i64, &str)] = &[
    (
        "Read the requirements",
        "List what has to be built, and what is not said",
        3,
        "4 features, 1 open question",
    ),
    ("Write the endpoint", "A route, its handler and the validation of its input", 2, "src/routes/orders.rs"),
    ("Write its tests", "The good case, and every refusal", 1, "12 tests"),
];
const AGENT: &str = "agent-1";

/// Something that happens in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    EnterPhase(&'static str),
    LeavePhase(&'static str),
    SpawnAgent,
    EndAgent,
    CreateTask(usize),
    StartTask(usize),
    Progress(usize),
    CompleteTask(usize),
    Say(&'static str),
    AskForInput(&'static str),
    Measure,
    Log(&'static str, &'static str),
    Complete,
}

/// Everything that happens in a session, in order.
fn script(dry_run: bool, verbose: bool) -> Vec<Step> {
    use Step::*;
    if dry_run {
        return vec![Log("info", "Dry run: nothing is done"), Complete];
    }
    let mut steps = vec![EnterPhase("planning"), SpawnAgent];
    steps.extend((0..TASKS.len()).map(CreateTask));
    steps.extend([Say("I begin with the requirements"), LeavePhase("planning"), EnterPhase("development")]);
    for task in 0..TASKS.len() {
        steps.extend([
            StartTask(task),
            Log("debug", "Context: 3 files"),
            Progress(task),
            Log("info", "Files changed: 1"),
            CompleteTask(task),
        ]);
    }
    steps.extend([
        LeavePhase("development"),
        EnterPhase("testing"),
        Log("warn", "1 test is slow: 2.1 s"),
        Measure,
        AskForInput("Deploy to staging?"),
        LeavePhase("testing"),
        EndAgent,
        Complete,
    ]);
    steps.retain(|step| verbose || !matches!(step, Log("debug", _)));
    steps
}

/// The pause before a step: 0.2 to 0.6 s, uneven.
fn pause(index: usize) -> Duration {
    Duration::from_millis(200 + (index as u64 * 157) % 400)
}

fn task_news(kind: &str, session: &str, task: &SessionTask) -> News {
    let data = json::object(|object| {
        let object = object.str("taskId", &task.name()).str("title", &task.title).str("status", &task.status);
        match task.status.as_str() {
            "completed" | "failed" => {
                object.opt_str("output", task.output.as_deref()).opt_str("error", task.error.as_deref())
            }
            _ => object,
        }
    });
    News::live(kind, session, data)
}

/// The tasks that a session has created so far, by their places in `TASKS`.
type Created = Vec<i64>;

/// Carries a step out; tells nothing, if the session is no longer at work.
fn play(
    connection: &Connection,
    session: &str,
    step: Step,
    created: &mut Created,
    now: i64,
) -> rusqlite::Result<Option<News>> {
    if !sessions::get(connection, session)?.is_some_and(|session| session.is_active()) {
        return Ok(None);
    }
    sessions::touch(connection, session, now)?;
    let agent = |kind: &str, more: Option<(&str, &str)>| {
        let data = json::object(|object| {
            let object = object.str("agentId", AGENT);
            match more {
                Some((name, value)) => object.str(name, value),
                None => object,
            }
        });
        News::live(kind, session, data)
    };
    let id_of = |place: usize| created.get(place).copied().ok_or(rusqlite::Error::QueryReturnedNoRows);
    Ok(Some(match step {
        Step::EnterPhase(phase) => {
            let before = sessions::enter_phase(connection, session, phase)?;
            let data =
                json::object(|object| object.str("phase", phase).opt_str("previousPhase", before.as_deref()));
            News::live("phase:started", session, data)
        }
        Step::LeavePhase(phase) => {
            News::live("phase:completed", session, json::object(|object| object.str("phase", phase)))
        }
        Step::SpawnAgent => {
            sessions::count_agents(connection, session, 1, 0)?;
            agent("agent:spawned", Some(("role", "developer")))
        }
        Step::EndAgent => {
            sessions::count_agents(connection, session, 0, 1)?;
            agent("agent:completed", None)
        }
        Step::Say(text) => agent("agent:output", Some(("output", text))),
        Step::CreateTask(place) => {
            let (title, description, priority, _) = TASKS[place];
            let task = session_tasks::create(connection, session, title, description, priority, now)?;
            created.push(task.id);
            task_news("task:created", session, &task)
        }
        Step::StartTask(place) => {
            let task = session_tasks::start(connection, id_of(place)?, AGENT, now)?;
            task_news("task:started", session, &task)
        }
        Step::Progress(place) => {
            let task = session_tasks::get(connection, id_of(place)?)?;
            let data = json::object(|object| {
                object
                    .str("taskId", &task.name())
                    .str("title", &task.title)
                    .str("status", &task.status)
                    .int("progress", 50)
            });
            News::live("task:progress", session, data)
        }
        Step::CompleteTask(place) => {
            let task = session_tasks::complete(connection, id_of(place)?, TASKS[place].3, now)?;
            task_news("task:completed", session, &task)
        }
        Step::AskForInput(prompt) => {
            News::live("input:requested", session, json::object(|object| object.str("prompt", prompt)))
        }
        Step::Measure => {
            let data = json::object(|object| object.int("tokensUsed", 18_250).raw("costUsd", "0.27"));
            News::live("metrics:update", session, data)
        }
        Step::Log(level, message) => News::log(session, level, message),
        Step::Complete => {
            sessions::end(connection, session, "completed", now)?;
            News::session(session, "completed", "running")
        }
    }))
}

/// How a session wants to be played.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Nothing is done but to end.
    pub(crate) dry_run: bool,
    /// The log has its debug lines.
    pub(crate) verbose: bool,
}

impl Manner {
    /// Reads the options that a session was started with: the JSON text of an object.
    pub(crate) fn of(options: Option<&str>) -> Self {
        let options: serde_json::Value =
            options.and_then(|options| serde_json::from_str(options).ok()).unwrap_or_default();
        let is = |name: &str| options.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false);
        Manner { dry_run: is("dryRun"), verbose: is("verbose") }
    }
}

/// Plays a session to its end, or until somebody stops it.
pub(crate) async fn run(app: Arc<App>, session: String, manner: Manner) -> Result<(), rusqlite::Error> {
    let mut created = Created::new();
    for (index, step) in script(manner.dry_run, manner.verbose).into_iter().enumerate() {
        sleep(pause(index).div_f64(app.session_speed)).await;
        let (app, session) = (Arc::clone(&app), session.clone());
        let mut tasks = std::mem::take(&mut created);
        let write = tokio::task::spawn_blocking(move || {
            let outcome = app.store.write_and_tell(
                |transaction| play(transaction, &session, step, &mut tasks, clock::now()),
                |news| {
                    if let Some(news) = news {
                        news.tell(&app);
                    }
                },
            );
            outcome.map(|news| (news.is_some(), tasks))
        });
        match write.await {
            Ok(Ok((true, tasks))) => created = tasks,
            Ok(Ok((false, _))) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            // A panic goes on here; a cancelled task means that the server is stopping.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Ok(()),
            },
        }
    }
    Ok(())
}

/// Says from time to time that the sessions at work still are.
pub(crate) async fn heartbeats(app: Arc<App>, interval: Duration) {
    loop {
        sleep(interval).await;
        let now = clock::now();
        let beats = {
            let connection = app.store.lock();
            sessions::running(&connection).and_then(|running| {
                let beat = |session: sessions::Session| {
                    let counts = session_tasks::counts(&connection, &session.id)?;
                    let queued: i64 =
                        counts.iter().filter(|(state, _)| state == "pending").map(|(_, count)| count).sum();
                    let data = json::object(|object| {
                        object
                            .int("uptime", (now - session.started_at) / 1000)
                            .int("activeAgents", session.agents_spawned - session.agents_completed)
                            .int("queuedTasks", queued)
                    });
                    Ok(News::live("heartbeat", &session.id, data))
                };
                running.into_iter().map(beat).collect::<rusqlite::Result<Vec<_>>>()
            })
        };
        // Whatever is wrong with the database, requests report it.
        for beat in beats.unwrap_or_default() {
            beat.tell(&app);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_created_started_and_completed_and_the_end_comes_last() {
        let steps = script(false, true);
        for task in 0..TASKS.len() {
            let place = |step| steps.iter().position(|other| *other == step).unwrap();
            assert!(place(Step::CreateTask(task)) < place(Step::StartTask(task)));
            assert!(place(Step::StartTask(task)) < place(Step::CompleteTask(task)));
        }
        assert_eq!(steps.last(), Some(&Step::Complete));
        assert!(steps.contains(&Step::Log("debug", "Context: 3 files")));
        assert!(!script(false, false).iter().any(|step| matches!(step, Step::Log("debug", _))));
        assert_eq!(script(true, true).len(), 2);
    }

    #[test]
    fn options_say_how_to_play() {
        let manner = Manner::of(Some(r#"{"dryRun":true,"verbose":"yes","timeout":5}"#));
        assert!(manner.dry_run && !manner.verbose);
        assert!(!Manner::of(None).dry_run);
    }
}
