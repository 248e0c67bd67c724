//! Where the servers that exist do not do what the guide says: one small function for each place.
//!
//! Each is pure; the client decides when they are asked, by the operation's entry in the table.

mod audit;
mod sessions;

use std::borrow::Cow;

use loki_mode_spec::Operation;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::args::{Args, Value};
use crate::error::{ErrorInfo, ErrorKind};
use crate::refusal;
use crate::response::Answer;
use crate::run_state::RunState;

pub(crate) use audit::{Span, with_days};
pub(crate) use sessions::{
    session_in_status, session_list, session_of_id, sessions_from_status, status_of_session,
};

/// Words for the same task status.
const SAME_STATUS: [(&str, &str); 2] = [("completed", "done"), ("done", "completed")];

/// [`TaskStatusNames`](loki_mode_spec::Bridge::TaskStatusNames): the arguments with the server's own word, if it
/// refused the status and named the words that it takes.
pub(crate) fn with_the_servers_status(operation: &Operation, args: &Args, answer: &Answer) -> Option<Args> {
    if answer.status != 422 {
        return None;
    }
    let Some(Value::Str(sent)) = args.named(operation, "status") else { return None };
    let (_, other) = SAME_STATUS.iter().find(|(word, _)| word == sent)?;
    allowed_statuses(&answer.body)?
        .iter()
        .any(|word| word == other)
        .then(|| args.with(operation, "status", Some(Value::Str((*other).to_owned()))))
}

/// The words that a refusal of `status` names: in its text, its pattern or its list of expected values.
fn allowed_statuses(body: &[u8]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Refusal {
        detail: serde_json::Value,
    }

    let detail = serde_json::from_slice::<Refusal>(body).ok()?.detail;
    let about_status = match detail {
        serde_json::Value::Array(items) => {
            let loc_is_status = |item: &serde_json::Value| {
                item.get("loc").and_then(|loc| loc.as_array()?.last()?.as_str()) == Some("status")
            };
            let mut item = items.into_iter().find(loc_is_status)?;
            // What was sent is no word of the server's.
            item.as_object_mut()?.remove("input");
            item.to_string()
        }
        serde_json::Value::String(text) if text.contains("status") => text,
        _ => return None,
    };
    let words = about_status.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    Some(words.filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

/// [`HealthIn503`](loki_mode_spec::Bridge::HealthIn503): whether this is the report of a server that is not well, rather
/// than a failure of something before it.
pub(crate) fn is_report_of_health(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Report<'a> {
        // A word: gateways put the number of the status there.
        #[serde(borrow, rename = "status")]
        _status: Cow<'a, str>,
    }

    answer.status == 503 && serde_json::from_slice::<Report<'_>>(&answer.body).is_ok()
}

/// [`EmptyBody`](loki_mode_spec::Bridge::EmptyBody): an empty object for an empty body.
pub(crate) fn object_for_nothing(body: &[u8]) -> Option<Vec<u8>> {
    body.trim_ascii().is_empty().then(|| b"{}".to_vec())
}

/// [`TimelineOfUnknownRun`](loki_mode_spec::Bridge::TimelineOfUnknownRun): whether this is the empty timeline that
/// v9.22 answers for a run that it does not know. A known run has `duration_seconds`.
pub(crate) fn is_timeline_of_unknown_run(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Timeline<'a> {
        // `current_phase` is null there, which counts as present.
        #[serde(borrow, default, deserialize_with = "present")]
        current_phase: Option<&'a RawValue>,
        #[serde(borrow, default, deserialize_with = "present")]
        duration_seconds: Option<&'a RawValue>,
        #[serde(borrow)]
        events: Vec<&'a RawValue>,
    }

    // It has no events, and so is short; a long one, which is asked for again and again, is not read for this.
    const LONGEST: usize = 1024;
    answer.body.len() <= LONGEST
        && serde_json::from_slice::<Timeline<'_>>(&answer.body).is_ok_and(|timeline| {
            timeline.current_phase.is_some()
                && timeline.duration_seconds.is_none()
                && timeline.events.is_empty()
        })
}

/// Reads a value that counts as present also when it is null.
pub(crate) fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The error of such a run.
pub(crate) fn unknown_run(info: &mut ErrorInfo) {
    info.kind = ErrorKind::NotFound;
    info.status_code = Some(404);
    info.message = format!(
        "{}: Run not found (this server answers 200 with an empty timeline for a run that it does not know)",
        place(info)
    );
}

/// [`AuditEntriesChecked`](loki_mode_spec::Bridge::AuditEntriesChecked): the body with the sum over the files at its
/// top, where the server left it out; the rest of the text is not touched.
pub(crate) fn with_entries_checked(body: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Verification {
        entries_checked: Option<serde::de::IgnoredAny>,
        results: Vec<FileResult>,
    }
    #[derive(Deserialize)]
    struct FileResult {
        entries_checked: u64,
    }

    let found: Verification = serde_json::from_slice(body).ok()?;
    if found.entries_checked.is_some() {
        return None;
    }
    let sum = found.results.iter().try_fold(0_u64, |sum, file| sum.checked_add(file.entries_checked))?;
    let rest = body.trim_ascii_start().strip_prefix(b"{")?;
    let mut mended = format!(r#"{{"entries_checked":{sum},"#).into_bytes();
    mended.extend_from_slice(rest);
    Some(mended)
}

/// [`TenantRequired`](loki_mode_spec::Bridge::TenantRequired): says what to do about a missing tenant.
pub(crate) fn explain_missing_tenant(info: &mut ErrorInfo) {
    if info.status_code == Some(422) && info.errors.iter().any(|error| error.location == "body.tenant_id") {
        info.message
            .push_str(". This server needs to know the tenant: pass `tenant_id`, which `list_tenants` knows");
    }
}

/// [`NotFoundOrWrongState`](loki_mode_spec::Bridge::NotFoundOrWrongState): says what else a 404 means here.
pub(crate) fn explain_wrong_state(done: &str, info: &mut ErrorInfo) {
    if info.kind == ErrorKind::NotFound {
        info.message.push_str(&format!(": not found, or not in a state in which it can be {done}"));
    }
}

/// The same, once the run was looked at: it is there, and so its state is the reason. False if it does not say its state.
pub(crate) fn run_in_wrong_state(id: Option<&Value>, run: &[u8], info: &mut ErrorInfo) -> bool {
    let Ok(state) = serde_json::from_slice::<RunState<'_>>(run) else { return false };
    let Some(status) = &state.status else { return false };
    let ended = if state.has_ended() { "has already ended" } else { "has not ended yet" };
    info.kind = ErrorKind::Conflict;
    info.status_code = Some(409);
    let id = id.map(Value::to_text).unwrap_or_default();
    info.message = format!(
        "{}: run {id} {ended}: {} (this server answers 404 for that, too)",
        place(info),
        refusal::excerpt(status)
    );
    true
}

/// [`KeyNotFoundAs400`](loki_mode_spec::Bridge::KeyNotFoundAs400): a 400 that says that the key does not exist.
pub(crate) fn key_not_found(info: &mut ErrorInfo) {
    if info.status_code == Some(400) && info.message.contains(": 400 Key not found") {
        info.kind = ErrorKind::NotFound;
    }
}

/// Method and path of an error, as its message begins.
pub(crate) fn place(info: &ErrorInfo) -> String {
    format!("{} {}", info.method.as_deref().unwrap_or_default(), info.path.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: ureq::http::HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            method: "PUT",
            path: "/api/tasks/1".to_owned(),
        }
    }

    fn status_resent(sent: &str, body: &str) -> Option<String> {
        let operation = loki_mode_spec::operation("update_task").unwrap();
        let args = Args::from_json(operation, &format!(r#"[1, "{sent}"]"#)).unwrap();
        let args = with_the_servers_status(operation, &args, &answer(422, body))?;
        Some(args.named(operation, "status")?.to_text().into_owned())
    }

    #[test]
    fn a_status_is_sent_again_only_under_a_word_that_the_server_named() {
        let pattern = r#"{"detail":[{"type":"string_pattern_mismatch","loc":["body","status"],
            "msg":"String should match pattern '^(backlog|pending|in_progress|review|done)$'","input":"completed"}]}"#;
        assert_eq!(status_resent("completed", pattern).as_deref(), Some("done"));
        let expected = r#"{"detail":[{"type":"enum","loc":["body","status"],"msg":"bad","input":"completed",
            "ctx":{"expected":"'pending', 'in_progress' or 'done'"}}]}"#;
        assert_eq!(status_resent("completed", expected).as_deref(), Some("done"));
        let reverse = r#"{"detail":"status must be one of pending, completed"}"#;
        assert_eq!(status_resent("done", reverse).as_deref(), Some("completed"));
        assert_eq!(status_resent("paused", pattern), None);
        let echo = r#"{"detail":[{"loc":["body","status"],"msg":"no","input":"done"}]}"#;
        assert_eq!(status_resent("completed", echo), None);
        let other_field = r#"{"detail":[{"loc":["body","title"],"msg":"not done"}]}"#;
        assert_eq!(status_resent("completed", other_field), None);
    }

    #[test]
    fn only_a_report_is_an_answer_about_health() {
        let is = |status, body| is_report_of_health(&answer(status, body));
        assert!(is(503, r#"{"status":"unhealthy","providers":{"claude":false}}"#));
        assert!(!is(500, r#"{"status":"unhealthy"}"#));
        assert!(!is(503, r#"{"status":503,"error":"Service Unavailable"}"#));
        assert!(!is(503, r#"{"error":"No provider","code":"PROVIDER_NOT_AVAILABLE"}"#));
        assert!(!is(503, "upstream connect error"));
    }

    #[test]
    fn only_the_empty_timeline_of_an_unknown_run_is_one() {
        let is = |body| is_timeline_of_unknown_run(&answer(200, body));
        assert!(is(r#"{"run_id":999,"phases":[],"current_phase":null,"events":[]}"#));
        assert!(!is(r#"{"run_id":1,"events":[],"duration_seconds":null}"#));
        assert!(!is(r#"{"run_id":1,"current_phase":null,"events":[],"duration_seconds":null}"#));
        assert!(!is(r#"{"run_id":1,"current_phase":null,"events":[{"id":1}]}"#));
        assert!(!is("[]"));
    }

    #[test]
    fn entries_are_summed_and_the_rest_is_kept() {
        let body = br#" {"valid":true,"results":[{"entries_checked":18,"x":1.0},{"entries_checked":2}]}"#;
        let mended = String::from_utf8(with_entries_checked(body).unwrap()).unwrap();
        let rest = r#""valid":true,"results":[{"entries_checked":18,"x":1.0},{"entries_checked":2}]}"#;
        assert_eq!(mended, format!(r#"{{"entries_checked":20,{rest}"#));
        assert_eq!(with_entries_checked(br#"{"entries_checked":1,"results":[]}"#), None);
        assert_eq!(with_entries_checked(br#"{"valid":true}"#), None);
    }
}
