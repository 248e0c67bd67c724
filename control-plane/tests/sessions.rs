//! Sessions, their tasks and the health of the server, as the HTTP/SSE API has them.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Caller, DataFile, Events, server, start};
use loki_control_plane::{Config, Profile};
use serde_json::{Value, json};

fn refused(caller: &Caller, method: &str, path: &str, body: &str) -> (u16, String) {
    let reply = caller.send(method, path, body);
    let answer = reply.json();
    assert!(answer["error"].is_string(), "{answer}");
    (reply.status, answer["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_session_plays_to_its_end() {
    let (_server, caller) = start(Config { session_speed: 100.0, ..Config::default() });
    let mut events = Events::listen(&caller, "", "");
    let body = r#"{"prdPath":"./docs/prd.md","provider":"codex","options":{"verbose":true}}"#;
    let started = caller.create("/api/sessions", body);
    assert_eq!(started["sessionId"], "session_1");
    let mut counts = BTreeMap::<String, u64>::new();
    let mut phases = Vec::new();
    loop {
        let event = events.event();
        assert_eq!(event["sessionId"], "session_1", "{event}");
        let kind = event["type"].as_str().unwrap().to_owned();
        match kind.as_str() {
            "phase:started" => {
                phases.push((event["data"]["previousPhase"].clone(), event["data"]["phase"].clone()))
            }
            "task:completed" => {
                assert_eq!(
                    (&event["data"]["status"], &event["data"]["error"]),
                    (&json!("completed"), &Value::Null)
                );
                assert!(
                    event["data"]["taskId"].is_string() && event["data"]["output"].is_string(),
                    "{event}"
                );
            }
            _ => {}
        }
        let last = kind == "session:completed";
        *counts.entry(kind).or_default() += 1;
        if last {
            break;
        }
    }
    let expected = [
        ("agent:completed", 1),
        ("agent:output", 1),
        ("agent:spawned", 1),
        ("input:requested", 1),
        ("log:debug", 3),
        ("log:info", 3),
        ("log:warn", 1),
        ("metrics:update", 1),
        ("phase:completed", 3),
        ("phase:started", 3),
        ("session:completed", 1),
        ("session:started", 1),
        ("task:completed", 3),
        ("task:created", 3),
        ("task:progress", 3),
        ("task:started", 3),
    ];
    assert_eq!(counts, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
    let phase = |before: Value, now: &str| (before, json!(now));
    let in_order = [
        phase(Value::Null, "planning"),
        phase(json!("planning"), "development"),
        phase(json!("development"), "testing"),
    ];
    assert_eq!(phases, in_order);

    let status = caller.get("/api/sessions/session_1").json();
    let session = &status["session"];
    assert_eq!(
        (
            &session["id"],
            &session["status"],
            &session["provider"],
            &session["prdPath"],
            &session["currentPhase"]
        ),
        (
            &json!("session_1"),
            &json!("completed"),
            &json!("codex"),
            &json!("./docs/prd.md"),
            &json!("testing")
        )
    );
    assert_eq!(
        (&session["taskCount"], &session["completedTasks"], &session["pid"]),
        (&json!(3), &json!(3), &Value::Null)
    );
    assert_eq!(status["tasks"], json!({"total": 3, "pending": 0, "running": 0, "completed": 3, "failed": 0}));
    assert_eq!(status["agents"], json!({"active": 0, "spawned": 1, "completed": 1}));

    let tasks = caller.get("/api/sessions/session_1/tasks?status=completed&limit=2&offset=1").json();
    assert_eq!(tasks["pagination"], json!({"total": 3, "limit": 2, "offset": 1, "hasMore": false}));
    assert_eq!(tasks["summary"], json!({"completed": 3}));
    let task = &tasks["tasks"][0];
    assert_eq!((&task["sessionId"], &task["agent"]), (&json!("session_1"), &json!("agent-1")));
    assert!(task["startedAt"].as_str().unwrap() < task["completedAt"].as_str().unwrap(), "{task}");
    let first = caller.get("/api/sessions/session_1/tasks?limit=1").json();
    assert_eq!(
        (first["tasks"].as_array().unwrap().len(), &first["pagination"]["hasMore"]),
        (1, &json!(true))
    );
}

#[test]
fn a_session_at_work_can_be_stopped_and_then_deleted() {
    let (_server, caller) = start(Config { session_speed: 0.001, ..Config::default() });
    caller.create("/api/sessions", "{}");
    let mut events = Events::listen(&caller, "", "");
    assert_eq!(refused(&caller, "POST", "/api/sessions", "{}"), (409, "SESSION_ALREADY_RUNNING".into()));
    assert_eq!(refused(&caller, "DELETE", "/api/sessions/session_1", ""), (409, "CONFLICT".into()));
    let list = caller.get("/api/sessions").json();
    assert_eq!(
        (&list["total"], &list["running"], &list["sessions"][0]["provider"]),
        (&json!(1), &json!(1), &json!("claude"))
    );
    let input = caller.post("/api/sessions/session_1/input", r#"{"input":"yes","context":"deploy"}"#);
    assert_eq!((input.status, &input.json()["success"]), (200, &json!(true)));
    let line = events.event();
    assert_eq!((&line["type"], &line["data"]["message"]), (&json!("log:info"), &json!("Input: yes")));
    let stopped = caller.post("/api/sessions/session_1/stop", "");
    assert_eq!((stopped.status, &stopped.json()["status"]), (200, &json!("stopped")));
    assert_eq!(events.event()["type"], "session:stopped");
    assert_eq!(refused(&caller, "POST", "/api/sessions/session_1/stop", ""), (409, "CONFLICT".into()));
    assert_eq!(
        refused(&caller, "POST", "/api/sessions/session_1/input", r#"{"input":"x"}"#),
        (409, "CONFLICT".into())
    );
    let deleted = caller.send("DELETE", "/api/sessions/session_1", "");
    assert_eq!((deleted.status, &deleted.json()["sessionId"]), (200, &json!("session_1")));
    assert_eq!(refused(&caller, "GET", "/api/sessions/session_1", ""), (404, "SESSION_NOT_FOUND".into()));
    assert_eq!(caller.create("/api/sessions", "{}")["sessionId"], "session_2", "numbers are not used again");
}

#[test]
fn tasks_are_found_by_what_becomes_of_them() {
    let (_server, caller) = start(Config { session_speed: 10.0, ..Config::default() });
    let mut events = Events::listen(&caller, "?types=task:started", "");
    caller.create("/api/sessions", "{}");
    events.event();
    // Faster than the next steps, which are at least 20 ms apart; whatever has happened, the sum stays.
    let (active, queued) = (caller.get("/api/tasks/active").json(), caller.get("/api/tasks/queue").json());
    for tasks in [&active, &queued] {
        assert_eq!(tasks["count"], tasks["tasks"].as_array().unwrap().len());
    }
    assert!(queued["tasks"].as_array().unwrap().iter().all(|task| task["status"] == "pending"));
    caller.post("/api/sessions/session_1/stop", "");
    assert_eq!(caller.get("/api/tasks/active").json(), json!({"tasks": [], "count": 0}));
    assert_eq!(caller.get("/api/tasks/queue").json(), json!({"tasks": [], "count": 0}));
    let tasks = caller.get("/api/sessions/session_1/tasks").json();
    let states: Vec<_> =
        tasks["tasks"].as_array().unwrap().iter().map(|task| task["status"].clone()).collect();
    assert!(states.contains(&json!("skipped")), "{states:?}");
}

#[test]
fn input_is_checked_and_refused_with_a_code() {
    let (_server, caller) = start(Config::default());
    let session = |body: &str| refused(&caller, "POST", "/api/sessions", body);
    let invalid = || (422, "VALIDATION_ERROR".to_owned());
    assert_eq!(session(r#"{"prd":"x"}"#), invalid());
    assert_eq!(session(r#"{"provider":"nobody"}"#), invalid());
    assert_eq!(session(r#"{"options":[]}"#), invalid());
    assert_eq!(session("{"), (400, "BAD_REQUEST".into()));
    let missing = caller.post("/api/sessions/s/input", "{}").json();
    assert_eq!(missing, json!({"error": "input: Field required", "code": "VALIDATION_ERROR"}));
    assert_eq!(refused(&caller, "GET", "/api/sessions/s/tasks", ""), (404, "SESSION_NOT_FOUND".into()));
    assert_eq!(refused(&caller, "GET", "/api/sessions/s/tasks?limit=some", ""), invalid());
    assert_eq!(caller.get("/api/sessions").json(), json!({"sessions": [], "total": 0, "running": 0}));
}

#[test]
fn stopping_the_session_of_a_run_cancels_it() {
    let (_server, caller) = server(Profile::Guide, false, true);
    let session = caller.get("/api/sessions/session-1").json();
    assert_eq!(
        (&session["session"]["projectId"], &session["session"]["currentPhase"]),
        (&json!(1), &json!("VERIFY"))
    );
    assert_eq!(caller.post("/api/sessions/session-1/stop", "").status, 200);
    assert_eq!(caller.get("/api/runs/1").json()["status"], "cancelled");
}

#[test]
fn a_session_ends_with_the_server_that_plays_it() {
    let file = DataFile::new();
    let (server, caller) = file.server(Profile::Guide);
    caller.create("/api/projects", r#"{"name":"p"}"#);
    let run = caller.create("/api/runs", r#"{"project_id":1}"#);
    caller.create("/api/sessions", r#"{"prdPath":"a.md"}"#);
    server.stop();
    let (_server, caller) = file.server(Profile::Guide);
    assert_eq!(caller.get("/api/sessions/session_1").json()["session"]["status"], "stopped");
    assert_eq!(caller.get("/api/sessions/session-1").json()["session"]["status"], "running");
    assert_eq!(caller.get("/api/runs/1").json(), run, "runs are as before");
    assert_eq!(caller.create("/api/sessions", "{}")["sessionId"], "session_2");
}

#[test]
fn changes_need_control_and_reads_read() {
    let (_server, admin) = server(Profile::Guide, true, true);
    let key = admin.create("/api/keys", r#"{"name":"v","role":"viewer"}"#);
    let viewer = admin.with_token(key["token"].as_str().unwrap());
    assert_eq!(viewer.get("/api/sessions").status, 200);
    assert_eq!(viewer.post("/api/sessions", "{}").status, 403);
    assert_eq!(viewer.post("/api/sessions/session-1/stop", "").status, 403);
    assert_eq!(admin.post("/api/sessions", "{}").status, 201);
    let entries = admin.get("/api/audit?action=start").json();
    assert_eq!(
        (&entries[0]["resource_type"], &entries[0]["resource_id"]),
        (&json!("session"), &json!("session_1"))
    );
}

#[test]
fn health_needs_no_token_and_may_be_bad() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, true, true);
        let anyone = Caller { token: None, ..caller };
        let health = anyone.get("/health");
        assert_eq!((health.status, &health.json()["status"]), (200, &json!("healthy")));
        if profile == Profile::Guide {
            assert_eq!(health.json()["providers"]["claude"], true);
            assert_eq!(anyone.get("/health/ready").json(), json!({"status": "ready"}));
            assert_eq!(anyone.get("/health/live").json(), json!({"status": "alive"}));
        } else {
            assert_eq!(health.json(), json!({"status": "healthy", "service": "loki-dashboard"}));
            let page = anyone.get("/health/ready");
            assert_eq!(page.status, if profile == Profile::V5_51 { 404 } else { 200 });
            assert_eq!(anyone.get("/api/sessions").status, if profile == Profile::V5_51 { 404 } else { 401 });
        }
    }
    let (_server, caller) = start(Config { without_providers: true, ..Config::default() });
    let health = caller.get("/health");
    assert_eq!((health.status, &health.json()["status"]), (503, &json!("unhealthy")));
    assert_eq!(health.json()["providers"]["claude"], false);
    assert_eq!(caller.get("/health/ready").status, 503);
    assert_eq!(caller.get("/health/live").status, 200);
    assert_eq!(refused(&caller, "POST", "/api/sessions", "{}"), (503, "PROVIDER_NOT_AVAILABLE".into()));
}

#[test]
fn the_list_of_tasks_can_be_cut() {
    let (_server, caller) = server(Profile::Guide, false, true);
    let all = caller.get("/api/tasks").json();
    let part = caller.get("/api/tasks?limit=2&offset=1").json();
    assert_eq!(part.as_array().unwrap()[..], all.as_array().unwrap()[1..3]);
    let (_server, caller) = server(Profile::V5_51, false, true);
    assert_eq!(caller.get("/api/tasks?limit=2").json().as_array().unwrap().len(), 6);
}

#[test]
fn a_dry_run_does_nothing_but_end() {
    let (_server, caller) = start(Config { session_speed: 100.0, ..Config::default() });
    let mut events = Events::listen(&caller, "", "");
    caller.create("/api/sessions", r#"{"options":{"dryRun":true,"timeout":60}}"#);
    let kinds: Vec<_> = (0..3).map(|_| events.event()["type"].clone()).collect();
    assert_eq!(kinds, ["session:started", "log:info", "session:completed"]);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(caller.get("/api/events/stats").json()["totalEvents"], 3);
}
