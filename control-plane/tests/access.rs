//! Tokens, roles, rotation, tenants.

mod common;

use common::{ADMIN, Caller, DataFile, server};
use loki_control_plane::Profile;
use serde_json::{Value, json};

fn keys(profile: Profile) -> &'static str {
    if profile == Profile::Guide { "/api/keys" } else { "/api/v2/api-keys" }
}

fn path(profile: Profile, rest: &str) -> String {
    if profile == Profile::Guide { format!("/api/{rest}") } else { format!("/api/v2/{rest}") }
}

/// A caller with a new key.
fn role(caller: &Caller, profile: Profile, role: &str) -> Caller {
    let key = caller.create(keys(profile), &format!("{{\"name\":\"{role}\",\"role\":\"{role}\"}}"));
    caller.with_token(key["token"].as_str().expect("a token"))
}

#[test]
fn tokens_are_needed_and_recognised() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, true, false);
        let anonymous = Caller { token: None, ..caller.clone() };
        let runs = path(profile, "runs");
        let reply = anonymous.get(&runs);
        assert_eq!((reply.status, reply.text()), (401, "{\"detail\":\"Authentication required\"}"));
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        for header in
            ["Authorization: Basic abc\r\n", "X-API-Key: loki_admin\r\n", "Authorization: loki_admin\r\n"]
        {
            assert_eq!(anonymous.call("GET", &runs, header, "").status, 401, "{header}");
        }
        let reply = caller.with_token("loki_wrong").get(&runs);
        assert_eq!(reply.json(), json!({"detail": "Invalid, expired, or revoked token"}));
        let lower = anonymous.call("GET", &runs, &format!("Authorization: bearer {ADMIN}\r\n"), "");
        assert_eq!(lower.status, 200);
        let open = if profile == Profile::V5_51 { 200 } else { 401 };
        for path in ["/api/status", "/api/projects", "/api/tasks"] {
            assert_eq!(anonymous.get(path).status, open, "{path}");
        }
        // Access is checked before the body.
        assert_eq!(anonymous.post("/api/projects", "{}").status, 401);
    }
}

#[test]
fn roles() {
    for profile in Profile::ALL {
        let (_server, admin) = server(profile, true, false);
        let refused = |caller: &Caller, path: &str, scope: &str| {
            let reply = caller.post(path, "{}");
            assert_eq!(reply.status, 403, "{path}");
            assert_eq!(reply.json()["detail"], format!("Insufficient permissions. Required scope: {scope}"));
        };
        let (viewer, operator, auditor) = (
            role(&admin, profile, "viewer"),
            role(&admin, profile, "operator"),
            role(&admin, profile, "auditor"),
        );
        for caller in [&viewer, &operator, &auditor, &admin] {
            for rest in ["runs", "tenants"] {
                assert_eq!(caller.get(&path(profile, rest)).status, 200);
            }
            assert_eq!(caller.get(keys(profile)).status, 200);
            let audit =
                if std::ptr::eq(caller, &auditor) || std::ptr::eq(caller, &admin) { 200 } else { 403 };
            assert_eq!(caller.get(&path(profile, "audit")).status, audit);
            assert_eq!(caller.get(&path(profile, "audit/verify")).status, audit);
        }
        refused(&viewer, "/api/projects", "control");
        refused(&auditor, &path(profile, "runs"), "control");
        refused(&operator, keys(profile), "admin");
        let tenant = operator.post(&path(profile, "tenants"), "{\"name\":\"T\"}");
        if profile == Profile::V9_22 {
            assert_eq!(tenant.json(), json!({"detail": "Tenant lifecycle operations require global admin"}));
        } else {
            assert_eq!(tenant.status, 201);
        }
    }
}

#[test]
fn creating_keys() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, true, false);
        let key = caller.create(keys(profile), "{\"name\":\"plain\"}");
        let everything = json!(["*"]);
        assert_eq!(
            key["scopes"] == everything,
            profile != Profile::Guide,
            "no role means admin on real servers"
        );
        assert_eq!(key.get("hash").is_some() && key.get("salt").is_some(), profile != Profile::Guide);
        assert_eq!(key["id"].as_str().unwrap().len(), 12);
        assert_eq!(key["token"].as_str().unwrap().len(), 48);
        let twice = caller.post(keys(profile), "{\"name\":\"plain\"}");
        assert_eq!(twice.status, 400);
        let unknown = caller.post(keys(profile), "{\"name\":\"x\",\"role\":\"superuser\"}");
        assert_eq!(
            unknown.json(),
            json!({"detail": "Unknown role 'superuser'. Valid roles: admin, operator, viewer, auditor"})
        );
        let scoped = caller.create(keys(profile), "{\"name\":\"scoped\",\"scopes\":[\"audit\"]}");
        assert_eq!(scoped["scopes"], json!(["audit"]));
        let items = caller.post(keys(profile), "{\"name\":\"x\",\"scopes\":[\"a\",1]}").json();
        assert_eq!(items["detail"][0]["loc"], json!(["body", "scopes", 1]));
        let listed = caller.get(keys(profile));
        assert!(!listed.text().contains("hash") && !listed.text().contains("\"token\""), "{}", listed.text());
        let by_name =
            caller.send("PUT", &format!("{}/plain", keys(profile)), "{\"description\":\"d\"}").json();
        assert_eq!((&by_name["id"], &by_name["description"]), (&key["id"], &json!("d")));
        assert_eq!(caller.call("DELETE", &format!("{}/plain", keys(profile)), "", "").status, 204);
        assert_eq!(
            caller.get(&format!("{}/plain", keys(profile))).json(),
            json!({"detail": "API key not found"})
        );
        assert_eq!(caller.with_token(key["token"].as_str().unwrap()).get(keys(profile)).status, 401);
        assert_eq!(caller.get(&format!("{}/a%2Fb", keys(profile))).status, 404);
    }
}

fn rotate(caller: &Caller, profile: Profile, name: &str, hours: i64) -> Value {
    let path = format!("{}/{name}/rotate", keys(profile));
    let reply = caller.post(&path, &format!("{{\"grace_period_hours\":{hours}}}"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[test]
fn a_rotated_key_works_until_its_grace_period_ends() {
    for profile in Profile::ALL {
        let file = DataFile::new();
        let (server, admin) = file.server(profile);
        let old = admin.create(keys(profile), "{\"name\":\"ci\",\"role\":\"viewer\",\"expires_days\":7}");
        let runs = path(profile, "runs");
        let rotated = rotate(&admin, profile, "ci", 24);
        let (old_caller, new_caller) = (
            admin.with_token(old["token"].as_str().unwrap()),
            admin.with_token(rotated["token"].as_str().unwrap()),
        );
        assert_eq!((old_caller.get(&runs).status, new_caller.get(&runs).status), (200, 200));
        assert_eq!(rotated["old_key_id"], old["id"]);
        let new_key = &rotated["new_key"];
        assert_eq!((&new_key["name"], &new_key["rotating_from"]), (&json!("ci"), &old["id"]));
        assert_eq!(new_key["expires_at"].is_null(), profile != Profile::Guide);
        let old_path = format!("{}/{}", keys(profile), old["id"].as_str().unwrap());
        assert_eq!(admin.get(&old_path).json()["name"], "ci__rotating");
        let again = admin.post(&format!("{old_path}/rotate"), "{}");
        assert_eq!((again.status, again.json()), (400, json!({"detail": "Key is already in rotation"})));
        drop(server);
        assert_eq!(
            file.sql("UPDATE keys SET rotation_expires_at = 1 WHERE rotation_expires_at IS NOT NULL"),
            1
        );
        let (_server, admin) = file.server(profile);
        assert_eq!(admin.with_token(old["token"].as_str().unwrap()).get(&runs).status, 401);
        assert_eq!(admin.with_token(rotated["token"].as_str().unwrap()).get(&runs).status, 200);
        let at_once = rotate(&admin, profile, "ci", 0);
        assert_eq!(admin.with_token(rotated["token"].as_str().unwrap()).get(&runs).status, 401);
        assert_eq!(admin.with_token(at_once["token"].as_str().unwrap()).get(&runs).status, 200);
    }
}

#[test]
fn rotations_that_cannot_be() {
    for profile in Profile::ALL {
        let (_server, admin) = server(profile, true, true);
        let unknown = admin.post(&format!("{}/nope/rotate", keys(profile)), "{}");
        if profile == Profile::Guide {
            assert_eq!(unknown.json(), json!({"detail": "API key not found"}));
            assert_eq!(admin.post("/api/keys/ci-pipeline/rotate", "").status, 200);
        } else {
            assert_eq!((unknown.status, unknown.json()), (400, json!({"detail": "Key not found: nope"})));
            let missing = admin.post("/api/v2/api-keys/ci-pipeline/rotate", "").json();
            assert_eq!(missing["detail"][0]["loc"], json!(["body"]));
        }
        for hours in ["-1", "1.5", "\"x\"", "null"] {
            let body = format!("{{\"grace_period_hours\":{hours}}}");
            assert_eq!(
                admin.post(&format!("{}/ci-pipeline/rotate", keys(profile)), &body).status,
                422,
                "{hours}"
            );
        }
        let never = admin
            .post(&format!("{}/root/rotate", keys(profile)), "{\"grace_period_hours\":9000000000000000000}");
        assert_eq!(never.status, 400);
        assert_eq!(admin.get(keys(profile)).status, 200, "nothing was changed");
    }
}

#[test]
fn tokens_are_not_stored() {
    let file = DataFile::new();
    let (server, admin) = file.server(Profile::Guide);
    let token = admin.create("/api/keys", "{\"name\":\"k\"}")["token"].as_str().unwrap().to_owned();
    let wal = std::fs::read(format!("{}-wal", file.0.display())).unwrap();
    drop(server);
    for bytes in [wal, std::fs::read(&file.0).unwrap()] {
        for secret in [ADMIN.as_bytes(), token.as_bytes()] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
}

#[test]
fn keys_of_the_newer_server_see_their_tenant_only() {
    let (_server, admin) = server(Profile::V9_22, true, true);
    admin.create("/api/v2/tenants", "{\"name\":\"Other\"}");
    let operator = role(&admin, Profile::V9_22, "operator");
    for path in ["/api/projects", "/api/v2/runs", "/api/v2/tenants"] {
        assert_eq!(operator.get(path).json(), json!([]), "{path}");
    }
    let refused = json!({"detail": "Cross-tenant access denied"});
    assert_eq!(operator.post("/api/projects", "{\"name\":\"a\",\"tenant_id\":1}").json(), refused);
    let scoped = |name: &str, scopes: &str| {
        let key = admin.create("/api/v2/api-keys", &format!("{{\"name\":\"{name}\",\"scopes\":{scopes}}}"));
        admin.with_token(key["token"].as_str().unwrap())
    };
    let member = scoped("member", "[\"control\",\"tenant:1\"]");
    assert_eq!(member.get("/api/projects").json().as_array().unwrap().len(), 3);
    assert_eq!(member.get("/api/v2/runs").json().as_array().unwrap().len(), 3);
    assert_eq!(member.get("/api/v2/tenants/2").json(), refused);
    assert_eq!(member.get("/api/v2/tenants/99").json(), refused);
    let torn = scoped("torn", "[\"control\",\"tenant:1\",\"tenant:2\"]");
    assert_eq!(
        torn.get("/api/projects").json(),
        json!({"detail": "Token carries conflicting tenant scopes"})
    );
}
