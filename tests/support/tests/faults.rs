//! Every fault of the server is on the wire what its README says, seen from a bare socket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use loki_mode_test_support::{FaultServer, Reply, control, refused_base_url};
use serde_json::{Value, json};

const REQUEST: &str = "GET /a?b=c HTTP/1.1\r\nhost: h\r\n\r\n";

fn start(replies: Value) -> FaultServer {
    let replies: Vec<Reply> = serde_json::from_value(replies).expect("replies of the README");
    FaultServer::start(replies).expect("a loopback port is free")
}

fn connect(server: &FaultServer) -> TcpStream {
    let address = server.base_url().trim_start_matches("http://");
    let stream = TcpStream::connect(address).expect("the server listens");
    // Only so that a broken server fails the test instead of hanging it.
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    stream
}

/// Sends a request and reads until the connection ends; how it ended stands beside what was read.
fn exchange(server: &FaultServer) -> (String, io::Result<()>) {
    let mut stream = connect(server);
    stream.write_all(REQUEST.as_bytes()).expect("a request can be sent");
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).map(|_| ());
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

/// Reads exactly this text.
#[track_caller]
fn expect(stream: &mut TcpStream, text: &str) {
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).expect("that many bytes arrive");
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody";

#[test]
fn answers_come_in_order_over_kept_connections_and_requests_are_recorded() {
    let server = start(json!([
        {"text": "body"},
        {"status": 201, "json": {"id": 1}, "headers": {"x-at": "{{base_url}}/x"}},
        {"status": 204},
        {"base64": "Ym9keQ=="},
    ]));
    let mut first = connect(&server);
    first.write_all(REQUEST.as_bytes()).unwrap();
    expect(&mut first, OK);
    let mut second = connect(&server);
    second.write_all(b"POST /p%20q HTTP/1.1\r\nHost: h\r\ncontent-length: 2\r\n\r\n{}").unwrap();
    let base_url = server.base_url();
    expect(
        &mut second,
        &format!(
            "HTTP/1.1 201 Created\r\nx-at: {base_url}/x\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n\
             {{\"id\":1}}"
        ),
    );
    first.write_all(REQUEST.repeat(2).as_bytes()).unwrap();
    expect(&mut first, "HTTP/1.1 204 No Content\r\n\r\n");
    expect(&mut first, OK);
    let seen: Vec<_> =
        server.requests().iter().map(|r| (r.method.clone(), r.raw_target.clone(), r.connection)).collect();
    let get = |connection| ("GET".to_owned(), "/a?b=c".to_owned(), connection);
    assert_eq!(seen, [get(1), ("POST".to_owned(), "/p%20q".to_owned(), 2), get(1), get(1)]);
    assert_eq!(server.requests()[1].body.as_deref(), Some("{}"));
    assert_eq!(server.remaining(), 0);
}

#[test]
fn a_request_too_many_is_answered_and_marked() {
    let server = start(json!([]));
    let mut stream = connect(&server);
    stream.write_all(REQUEST.as_bytes()).unwrap();
    expect(&mut stream, "HTTP/1.1 500 Internal Server Error\r\n");
    assert!(server.requests()[0].unexpected);
}

#[test]
fn what_is_not_http_is_refused() {
    let server = start(json!([{"text": "body"}]));
    let mut stream = connect(&server);
    stream.write_all(b"nonsense\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 400 ") && text.ends_with("Invalid HTTP request received."), "{text}");
    assert_eq!(server.remaining(), 1);
}

#[test]
fn connections_end_where_and_how_they_should() {
    for (faults, expected, reset) in [
        (json!({"cut_after": 20}), &OK[..20], false),
        (json!({"cut_after": 0}), "", false),
        (json!({"cut_after": 9999}), OK, false),
        (json!({"reset_after": 40}), &OK[..40], true),
        (json!({"reset_after": 0}), "", true),
        (json!({"read_then_close": true}), "", false),
        (json!({"close_after": true}), OK, false),
        (json!({"close_after": true, "drip_ms": 1}), OK, false),
        (json!({"close_after": true, "delay_ms": 1, "head_delay_ms": 1, "body_delay_ms": 1}), OK, false),
        (json!({"wrong_length": 3}), "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nbody", false),
        (json!({"garbage": "SSH-2.0\r\n"}), "SSH-2.0\r\n", false),
        (
            json!({"chunked": "truncated"}),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\nd",
            false,
        ),
        (
            json!({"chunked": true, "close_after": true}),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
            false,
        ),
        (json!({"stale": {"idle_ms": 1}}), OK, false),
    ] {
        let server = start(json!([{"text": "body", "faults": faults}]));
        let (text, end) = exchange(&server);
        assert_eq!(text, expected, "{faults}");
        match end {
            Ok(()) => assert!(!reset, "{faults}: closed in order"),
            Err(error) => {
                assert!(reset && error.kind() == io::ErrorKind::ConnectionReset, "{faults}: {error}")
            }
        }
        assert_eq!(server.requests().len(), 1, "{faults}");
    }
    let server = start(json!([{"faults": {"garbage": true}}]));
    assert!(!exchange(&server).0.starts_with("HTTP/"));
}

#[test]
fn a_surplus_of_the_body_stays_on_the_connection() {
    let server = start(json!([{"text": "body", "faults": {"wrong_length": -1}}, {"text": "body"}]));
    let mut stream = connect(&server);
    stream.write_all(REQUEST.repeat(2).as_bytes()).unwrap();
    expect(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbody");
    expect(&mut stream, OK);
}

#[test]
fn a_stale_connection_does_not_take_the_next_request() {
    let server = start(json!([{"text": "body", "faults": {"stale": "on_request"}}, {"text": "body"}]));
    let mut stream = connect(&server);
    stream.write_all(REQUEST.as_bytes()).unwrap();
    expect(&mut stream, OK);
    stream.write_all(REQUEST.as_bytes()).unwrap();
    let end = stream.read(&mut [0; 16]);
    assert!(
        matches!(&end, Ok(0)) || end.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::ConnectionReset),
        "{end:?}"
    );
    assert_eq!((server.requests().len(), server.remaining()), (1, 1));
}

#[test]
fn silent_connections_stay_open_until_the_server_stops() {
    for (faults, expected) in [
        (json!({"hold": true}), ""),
        (json!({"half_open": 12}), &OK[..12]),
        (json!({"half_open": true}), &OK[..OK.len() - 4]),
    ] {
        let server = start(json!([{"text": "body", "faults": faults}]));
        let mut stream = connect(&server);
        stream.write_all(REQUEST.as_bytes()).unwrap();
        expect(&mut stream, expected);
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let silence = stream.read(&mut [0]).unwrap_err().kind();
        assert!(
            matches!(silence, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            "{faults}: {silence}"
        );
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        drop(server);
        assert_eq!(stream.read(&mut [0]).unwrap_or_default(), 0, "{faults}");
    }
}

#[test]
fn an_endless_body_flows_until_the_client_leaves() {
    let server = start(json!([{"text": "{", "faults": {"endless": true}}]));
    let mut stream = connect(&server);
    stream.write_all(REQUEST.as_bytes()).unwrap();
    expect(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n4000\r\n");
    let mut much = vec![0; 4 << 20];
    stream.read_exact(&mut much).unwrap();
}

#[test]
fn a_header_bomb_has_its_size() {
    let server = start(json!([{"text": "body", "faults": {"header_bomb": 100_000, "close_after": true}}]));
    assert!(exchange(&server).0.len() > 100_000);
}

#[test]
fn a_reply_stands_for_as_many_requests_as_it_says() {
    let server = start(json!([{"text": "body", "repeat": 3}]));
    assert_eq!(server.remaining(), 3);
    let mut stream = connect(&server);
    stream.write_all(REQUEST.repeat(3).as_bytes()).unwrap();
    expect(&mut stream, &OK.repeat(3));
}

#[test]
fn nobody_listens_at_a_refused_base_url() {
    let url = refused_base_url().unwrap();
    let error = TcpStream::connect(url.trim_start_matches("http://")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn the_server_is_driven_by_json_lines() {
    let commands = [
        json!({"serve": [{"text": "body"}]}),
        json!({"serve": [], "name": "b"}),
        json!({"recorded": true}),
        json!({"stop": true, "name": "b"}),
        json!({"recorded": true, "name": "b"}),
        json!({"refuse": true}),
        json!({"serve": [{"txet": "typing error"}]}),
        json!({"serve": [{"base64": "?"}]}),
        json!({}),
    ];
    let input: String = commands.iter().map(|command| format!("{command}\n")).collect();
    let mut output = Vec::new();
    control::run(input.as_bytes(), &mut output).unwrap();
    let answers: Vec<Value> =
        String::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), commands.len());
    for index in [0, 1, 5] {
        assert!(answers[index]["base_url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    }
    assert_ne!(answers[0], answers[1]);
    assert_eq!(answers[2], json!({"requests": [], "remaining": 1}));
    assert_eq!(answers[3], json!({"stopped": true}));
    for index in [4, 6, 7, 8] {
        assert!(answers[index]["error"].is_string(), "{}", answers[index]);
    }
}
