//! The audit log and its hash chain.

mod common;

use common::{ADMIN, DataFile, server};
use loki_control_plane::Profile;
use serde_json::{Value, json};

#[test]
fn every_change_is_recorded() {
    let (_server, caller) = server(Profile::Guide, true, false);
    caller.create("/api/projects", "{\"name\":\"a\"}");
    caller.get("/api/projects");
    caller.post("/api/runs/99/cancel", "");
    let entries = caller.get("/api/audit").json();
    let shown: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            [
                &entry["action"],
                &entry["resource_type"],
                &entry["resource_id"],
                &entry["success"],
                &entry["error"],
            ]
        })
        .collect();
    assert_eq!(
        json!(shown),
        json!([["cancel", "run", "99", false, "Run not found"], ["create", "project", "1", true, null]])
    );
    assert_eq!(entries[0]["user_id"], "root");
    assert_eq!(entries[0]["ip_address"], "127.0.0.1");
    assert!(!entries.to_string().contains(ADMIN));
    assert_eq!(caller.get("/api/audit?limit=1").json(), json!([entries[0]]));
    assert_eq!(caller.get("/api/audit?limit=1&offset=1").json(), json!([entries[1]]));
    assert_eq!(caller.get("/api/audit?action=create").json(), json!([entries[1]]));
    assert_eq!(caller.get("/api/audit?resource_type=run").json(), json!([entries[0]]));
}

#[test]
fn dates() {
    let count = |caller: &common::Caller, path: &str| caller.get(path).json().as_array().map(Vec::len);
    for (profile, path) in
        [(Profile::Guide, "/api/audit"), (Profile::V5_51, "/api/v2/audit"), (Profile::V9_22, "/api/v2/audit")]
    {
        let (_server, caller) = server(profile, false, false);
        let tenants = path.replace("audit", "tenants");
        caller.create(&tenants, "{\"name\":\"T\"}");
        caller.send("PUT", &format!("{tenants}/1"), "{\"description\":\"d\"}");
        let entry = caller.get(path).json()[0].clone();
        let stamp = entry["timestamp"].as_str().unwrap();
        let day = &stamp[..10];
        assert_eq!(
            count(
                &caller,
                &format!("{path}?start_date={day}&end_date={day}&action=create&resource_type=tenant")
            ),
            Some(1)
        );
        assert_eq!(count(&caller, &format!("{path}?start_date=2026-02-01&action=create")), Some(1));
        assert_eq!(count(&caller, &format!("{path}?end_date=2020-01-01")), Some(0));
        assert_eq!(count(&caller, &format!("{path}?start_date=9999-01-01")), Some(0));
        let midnight = format!("{path}?start_date={day}T00:00:00Z&action=create");
        if profile == Profile::Guide {
            assert_eq!(count(&caller, &midnight), Some(1), "a point in time");
            assert_eq!(count(&caller, &format!("{path}?end_date={day}T00:00:00%2B00:00")), Some(0));
            assert_eq!(caller.get(&format!("{path}?start_date=garbage")).status, 422);
        } else {
            assert_eq!(count(&caller, &midnight), Some(0), "compared as text");
            assert_eq!(count(&caller, &format!("{path}?start_date=garbage")), Some(0));
        }
        let too_many = if profile == Profile::Guide { 100_001 } else { 10_001 };
        assert_eq!(caller.get(&format!("{path}?limit={too_many}")).status, 422);
        assert_eq!(caller.get(&format!("{path}?limit={}", too_many - 1)).status, 200);
    }
}

/// Adds five entries, changes the file by `sql`, and verifies.
fn verdict(profile: Profile, sql: &str) -> Value {
    let file = DataFile::new();
    let (server, caller) = file.server(profile);
    for name in 1..=5 {
        let reply = caller.create(
            if profile == Profile::Guide { "/api/tenants" } else { "/api/v2/tenants" },
            &format!("{{\"name\":\"{name}\"}}"),
        );
        assert_eq!(reply["id"], name);
    }
    drop(server);
    if !sql.is_empty() {
        assert_eq!(file.sql(sql), 1);
    }
    let (_server, caller) = file.server(profile);
    let path = if profile == Profile::Guide { "/api/audit/verify" } else { "/api/v2/audit/verify" };
    caller.get(path).json()
}

#[test]
fn an_untouched_chain_is_valid_after_a_restart() {
    for profile in [Profile::Guide, Profile::V9_22] {
        let verdict = verdict(profile, "");
        assert_eq!((&verdict["valid"], &verdict["entries_checked"]), (&json!(true), &json!(5)));
        assert_eq!((&verdict["first_tampered_file"], &verdict["files_skipped"]), (&json!(null), &json!(0)));
    }
    let older = verdict(Profile::V5_51, "");
    assert!(older.get("entries_checked").is_none());
    assert_eq!(older["results"][0]["entries_checked"], 5);
}

#[test]
fn tampering_is_found_and_named() {
    for (sql, line) in [
        ("UPDATE audit SET resource_id = '77' WHERE seq = 3", 3),
        ("UPDATE audit SET success = 0 WHERE seq = 1", 1),
        ("UPDATE audit SET user_id = 'somebody else' WHERE seq = 5", 5),
        ("UPDATE audit SET day = '2020-01-01' WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 5", 5),
    ] {
        for profile in Profile::ALL {
            let verdict = verdict(profile, sql);
            assert_eq!(verdict["valid"], false, "{sql}");
            let named = verdict["results"]
                .as_array()
                .unwrap()
                .iter()
                .find(|result| result["valid"] == false)
                .unwrap();
            assert_eq!(named["first_tampered_line"], line, "{sql}");
            if profile != Profile::V5_51 {
                assert_eq!(verdict["first_tampered_line"], line, "{sql}");
                assert_eq!(verdict["first_tampered_file"], named["file"], "{sql}");
            }
        }
    }
}
