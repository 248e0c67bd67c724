//! The status of the server.

use rusqlite::Connection;

use super::{Call, Handler};
use crate::answers::{Answer, Failure};
use crate::json;
use crate::store::{runs, sessions, tasks};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("get_status", get)];

fn get(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let profile = call.profile;
    let running = sessions::running(connection)?;
    let progress = runs::progress(connection)?;
    let (run_id, phase, iteration) = match &progress {
        Some((id, phase, iteration)) => (Some(*id), phase.as_str(), *iteration),
        None => (None, "", 0),
    };
    let pending = tasks::pending(connection, profile.lists_queue_tasks())?;
    let active = i64::try_from(running.len()).unwrap_or(i64::MAX);
    let uptime = format!("{:.2}", call.started.elapsed().as_secs_f64());
    Ok(Answer::json(json::object(|object| {
        let object = object
            .str("status", if running.is_empty() { "stopped" } else { "running" })
            .str("version", profile.version())
            .raw("uptime_seconds", &uptime)
            .int("active_sessions", active)
            .int("running_agents", active)
            .int("pending_tasks", pending)
            .bool("database_connected", true)
            .str("phase", phase)
            .int("iteration", iteration)
            .str("complexity", "standard")
            .str("mode", "")
            .str("provider", "claude")
            .str("current_task", "");
        if !profile.has_new_fields() {
            return object;
        }
        let sessions = running.iter().map(|session| {
            json::object(|object| {
                object
                    .str("session_id", &session.id)
                    .opt_int("pid", session.pid)
                    .str("status", &session.status)
                    .str("log_file", &format!(".loki/logs/{}.log", session.id))
            })
        });
        object
            .str("execution_os", std::env::consts::OS)
            .str("execution_cpu", std::env::consts::ARCH)
            .str("execution_libc", "")
            .null("claude_session_id")
            .null("claude_session_mode")
            .opt_str("current_run_id", run_id.map(|id| id.to_string()).as_deref())
            .raw("sessions", &json::array(sessions))
    })))
}
