//! How the client gets along with the servers that exist: path families and bridges.

use std::time::{Duration, Instant};

use crate::common::{RUN, Reply, Seen, Server, call, call_with, json, text};
use loki_mode_core::events::EventStream;
use loki_mode_core::{CallOptions, Client, ErrorKind, Options, PathStyle, Value};

const V5_UNKNOWN: &str = r#"{"detail":"Not Found"}"#;

/// Answers like v5.51: only the `/api/v2` paths exist.
fn v5(seen: &Seen) -> Reply {
    match seen.target() {
        "GET /api/v2/runs" => json(200, "[]"),
        "POST /api/v2/runs/1/cancel" => json(200, RUN),
        target if target.starts_with("GET /api/v2/runs/") => json(404, r#"{"detail":"Run not found"}"#),
        _ => json(404, V5_UNKNOWN),
    }
}

/// Answers like v9.22: unknown GETs name the path, other unknown methods are not allowed.
fn v9(seen: &Seen) -> Reply {
    match seen.target() {
        "GET /api/v2/runs" => json(200, "[]"),
        "POST /api/v2/runs/1/cancel" => json(200, RUN),
        target if target.starts_with("GET ") => json(404, r#"{"error":"Not Found","path":"/api/runs"}"#),
        _ => json(405, r#"{"detail":"Method Not Allowed"}"#),
    }
}

#[test]
fn the_path_family_is_learnt_once() {
    for server in [Server::new(v5), Server::new(v9)] {
        let client = server.client();
        let first = call(&client, "cancel_run", "[1]").unwrap();
        assert_eq!((first.attempts, first.path.as_str()), (2, "/api/v2/runs/1/cancel"));
        assert_eq!(call(&client, "list_runs", "[]").unwrap().attempts, 1);
        let posts_then_get = ["POST /api/runs/1/cancel", "POST /api/v2/runs/1/cancel", "GET /api/v2/runs"];
        assert_eq!(server.targets(), posts_then_get);
    }
}

#[test]
fn a_missing_thing_does_not_switch_and_settles_the_family() {
    let server = Server::new(|seen| match seen.target() {
        "GET /api/runs/9" => json(404, r#"{"detail":"Run not found"}"#),
        _ => json(404, V5_UNKNOWN),
    });
    let client = server.client();
    let error = call(&client, "get_run", "[9]").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!error.to_string().contains("route"), "{error}");
    let error = call(&client, "list_tenants", "[]").unwrap_err();
    assert!(error.to_string().contains("this server has no such route"), "{error}");
    assert_eq!(server.targets(), ["GET /api/runs/9", "GET /api/tenants"]);
}

#[test]
fn refusals_and_trouble_teach_nothing() {
    for status in [401, 403, 500] {
        let server = Server::new(move |seen| match seen.target() {
            "GET /api/runs" => json(status, r#"{"detail":"no"}"#),
            _ => v5(seen),
        });
        let client = server.client();
        call(&client, "list_runs", "[]").unwrap_err();
        call(&client, "cancel_run", "[1]").unwrap();
        let tried = ["GET /api/runs", "POST /api/runs/1/cancel", "POST /api/v2/runs/1/cancel"];
        assert_eq!(server.targets(), tried, "{status}");
    }
}

#[test]
fn a_web_page_leads_to_the_other_family_too() {
    let server = Server::new(|seen| match seen.target() {
        "GET /api/v2/runs" => json(200, "[]"),
        _ => Reply::Send(text(200, "content-type: text/html\r\n", "<html>")),
    });
    assert_eq!(call(&server.client(), "list_runs", "[]").unwrap().payload().unwrap(), "[]");
}

#[test]
fn a_configured_family_is_kept() {
    for (style, target) in [(PathStyle::Guide, "GET /api/runs"), (PathStyle::V2, "GET /api/v2/runs")] {
        let server = Server::new(|_| json(404, V5_UNKNOWN));
        let client = Client::new(Options { path_style: style, ..server.options() }).unwrap();
        call(&client, "list_runs", "[]").unwrap_err();
        assert_eq!(server.targets(), [target]);
    }
}

#[test]
fn a_refused_task_status_is_sent_once_more_under_the_servers_word() {
    let refusal = r#"{"detail":[{"loc":["body","status"],"msg":"should match '^(pending|done)$'","input":"completed"}]}"#;
    let task = r#"{"id":1,"project_id":1,"title":"t","status":"done","priority":"low"}"#;
    let server = Server::script(vec![json(422, refusal), json(200, task)]);
    let response = call(&server.client(), "update_task", r#"[1, "completed"]"#).unwrap();
    assert_eq!(response.attempts, 2);
    let bodies: Vec<_> = server.requests().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [r#"{"status":"completed"}"#, r#"{"status":"done"}"#]);

    let server = Server::script(vec![json(422, refusal), json(422, refusal)]);
    let error = call(&server.client(), "update_task", r#"[1, "completed"]"#).unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Validation, 2));
}

#[test]
fn sessions_come_from_the_status_where_there_are_no_routes() {
    let server = Server::new(|seen| match seen.target() {
        "GET /api/status" => {
            json(200, r#"{"status":"running","sessions":[{"session_id":"s1","status":"running"}]}"#)
        }
        _ => json(404, V5_UNKNOWN),
    });
    let client = server.client();
    let sessions = call(&client, "list_sessions", r#"["proj-1"]"#).unwrap();
    assert_eq!(sessions.payload().unwrap(), r#"[{"id":"s1","session_id":"s1","status":"running"}]"#);
    let session = call(&client, "get_session", r#"["s1"]"#).unwrap();
    assert_eq!(session.payload().unwrap(), r#"{"id":"s1","session_id":"s1","status":"running"}"#);
    let error = call(&client, "get_session", r#"["s2"]"#).unwrap_err();
    assert_eq!((error.kind(), error.info().status_code), (ErrorKind::NotFound, Some(404)));
    assert!(error.to_string().contains("no session routes"), "{error}");
    let all = call(&client, "list_all_sessions", "[]").unwrap();
    let counted = r#"{"sessions":[{"id":"s1","session_id":"s1","status":"running"}],"total":1,"running":1}"#;
    assert_eq!(all.payload().unwrap(), counted);
    // Each of the two kinds of routes is missed once: a server may have the one without the other.
    let asked = [
        "GET /api/projects/proj-1/sessions",
        "GET /api/status",
        "GET /api/sessions/s1",
        "GET /api/status",
        "GET /api/status",
        "GET /api/status",
    ];
    assert_eq!(server.targets(), asked);
}

#[test]
fn the_timeline_of_an_unknown_run_is_not_found() {
    let empty = r#"{"run_id":9,"phases":[],"current_phase":null,"events":[]}"#;
    let server = Server::script(vec![json(200, empty)]);
    let error = call(&server.client(), "get_run_timeline", "[9]").unwrap_err();
    assert_eq!((error.kind(), error.info().status_code), (ErrorKind::NotFound, Some(404)));
    assert!(error.to_string().contains("empty timeline"), "{error}");
}

#[test]
fn an_audit_verification_has_its_sum() {
    let body = r#"{"valid":true,"files_checked":1,"results":[{"entries_checked":18}]}"#;
    let server = Server::script(vec![json(200, body)]);
    let payload = call(&server.client(), "verify_audit", "[]").unwrap();
    assert!(payload.payload().unwrap().starts_with(r#"{"entries_checked":18,"valid":true"#));
}

#[test]
fn refusals_that_mean_more_say_so() {
    let missing = r#"{"detail":[{"loc":["body","tenant_id"],"msg":"Field required"}]}"#;
    for (operation, args, status, body, kind, says) in [
        (
            "create_project",
            r#"["p"]"#,
            422,
            missing,
            ErrorKind::Validation,
            "pass `tenant_id`, which `list_tenants` knows",
        ),
        (
            "rotate_api_key",
            r#"["x"]"#,
            400,
            r#"{"detail":"Key not found: x"}"#,
            ErrorKind::NotFound,
            "Key not found: x",
        ),
        (
            "rotate_api_key",
            r#"["x"]"#,
            400,
            r#"{"detail":"Key is already in rotation"}"#,
            ErrorKind::Validation,
            "rotation",
        ),
    ] {
        let server = Server::script(vec![json(status, body)]);
        let error = call(&server.client(), operation, args).unwrap_err();
        assert_eq!((error.kind(), error.info().status_code), (kind, Some(status)), "{operation}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_refusal_that_can_mean_two_things_is_looked_into_within_the_deadline() {
    let unknown = json(404, r#"{"detail":"Run not found"}"#);
    let failed = json(200, r#"{"id":1,"status":"failed"}"#);
    let server = Server::script(vec![unknown.clone(), failed]);
    let error = call(&server.client(), "cancel_run", "[1]").unwrap_err();
    assert_eq!((error.kind(), error.info().status_code), (ErrorKind::Conflict, Some(409)));
    assert!(error.to_string().contains("run 1 has already ended: failed"), "{error}");
    assert_eq!(server.targets(), ["POST /api/runs/1/cancel", "GET /api/runs/1"]);

    // One that cannot be looked at in time is what it was.
    let server = Server::script(vec![unknown, Reply::Silence]);
    let options = CallOptions { timeout: Some(Duration::from_millis(300)), ..CallOptions::default() };
    let began = Instant::now();
    let error = call_with(&server.client(), "replay_run", "[1]", &options).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("not in a state in which it can be replayed"), "{error}");

    // A route that the server lacks is no run that it lacks.
    let server = Server::script(vec![json(404, V5_UNKNOWN), json(404, V5_UNKNOWN)]);
    let error = call(&server.client(), "cancel_run", "[1]").unwrap_err();
    assert!(error.to_string().contains("no such route"), "{error}");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn polling_gives_each_event_once() {
    let event =
        |id: u8| format!(r#"{{"id":{id},"run_id":1,"event_type":"e","timestamp":"2026-11-21T22:50:49"}}"#);
    let timeline = |ids: &[u8]| {
        let events: Vec<_> = ids.iter().map(|id| event(*id)).collect();
        json(200, &format!(r#"{{"run_id":1,"events":[{}],"duration_seconds":null}}"#, events.join(",")))
    };
    let server = Server::script(vec![timeline(&[1, 2]), timeline(&[1, 2]), timeline(&[1, 2, 3])]);
    let client = server.client();
    let stream = EventStream::new();
    let poll = |since: Option<&str>| {
        let call = CallOptions::default();
        client
            .poll_events(&stream, Value::from(1), since.map(str::to_owned), &call)
            .map(|response| response.payload().unwrap().to_owned())
    };
    assert_eq!(poll(None).unwrap(), format!("[{},{}]", event(1), event(2)));
    assert_eq!(poll(Some("2026-11-21T22:50:49")).unwrap(), "[]");
    assert_eq!(poll(Some("2026-11-21T22:50:49")).unwrap(), format!("[{}]", event(3)));
    assert_eq!(poll(Some("yesterday")).unwrap_err().kind(), ErrorKind::Config);
    // A `since` that cannot be read is noticed before anything is sent.
    assert_eq!(server.requests().len(), 3);
}
