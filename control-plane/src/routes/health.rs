//! Health of the server.

use axum::http::StatusCode;
use rusqlite::Connection;

use super::{Call, Handler};
use crate::answers::{Answer, Failure};
use crate::json;
use crate::store::sessions;

pub(super) const HANDLERS: &[(&str, Handler)] =
    &[("get_health", health), ("get_readiness", readiness), ("get_liveness", liveness)];

/// The providers that there are; one who has them not is not well.
pub(super) const PROVIDERS: &[&str] = &["claude", "codex", "gemini", "cline", "aider"];

fn reported(call: &Call<'_>, body: String) -> Answer {
    let answer = Answer::json(body);
    if call.provides { answer } else { answer.with_status(StatusCode::SERVICE_UNAVAILABLE) }
}

fn health(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    if !call.profile.has_http_api() {
        let body = json::object(|object| object.str("status", "healthy").str("service", "loki-dashboard"));
        return Ok(Answer::json(body));
    }
    let providers = json::object(|object| {
        PROVIDERS.iter().fold(object, |object, provider| object.bool(provider, call.provides))
    });
    let active = sessions::running(connection)?;
    let body = json::object(|object| {
        object
            .str("status", if call.provides { "healthy" } else { "unhealthy" })
            .str("version", call.profile.version())
            .raw("uptime", &call.started.elapsed().as_secs().to_string())
            .raw("providers", &providers)
            .opt_str("activeSession", active.last().map(|session| session.id.as_str()))
    });
    Ok(reported(call, body))
}

fn readiness(call: &Call<'_>, _: &Connection) -> Result<Answer, Failure> {
    let status = if call.provides { "ready" } else { "not_ready" };
    Ok(reported(call, json::object(|object| object.str("status", status))))
}

fn liveness(_: &Call<'_>, _: &Connection) -> Result<Answer, Failure> {
    Ok(Answer::json(json::object(|object| object.str("status", "alive"))))
}
