//! The WebSocket of the dashboard, in every profile.

mod common;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{ADMIN, Caller, server, start};
use loki_control_plane::{Config, Profile};
use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket};

fn connect(caller: &Caller, query: &str, headers: &str) -> Result<WebSocket<TcpStream>, u16> {
    let stream = caller.connect();
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    let mut request = tungstenite::http::Request::get(format!("ws://{}/ws{query}", caller.address))
        .header("host", &caller.address)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", tungstenite::handshake::client::generate_key());
    if !headers.is_empty() {
        request = request.header("authorization", headers);
    }
    match tungstenite::client(request.body(()).expect("a good request"), stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

fn read(socket: &mut WebSocket<TcpStream>) -> Value {
    loop {
        match socket.read().expect("a message") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn send(socket: &mut WebSocket<TcpStream>, text: &str) {
    socket.send(Message::text(text)).expect("an open socket");
}

/// A client that has been greeted.
fn greeted(caller: &Caller) -> WebSocket<TcpStream> {
    let mut socket = connect(caller, "", "").expect("a handshake");
    let hello = read(&mut socket);
    assert_eq!(hello["type"], "connected");
    assert!(hello["data"]["message"].is_string());
    socket
}

#[test]
fn words_and_their_answers() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, false, false);
        let mut socket = greeted(&caller);
        send(&mut socket, "no JSON");
        send(&mut socket, r#"{"type":"pong"}"#);
        send(&mut socket, r#"{"hello":1}"#);
        send(&mut socket, r#"{"type":"ping"}"#);
        assert_eq!(read(&mut socket), json!({"type": "pong"}));
        send(&mut socket, r#"{"type":"subscribe","data":{"project":[1,2.5]}}"#);
        assert_eq!(read(&mut socket), json!({"type": "subscribed", "data": {"project": [1, 2.5]}}));
        send(&mut socket, "[1]");
        assert!(
            matches!(socket.read(), Err(Error::Protocol(_) | Error::Io(_))),
            "a list ends the connection without a goodbye"
        );
    }
}

#[test]
fn changes_are_told_to_everybody_once_they_are_made() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, false, false);
        let tenants = if profile == Profile::Guide { "/api/tenants" } else { "/api/v2/tenants" };
        caller.create(tenants, r#"{"name":"Acme"}"#);
        let mut sockets = [greeted(&caller), greeted(&caller)];
        let mut told = |kind: &str, data: Value| {
            for socket in &mut sockets {
                assert_eq!(read(socket), json!({"type": kind, "data": data}));
            }
        };
        caller.create("/api/projects", r#"{"name":"alpha","tenant_id":1}"#);
        told("project_created", json!({"id": 1, "name": "alpha"}));
        assert_eq!(caller.send("PUT", "/api/projects/1", r#"{"name":"beta"}"#).status, 200);
        told("project_updated", json!({"id": 1, "name": "beta"}));
        caller.create("/api/tasks", r#"{"project_id":1,"title":"T"}"#);
        told("task_created", json!({"id": 1, "project_id": 1, "title": "T", "status": "pending"}));
        assert_eq!(caller.send("PUT", "/api/tasks/1", r#"{"status":"review"}"#).status, 200);
        told("task_updated", json!({"id": 1, "project_id": 1, "title": "T", "status": "review"}));
        assert_eq!(caller.post("/api/tasks/1/move", r#"{"status":"done","position":2}"#).status, 200);
        let moved = json!({"id": 1, "project_id": 1, "title": "T", "old_status": "review", "new_status": "done", "position": 2});
        told("task_moved", moved);
        // What fails is not told.
        assert_eq!(caller.send("DELETE", "/api/tasks/9", "").status, 404);
        assert_eq!(caller.send("DELETE", "/api/tasks/1", "").status, 204);
        told("task_deleted", json!({"id": 1, "project_id": 1}));
        assert_eq!(caller.send("DELETE", "/api/projects/1", "").status, 204);
        told("project_deleted", json!({"id": 1, "name": "beta"}));
    }
}

#[test]
fn the_token_travels_in_the_query_and_nowhere_else() {
    for profile in Profile::ALL {
        let (_server, caller) = server(profile, true, false);
        assert!(connect(&caller, &format!("?token={ADMIN}"), "").is_ok());
        assert_eq!(connect(&caller, "", &format!("Bearer {ADMIN}")).err(), Some(403));
        assert_eq!(connect(&caller, "?token=loki_wrong", "").err(), Some(403));
        assert_eq!(connect(&caller, "", "").err(), Some(403));
        let plain = caller.get("/ws");
        assert_eq!(
            plain.status,
            if profile == Profile::V9_22 { 200 } else { 404 },
            "no route but for WebSockets"
        );
    }
}

#[test]
fn silence_is_asked_about_and_then_punished_by_some() {
    for profile in Profile::ALL {
        let config = Config { profile, dashboard_silence: Duration::from_millis(400), ..Config::default() };
        let (_server, caller) = start(config);
        let mut socket = greeted(&caller);
        assert_eq!(read(&mut socket), json!({"type": "ping"}));
        send(&mut socket, r#"{"type":"pong"}"#);
        assert_eq!(read(&mut socket), json!({"type": "ping"}), "a sign of life begins the time anew");
        if profile == Profile::V9_22 {
            // An answer at the level of the protocol is none.
            socket.send(Message::Pong("".into())).unwrap();
            assert!(matches!(socket.read(), Err(Error::Protocol(_) | Error::Io(_))));
        } else {
            assert_eq!(read(&mut socket), json!({"type": "ping"}));
            assert_eq!(read(&mut socket), json!({"type": "ping"}));
        }
    }
}

#[test]
fn a_client_outlives_the_idle_time_of_connections_and_a_server_stops_with_it() {
    let (server, caller) = server(Profile::Guide, false, false);
    let mut socket = greeted(&caller);
    std::thread::sleep(Duration::from_secs(6));
    send(&mut socket, r#"{"type":"ping"}"#);
    assert_eq!(read(&mut socket), json!({"type": "pong"}));
    let begin = Instant::now();
    server.stop();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert!(socket.read().is_err());
}
