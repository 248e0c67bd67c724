//! What each profile answers on the wire when something is wrong, byte for byte where it matters.

mod common;

use std::io::Read as _;

use common::{exchange, server};
use loki_control_plane::Profile;
use serde_json::{Value, json};

const REAL: [Profile; 2] = [Profile::V5_51, Profile::V9_22];

#[test]
fn unknown_routes() {
    let (_server, caller) = server(Profile::Guide, false, false);
    assert_eq!(caller.get("/api/v2/runs").json(), json!({"detail": "Not Found"}));

    let (_server, caller) = server(Profile::V5_51, false, false);
    for (method, path) in
        [("GET", "/api/runs"), ("POST", "/api/keys"), ("GET", "/nope"), ("GET", "//api/projects")]
    {
        let reply = caller.call(method, path, "", "");
        assert_eq!((reply.status, reply.text()), (404, "{\"detail\":\"Not Found\"}"), "{method} {path}");
    }

    let (_server, caller) = server(Profile::V9_22, false, false);
    let reply = caller.get("/api/runs");
    assert_eq!((reply.status, reply.text()), (404, "{\"error\":\"Not Found\",\"path\":\"/api/runs\"}"));
    let reply = caller.call("POST", "/api/keys", "", "");
    assert_eq!((reply.status, reply.text()), (405, "{\"detail\":\"Method Not Allowed\"}"));
    assert_eq!(reply.header("allow"), Some("GET"));
    let page = caller.get("/nope");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(caller.get("/api/projects/1/sessions").status, 404);

    let (_server, caller) = server(Profile::V9_22, true, false);
    assert_eq!(caller.get("/api/runs").status, 404);
    assert_eq!(caller.with_token("loki_wrong").get("/api/runs").status, 401);
}

#[test]
fn wrong_methods_name_one_route() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, false, false);
        for method in ["PATCH", "HEAD", "OPTIONS"] {
            let request = caller.request(method, "/api/projects/1", "Connection: close\r\n", "");
            let mut stream = caller.connect();
            std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
            assert!(answer.to_lowercase().contains("\r\nallow: get\r\n"), "{answer}");
        }
    }
}

#[test]
fn trailing_slashes() {
    let (_server, caller) = server(Profile::V5_51, false, false);
    let reply = caller.call("POST", "/api/projects/?a=1", "", "");
    let expected = format!("http://{}/api/projects?a=1", caller.address);
    assert_eq!((reply.status, reply.header("location")), (307, Some(expected.as_str())));
    assert_eq!(caller.get("/api/nope/").status, 404);

    let (_server, caller) = server(Profile::V9_22, false, false);
    assert_eq!(caller.get("/api/projects/").status, 404);
    assert_eq!(caller.post("/api/projects/", "{}").status, 405);
}

#[test]
fn bad_bodies() {
    for profile in REAL {
        let (_server, caller) = server(profile, false, false);
        let detail = |headers: &str, body: &str| {
            let reply = caller.call("POST", "/api/projects", headers, body);
            assert_eq!(reply.status, 422, "{}", reply.text());
            reply.json()["detail"].clone()
        };
        let as_json = "Content-Type: application/json\r\n";
        assert_eq!(
            detail(as_json, ""),
            json!([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": null}])
        );
        assert_eq!(
            detail(as_json, "{}")[0],
            json!({"type": "missing", "loc": ["body", "name"], "msg": "Field required", "input": {}})
        );
        for headers in ["", "Content-Type: text/plain\r\n"] {
            assert_eq!(detail(headers, "{\"name\":\"a\"}")[0]["type"], "model_attributes_type");
        }
        assert_eq!(detail(as_json, "[1]")[0]["type"], "model_attributes_type");
        let broken = detail(as_json, "{\"name\":")[0].clone();
        assert_eq!(broken["type"], "json_invalid");
        assert!(broken["loc"][1].is_u64(), "{broken}");
        let text = detail(as_json, "{\"name\":5}")[0].clone();
        assert_eq!((&text["type"], &text["input"]), (&json!("string_type"), &json!(5)));
    }
}

#[test]
fn ids_are_integers_on_real_servers() {
    for profile in REAL {
        let (_server, caller) = server(profile, false, true);
        let problem = caller.get("/api/projects/proj-1").json()["detail"][0].clone();
        assert_eq!(
            problem,
            json!({"type": "int_parsing", "loc": ["path", "project_id"], "input": "proj-1",
                   "msg": "Input should be a valid integer, unable to parse string as an integer"})
        );
        assert_eq!(caller.get("/api/v2/runs?project_id=").status, 422);
        assert_eq!(caller.get("/api/projects/1.0").json()["id"], 1);
        assert_eq!(caller.get("/api/projects/%201").json()["id"], 1);
        assert_eq!(caller.get("/api/projects/99").json(), json!({"detail": "Project not found"}));
        let limit = caller.get("/api/v2/runs?limit=1001").json()["detail"][0].clone();
        assert_eq!((&limit["type"], &limit["ctx"]), (&json!("less_than_equal"), &json!({"le": 1000})));
    }
}

#[test]
fn the_guide_spells_ids() {
    let (_server, caller) = server(Profile::Guide, false, true);
    for id in ["1", "proj-1"] {
        assert_eq!(caller.get(&format!("/api/projects/{id}")).json()["id"], 1);
    }
    assert_eq!(caller.get("/api/runs/run-1").json()["events"].as_array().unwrap().len(), 24);
    for id in ["nonexistent", "proj-99", "0", "-1", "99999999999999999999"] {
        let reply = caller.get(&format!("/api/projects/{id}"));
        assert_eq!((reply.status, reply.text()), (404, "{\"detail\":\"Project not found\"}"), "{id}");
    }
    assert_eq!(caller.get("/api/runs?project_id=nonexistent").json(), json!([]));
    let task =
        caller.create("/api/tasks", "{\"project_id\":\"proj-1\",\"title\":\"T\",\"status\":\"completed\"}");
    assert_eq!((&task["project_id"], &task["status"]), (&json!(1), &json!("completed")));
    let listed = caller.get("/api/tasks?project_id=proj-1&status=completed").json();
    assert_eq!(listed[0]["id"], task["id"], "one store of tasks");
}

#[test]
fn a_500_ends_the_connection_without_a_word() {
    for profile in REAL {
        let (_server, caller) = server(profile, false, false);
        caller.create("/api/v2/tenants", "{\"name\":\"Acme\"}");
        let mut stream = caller.connect();
        let request = caller.request(
            "POST",
            "/api/v2/tenants",
            "Content-Type: application/json\r\n",
            "{\"name\":\"Acme\"}",
        );
        let reply = exchange(&mut stream, &request);
        assert_eq!((reply.status, reply.text()), (500, "Internal Server Error"));
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(reply.header("connection"), None);
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the connection is closed");
        assert_eq!(caller.get("/api/v2/tenants").json().as_array().unwrap().len(), 1);
        for body in ["{\"name\":NaN}", "{\"name\":\"\\ud800\"}"] {
            assert_eq!(caller.post("/api/projects", body).status, 500, "{body}");
        }
        assert_eq!(caller.get("/api/projects/100000000000000000000").status, 500);
    }
    let (_server, caller) = server(Profile::Guide, false, false);
    caller.create("/api/tenants", "{\"name\":\"Acme\"}");
    assert_eq!(caller.post("/api/tenants", "{\"name\":\"Acme\"}").status, 409);
}

#[test]
fn connections_are_kept_and_closed_when_idle() {
    let (_server, caller) = server(Profile::V9_22, false, false);
    let mut stream = caller.connect();
    let request = caller.request("GET", "/api/status", "", "");
    for path in ["/api/status", "/api/nope", "/api/projects/x"] {
        exchange(&mut stream, &caller.request("GET", path, "", ""));
    }
    assert_eq!(exchange(&mut stream, &request).status, 200);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "no farewell: {rest:?}");
}

#[test]
fn only_the_newer_server_compresses() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, false, true);
        let path = if profile == Profile::Guide { "/api/runs/1" } else { "/api/v2/runs/1" };
        let plain = caller.get(path);
        assert!(plain.body.len() >= 1024);
        let reply = caller.call("GET", path, "Accept-Encoding: gzip\r\n", "");
        if profile == Profile::V9_22 {
            assert_eq!(reply.header("content-encoding"), Some("gzip"));
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&reply.body[..]).read_to_end(&mut text).unwrap();
            assert_eq!(text, plain.body);
        } else {
            assert_eq!(reply.header("content-encoding"), None);
            assert_eq!(reply.body, plain.body);
        }
    }
}

#[test]
fn projects_and_tenants_of_the_newer_server() {
    let (_server, caller) = server(Profile::V9_22, false, false);
    let problem = caller.post("/api/projects", "{\"name\":\"a\"}").json()["detail"][0].clone();
    assert_eq!((&problem["type"], &problem["loc"]), (&json!("missing"), &json!(["body", "tenant_id"])));
    assert_eq!(
        caller.post("/api/projects", "{\"name\":\"a\",\"tenant_id\":7}").json(),
        json!({"detail": "Tenant not found"})
    );
    caller.create("/api/v2/tenants", "{\"name\":\"Acme Corp\"}");
    for _ in 0..51 {
        caller.create("/api/projects", "{\"name\":\"a\",\"tenant_id\":1,\"unknown\":[]}");
    }
    assert_eq!(caller.get("/api/projects").json().as_array().unwrap().len(), 50);
    assert_eq!(caller.get("/api/projects?offset=50").json().as_array().unwrap().len(), 1);

    let (_server, caller) = server(Profile::V5_51, false, false);
    let project = caller.create("/api/projects", "{\"name\":\"a\"}");
    assert!(project.get("tenant_id").is_none());
    assert_eq!(project["created_at"].as_str().unwrap().len(), "2026-11-21T22:49:47".len());
    let slugs: Vec<Value> = ["Über uns", "日本", "中国"]
        .iter()
        .map(|name| caller.create("/api/v2/tenants", &format!("{{\"name\":\"{name}\"}}"))["slug"].clone())
        .collect();
    assert_eq!(slugs, ["ber-uns", "", "-2"]);
}

#[test]
fn tasks_of_real_servers_are_in_two_stores() {
    for profile in REAL {
        let (_server, caller) = server(profile, false, true);
        let before = caller.get("/api/tasks").json();
        assert_eq!(before[0]["id"], "task-001");
        let task = caller.create("/api/tasks", "{\"project_id\":1,\"title\":\"T\"}");
        assert_eq!(caller.get("/api/tasks?project_id=99").json(), before, "project_id is ignored");
        let path = format!("/api/tasks/{}", task["id"]);
        let refused = caller.send("PUT", &path, "{\"status\":\"completed\"}").json()["detail"][0].clone();
        assert_eq!(refused["msg"], "Input should be 'backlog', 'pending', 'in_progress', 'review' or 'done'");
        assert_eq!(caller.send("PUT", &path, "{\"status\":\"done\"}").json()["status"], "done");
        let moved = caller.post(&format!("{path}/move"), "{\"status\":\"review\",\"position\":3}");
        assert_eq!((moved.status, &moved.json()["position"]), (200, &json!(3)));
        let gone = caller.call("DELETE", &path, "", "");
        assert_eq!((gone.status, gone.header("content-type")), (204, Some("application/json")));
        assert_eq!(caller.get(&path).json(), json!({"detail": "Task not found"}));
    }
}
