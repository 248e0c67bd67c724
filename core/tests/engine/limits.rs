//! What a client takes from a server, and how many connections it takes from the system.

use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::common::{PROJECT, Reply, Server, call, call_with, json, text};
use loki_mode_core::{CallOptions, CancelToken, Client, ErrorKind, Options};

fn one_at_a_time(server: &Server) -> Client {
    Client::new(Options { max_connections: 1, max_retries: 0, ..server.options() }).unwrap()
}

/// A client whose only connection is in use by a call that waits for a silent server.
fn crowded(server: &Server) -> (Client, CancelToken, thread::JoinHandle<ErrorKind>) {
    let client = one_at_a_time(server);
    let (first, cancel) = (client.clone(), CancelToken::new());
    let held = CallOptions { cancel: Some(cancel.clone()), ..CallOptions::default() };
    let thread = thread::spawn(move || call_with(&first, "get_project", "[1]", &held).unwrap_err().kind());
    while server.requests().is_empty() {
        thread::yield_now();
    }
    (client, cancel, thread)
}

#[test]
fn connections_are_bounded() {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options {
        base_url: format!("http://{}", listener.local_addr().unwrap()),
        max_connections: 3,
        ..Options::default()
    };
    let (counted, highest) = (Arc::clone(&inside), Arc::clone(&most));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let open = counted.fetch_add(1, Ordering::SeqCst) + 1;
            highest.fetch_max(open, Ordering::SeqCst);
            let (mut stream, counted) = (stream.unwrap(), Arc::clone(&counted));
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                // One whole request in each read: the client waits for its answer before it sends another.
                while std::io::Read::read(&mut stream, &mut buffer).is_ok_and(|count| count > 0) {
                    thread::sleep(Duration::from_millis(1));
                    stream
                        .write_all(text(200, "content-type: application/json\r\n", PROJECT).as_bytes())
                        .unwrap();
                }
                counted.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let client = Client::new(options).unwrap();
    let start = Arc::new(Barrier::new(12));
    let threads: Vec<_> = (0..12)
        .map(|_| {
            let (client, start) = (client.clone(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                (0..20).for_each(|_| drop(call(&client, "get_project", "[1]").unwrap()));
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

/// How many connections a server has accepted, and how many of them the client has closed.
#[derive(Default)]
struct Counted {
    opened: AtomicUsize,
    closed: AtomicUsize,
}

/// A server that answers no request before `together` have come, but only those; the later ones at once.
fn serve_together(together: usize) -> (String, Arc<Counted>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let (counted, gate) = (Arc::new(Counted::default()), Arc::new(Barrier::new(together)));
    let of_server = Arc::clone(&counted);
    thread::spawn(move || {
        for stream in listener.incoming() {
            of_server.opened.fetch_add(1, Ordering::SeqCst);
            let (mut stream, counted, gate) = (stream.unwrap(), Arc::clone(&of_server), Arc::clone(&gate));
            thread::spawn(move || {
                let (mut buffer, mut is_first) = ([0; 4096], true);
                while std::io::Read::read(&mut stream, &mut buffer).is_ok_and(|count| count > 0) {
                    if std::mem::take(&mut is_first) {
                        gate.wait();
                    }
                    let answer = text(200, "content-type: application/json\r\n", PROJECT);
                    stream.write_all(answer.as_bytes()).unwrap();
                }
                counted.closed.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    (base_url, counted)
}

#[test]
fn so_many_idle_connections_are_kept_and_used_again() {
    for (most, kept) in [(0, 0), (2, 2), (100, 4)] {
        let (base_url, counted) = serve_together(4);
        let options = Options { base_url, max_idle_connections: most, ..Options::default() };
        let client = Client::new(options).unwrap();
        thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(|| call(&client, "get_project", "[1]").unwrap())));
        });
        let closed = || counted.closed.load(Ordering::SeqCst);
        while closed() < 4 - kept {
            thread::yield_now();
        }
        if kept > 0 {
            (0..8).for_each(|_| drop(call(&client, "get_project", "[1]").unwrap()));
            assert_eq!((counted.opened.load(Ordering::SeqCst), closed()), (4, 4 - kept), "{most}");
        }
        client.close();
        while closed() < 4 {
            thread::yield_now();
        }
    }
}

#[test]
fn a_wait_for_a_connection_ends_with_the_deadline_and_says_so() {
    let server = Server::new(|_| Reply::Silence);
    let (client, cancel, held) = crowded(&server);
    let call = CallOptions { timeout: Some(Duration::from_millis(200)), ..CallOptions::default() };
    let error = call_with(&client, "create_project", r#"["p"]"#, &call).unwrap_err();
    assert_eq!((error.kind(), error.info().maybe_executed), (ErrorKind::Timeout, Some(false)));
    let text = error.to_string();
    assert!(text.contains("within 0.2 s") && text.contains("all 1 of `max_connections`"), "{text}");
    cancel.cancel();
    assert_eq!(held.join().unwrap(), ErrorKind::Cancelled);
}

#[test]
fn a_wait_for_a_connection_can_be_cancelled_and_interrupted_and_loses_no_place() {
    let silent = Arc::new(AtomicBool::new(true));
    let until_then = Arc::clone(&silent);
    let server =
        Server::new(
            move |_| {
                if until_then.load(Ordering::SeqCst) { Reply::Silence } else { json(200, PROJECT) }
            },
        );
    let (client, cancel, held) = crowded(&server);
    let gone = CancelToken::new();
    let (second, token) = (client.clone(), gone.clone());
    let waiting = thread::spawn(move || {
        let call = CallOptions { cancel: Some(token), ..CallOptions::default() };
        call_with(&second, "get_project", "[2]", &call).unwrap_err().kind()
    });
    let interrupted = || true;
    let call_ = CallOptions { interrupted: Some(&interrupted), ..CallOptions::default() };
    let error = call_with(&client, "get_project", "[3]", &call_).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    gone.cancel();
    assert_eq!(waiting.join().unwrap(), ErrorKind::Cancelled);
    silent.store(false, Ordering::SeqCst);
    cancel.cancel();
    assert_eq!(held.join().unwrap(), ErrorKind::Cancelled);
    // The place of those who left is not lost.
    for _ in 0..3 {
        call(&client, "get_project", "[4]").unwrap();
    }
}

#[test]
fn header_bombs_are_refused() {
    let one = format!("x-bomb: {}\r\n", "x".repeat(100_000));
    let many = "x-bomb: x\r\n".repeat(1000);
    let endless = "x-bomb: ".to_owned() + &"x".repeat(1 << 20);
    for headers in [one, many, endless] {
        let server = Server::script(vec![Reply::Send(text(200, &headers, PROJECT)), json(200, PROJECT)]);
        let client = server.client();
        let error = call(&client, "get_project", "[1]").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert!(error.to_string().contains("more headers than are read"), "{error}");
        // And what is left of them is not taken for the next answer.
        call(&client, "get_project", "[1]").unwrap();
    }
}

#[test]
fn many_headers_that_are_not_too_many_are_read() {
    let headers: String = (0..60).map(|index| format!("x-{index}: {}\r\n", "x".repeat(200))).collect();
    let headers = format!("{headers}content-type: application/json\r\n");
    let server = Server::script(vec![Reply::Send(text(200, &headers, PROJECT))]);
    assert_eq!(call(&server.client(), "get_project", "[1]").unwrap().headers().len(), 62);
}

/// Answers every request with these bytes, and closes.
fn serve_bytes(answer: impl Fn(&mut dyn Write) -> std::io::Result<()> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            // It fails when the client has had enough.
            let _ = answer(&mut stream);
        }
    });
    base_url
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzipped(body: &'static [u8]) -> impl Fn(&mut dyn Write) -> std::io::Result<()> + Send + 'static {
    move |stream| {
        let body = gzip(body);
        let head = format!(
            "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)
    }
}

#[test]
fn the_size_after_decompression_counts() {
    let base_url = serve_bytes(gzipped(PROJECT.as_bytes()));
    let client = Client::new(Options { base_url, ..Options::default() }).unwrap();
    assert_eq!(call(&client, "get_project", "[1]").unwrap().payload().unwrap(), PROJECT);

    // 32 MiB in 32 kB.
    static BOMB: [u8; 32 << 20] = [b' '; 32 << 20];
    assert!(gzip(&BOMB).len() < 40_000);
    let base_url = serve_bytes(gzipped(&BOMB));
    let client = Client::new(Options { base_url, max_body_bytes: 1 << 20, ..Options::default() }).unwrap();
    let error = call(&client, "get_project", "[1]").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    assert!(error.to_string().contains("1048576 bytes"), "{error}");
}

#[test]
fn an_endless_body_ends_at_the_limit_or_at_the_deadline() {
    let head = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let base_url = serve_bytes(move |stream| {
        stream.write_all(head)?;
        loop {
            stream.write_all(b"4\r\n    \r\n")?;
        }
    });
    let options = Options { base_url, ..Options::default() };
    let client = Client::new(Options { max_body_bytes: 100_000, ..options.clone() }).unwrap();
    assert_eq!(call(&client, "get_project", "[1]").unwrap_err().kind(), ErrorKind::Decode);
    let client = Client::new(Options { max_body_bytes: u64::MAX, ..options }).unwrap();
    let soon = CallOptions { timeout: Some(Duration::from_millis(200)), ..CallOptions::default() };
    let error = call_with(&client, "get_project", "[1]", &soon).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}
