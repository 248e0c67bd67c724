//! The scripted server: its script, its connections and what they share.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use crate::acceptor::{self, Acceptor, Stop, lock};
use crate::answer::{self, After};
use crate::pki::{Pki, TlsVariant};
use crate::request::{RecordedRequest, RequestReader};
use crate::script::{Reply, Stale};
use crate::tls;

/// A server on a free loopback port that gives scripted answers and remembers the requests. Stops when dropped.
#[derive(Debug)]
pub struct FaultServer {
    shared: Arc<Shared>,
    /// TLS in front of it; stopped first.
    _front: Option<Acceptor>,
    _acceptor: Acceptor,
}

#[derive(Debug)]
struct Shared {
    base_url: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    script: Script,
    requests: Vec<RecordedRequest>,
    /// When the last of them arrived.
    last: Option<Instant>,
}

/// What is answered.
#[derive(Debug)]
enum Script {
    /// In the order in which requests arrive, whatever their connection.
    InOrder(Replies),
    /// For each connection its own, in the order in which they are opened.
    OfConnections(Vec<Replies>),
}

impl Script {
    fn next(&mut self, connection: usize) -> Option<Reply> {
        match self {
            Script::InOrder(replies) => replies.next(),
            Script::OfConnections(all) => all.get_mut(connection.checked_sub(1)?)?.next(),
        }
    }

    fn remaining(&self) -> usize {
        match self {
            Script::InOrder(replies) => replies.remaining(),
            Script::OfConnections(all) => all.iter().map(Replies::remaining).sum(),
        }
    }
}

/// Answers, each with how often it is to be given yet.
#[derive(Debug)]
struct Replies(VecDeque<(Reply, u32)>);

impl Replies {
    fn new(script: impl IntoIterator<Item = Reply>) -> io::Result<Self> {
        let mut replies = VecDeque::new();
        for reply in script {
            reply.body().map_err(io::Error::other)?;
            for value in reply.headers.values() {
                answer::filled(value, "", SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
            }
            let times = reply.repeat.unwrap_or(1);
            if times > 0 {
                replies.push_back((reply, times));
            }
        }
        Ok(Replies(replies))
    }

    fn next(&mut self) -> Option<Reply> {
        let (reply, times) = self.0.front_mut()?;
        if *times == 1 {
            return self.0.pop_front().map(|(reply, _)| reply);
        }
        *times -= 1;
        Some(reply.clone())
    }

    fn remaining(&self) -> usize {
        self.0.iter().map(|(_, times)| *times as usize).sum()
    }
}

impl FaultServer {
    /// Starts a server that gives these answers in the order in which requests arrive, whatever their connection.
    ///
    /// # Errors
    /// No loopback port can be bound, or an answer's `base64` is none, or its headers have a placeholder that is none.
    pub fn start(script: impl IntoIterator<Item = Reply>) -> io::Result<Self> {
        Self::launch(Script::InOrder(Replies::new(script)?), None)
    }

    /// Starts a server that gives the first connection the first list of answers, the second the second, and so on.
    ///
    /// # Errors
    /// As [`FaultServer::start`].
    pub fn start_per_connection(scripts: impl IntoIterator<Item = Vec<Reply>>) -> io::Result<Self> {
        let scripts = scripts.into_iter().map(Replies::new).collect::<Result<_, _>>()?;
        Self::launch(Script::OfConnections(scripts), None)
    }

    /// The same as [`FaultServer::start`] over TLS.
    ///
    /// # Errors
    /// As [`FaultServer::start`].
    pub fn start_tls(
        script: impl IntoIterator<Item = Reply>,
        pki: &Pki,
        variant: TlsVariant,
    ) -> io::Result<Self> {
        Self::launch(Script::InOrder(Replies::new(script)?), Some(pki.server_config(variant)?))
    }

    fn launch(script: Script, tls: Option<Arc<rustls::ServerConfig>>) -> io::Result<Self> {
        let listener = acceptor::listen()?;
        let address = listener.local_addr()?;
        let front = tls.map(|config| acceptor::listen().map(|front| (front, config))).transpose()?;
        let base_url = match &front {
            Some((front, _)) => format!("https://{}", front.local_addr()?),
            None => format!("http://{address}"),
        };
        let state = Mutex::new(State { script, requests: Vec::new(), last: None });
        let shared = Arc::new(Shared { base_url, state });
        let acceptor = Acceptor::start(listener, {
            let shared = Arc::clone(&shared);
            move |stream, number, hub| converse(&stream, &shared, number, &hub.stop)
        })?;
        let front = front.map(|(listener, config)| tls::front(listener, address, config)).transpose()?;
        Ok(FaultServer { shared, _front: front, _acceptor: acceptor })
    }

    /// The base URL: `http://127.0.0.1:PORT`, or `https`.
    pub fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    /// The requests that have arrived completely so far, in order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.shared.state).requests.clone()
    }

    /// How many scripted answers have not been asked for.
    pub fn remaining(&self) -> usize {
        lock(&self.shared.state).script.remaining()
    }
}

/// A base URL at which nobody listens.
///
/// # Errors
/// No loopback port can be bound.
pub fn refused_base_url() -> io::Result<String> {
    let address = acceptor::listen()?.local_addr()?;
    Ok(format!("http://{address}"))
}

/// Answers the requests of one connection.
fn converse(stream: &TcpStream, shared: &Shared, number: usize, stop: &Stop) -> io::Result<()> {
    // Byte-by-byte answers have to leave byte by byte.
    stream.set_nodelay(true)?;
    let mut reader = RequestReader::new(stream);
    loop {
        let request = match reader.next(number) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                // As uvicorn does.
                let reply = Reply {
                    status: Some(400),
                    text: Some("Invalid HTTP request received.".to_owned()),
                    ..Reply::default()
                };
                answer::give(stream, &reply, &shared.base_url, stop)?;
                answer::close(stream);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let client_closes =
            request.headers.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let reply = shared.record(request);
        let after = answer::give(stream, &reply, &shared.base_url, stop)?;
        if after == After::Drop {
            return Ok(());
        }
        if after == After::Close || client_closes {
            answer::close(stream);
            return Ok(());
        }
        if let Some(stale) = reply.faults.stale {
            wait_until_stale(stream, &reader, stale)?;
            return Ok(());
        }
    }
}

/// Returns when it is time to close a connection that was kept alive.
fn wait_until_stale(stream: &TcpStream, reader: &RequestReader<&TcpStream>, stale: Stale) -> io::Result<()> {
    match stale {
        // Closing with the request unread makes the kernel reset the connection, as it does for a real server.
        Stale::OnRequest if reader.has_buffered() => Ok(()),
        Stale::OnRequest => stream.peek(&mut [0]).map(|_| ()),
        Stale::IdleMs(milliseconds) => {
            stream.set_read_timeout(Some(Duration::from_millis(milliseconds.max(1))))?;
            match stream.peek(&mut [0]) {
                Ok(_) => Ok(()),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    Ok(())
                }
                Err(error) => Err(error),
            }
        }
    }
}

impl Shared {
    /// Remembers a request and takes the answer that is next.
    fn record(&self, mut request: RecordedRequest) -> Reply {
        let mut state = lock(&self.state);
        let now = Instant::now();
        let pause = state.last.replace(now).map(|last| now.duration_since(last));
        request.pause_ms = pause.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        let reply = state.script.next(request.connection).unwrap_or_else(|| {
            request.unexpected = true;
            let detail = format!(
                "no scripted answer is left for this request, number {}: {} {}",
                state.requests.len() + 1,
                request.method,
                request.raw_target
            );
            Reply { status: Some(500), json: Some(json!({ "detail": detail })), ..Reply::default() }
        });
        state.requests.push(request);
        reply
    }
}
