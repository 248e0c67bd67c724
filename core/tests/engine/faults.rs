//! What the client does when the network or the server fails.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{PROJECT, Reply, Server, call, call_with, json, text};
use loki_mode_core::{CallOptions, CancelToken, Client, Error, ErrorKind, Options};

fn retry_at_once(status: u16) -> Reply {
    Reply::Send(text(status, "retry-after: 0\r\ncontent-type: application/json\r\n", "{}"))
}

#[test]
fn reads_are_repeated_writes_only_when_they_were_refused() {
    for status in [408, 429, 502, 503, 504] {
        let server = Server::script(vec![retry_at_once(status), retry_at_once(status), json(200, PROJECT)]);
        assert_eq!(call(&server.client(), "get_project", "[1]").unwrap().attempts, 3, "{status}");
    }
    let server = Server::script(vec![retry_at_once(429), json(201, PROJECT)]);
    assert_eq!(call(&server.client(), "create_project", r#"["p"]"#).unwrap().attempts, 2);
    for status in [408, 500, 502, 503, 504] {
        let server = Server::script(vec![retry_at_once(status), json(201, PROJECT)]);
        call(&server.client(), "create_project", r#"["p"]"#).unwrap_err();
        assert_eq!(server.requests().len(), 1, "{status}");
    }
    let server = Server::new(|_| retry_at_once(503));
    let error = call(&server.client(), "get_project", "[1]").unwrap_err();
    assert_eq!((error.kind(), error.info().attempts), (ErrorKind::Server, 3));
    let once = CallOptions { max_retries: Some(0), ..CallOptions::default() };
    let error = call_with(&server.client(), "get_project", "[1]", &once).unwrap_err();
    assert_eq!((error.info().attempts, error.info().retry_after), (1, Some(0.0)));
}

#[test]
fn a_long_retry_after_raises_at_once() {
    let server = Server::new(|_| Reply::Send(text(429, "retry-after: 121\r\n", "{}")));
    let error = call(&server.client(), "get_project", "[1]").unwrap_err();
    assert_eq!((error.kind(), error.info().retry_after), (ErrorKind::RateLimit, Some(121.0)));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn after_a_500_the_connection_is_not_used_again() {
    for body in ["Internal Server Error", ""] {
        // Kept open, as if the server closed it only later.
        let server =
            Server::script(vec![Reply::Send(text(500, "", body)), json(200, PROJECT), json(200, PROJECT)]);
        let client = server.client();
        assert!(matches!(call(&client, "get_project", "[1]"), Err(Error::Server(_))));
        call(&client, "get_project", "[1]").unwrap();
        call(&client, "get_project", "[1]").unwrap();
        let connections: Vec<_> = server.requests().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [0, 1, 1]);
    }
}

#[test]
fn a_write_refused_before_its_body_was_read_finds_its_route_on_a_fresh_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut firsts = Vec::new();
        for (status, answer) in [(405, r#"{"detail":"Method Not Allowed"}"#), (201, r#"{"id":1}"#)] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap();
            firsts.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
            // No word about the connection, which goes away with the stream.
            stream.write_all(text(status, "content-type: application/json\r\n", answer).as_bytes()).unwrap();
        }
        firsts
    });
    let client = Client::new(Options { base_url, ..Options::default() }).unwrap();
    call(&client, "create_run", "[7]").unwrap();
    for first in server.join().unwrap() {
        assert!(first.ends_with('}'), "head and body did not come in one piece: {first:?}");
    }
}

/// Some servers look at the head alone and close, while the body is still on its way.
#[test]
fn a_refusal_before_a_large_body_was_read_is_not_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 1000]).unwrap();
        stream
            .write_all(text(401, "content-type: application/json\r\n", r#"{"detail":"no"}"#).as_bytes())
            .unwrap();
        // With most of it unread, which resets the connection.
    });
    let client = Client::new(Options { base_url, ..Options::default() }).unwrap();
    let config = "x".repeat(20 << 20);
    let error = call(&client, "create_run", &format!(r#"[7, null, {{"x":"{config}"}}]"#)).unwrap_err();
    server.join().unwrap();
    assert_eq!((error.kind(), error.info().attempts), (ErrorKind::Authentication, 1), "{error}");
}

#[test]
fn a_body_that_nobody_reads_to_its_end_may_have_been_executed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 1000]).unwrap();
    });
    let client = Client::new(Options { base_url, ..Options::default() }).unwrap();
    let config = "x".repeat(20 << 20);
    let error = call(&client, "create_run", &format!(r#"[7, null, {{"x":"{config}"}}]"#)).unwrap_err();
    server.join().unwrap();
    let info = error.info();
    assert_eq!((error.kind(), info.maybe_executed, info.attempts), (ErrorKind::Connection, Some(true), 1));
    assert!(!error.to_string().contains("xxx"), "{error}");
}

/// It takes connections and says nothing: not to a TLS client, and not to one that wants a tunnel.
#[test]
fn what_opening_a_connection_takes_is_bounded_whatever_it_waits_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let options = Options {
        connect_timeout: Duration::from_millis(100),
        timeout: Duration::from_secs(60),
        max_retries: 1,
        ..Options::default()
    };
    for options in [
        Options { base_url: format!("https://{address}"), ..options.clone() },
        Options {
            base_url: "https://control.test".to_owned(),
            proxy: Some(format!("http://{address}")),
            ..options.clone()
        },
    ] {
        let error = call(&Client::new(options).unwrap(), "create_project", r#"["p"]"#).unwrap_err();
        let info = error.info();
        assert_eq!(
            (error.kind(), info.maybe_executed, info.attempts),
            (ErrorKind::Connection, Some(false), 2)
        );
        assert!(error.to_string().contains("not within 0.1 s (`connect_timeout`)"), "{error}");
    }
}

#[test]
fn a_stale_connection_does_not_surface_on_reads() {
    let server = Server::script(vec![json(200, PROJECT), Reply::Close, json(200, PROJECT)]);
    let client = server.client();
    call(&client, "get_project", "[1]").unwrap();
    assert_eq!(call(&client, "get_project", "[1]").unwrap().attempts, 2);
}

#[test]
fn a_write_that_may_have_arrived_is_never_repeated() {
    for replies in [vec![Reply::Close], vec![json(201, PROJECT), Reply::Close]] {
        let calls = replies.len();
        let server = Server::script(replies);
        let client = server.client();
        for _ in 1..calls {
            call(&client, "create_project", r#"["p"]"#).unwrap();
        }
        let error = call(&client, "create_project", r#"["p"]"#).unwrap_err();
        assert_eq!((error.kind(), error.info().maybe_executed), (ErrorKind::Connection, Some(true)));
        assert_eq!(server.requests().len(), calls);
    }
}

#[test]
fn an_idle_connection_that_was_closed_is_noticed_before_a_write() {
    let server = Server::script(vec![
        Reply::SendAndClose(text(200, "content-type: application/json\r\n", PROJECT)),
        json(201, PROJECT),
    ]);
    let client = server.client();
    call(&client, "get_project", "[1]").unwrap();
    // The end of the connection has to arrive; on loopback that is at once, but not in no time.
    thread::sleep(Duration::from_millis(50));
    assert_eq!(call(&client, "create_project", r#"["p"]"#).unwrap().attempts, 1);
}

#[test]
fn a_body_that_ends_early_is_a_lost_connection() {
    let server =
        Server::new(|_| Reply::SendAndClose("HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n{".to_owned()));
    let error = call(&server.client(), "get_project", "[1]").unwrap_err();
    assert_eq!((error.kind(), error.info().maybe_executed), (ErrorKind::Connection, Some(true)));
    let garbage = Server::new(|_| Reply::SendAndClose("SSH-2.0-OpenSSH\r\n\r\n".to_owned()));
    let error = call(&garbage.client(), "get_project", "[1]").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = Options { base_url: format!("http://{address}"), max_retries: 0, ..Options::default() };
    let error = call(&Client::new(options).unwrap(), "create_project", r#"["p"]"#).unwrap_err();
    assert_eq!((error.kind(), error.info().maybe_executed), (ErrorKind::Connection, Some(false)));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(error.to_string().contains("loki-control-plane"), "{error}");
}

#[test]
fn a_name_that_does_not_exist_is_named() {
    let options =
        Options { base_url: "http://no-such-host.invalid".to_owned(), max_retries: 0, ..Options::default() };
    let error = call(&Client::new(options).unwrap(), "get_project", "[1]").unwrap_err();
    assert_eq!((error.kind(), error.info().maybe_executed), (ErrorKind::Connection, Some(false)));
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
}

#[test]
fn the_deadline_covers_silence_a_dripping_body_and_retries() {
    let drip = text(200, "content-type: application/json\r\n", PROJECT);
    for server in [
        Server::new(|_| Reply::Silence),
        Server::new(move |_| Reply::Drip(drip.clone(), Duration::from_millis(20))),
    ] {
        let call = CallOptions { timeout: Some(Duration::from_millis(300)), ..CallOptions::default() };
        let error = call_with(&server.client(), "create_project", r#"["p"]"#, &call).unwrap_err();
        assert_eq!((error.kind(), error.info().maybe_executed), (ErrorKind::Timeout, Some(true)), "{error}");
        assert!(error.to_string().contains("0.3 s"), "{error}");
    }
    // A wait that would end after the deadline is not begun: the error that is known is the better one.
    let server = Server::new(|_| Reply::Send(text(503, "retry-after: 60\r\n", "{}")));
    let call = CallOptions { timeout: Some(Duration::from_secs(5)), ..CallOptions::default() };
    let error = call_with(&server.client(), "get_project", "[1]", &call).unwrap_err();
    assert_eq!((error.kind(), error.info().attempts), (ErrorKind::Server, 1));
}

#[test]
fn a_call_can_be_cancelled_while_it_waits_for_an_answer_or_for_a_retry() {
    for reply in [Reply::Silence, Reply::Send(text(503, "retry-after: 25\r\n", "{}"))] {
        let server = Server::new(move |_| reply.clone());
        let client = server.client();
        let cancel = CancelToken::new();
        let from_outside = cancel.clone();
        let thread = thread::spawn(move || {
            let call = CallOptions { cancel: Some(cancel), ..CallOptions::default() };
            call_with(&client, "get_project", "[1]", &call)
        });
        while server.requests().is_empty() {
            thread::yield_now();
        }
        from_outside.cancel();
        let error = thread.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
    let server = Server::new(|_| json(200, PROJECT));
    let cancel = CancelToken::new();
    cancel.cancel();
    let call = CallOptions { cancel: Some(cancel), ..CallOptions::default() };
    let error = call_with(&server.client(), "get_project", "[1]", &call).unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Cancelled, 0));
}

#[test]
fn a_token_that_is_cancelled_later_leaves_the_connection_to_others() {
    let server = Server::new(|_| json(200, PROJECT));
    let client = server.client();
    let cancel = CancelToken::new();
    let call = CallOptions { cancel: Some(cancel.clone()), ..CallOptions::default() };
    call_with(&client, "get_project", "[1]", &call).unwrap();
    cancel.cancel();
    crate::common::call(&client, "get_project", "[1]").unwrap();
    let connections: Vec<_> = server.requests().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0]);
}

#[test]
fn a_waiting_call_asks_whether_it_is_interrupted() {
    for reply in [Reply::Silence, Reply::Send(text(503, "retry-after: 25\r\n", "{}"))] {
        let server = Server::new(move |_| reply.clone());
        let asked = AtomicUsize::new(0);
        let interrupted = || asked.fetch_add(1, Ordering::SeqCst) >= 3;
        let call = CallOptions { interrupted: Some(&interrupted), ..CallOptions::default() };
        let client = server.client();
        let error = call_with(&client, "get_project", "[1]", &call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
}

#[test]
fn one_client_serves_many_threads_without_crossed_answers() {
    let server = Server::new(|seen| {
        let id = seen.target().rsplit('/').next().unwrap();
        json(200, &PROJECT.replace("\"id\":1", &format!("\"id\":{id}")))
    });
    let client = server.client();
    let threads: Vec<_> = (0..16)
        .map(|thread| {
            let client = client.clone();
            thread::spawn(move || {
                for call in 0..25 {
                    let id = thread * 100 + call;
                    let response = crate::common::call(&client, "get_project", &format!("[{id}]")).unwrap();
                    assert!(response.payload().unwrap().contains(&format!("\"id\":{id},")));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(server.requests().iter().map(|seen| seen.connection).max().unwrap() < 16);
}

#[test]
fn a_timeout_beyond_the_clock_is_no_timeout() {
    let server = Server::new(|_| json(200, PROJECT));
    let call = CallOptions { timeout: Some(Duration::MAX), ..CallOptions::default() };
    call_with(&server.client(), "get_project", "[1]", &call).unwrap();
    assert!(Instant::now().checked_add(Duration::MAX).is_none());
}
