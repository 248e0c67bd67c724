//! What a call costs beside the network: time for `Client::execute` over a server that answers at once, against a
//! bare loop that writes the same request and reads the same answer.
//!
//! `cargo run --release -p loki-mode-core --example overhead [ROUNDS]`
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on fails")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use loki_mode_core::{Args, CallOptions, Client, Options, Token, Value};

const CALLS: u32 = 4000;
const ANSWER: &str = "HTTP/1.1 200 OK\r\ndate: Sun, 22 Nov 2026 00:00:00 GMT\r\nserver: uvicorn\r\n\
    content-type: application/json\r\ncontent-length: 71\r\n\r\n\
    {\"id\":1,\"name\":\"a\",\"status\":\"active\",\"created_at\":\"x\",\"updated_at\":\"x\"}";
const REQUEST: &str = "GET /api/projects/1 HTTP/1.1\r\naccept: application/json\r\naccept-encoding: gzip\r\n\
    user-agent: loki-mode-sdk/0.1.0 (Rust)\r\nauthorization: Bearer loki_0123456789\r\nhost: 127.0.0.1:50000\r\n\r\n";

fn serve(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) | Err(_) => return,
            Ok(count) => filled += count,
        }
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            stream.write_all(ANSWER.as_bytes()).unwrap();
        }
    }
}

fn each(mut call: impl FnMut()) -> Duration {
    let began = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    began.elapsed() / CALLS
}

fn main() {
    let rounds = std::env::args().nth(1).map_or(7, |rounds| rounds.parse().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut raw = || {
        let mut buffer = [0; 4096];
        let mut filled = 0;
        stream.write_all(REQUEST.as_bytes()).unwrap();
        while filled < ANSWER.len() {
            filled += stream.read(&mut buffer[filled..]).unwrap();
        }
    };
    let token = Some(Token::new("loki_0123456789"));
    let options = Options { base_url: format!("http://{address}"), token, ..Options::default() };
    let client = Client::new(options).unwrap();
    let operation = loki_mode_spec::operation("get_project").unwrap();
    let mut execute = || {
        let args = Args::new(operation, vec![Some(Value::Int(1))]).unwrap();
        assert_eq!(client.execute(operation, args, &CallOptions::default()).unwrap().status, 200);
    };
    let mut out = std::io::stdout();
    let mut ratios = Vec::new();
    // In turns, so that a busy moment hits both.
    for _ in 0..rounds {
        let (bare, whole) = (each(&mut raw), each(&mut execute));
        let ratio = whole.as_secs_f64() / bare.as_secs_f64();
        writeln!(out, "bare loop {bare:?}, execute {whole:?}, {ratio:.2} times").unwrap();
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    writeln!(out, "median: {:.2} times", ratios[ratios.len() / 2]).unwrap();
}
