//! What a caller says about the requests of a stream: the same for all of them.

use std::time::{Duration, Instant};

use loki_mode_core::events::{FollowOptions, LiveOptions, WaitOptions, WatchOptions};
use loki_mode_core::stream::{Step, Stream, StreamCall};
use loki_mode_core::{Client, Error, ErrorKind, Options, PathStyle, Value};

use crate::common::{Reply, Server, json};

/// Every kind of stream with these terms.
fn streams(
    client: &Client,
    timeout: Option<Duration>,
    max_retries: Option<u32>,
    headers: &[(&str, &str)],
) -> [Result<Stream, Error>; 5] {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let follow = FollowOptions { timeout, max_retries, headers: headers.clone(), ..FollowOptions::default() };
    [
        client.follow(Value::Int(7), &follow),
        client.follow_many(Vec::new(), Some(Value::Int(1)), &follow),
        client.wait_for_run(
            Value::Int(7),
            &WaitOptions { timeout, max_retries, headers: headers.clone(), ..WaitOptions::default() },
        ),
        client.events(&LiveOptions {
            timeout,
            max_retries,
            headers: headers.clone(),
            ..LiveOptions::default()
        }),
        client.watch(&WatchOptions { timeout, max_retries, headers, ..WatchOptions::default() }),
    ]
}

/// How a stream ends from which no event comes.
fn failure(stream: &Stream) -> Error {
    loop {
        match stream.next(&StreamCall::default()).step {
            Ok(Step::Idle) => {}
            Ok(step) => panic!("{step:?} of a server that gives nothing"),
            Err(error) => return error,
        }
    }
}

fn client(server: &Server) -> Client {
    let headers = ["x-both", "x-client"].map(|name| (name.to_owned(), "client".to_owned()));
    let options = Options { path_style: PathStyle::Guide, headers: headers.to_vec(), ..server.options() };
    Client::new(options).unwrap()
}

#[test]
fn each_request_has_the_headers_and_is_repeated_as_often_as_was_said() {
    let server = Server::new(|_| json(503, r#"{"detail":"no"}"#));
    let headers = [("x-both", "stream"), ("x-stream", "a b")];
    for stream in streams(&client(&server), None, Some(1), &headers) {
        let stream = stream.unwrap();
        // The second time, the caller has asked again: it begins anew.
        for _ in 0..2 {
            let error = failure(&stream);
            assert_eq!(error.kind(), ErrorKind::Server, "{error}");
            let requests = server.requests();
            assert_eq!(requests.len(), 2, "{requests:?}");
            for seen in &requests {
                let found = ["x-both", "x-client", "x-stream"].map(|name| seen.header(name));
                assert_eq!(found, [Some("stream"), Some("client"), Some("a b")], "{}", seen.target());
            }
        }
    }
}

#[test]
fn the_time_of_a_stream_is_its_own_and_ends_also_a_request_that_hangs() {
    let server = Server::new(|_| Reply::Silence);
    for stream in streams(&client(&server), Some(Duration::from_millis(300)), None, &[]) {
        let began = Instant::now();
        let stream = stream.unwrap();
        // Also when asked again: the end would say that there is no more to come.
        for _ in 0..2 {
            let error = failure(&stream);
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        }
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn an_open_connection_does_not_outlast_the_time_of_its_stream() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: connected\n\n";
    let server = Server::new(|_| Reply::SendAndHold(head.to_owned()));
    let options = LiveOptions { timeout: Some(Duration::from_millis(300)), ..LiveOptions::default() };
    let began = Instant::now();
    let error = failure(&client(&server).events(&options).unwrap());
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_is_no_good_is_named_when_the_stream_is_opened() {
    let server = Server::new(|_| Reply::Close);
    for (timeout, header, named) in [
        (Some(Duration::ZERO), ("x-a", "b"), "timeout"),
        (None, ("Authorization", "Bearer canary"), "headers"),
        (None, ("x-a", "b\r\nx-c: d"), "headers"),
    ] {
        for stream in streams(&client(&server), timeout, None, &[header]) {
            let error = stream.unwrap_err();
            assert!(matches!(error, Error::Config(_)) && error.to_string().contains(named), "{error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
    assert!(server.requests().is_empty());
}
