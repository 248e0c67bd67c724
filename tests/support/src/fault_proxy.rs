//! A bad line: a proxy between a client and a server that breaks a share of the exchanges, by chance and reproducibly.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::acceptor::{self, Acceptor, Hub, lock};
use crate::relay::reset;
use crate::request::{RecordedRequest, RequestReader};

/// Ways of breaking an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyFault {
    /// The request is read and not passed on; the connection is closed in order (FIN).
    CutBefore,
    /// The request is passed on and executed; the connection is closed without its answer.
    CutAfter,
    /// The connection is closed in the middle of the answer.
    CutDuring,
    /// As `CutBefore`, with RST.
    ResetBefore,
    /// As `CutAfter`, with RST.
    ResetAfter,
    /// As `CutDuring`, with RST.
    ResetDuring,
    /// The request is passed on and executed; then neither an answer nor an end comes.
    Hold,
    /// The answer comes late.
    Delay,
    /// The whole answer is given, and the idle connection closed right after it.
    CloseIdle,
    /// The whole answer is given, and the connection closed when the next request begins to arrive, which is not read.
    Stale,
}

impl ProxyFault {
    /// Every fault.
    pub const ALL: [ProxyFault; 10] = [
        ProxyFault::CutBefore,
        ProxyFault::CutAfter,
        ProxyFault::CutDuring,
        ProxyFault::ResetBefore,
        ProxyFault::ResetAfter,
        ProxyFault::ResetDuring,
        ProxyFault::Hold,
        ProxyFault::Delay,
        ProxyFault::CloseIdle,
        ProxyFault::Stale,
    ];
}

/// How a bad line is set up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultProxySetup {
    /// Base URL of the server: `http://` and a loopback address with a port.
    pub to: String,
    /// Begins the sequence of chances; the same seed and the same order of requests give the same faults.
    pub seed: u64,
    /// The share of exchanges that are broken, from 0 to 1.
    pub rate: f64,
    /// Which faults occur, each as often as the others; all of them if absent.
    pub faults: Option<Vec<ProxyFault>>,
    /// The longest that `delay` delays, in milliseconds; 50 if absent.
    pub max_delay_ms: Option<u64>,
}

/// A bad line on a free loopback port. Stops when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    shared: Arc<Shared>,
    acceptor: Acceptor,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    rate: f64,
    faults: Vec<ProxyFault>,
    max_delay_ms: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    chance: fastrand::Rng,
    exchanges: usize,
    faults: BTreeMap<ProxyFault, usize>,
}

/// The fault of one exchange, with the chance that decides where or how long.
type Fate = Option<(ProxyFault, f64)>;

impl FaultProxy {
    /// Starts a bad line to a server.
    ///
    /// # Errors
    /// No loopback port can be bound, `to` is not the base URL of a loopback server, or there are no faults to choose from.
    pub fn start(setup: FaultProxySetup) -> io::Result<Self> {
        let to: Option<SocketAddr> = setup.to.strip_prefix("http://").and_then(|to| to.parse().ok());
        let to = to.filter(|to| to.ip().is_loopback()).ok_or_else(|| {
            io::Error::other(format!("`to` must be like http://127.0.0.1:1234, not {:?}", setup.to))
        })?;
        let faults = setup.faults.unwrap_or_else(|| ProxyFault::ALL.to_vec());
        if faults.is_empty() || !(0.0..=1.0).contains(&setup.rate) {
            return Err(io::Error::other("a line needs a `rate` from 0 to 1 and at least one fault"));
        }
        let state =
            State { chance: fastrand::Rng::with_seed(setup.seed), exchanges: 0, faults: BTreeMap::new() };
        let shared = Arc::new(Shared {
            to,
            rate: setup.rate,
            faults,
            max_delay_ms: setup.max_delay_ms.unwrap_or(50),
            state: Mutex::new(state),
        });
        let acceptor = Acceptor::start(acceptor::listen()?, {
            let shared = Arc::clone(&shared);
            move |client, number, hub| serve(&client, number, &shared, hub)
        })?;
        Ok(FaultProxy { shared, acceptor })
    }

    /// The base URL for clients: `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.acceptor.address())
    }

    /// How many exchanges there were, and how often each fault broke one.
    pub fn counts(&self) -> (usize, BTreeMap<ProxyFault, usize>) {
        let state = lock(&self.shared.state);
        (state.exchanges, state.faults.clone())
    }
}

impl Shared {
    fn fate(&self) -> Fate {
        let mut state = lock(&self.state);
        state.exchanges += 1;
        // All drawn every time, so that one exchange does not change the fate of the next.
        let (breaks, which, how) =
            (state.chance.f64() < self.rate, state.chance.usize(..self.faults.len()), state.chance.f64());
        let fault = breaks.then(|| self.faults[which])?;
        *state.faults.entry(fault).or_default() += 1;
        Some((fault, how))
    }
}

fn serve(client: &Arc<TcpStream>, number: usize, shared: &Shared, hub: &Arc<Hub>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut reader = RequestReader::new(&**client);
    while let Some(request) = reader.next(number)? {
        let fate = shared.fate();
        let (fault, how) = fate.map_or((None, 0.0), |(fault, how)| (Some(fault), how));
        if let Some(ProxyFault::CutBefore | ProxyFault::ResetBefore) = fault {
            return end(client, fault == Some(ProxyFault::ResetBefore));
        }
        let answer = ask(&request, shared.to, hub)?;
        match fault {
            Some(ProxyFault::CutAfter) => return end(client, false),
            Some(ProxyFault::ResetAfter) => return end(client, true),
            Some(ProxyFault::CutDuring | ProxyFault::ResetDuring) => {
                let part = ((answer.len() as f64 * how) as usize).clamp(1, answer.len().max(2) - 1);
                // A server that was killed gives no answer at all.
                (&**client).write_all(&answer[..part.min(answer.len())])?;
                return end(client, fault == Some(ProxyFault::ResetDuring));
            }
            Some(ProxyFault::Hold) => {
                let mut block = [0; 1024];
                while (&**client).read(&mut block)? > 0 {}
                return Ok(());
            }
            Some(ProxyFault::Delay) => {
                hub.stop.sleep(Duration::from_secs_f64(how * shared.max_delay_ms as f64 / 1000.0))?;
            }
            _ => {}
        }
        (&**client).write_all(&answer)?;
        match fault {
            Some(ProxyFault::CloseIdle) => return end(client, false),
            Some(ProxyFault::Stale) => {
                // Closing with the request unread makes the kernel reset the connection, as it does for a real server.
                if !reader.has_buffered() {
                    client.peek(&mut [0])?;
                }
                return Ok(());
            }
            _ => {}
        }
    }
    Ok(())
}

fn end(client: &TcpStream, with_reset: bool) -> io::Result<()> {
    if with_reset {
        reset(client);
        return Ok(());
    }
    client.shutdown(Shutdown::Write)
}

/// The whole answer of the server to a request, over a connection of its own.
fn ask(request: &RecordedRequest, to: SocketAddr, hub: &Hub) -> io::Result<Vec<u8>> {
    let upstream = Arc::new(TcpStream::connect(to)?);
    hub.watch(&upstream);
    upstream.set_nodelay(true)?;
    let body = request.body.as_deref().unwrap_or_default();
    let mut head = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", request.method, request.raw_target);
    for (name, value) in &request.headers {
        if !matches!(name.as_str(), "connection" | "transfer-encoding" | "content-length") {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    let _ = write!(head, "content-length: {}\r\n\r\n{body}", body.len());
    (&*upstream).write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    (&*upstream).read_to_end(&mut answer)?;
    Ok(without_close(answer))
}

/// The same answer without the `connection: close` that this proxy asked for: the client's connection is kept.
fn without_close(answer: Vec<u8>) -> Vec<u8> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return answer };
    let head = String::from_utf8_lossy(&answer[..end]);
    let lines = head
        .split("\r\n")
        .filter(|line| line.split_once(':').is_none_or(|(name, _)| !name.eq_ignore_ascii_case("connection")));
    let mut kept = lines.collect::<Vec<_>>().join("\r\n").into_bytes();
    kept.extend_from_slice(&answer[end..]);
    kept
}
