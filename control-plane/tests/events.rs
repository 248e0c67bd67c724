//! The stream of live events, byte by byte.

mod common;

use std::time::{Duration, Instant};

use common::{ADMIN, Caller, Events, server, start};
use loki_control_plane::{Config, Profile};
use serde_json::json;

/// Adds an event to the timeline of run 1 and so to the stream.
fn send(caller: &Caller, kind: &str, details: &str) {
    caller.create("/api/runs/1/events", &format!(r#"{{"event_type":"{kind}","details":{details}}}"#));
}

#[test]
fn frames_look_like_those_of_the_real_server() {
    let (_server, caller) = server(Profile::Guide, false, true);
    let mut events = Events::listen(&caller, "", "");
    let head = events.head.to_ascii_lowercase();
    for line in [
        "http/1.1 200 ok",
        "content-type: text/event-stream",
        "cache-control: no-cache",
        "x-accel-buffering: no",
        "transfer-encoding: chunked",
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    assert_eq!(events.next().unwrap(), ": connected to loki-mode event stream");
    send(&caller, "task:completed", "{\n\"taskId\": \"t1\",\r\n\"title\": \"A\\nB\"}");
    let frame = events.next().unwrap();
    let lines: Vec<_> = frame.split('\n').collect();
    assert_eq!(lines.len(), 3, "{frame:?}");
    let id = lines[0].strip_prefix("id: evt_1_").unwrap();
    assert!(id.len() == 13 && id.parse::<u64>().is_ok(), "{id}");
    assert_eq!(lines[1], "event: task:completed");
    let data = lines[2].strip_prefix("data: ").unwrap();
    assert!(
        data.starts_with(&format!(r#"{{"id":"evt_1_{id}","type":"task:completed","timestamp":""#)),
        "{data}"
    );
    let event: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!((&event["sessionId"], &event["data"]["title"]), (&json!("session-1"), &json!("A\nB")));
    let timestamp = event["timestamp"].as_str().unwrap();
    assert!(timestamp.len() == "2026-11-21T22:57:36.149Z".len() && timestamp.ends_with('Z'), "{timestamp}");
}

#[test]
fn runs_are_told_as_sessions() {
    let (_server, caller) = server(Profile::Guide, false, true);
    let mut events = Events::listen(&caller, "?sessionId=session-4", "");
    let run = caller.create("/api/runs", r#"{"project_id":1}"#);
    assert_eq!(run["session_id"], "session-4");
    let add = |body: &str| drop(caller.create("/api/runs/4/events", body));
    add(r#"{"event_type":"phase_start","phase":"REASON"}"#);
    add(r#"{"event_type":"tool_call","phase":"REASON","details":{"message":"Run the tests"}}"#);
    add(r#"{"event_type":"phase_end","phase":"REASON"}"#);
    send(&caller, "log:error", r#"{"message":"of another session"}"#);
    add(r#"{"event_type":"phase_start","phase":"ACT"}"#);
    add(r#"{"event_type":"run_completed"}"#);
    add(r#"{"event_type":"run_failed"}"#);
    let mut next = || {
        let event = events.event();
        (event["type"].as_str().unwrap().to_owned(), event["data"].clone())
    };
    let session = |from: &str, to: &str| json!({"status": to, "message": format!("Status changed from {from} to {to}")});
    assert_eq!(next(), ("session:started".into(), session("starting", "running")));
    assert_eq!(next(), ("phase:started".into(), json!({"phase": "REASON", "previousPhase": null})));
    let (kind, data) = next();
    assert_eq!((kind.as_str(), &data["message"]), ("log:info", &json!("Run the tests")));
    assert_eq!(next(), ("phase:completed".into(), json!({"phase": "REASON"})));
    assert_eq!(next(), ("phase:started".into(), json!({"phase": "ACT", "previousPhase": "REASON"})));
    assert_eq!(next(), ("session:completed".into(), session("running", "completed")));
    assert_eq!(next().0, "log:info", "an end is final");
}

#[test]
fn types_levels_and_history() {
    let (_server, caller) = server(Profile::Guide, false, true);
    for kind in ["log:debug", "log:warn", "task:created", "log:error", "my:own"] {
        send(&caller, kind, "{}");
    }
    let kinds = |query: &str| {
        let mut events = Events::listen(&caller, query, "");
        assert_eq!(events.next().unwrap(), ": connected to loki-mode event stream");
        let mut kinds = Vec::new();
        loop {
            let frame = events.next().unwrap();
            if let Some(comment) = frame.strip_prefix(": replayed ") {
                assert_eq!(comment, format!("{} historical events", kinds.len()));
                return kinds.join(" ");
            }
            kinds.push(frame.lines().nth(1).unwrap().strip_prefix("event: ").unwrap().to_owned());
        }
    };
    assert_eq!(kinds("?history=2"), "log:error my:own");
    assert_eq!(kinds("?history=100"), "log:debug log:warn task:created log:error my:own");
    assert_eq!(kinds("?history=9&types=task:created,my.own"), "task:created my:own");
    assert_eq!(kinds("?history=9&minLevel=warn"), "log:warn task:created log:error my:own");
    assert_eq!(kinds("?history=1&sessionId=session-1&types=log:warn"), "log:warn");
    assert_eq!(kinds("?history=9&sessionId=session-2"), "");
    for bad in ["?minLevel=loud", "?history=-1", "?history=some"] {
        let reply = caller.get(&format!("/api/events{bad}"));
        assert_eq!((reply.status, &reply.json()["code"]), (422, &json!("VALIDATION_ERROR")), "{bad}");
    }
    let history = caller.get("/api/events/history?limit=2&types=log:warn,log:debug,my:own").json();
    assert_eq!((&history["count"], &history["events"][1]["type"]), (&json!(2), &json!("my:own")));
    let stats = caller.get("/api/events/stats").json();
    assert_eq!((&stats["totalEvents"], &stats["eventsByType"]["log:warn"]), (&json!(5), &json!(1)));
}

#[test]
fn who_comes_back_hears_what_was_missed_and_nothing_twice() {
    let (server, caller) = server(Profile::Guide, false, true);
    let mut events = Events::listen(&caller, "", "");
    for number in 0..5 {
        send(&caller, if number == 3 { "log:warn" } else { "log:info" }, "{}");
    }
    let seen = events.ids(5);
    drop(events);
    let back = |query: &str, last: &str| {
        let mut events = Events::listen(&caller, query, &format!("Last-Event-ID: {last}\r\n"));
        assert_eq!(events.next().unwrap(), ": connected to loki-mode event stream");
        events
    };
    let mut events = back("?history=50", &seen[1]);
    assert_eq!(events.ids(3), seen[2..]);
    assert_eq!(events.next().unwrap(), format!(": resumed after {}", seen[1]));
    send(&caller, "log:info", "{}");
    assert!(events.event()["id"].as_str().unwrap().starts_with("evt_6_"));
    let mut events = back("?types=log:warn", &seen[1]);
    assert_eq!(events.ids(1), seen[3..4]);
    assert_eq!(events.next().unwrap(), format!(": resumed after {}", seen[1]));
    let mut events = back("", "evt_1_1");
    assert_eq!(events.next().unwrap(), ": not resumed");
    let mut events = back("?history=2", "evt_1_1");
    assert_eq!(events.next().unwrap(), ": not resumed");
    assert_eq!(events.ids(1), seen[4..]);
    assert!(events.event()["id"].as_str().unwrap().starts_with("evt_6_"));
    assert_eq!(events.next().unwrap(), ": replayed 2 historical events");
    server.stop();
}

#[test]
fn a_silent_stream_is_kept_alive_beyond_the_idle_time_of_connections() {
    let (_server, caller) =
        start(Config { seed: true, keep_alive: Duration::from_secs(3), ..Config::default() });
    let mut events = Events::listen(&caller, "?types=my:own", "");
    events.next().unwrap();
    for _ in 0..2 {
        let beat = events.next().unwrap();
        let millis = beat.strip_prefix(": keep-alive ").unwrap();
        assert!(millis.len() == 13 && millis.parse::<u64>().is_ok(), "{beat}");
    }
    send(&caller, "my:own", "{}");
    assert_eq!(events.event()["type"], "my:own");
}

#[test]
fn hearts_beat_only_while_a_session_runs() {
    let (_server, caller) =
        start(Config { seed: true, heartbeat: Duration::from_millis(100), ..Config::default() });
    let mut events = Events::listen(&caller, "?types=heartbeat", "");
    let beat = events.event();
    assert!(["session-1", "session-id"].contains(&beat["sessionId"].as_str().unwrap()), "{beat}");
    assert!(
        beat["data"]["uptime"].as_i64().unwrap() > 500_000,
        "the seed's sessions are ten minutes old: {beat}"
    );
    assert_eq!((&beat["data"]["activeAgents"], &beat["data"]["queuedTasks"]), (&json!(0), &json!(0)));
    for session in ["session-1", "session-id"] {
        assert_eq!(caller.post(&format!("/api/sessions/{session}/stop"), "").status, 200);
    }
    let count = || caller.get("/api/events/stats").json()["eventsByType"]["heartbeat"].clone();
    std::thread::sleep(Duration::from_millis(250));
    let before = count();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(count(), before);
}

#[test]
fn a_token_is_needed() {
    let (_server, caller) = server(Profile::Guide, true, true);
    let status = |caller: &Caller| Events::listen(caller, "", "").head[9..12].to_owned();
    assert_eq!(status(&caller), "200");
    assert_eq!(status(&Caller { token: None, ..caller.clone() }), "401");
    assert_eq!(status(&caller.with_token("loki_wrong")), "401");
    let viewer = caller.create("/api/keys", r#"{"name":"viewer","role":"viewer"}"#);
    assert_eq!(status(&caller.with_token(viewer["token"].as_str().unwrap())), "200");
    let audit = caller.create("/api/keys", r#"{"name":"audit","scopes":["audit"]}"#);
    assert_eq!(status(&caller.with_token(audit["token"].as_str().unwrap())), "403");
    assert_eq!(status(&caller.with_token(ADMIN)), "200");
}

#[test]
fn dashboards_have_no_events() {
    for profile in [Profile::V5_51, Profile::V9_22] {
        let (_server, caller) = server(profile, false, true);
        assert_eq!(caller.get("/api/events").status, 404);
        assert_eq!(caller.get("/api/events/history").status, 404);
    }
}

#[test]
fn a_listener_that_does_not_read_is_cut_off() {
    let (_server, caller) = server(Profile::Guide, false, true);
    let mut slow = Events::listen(&caller, "", "");
    let details = format!(r#"{{"text":"{}"}}"#, "x".repeat(64 << 10));
    // More than sockets hold, and then more than a listener may be behind.
    for _ in 0..400 {
        send(&caller, "my:own", &details);
    }
    for _ in 0..1100 {
        send(&caller, "my:own", "{}");
    }
    slow.next().unwrap();
    let mut heard = 0;
    while slow.next().is_some() {
        heard += 1;
    }
    assert!(heard < 1500, "{heard}");
    let mut others = Events::listen(&caller, "", "");
    others.next().unwrap();
    send(&caller, "my:other", "{}");
    assert_eq!(others.event()["type"], "my:other");
}

#[test]
fn a_server_stops_with_listeners() {
    let (server, caller) = server(Profile::Guide, false, true);
    let mut events = Events::listen(&caller, "", "");
    events.next().unwrap();
    let begin = Instant::now();
    server.stop();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert!(std::net::TcpStream::connect(&caller.address).is_err());
}
