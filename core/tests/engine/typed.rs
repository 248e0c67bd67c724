//! The generated Rust face.

use loki_mode_core::generated::{CreateApiKey, CreateTask, ListRuns, StartSession};
use loki_mode_core::{Error, Id};

use crate::common::{RUN, Server, json};

#[test]
fn arguments_and_options_reach_the_wire_and_models_come_back() {
    let run = RUN.replace("\"trigger\"", "\"surprise\":{\"a\":1},\"trigger\"");
    let server = Server::script(vec![json(200, &format!("[{run}]")), json(200, "{}"), json(204, "")]);
    let client = server.client();
    let runs = client.list_runs(&ListRuns { project_id: Some(7.into()), ..ListRuns::default() }).unwrap();
    assert_eq!((&runs[0].id, runs[0].status.as_deref()), (&Id::Int(1), Some("running")));
    assert_eq!(runs[0].extra["surprise"]["a"], 1);
    let options = CreateTask { priority: Some("high".to_owned()), ..CreateTask::default() };
    assert!(matches!(client.create_task("p-1", "T", &options), Err(Error::Decode(_))));
    client.delete_project(runs[0].id.clone()).unwrap();
    let seen = server.requests();
    assert_eq!(seen[0].target(), "GET /api/runs?project_id=7");
    assert_eq!(seen[1].body, r#"{"project_id":"p-1","title":"T","priority":"high"}"#);
    assert_eq!(seen[2].target(), "DELETE /api/projects/1");
}

#[test]
fn names_of_the_wire_are_not_those_of_rust() {
    let started = r#"{"sessionId":"s-1","status":"starting","newField":1}"#;
    let server = Server::script(vec![json(201, started)]);
    let options = StartSession { prd_path: Some("a.md".to_owned()), ..StartSession::default() };
    let session = server.client().start_session(&options).unwrap();
    assert_eq!(session.session_id, Id::Str("s-1".to_owned()));
    assert_eq!(session.extra["newField"], 1);
    assert_eq!(serde_json::to_value(&session).unwrap()["sessionId"], "s-1");
    assert_eq!(server.requests()[0].body, r#"{"prdPath":"a.md"}"#);
}

#[test]
fn a_new_key_does_not_print_its_secrets() {
    let key =
        r#"{"id":"k1","name":"ci","token":"loki_canary","hash":"canary","salt":"canary","role":"viewer"}"#;
    let server = Server::script(vec![json(201, key)]);
    let created = server.client().create_api_key("ci", &CreateApiKey::default()).unwrap();
    assert_eq!(created.token.expose(), "loki_canary");
    let printed = format!("{created:?}");
    assert!(printed.contains("k1") && !printed.contains("canary"), "{printed}");
}
