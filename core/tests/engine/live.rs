//! Live events over real sockets.

use std::time::{Duration, Instant};

use loki_mode_core::events::LiveOptions;
use loki_mode_core::stream::{Step, Stream, StreamCall};
use loki_mode_core::{Changes, ErrorKind, Value};
use serde::Deserialize;

use crate::common::{Reply, Server, json};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: connected to loki-mode event stream\n\n";

#[derive(Debug, Deserialize)]
struct Event {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
}

fn frame(number: u32) -> String {
    let data = format!(
        r#"{{"id":"evt_{number}_1","type":"task:created","timestamp":"2026-11-21T22:57:{number:02}Z","data":{{}}}}"#
    );
    format!("id: evt_{number}_1\nevent: task:created\ndata: {data}\n\n")
}

fn frames(numbers: impl IntoIterator<Item = u32>) -> String {
    numbers.into_iter().map(frame).collect()
}

/// The numbers of the next events, until there are that many; a gap is 0.
fn take(stream: &Stream, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        match stream.next(&StreamCall::default()).step.unwrap() {
            Step::Items(batch) => {
                let events: Vec<Event> = serde_json::from_str(batch.json()).unwrap();
                numbers.extend(events.iter().map(|event| {
                    let number = event.id.as_deref().map(|id| id.split('_').nth(1).unwrap().parse().unwrap());
                    assert_eq!(event.kind == "gap", number.is_none());
                    number.unwrap_or(0)
                }));
            }
            Step::Idle => {}
            Step::End => panic!("it ended after {numbers:?}"),
        }
    }
    numbers
}

#[test]
fn a_lost_connection_is_resumed_where_it_broke_off() {
    let server = Server::script(vec![
        Reply::SendAndClose(format!("{HEAD}{}", frames([1, 2]))),
        json(503, "{}"),
        Reply::Close,
        Reply::SendAndClose(format!("{HEAD}{}: resumed after evt_2_1\n\n{}", frames([3, 4]), frames([5]))),
        // A server that replays instead, from before the beginning.
        Reply::SendAndHold(format!("{HEAD}{}: replayed 7 historical events\n\n", frames(0..=6))),
    ]);
    let options = LiveOptions {
        session_id: Some(Value::from("s 1")),
        types: vec!["task.created".to_owned()],
        ..LiveOptions::default()
    };
    let stream = server.client().events(&options).unwrap();
    assert_eq!(take(&stream, 6), [1, 2, 3, 4, 5, 6]);
    let requests = server.requests();
    let last: Vec<_> = requests.iter().map(|seen| seen.header("last-event-id")).collect();
    assert_eq!(last, [None, Some("evt_2_1"), Some("evt_2_1"), Some("evt_2_1"), Some("evt_5_1")]);
    let first = "GET /api/events?sessionId=s+1&types=task%3Acreated%2Ctask.created";
    assert_eq!(requests[0].target(), first);
    assert_eq!(requests[4].target(), format!("{first}&history=1000"));
    assert_eq!(requests[0].header("accept"), Some("text/event-stream"));
    stream.close();
}

#[test]
fn a_gap_that_cannot_be_closed_is_told() {
    let server = Server::script(vec![
        Reply::SendAndClose(format!("{HEAD}{}", frames([7, 8]))),
        Reply::SendAndHold(format!("{HEAD}: not resumed\n\n{}", frames([11, 12]))),
    ]);
    let stream = server.client().events(&LiveOptions { history: Some(2), ..LiveOptions::default() }).unwrap();
    assert_eq!(take(&stream, 5), [7, 8, 0, 11, 12]);
    assert_eq!(server.requests()[0].target(), "GET /api/events?history=2");
}

#[test]
fn a_server_without_live_events_says_so() {
    let server = Server::new(|_| json(404, r#"{"detail":"Not Found"}"#));
    let stream = server.client().events(&LiveOptions::default()).unwrap();
    let error = stream.next(&StreamCall::default()).step.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAvailable);
    assert!(error.to_string().contains("follow runs"), "{error}");
    let refused = Server::new(|_| json(401, r#"{"detail":"no"}"#));
    let stream = refused.client().events(&LiveOptions::default()).unwrap();
    let error = stream.next(&StreamCall::default()).step.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    let json_answer = Server::new(|_| json(200, "[]"));
    let stream = json_answer.client().events(&LiveOptions::default()).unwrap();
    assert_eq!(stream.next(&StreamCall::default()).step.unwrap_err().kind(), ErrorKind::Decode);
}

#[test]
fn a_peer_that_has_fallen_silent_is_given_up() {
    let beats = ": keep-alive 1\n\n".repeat(3);
    let server = Server::script(vec![
        Reply::SendAndHold(format!("{HEAD}{}{beats}", frames([1]))),
        Reply::SendAndHold(format!("{HEAD}{}: resumed after evt_1_1\n\n", frames([2]))),
    ]);
    let stream = server.client().events(&LiveOptions::default()).unwrap();
    let began = Instant::now();
    assert_eq!(take(&stream, 2), [1, 2]);
    assert!(began.elapsed() >= Duration::from_secs(4), "not before the silence is longer than usual");
}

#[test]
fn close_ends_a_wait_for_events() {
    let server = Server::script(vec![Reply::SendAndHold(HEAD.to_owned())]);
    let stream = std::sync::Arc::new(server.client().events(&LiveOptions::default()).unwrap());
    let other = std::sync::Arc::clone(&stream);
    let closer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        other.close();
    });
    let began = Instant::now();
    assert!(matches!(stream.next(&StreamCall::default()).step, Ok(Step::End)));
    assert!(began.elapsed() < Duration::from_secs(3));
    closer.join().unwrap();
}

#[test]
fn a_closed_client_ends_its_streams_also_where_the_server_goes_on_sending() {
    let beat = ": keep-alive 1\n\n".repeat(200);
    let server =
        Server::script(vec![Reply::Drip(format!("{HEAD}{}{beat}", frames([1])), Duration::from_millis(2))]);
    let client = server.client();
    let stream = client.events(&LiveOptions::default()).unwrap();
    assert_eq!(take(&stream, 1), [1]);
    client.close();
    let error = stream.next(&StreamCall::default()).step.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Config, "the client is closed"));
}

#[test]
fn a_closed_client_ends_a_wait_at_once_and_closes_the_connections_of_its_streams() {
    let hold = || Reply::SendAndHold(format!("{HEAD}{}", frames([1])));
    let server = Server::script(vec![hold(), hold()]);
    let client = server.client();
    let [waiting, idle] = [(); 2].map(|()| client.events(&LiveOptions::default()).unwrap());
    assert_eq!((take(&waiting, 1), take(&idle, 1)), (vec![1], vec![1]));
    let sibling = client.with_options(Changes::default()).unwrap();
    let closer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        client.close();
    });
    let began = Instant::now();
    for stream in [waiting, idle] {
        let error = stream.next(&StreamCall::default()).step.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Config, "the client is closed"));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "it waits for what the server sends next");
    closer.join().unwrap();
    assert!(sibling.events(&LiveOptions::default()).is_ok());
}
