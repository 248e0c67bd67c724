//! The life of a run in every profile.

mod common;

use common::server;
use loki_control_plane::Profile;
use serde_json::json;

fn runs(profile: Profile) -> &'static str {
    if profile == Profile::Guide { "/api/runs" } else { "/api/v2/runs" }
}

#[test]
fn events_end_runs() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, false, true);
        let base = runs(profile);
        let config = "{\"big\":12345678901234567890123,\"one\":1.0}";
        let run = caller.create(base, &format!("{{\"project_id\":1,\"config\":{config}}}"));
        assert_eq!((&run["status"], &run["trigger"]), (&json!("running"), &json!("manual")));
        let path = format!("{base}/{}", run["id"]);
        assert!(
            caller.get(&path).text().contains(&format!("\"config\":{config}")),
            "numbers keep their form"
        );
        let event = caller.create(
            &format!("{path}/events"),
            "{\"event_type\":\"phase_start\",\"phase\":\"ACT\",\"details\":{}}",
        );
        assert_eq!((&event["phase"], &event["details"]), (&json!("ACT"), &json!(null)));
        assert_eq!(caller.get(&path).json()["status"], "running");
        caller.create(&format!("{path}/events"), "{\"event_type\":\"run_failed\"}");
        let ended = caller.get(&path).json();
        assert_eq!(ended["status"], "failed");
        assert!(ended["ended_at"].is_string());
        assert_eq!(ended["events"].as_array().unwrap().len(), 2);
        caller.create(&format!("{path}/events"), "{\"event_type\":\"run_completed\"}");
        assert_eq!(caller.get(&path).json()["status"], "failed", "an end is final");
        assert_eq!(caller.post(&format!("{base}/99/events"), "{\"event_type\":\"x\"}").status, 404);
    }
}

#[test]
fn cancelling_and_replaying() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, false, true);
        let base = runs(profile);
        let refused = if profile == Profile::Guide { 409 } else { 404 };
        assert_eq!(caller.post(&format!("{base}/1/replay"), "").status, refused, "it still runs");
        // A body is ignored, even a broken one.
        let cancelled = caller.post(&format!("{base}/1/cancel"), "{");
        assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")));
        let again = caller.post(&format!("{base}/1/cancel"), "");
        assert_eq!(again.status, refused);
        let replayed = caller.post(&format!("{base}/1/replay"), "");
        let run = replayed.json();
        assert_eq!(
            (replayed.status, &run["status"], &run["parent_run_id"]),
            (200, &json!("replaying"), &json!(1))
        );
        assert_eq!(run["trigger"], "replay");
        let (shown, listed) = (cancelled.json(), caller.get(&format!("{base}/1")).json());
        let forms = (shown["ended_at"].as_str().unwrap(), listed["ended_at"].as_str().unwrap());
        if profile == Profile::Guide {
            assert_eq!(forms.0, forms.1);
        } else {
            assert_eq!(again.json(), json!({"detail": "Run not found"}));
            assert_eq!(forms.0.strip_suffix('Z'), Some(forms.1), "two forms of one time");
        }
        let statuses = caller.get(&format!("{base}?status=cancelled")).json();
        assert_eq!(statuses.as_array().unwrap().len(), 1);
    }
}

#[test]
fn timelines() {
    let (_server, caller) = server(Profile::Guide, false, true);
    let events = caller.get("/api/runs/run-1/timeline").json();
    let ids: Vec<_> = events.as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 24);
    assert!(ids.is_sorted());
    assert!(events[0]["timestamp"] == events[3]["timestamp"], "events share a second");
    assert_eq!(caller.get("/api/runs/99/timeline").status, 404);

    let (_server, caller) = server(Profile::V5_51, false, true);
    let timeline = caller.get("/api/v2/runs/1/timeline").json();
    assert_eq!(timeline["events"].as_array().unwrap().len(), 24);
    assert_eq!((&timeline["run_id"], &timeline["duration_seconds"]), (&json!(1), &json!(null)));
    assert_eq!(caller.get("/api/v2/runs/2/timeline").json()["duration_seconds"], 42.0);
    assert_eq!(caller.get("/api/v2/runs/99/timeline").status, 404);

    let (_server, caller) = server(Profile::V9_22, false, true);
    let unknown = caller.get("/api/v2/runs/999/timeline");
    assert_eq!(
        (unknown.status, unknown.text()),
        (200, "{\"run_id\":999,\"phases\":[],\"current_phase\":null,\"events\":[]}")
    );
}

#[test]
fn sessions_follow_runs() {
    let (_server, caller) = server(Profile::Guide, false, true);
    assert_eq!(caller.get("/api/sessions/session-id").json()["session"]["status"], "running");
    assert_eq!(caller.get("/api/sessions/session-1").json()["session"]["status"], "running");
    caller.post("/api/runs/1/cancel", "");
    assert_eq!(caller.get("/api/sessions/session-1").json()["session"]["status"], "stopped");
    assert_eq!(
        caller.get("/api/sessions/nope").json(),
        json!({"error": "Session not found: nope", "code": "SESSION_NOT_FOUND"})
    );
    assert_eq!(caller.get("/api/projects/proj-1/sessions").json().as_array().unwrap().len(), 3);

    let (_server, caller) = server(Profile::V9_22, false, true);
    let status = caller.get("/api/status").json();
    let ids: Vec<_> =
        status["sessions"].as_array().unwrap().iter().map(|session| &session["session_id"]).collect();
    assert_eq!(ids, ["session-1", "session-id"]);
    assert_eq!((&status["active_sessions"], &status["version"]), (&json!(2), &json!("9.22.12")));
}

#[test]
fn rows_of_a_second_are_oldest_first_on_real_servers() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, false, true);
        let listed = caller.get(runs(profile)).json();
        let ids: Vec<_> = listed.as_array().unwrap().iter().map(|run| run["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, if profile == Profile::Guide { [3, 2, 1] } else { [1, 2, 3] });
        assert_eq!(listed[0]["events"], json!([]));
    }
}

#[test]
fn a_timeline_begins_where_it_is_asked_to() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, false, true);
        let path = format!("{}/1/timeline", runs(profile));
        let events = |query: &str| {
            let answer = caller.get(&format!("{path}{query}")).json();
            let events = answer.as_array().or_else(|| answer["events"].as_array()).unwrap().clone();
            events
                .into_iter()
                .map(|event| (event["id"].as_i64().unwrap(), event["timestamp"].clone()))
                .collect()
        };
        let all: Vec<_> = events("");
        let chosen = all[10].clone();
        let since = format!("?since={}", chosen.1.as_str().unwrap());
        let from = all.iter().position(|(_, time)| *time == chosen.1).unwrap();
        assert!(from < 10, "several events share a second");
        let expected =
            |from: usize| if profile == Profile::Guide { all[from..].to_vec() } else { all.clone() };
        assert_eq!(events(&since), expected(from), "inclusive");
        assert_eq!(events(&format!("?after={}", chosen.0)), expected(11), "exclusive");
        assert_eq!(events(&format!("{since}&after={}", chosen.0)), expected(11));
        assert_eq!(events("?after=999999"), expected(all.len()));
        assert_eq!(events("?since=2999-01-01T00:00:00"), expected(all.len()));
        if profile == Profile::Guide {
            let naive = since.replace('Z', "");
            assert_eq!(events(&naive), expected(from), "no zone is UTC");
            assert_eq!(caller.get(&format!("{path}?since=yesterday")).status, 422);
        }
    }
}
