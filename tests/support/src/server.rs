//! The listener, its connections and what they share.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::answer::{self, After};
use crate::request::{RecordedRequest, RequestReader};
use crate::script::{Reply, Stale};

/// A server on a free loopback port that gives scripted answers and remembers the requests. Stops when dropped.
#[derive(Debug)]
pub struct FaultServer {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    base_url: String,
    stop: Stop,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Reply>,
    requests: Vec<RecordedRequest>,
    /// Weak, because a connection is reset only when its last handle goes.
    connections: Vec<Weak<TcpStream>>,
    threads: Vec<JoinHandle<()>>,
}

/// A flag that ends every wait of the server.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn set(&self) {
        *lock(&self.stopped) = true;
        self.changed.notify_all();
    }

    fn is_set(&self) -> bool {
        *lock(&self.stopped)
    }

    /// Waits, unless the server stops meanwhile, which is an error.
    pub(crate) fn sleep(&self, duration: Duration) -> io::Result<()> {
        let deadline = Instant::now() + duration;
        let mut stopped = lock(&self.stopped);
        loop {
            if *stopped {
                return Err(io::Error::other("the server stops"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            stopped = self.changed.wait_timeout(stopped, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A panicking thread of a test must not hide what the others recorded.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FaultServer {
    /// Starts a server that gives these answers in the order in which requests arrive, whatever their connection.
    ///
    /// # Errors
    /// No loopback port can be bound, or an answer's `base64` is none.
    pub fn start(script: impl IntoIterator<Item = Reply>) -> io::Result<Self> {
        let mut replies = VecDeque::new();
        for reply in script {
            reply.body().map_err(io::Error::other)?;
            for _ in 0..reply.repeat.unwrap_or(1) {
                replies.push_back(reply.clone());
            }
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            address,
            base_url: format!("http://{address}"),
            stop: Stop::default(),
            state: Mutex::new(State { script: replies, ..State::default() }),
        });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Ok(FaultServer { shared, acceptor: Some(acceptor) })
    }

    /// The base URL: `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    /// The requests that have arrived completely so far, in order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.shared.state).requests.clone()
    }

    /// How many scripted answers have not been asked for.
    pub fn remaining(&self) -> usize {
        lock(&self.shared.state).script.len()
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.shared.stop.set();
        // Wakes the acceptor; if it cannot be reached it has ended already.
        let _ = TcpStream::connect(self.shared.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        let (connections, threads) = {
            let mut state = lock(&self.shared.state);
            (std::mem::take(&mut state.connections), std::mem::take(&mut state.threads))
        };
        for stream in connections.iter().filter_map(Weak::upgrade) {
            // Fails only if the connection is gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// A base URL at which nobody listens.
///
/// # Errors
/// No loopback port can be bound.
pub fn refused_base_url() -> io::Result<String> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    Ok(format!("http://{address}"))
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept() {
        if shared.stop.is_set() {
            return;
        }
        number += 1;
        let stream = Arc::new(stream);
        let weak = Arc::downgrade(&stream);
        let thread = thread::spawn({
            let shared = Arc::clone(shared);
            // An error here means that the client has left or that the server stops: both are ordinary.
            move || {
                let _ = converse(&stream, &shared, number);
            }
        });
        let mut state = lock(&shared.state);
        state.connections.retain(|connection| connection.strong_count() > 0);
        state.connections.push(weak);
        state.threads.retain(|thread| !thread.is_finished());
        state.threads.push(thread);
    }
}

/// Answers the requests of one connection.
fn converse(stream: &TcpStream, shared: &Shared, number: usize) -> io::Result<()> {
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
                answer::give(stream, &reply, &shared.base_url, &shared.stop)?;
                answer::close(stream);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let client_closes =
            request.headers.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let reply = shared.record(request);
        let after = answer::give(stream, &reply, &shared.base_url, &shared.stop)?;
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
        let reply = state.script.pop_front().unwrap_or_else(|| {
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
