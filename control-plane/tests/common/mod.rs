//! A client of plain sockets, and servers to talk to.

#![allow(dead_code, reason = "every test program uses a part of this")]
#![allow(clippy::unwrap_used, reason = "helpers of tests: clippy knows only the test functions themselves")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use loki_control_plane::{Config, Profile, Server};
use serde_json::Value;

pub(crate) const ADMIN: &str = "loki_admin";

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }
}

/// Sends a request as it stands and reads one answer.
pub(crate) fn exchange(stream: &mut TcpStream, request: &str) -> Reply {
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {line:?}")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut reply = Reply { status, headers, body: Vec::new() };
    let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
    reply.body = vec![0; length];
    reader.read_exact(&mut reply.body).unwrap();
    reply
}

/// Someone who calls a server.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) address: String,
    pub(crate) token: Option<String>,
}

impl Caller {
    pub(crate) fn new(base_url: &str, token: Option<&str>) -> Self {
        let address = base_url.strip_prefix("http://").unwrap().to_owned();
        Caller { address, token: token.map(str::to_owned) }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Caller { token: Some(token.to_owned()), ..self.clone() }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let auth =
            self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{auth}{headers}{length}\r\n{body}", self.address)
    }

    pub(crate) fn call(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        exchange(&mut self.connect(), &self.request(method, path, headers, body))
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.call("GET", path, "", "")
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Reply {
        self.call(method, path, "Content-Type: application/json\r\n", body)
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, body)
    }

    /// Creates something and returns it.
    pub(crate) fn create(&self, path: &str, body: &str) -> Value {
        let reply = self.post(path, body);
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()
    }
}

/// A connection to the event stream.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) head: String,
    reader: BufReader<TcpStream>,
    text: String,
}

impl Events {
    /// Listens; `query` begins with a question mark, if it is not empty.
    pub(crate) fn listen(caller: &Caller, query: &str, headers: &str) -> Self {
        let mut stream = caller.connect();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let request = caller.request("GET", &format!("/api/events{query}"), headers, "");
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        Events { head, reader, text: String::new() }
    }

    /// The next frame or comment without the empty line behind it; none at the end of the stream.
    pub(crate) fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let frame = self.text[..end].to_owned();
                self.text.drain(..end + 2);
                return Some(frame);
            }
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            let size = usize::from_str_radix(line.trim_end(), 16).ok().filter(|size| *size > 0)?;
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk).unwrap();
            self.text.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
        }
    }

    /// The identifiers of the next events.
    pub(crate) fn ids(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.event()["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The next event, comments left out.
    pub(crate) fn event(&mut self) -> Value {
        loop {
            let frame = self.next().unwrap();
            if let Some(data) = frame.lines().find_map(|line| line.strip_prefix("data: ")) {
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

/// A server in this process, as it is configured.
pub(crate) fn start(config: Config) -> (Server, Caller) {
    let server = Server::start(&config).unwrap();
    let caller = Caller::new(&server.base_url(), config.token.as_deref());
    (server, caller)
}

/// A server in this process, with auth off unless `auth`, filled with the seed data if `seed`.
pub(crate) fn server(profile: Profile, auth: bool, seed: bool) -> (Server, Caller) {
    let token = auth.then(|| ADMIN.to_owned());
    start(Config { profile, seed, token, ..Config::default() })
}

/// A database file that is removed in the end.
#[derive(Debug)]
pub(crate) struct DataFile(pub(crate) PathBuf);

impl DataFile {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "loki-control-plane-{}-{}.db",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        DataFile(std::env::temp_dir().join(name))
    }

    pub(crate) fn server(&self, profile: Profile) -> (Server, Caller) {
        let config = Config {
            profile,
            token: Some(ADMIN.to_owned()),
            data: Some(self.0.clone()),
            ..Config::default()
        };
        let server = Server::start(&config).unwrap();
        let caller = Caller::new(&server.base_url(), Some(ADMIN));
        (server, caller)
    }

    pub(crate) fn sql(&self, sql: &str) -> usize {
        rusqlite::Connection::open(&self.0).unwrap().execute(sql, []).unwrap()
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(suffix);
            let _ = std::fs::remove_file(name);
        }
    }
}

/// The program in a process of its own, killed in the end.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) caller: Caller,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_loki-control-plane"))
            .args(["--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let caller = Caller::new(line.trim_end(), None);
        Program { child, caller }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
