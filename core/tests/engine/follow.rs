//! Following runs over real sockets.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use loki_mode_core::events::{FollowOptions, Until};
use loki_mode_core::stream::{Stream, StreamCall};
use loki_mode_core::{Client, ErrorKind, PathStyle, Value};

use crate::common::{Reply, Seen, Server, json, next_ids as next, text};

/// A server with one run, as a test wants it.
#[derive(Default)]
struct Plane {
    /// Ids of its events, all of one second.
    events: Vec<i64>,
    status: &'static str,
    wrapped: bool,
    filters: bool,
    /// It was restarted without its data.
    anew: bool,
    trouble: Vec<Reply>,
}

fn event(id: i64, kind: &str) -> String {
    format!(
        r#"{{"id":{id},"run_id":7,"event_type":"{kind}","phase":null,"details":null,"timestamp":"2026-11-21T22:50:{:02}"}}"#,
        (id / 100).min(59)
    )
}

fn answer(plane: &mut Plane, seen: &Seen) -> Reply {
    if let Some(reply) = plane.trouble.pop() {
        return reply;
    }
    let (path, query) = seen.target().split_once('?').unwrap_or((seen.target(), ""));
    match path {
        "GET /api/runs/7/timeline" => {
            let since = query.strip_prefix("since=2026-11-21T22%3A50%3A").filter(|_| plane.filters);
            let kind = if plane.anew { "y" } else { "x" };
            let first = since.map_or(0, |since| since[..2].parse::<i64>().unwrap() * 100);
            let events: Vec<String> =
                plane.events.iter().filter(|id| **id >= first).map(|id| event(*id, kind)).collect();
            let list = format!("[{}]", events.join(","));
            let ended = if plane.status == "running" { "null" } else { "1.5" };
            let wrapped = format!(r#"{{"run_id":7,"events":{list},"duration_seconds":{ended}}}"#);
            json(200, if plane.wrapped { &wrapped } else { &list })
        }
        "GET /api/runs/7" => json(200, &format!(r#"{{"id":7,"status":"{}"}}"#, plane.status)),
        _ => json(404, r#"{"detail":"Run not found"}"#),
    }
}

fn serve(plane: Plane) -> (Server, Arc<Mutex<Plane>>) {
    let plane = Arc::new(Mutex::new(Plane { status: "running", ..plane }));
    let shared = Arc::clone(&plane);
    (Server::new(move |seen| answer(&mut shared.lock().unwrap(), seen)), plane)
}

fn client(server: &Server) -> Client {
    let mut options = server.options();
    options.path_style = PathStyle::Guide;
    options.timeout = Duration::from_secs(2);
    Client::new(options).unwrap()
}

fn quick() -> FollowOptions {
    FollowOptions { poll_interval: Duration::from_millis(20), ..FollowOptions::default() }
}

fn rest(stream: &Stream) -> Vec<i64> {
    std::iter::from_fn(|| next(stream).unwrap()).flatten().collect()
}

#[test]
fn a_run_is_followed_to_its_end_whatever_the_envelope() {
    for wrapped in [false, true] {
        let (server, plane) = serve(Plane { events: vec![1, 2], wrapped, ..Plane::default() });
        let stream = client(&server).follow(Value::Int(7), &quick()).unwrap();
        assert_eq!(next(&stream).unwrap().unwrap(), [1, 2]);
        plane.lock().unwrap().events.extend([3, 4]);
        assert_eq!(next(&stream).unwrap().unwrap(), [3, 4]);
        let mut plane = plane.lock().unwrap();
        plane.events.push(5);
        plane.status = "completed";
        drop(plane);
        assert_eq!(rest(&stream), [5]);
        assert_eq!(stream.status_of("7").as_deref(), Some("completed"));
        assert!(next(&stream).unwrap().is_none());
    }
}

#[test]
fn trouble_is_waited_out() {
    let (server, plane) = serve(Plane { events: vec![1], ..Plane::default() });
    let stream = client(&server).follow(Value::Int(7), &quick()).unwrap();
    assert_eq!(next(&stream).unwrap().unwrap(), [1]);
    let mut locked = plane.lock().unwrap();
    locked.trouble = vec![
        json(500, r#"{"detail":"no"}"#),
        Reply::Send(text(429, "retry-after: 0\r\n", "{}")),
        Reply::Close,
        Reply::SendAndClose("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n[".to_owned()),
        json(404, r#"{"detail":"Run not found"}"#),
        Reply::Send(text(200, "content-type: text/html\r\n", "<p>back soon</p>")),
    ];
    (locked.events, locked.status) = (vec![1, 2], "failed");
    drop(locked);
    assert_eq!(rest(&stream), [2]);
    assert!(plane.lock().unwrap().trouble.is_empty());
}

#[test]
fn who_asks_again_after_a_refused_token_goes_on() {
    let (server, plane) = serve(Plane { events: vec![1], ..Plane::default() });
    plane.lock().unwrap().trouble = vec![json(401, r#"{"detail":"expired"}"#); 2];
    let mut options = server.options();
    (options.path_style, options.timeout) = (PathStyle::Guide, Duration::from_secs(2));
    let stream = Client::new(options).unwrap().follow(Value::Int(7), &quick()).unwrap();
    let mut kinds = Vec::new();
    let events = loop {
        match next(&stream) {
            Ok(events) => break events,
            Err(error) => kinds.push(error.kind()),
        }
    };
    assert_eq!(events.unwrap(), [1]);
    assert_eq!(kinds, [ErrorKind::Authentication; 2]);
}

#[test]
fn what_cannot_be_followed_is_an_error_at_once() {
    let (server, _plane) = serve(Plane::default());
    let client = client(&server);
    let kind = |id| next(&client.follow(Value::Int(id), &quick()).unwrap()).unwrap_err().kind();
    assert_eq!(kind(8), ErrorKind::NotFound);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut options = server.options();
    (options.base_url, options.timeout) = (format!("http://{closed}"), Duration::from_millis(300));
    let nowhere = Client::new(options).unwrap().follow(Value::Int(7), &quick()).unwrap();
    assert_eq!(next(&nowhere).unwrap_err().kind(), ErrorKind::Connection);
    for (options, param) in [
        (FollowOptions { since: Some("soon".to_owned()), ..quick() }, "since"),
        (FollowOptions { cursor: Some("x".to_owned()), ..quick() }, "cursor"),
        (FollowOptions { poll_interval: Duration::ZERO, ..quick() }, "poll_interval"),
        (FollowOptions { timeout: Some(Duration::ZERO), ..quick() }, "timeout"),
    ] {
        let error = client.follow(Value::Int(7), &options).unwrap_err();
        assert_eq!((error.kind(), error.details().param.as_deref()), (ErrorKind::Config, Some(param)));
    }
    let error = client.follow(Value::from("../x"), &quick()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(client.follow_many(vec![], None, &quick()).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn a_cursor_goes_on_after_the_last_event_that_was_seen() {
    let (server, plane) = serve(Plane { events: vec![1, 2, 3], ..Plane::default() });
    let client = client(&server);
    let stream = client.follow(Value::Int(7), &quick()).unwrap();
    assert_eq!(next(&stream).unwrap().unwrap(), [1, 2, 3]);
    for (seen, left) in [(0, vec![1, 2, 3, 4]), (2, vec![3, 4]), (3, vec![4])] {
        let options = FollowOptions { cursor: Some(stream.cursor(seen)), ..quick() };
        let mut locked = plane.lock().unwrap();
        (locked.events, locked.status) = (vec![1, 2, 3, 4], "completed");
        drop(locked);
        let resumed = client.follow(Value::Int(7), &options).unwrap();
        assert_eq!(rest(&resumed), left);
        let over = FollowOptions { cursor: Some(resumed.cursor(0)), ..quick() };
        assert_eq!(rest(&client.follow(Value::Int(7), &over).unwrap()), [0; 0]);
    }
    let other = FollowOptions { cursor: Some(stream.cursor(0)), ..quick() };
    let error = client.follow(Value::Int(9), &other).unwrap_err();
    assert!(error.to_string().contains("run 7"), "{error}");
}

#[test]
fn a_server_that_filters_is_asked_for_the_end_only_and_one_that_lost_its_data_is_noticed() {
    let many: Vec<i64> = (1..=4000).collect();
    let (server, plane) = serve(Plane { events: many, filters: true, ..Plane::default() });
    let stream = client(&server).follow(Value::Int(7), &quick()).unwrap();
    let first: Vec<i64> = (0..2).flat_map(|_| next(&stream).unwrap().unwrap()).collect();
    assert_eq!(first.len(), 4000);
    plane.lock().unwrap().events.push(4001);
    assert_eq!(next(&stream).unwrap().unwrap(), [4001]);
    assert!(
        server
            .targets()
            .iter()
            .any(|target| target == "GET /api/runs/7/timeline?since=2026-11-21T22%3A50%3A30Z")
    );
    let mut locked = plane.lock().unwrap();
    (locked.events, locked.status, locked.anew) = (vec![1, 2], "completed", true);
    drop(locked);
    assert_eq!(rest(&stream), [1, 2], "from the beginning of the new timeline");
}

#[test]
fn a_server_that_ignores_since_is_not_asked_again() {
    let (server, plane) = serve(Plane { events: (1..=3000).collect(), ..Plane::default() });
    let stream = client(&server).follow(Value::Int(7), &quick()).unwrap();
    (0..2).for_each(|_| drop(next(&stream)));
    plane.lock().unwrap().events.push(3001);
    assert_eq!(next(&stream).unwrap().unwrap(), [3001]);
    plane.lock().unwrap().events.push(3002);
    assert_eq!(next(&stream).unwrap().unwrap(), [3002]);
    let asked = server.targets().iter().filter(|target| target.contains("since")).count();
    assert_eq!(asked, 1);
}

#[test]
fn close_and_cancel_end_a_wait_at_once() {
    let (server, _plane) = serve(Plane::default());
    let client = client(&server);
    let slow = FollowOptions { poll_interval: Duration::from_secs(60), ..quick() };
    let stream = Arc::new(client.follow(Value::Int(7), &slow).unwrap());
    let other = Arc::clone(&stream);
    let closer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        other.close();
    });
    let began = Instant::now();
    assert!(next(&stream).unwrap().is_none());
    assert!(began.elapsed() < Duration::from_secs(2));
    closer.join().unwrap();
    let stream = client.follow(Value::Int(7), &slow).unwrap();
    let cancel = loki_mode_core::CancelToken::new();
    cancel.cancel();
    let call = StreamCall { cancel: Some(cancel), ..StreamCall::default() };
    assert_eq!(stream.next(&call).step.unwrap_err().kind(), ErrorKind::Cancelled);
    let timed = FollowOptions { timeout: Some(Duration::from_millis(200)), ..slow };
    let error = next(&client.follow(Value::Int(7), &timed).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[test]
fn where_a_caller_stands_can_be_told_while_another_thread_waits() {
    let (server, plane) = serve(Plane { events: vec![1, 2], ..Plane::default() });
    let client = client(&server);
    let stream = Arc::new(client.follow(Value::Int(7), &quick()).unwrap());
    assert_eq!(next(&stream).unwrap().unwrap(), [1, 2]);
    let one_seen = stream.cursor(1);
    stream.settle();
    let other = Arc::clone(&stream);
    let waiting = thread::spawn(move || next(&other).unwrap().unwrap());
    let both_seen = stream.cursor(0);
    plane.lock().unwrap().events.push(3);
    assert_eq!(waiting.join().unwrap(), [3]);
    // The third has come, and nobody has looked at it yet.
    let still = stream.cursor(0);
    stream.close();
    assert_eq!(stream.cursor(0), still);
    plane.lock().unwrap().status = "completed";
    for (cursor, expected) in [(one_seen, &[2, 3][..]), (both_seen, &[3]), (still, &[3])] {
        let options = FollowOptions { cursor: Some(cursor), ..quick() };
        assert_eq!(rest(&client.follow(Value::Int(7), &options).unwrap()), expected);
    }
}

#[test]
fn many_runs_are_followed_at_once_also_those_that_start_later() {
    let runs = Arc::new(Mutex::new(vec![(1, "running"), (2, "completed")]));
    let shared = Arc::clone(&runs);
    let server = Server::new(move |seen| {
        let runs = shared.lock().unwrap();
        let target = seen.target();
        let state = |(id, status): &(i64, &str)| {
            let times = r#""started_at":"2026-11-21T22:50:49","ended_at":null"#;
            format!(r#"{{"id":{id},"status":"{status}",{times}}}"#)
        };
        if target.starts_with("GET /api/runs?") {
            assert!(target.contains("project_id=3"), "{target}");
            return json(200, &format!("[{}]", runs.iter().rev().map(state).collect::<Vec<_>>().join(",")));
        }
        let id: i64 =
            target.trim_start_matches("GET /api/runs/").split(['/', '?']).next().unwrap().parse().unwrap();
        if target.contains("timeline") {
            let event = format!(r#"[{{"id":{},"run_id":{id},"timestamp":"2026-11-21T22:50:49"}}]"#, id * 10);
            return json(200, &event);
        }
        json(200, &state(runs.iter().find(|(known, _)| *known == id).unwrap()))
    });
    let client = client(&server);
    let stream = client.follow_many(vec![], Some(Value::Int(3)), &quick()).unwrap();
    assert_eq!(next(&stream).unwrap().unwrap(), [10], "run 2 had ended before");
    runs.lock().unwrap().push((5, "running"));
    assert_eq!(next(&stream).unwrap().unwrap(), [50]);
    let cursor = stream.cursor(1);
    runs.lock().unwrap().push((6, "completed"));
    let options = FollowOptions { cursor: Some(cursor), ..quick() };
    let resumed = client.follow_many(vec![], Some(Value::Int(3)), &options).unwrap();
    assert_eq!(next(&resumed).unwrap().unwrap(), [60], "it started and ended meanwhile");
    let both = client.follow_many(vec![Value::Int(2), Value::Int(6)], None, &quick()).unwrap();
    let mut events = rest(&both);
    events.sort_unstable();
    assert_eq!(events, [20, 60]);
    let states = FollowOptions { until: Until::States(vec!["running".to_owned()]), ..quick() };
    assert_eq!(rest(&client.follow(Value::Int(1), &states).unwrap()), [10]);
}

#[test]
fn all_active_runs_of_a_project_are_found_whatever_the_server_gives_at_a_time() {
    // The newest first. A run starts between two pages.
    let runs = Mutex::new((1..=7).rev().collect::<Vec<i64>>());
    let server = Server::new(move |seen| {
        let target = seen.target();
        if let Some(query) = target.strip_prefix("GET /api/runs?") {
            let mut runs = runs.lock().unwrap();
            let offset =
                query.split('&').find_map(|pair| pair.strip_prefix("offset=")?.parse().ok()).unwrap_or(0);
            let rows: Vec<_> = runs
                .iter()
                .skip(offset)
                .take(2)
                .map(|id| {
                    let status = if id % 2 == 0 { "completed" } else { "running" };
                    format!(
                        r#"{{"id":{id},"status":"{status}","started_at":"2026-11-21T22:50:{:02}"}}"#,
                        10 + id
                    )
                })
                .collect();
            if offset == 2 && runs.len() == 7 {
                runs.insert(0, 9);
            }
            return json(200, &format!("[{}]", rows.join(",")));
        }
        let id: i64 =
            target.trim_start_matches("GET /api/runs/").split(['/', '?']).next().unwrap().parse().unwrap();
        if target.contains("timeline") {
            let event = format!(r#"[{{"id":{},"run_id":{id},"timestamp":"2026-11-21T22:50:49"}}]"#, id * 10);
            return json(200, &event);
        }
        json(200, &format!(r#"{{"id":{id},"status":"running"}}"#))
    });
    let client = client(&server);
    let options = FollowOptions { timeout: Some(Duration::from_secs(20)), ..quick() };
    let stream = client.follow_many(vec![], Some(Value::Int(3)), &options).unwrap();
    let mut events = Vec::new();
    while events.len() < 5 {
        events.extend(next(&stream).unwrap().unwrap());
    }
    events.sort_unstable();
    assert_eq!(events, [10, 30, 50, 70, 90], "those with even numbers had ended before");
}

#[test]
fn a_run_of_the_same_second_as_a_page_of_others_is_found() {
    // As deployed servers list them: the newest second first, and the oldest of a second first.
    let runs = Arc::new(Mutex::new((1..=230).collect::<Vec<i64>>()));
    let shared = Arc::clone(&runs);
    let server = Server::new(move |seen| {
        let target = seen.target();
        if let Some(query) = target.strip_prefix("GET /api/runs?") {
            let offset =
                query.split('&').find_map(|pair| pair.strip_prefix("offset=")?.parse().ok()).unwrap_or(0);
            let row = |id: &i64| {
                let status = if [1, 231].contains(id) { "running" } else { "completed" };
                format!(r#"{{"id":{id},"status":"{status}","started_at":"2026-11-21T22:50:49"}}"#)
            };
            let rows: Vec<_> = shared.lock().unwrap().iter().skip(offset).take(200).map(row).collect();
            return json(200, &format!("[{}]", rows.join(",")));
        }
        let id = target.trim_start_matches("GET /api/runs/").split(['/', '?']).next().unwrap();
        if target.contains("timeline") {
            let event = format!(r#"[{{"id":{id}0,"run_id":{id},"timestamp":"2026-11-21T22:50:49"}}]"#);
            return json(200, &event);
        }
        json(200, &format!(r#"{{"id":{id},"status":"running"}}"#))
    });
    let client = client(&server);
    let options = FollowOptions { timeout: Some(Duration::from_secs(20)), ..quick() };
    let stream = client.follow_many(vec![], Some(Value::Int(3)), &options).unwrap();
    assert_eq!(next(&stream).unwrap().unwrap(), [10]);
    runs.lock().unwrap().push(231);
    assert_eq!(next(&stream).unwrap().unwrap(), [2310]);
}
