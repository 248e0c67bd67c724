//! Waiting for the end of a run over real sockets.

use std::time::{Duration, Instant};

use loki_mode_core::events::WaitOptions;
use loki_mode_core::stream::{Step, Stream, StreamCall};
use loki_mode_core::{Client, Error, ErrorKind, PathStyle, Value};

use crate::common::{Reply, Server, json, text};

fn run(status: &str) -> Reply {
    json(200, &format!(r#"{{"id":7,"status":"{status}"}}"#))
}

fn client(server: &Server) -> Client {
    let mut options = server.options();
    (options.path_style, options.timeout) = (PathStyle::Guide, Duration::from_secs(2));
    Client::new(options).unwrap()
}

fn quick() -> WaitOptions {
    WaitOptions { poll_interval: Duration::from_millis(20), ..WaitOptions::default() }
}

/// The text of the run, once it has ended.
fn end(stream: &Stream) -> Result<String, Error> {
    loop {
        match stream.next(&StreamCall::default()).step? {
            Step::Items(batch) => return Ok(batch.json().to_owned()),
            Step::Idle => {}
            Step::End => panic!("a wait that ends without a run"),
        }
    }
}

#[test]
fn a_run_is_given_when_it_has_ended_whatever_happened_to_the_server_meanwhile() {
    let server = Server::script(vec![
        run("running"),
        json(500, "Internal Server Error"),
        Reply::Close,
        Reply::Send(text(429, "retry-after: 0\r\n", "{}")),
        json(404, r#"{"detail":"Run not found"}"#),
        run("replaying"),
        Reply::Send(text(200, "content-type: text/html\r\n", "<p>back soon</p>")),
        run("completed"),
    ]);
    let stream = client(&server).wait_for_run(Value::Int(7), &quick()).unwrap();
    assert_eq!(end(&stream).unwrap(), r#"[{"id":7,"status":"completed"}]"#);
    assert!(matches!(stream.next(&StreamCall::default()).step, Ok(Step::End)));
    assert_eq!(server.targets(), ["GET /api/runs/7"; 8]);
}

#[test]
fn a_run_that_has_ended_is_asked_for_once() {
    for ended in ["completed", "failed", "cancelled"] {
        let server = Server::script(vec![run(ended)]);
        let stream = client(&server).wait_for_run(Value::Int(7), &WaitOptions::default()).unwrap();
        assert!(end(&stream).unwrap().contains(ended));
    }
    let server =
        Server::script(vec![json(200, r#"{"id":7,"status":"odd","ended_at":"2026-11-21T22:50:49"}"#)]);
    let stream = client(&server).wait_for_run(Value::Int(7), &WaitOptions::default()).unwrap();
    assert!(end(&stream).unwrap().contains("odd"));
}

#[test]
fn the_time_of_a_wait_ends_it() {
    let mut replies = 0;
    let server = Server::new(move |_| {
        replies += 1;
        if replies < 4 { run("running") } else { json(503, r#"{"detail":"no"}"#) }
    });
    let options = WaitOptions { timeout: Some(Duration::from_millis(400)), ..quick() };
    let began = Instant::now();
    let error = end(&client(&server).wait_for_run(Value::Int(7), &options).unwrap()).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let message =
        "run 7 has not ended within 0.4 s; its last known state is running (GET /api/runs/7: 503 no)";
    assert_eq!(error.to_string(), message);
    let server = Server::new(|_| Reply::Silence);
    let error = end(&client(&server).wait_for_run(Value::Int(7), &options).unwrap()).unwrap_err();
    assert!(error.to_string().contains("its state is not known"), "{error}");
}

#[test]
fn a_run_that_is_gone_may_come_back_and_what_became_of_it_is_said() {
    let mut replies = 0;
    let server = Server::new(move |_| {
        replies += 1;
        if replies == 1 { run("running") } else { json(404, r#"{"detail":"Run not found"}"#) }
    });
    let options = WaitOptions { timeout: Some(Duration::from_millis(400)), ..quick() };
    let error = end(&client(&server).wait_for_run(Value::Int(7), &options).unwrap()).unwrap_err();
    let message = "run 7 has not ended within 0.4 s; its last known state is running (GET /api/runs/7: 404 Run not found)";
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Timeout, message));
}

#[test]
fn what_cannot_be_waited_for_is_an_error_at_once() {
    let server =
        Server::script(vec![json(404, r#"{"detail":"Run not found"}"#), json(403, "{}"), json(200, "[]")]);
    let client = client(&server);
    let kind = || end(&client.wait_for_run(Value::Int(7), &quick()).unwrap()).unwrap_err().kind();
    assert_eq!(
        [kind(), kind(), kind()],
        [ErrorKind::NotFound, ErrorKind::PermissionDenied, ErrorKind::Decode]
    );
    for (id, options, param) in [
        (Value::Int(7), WaitOptions { poll_interval: Duration::ZERO, ..quick() }, "poll_interval"),
        (Value::Int(7), WaitOptions { timeout: Some(Duration::ZERO), ..quick() }, "timeout"),
        (Value::from("../x"), quick(), "run_id"),
    ] {
        let error = client.wait_for_run(id, &options).unwrap_err();
        assert_eq!((error.kind(), error.details().param.as_deref()), (ErrorKind::Config, Some(param)));
    }
    assert_eq!(server.requests().len(), 3);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut options = server.options();
    (options.base_url, options.timeout) = (format!("http://{closed}"), Duration::from_millis(300));
    let nowhere = Client::new(options).unwrap().wait_for_run(Value::Int(7), &quick()).unwrap();
    assert_eq!(end(&nowhere).unwrap_err().kind(), ErrorKind::Connection);
}
