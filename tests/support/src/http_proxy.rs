//! An HTTP proxy as companies have them: forwards plain requests, opens tunnels with CONNECT, may ask for credentials.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use crate::acceptor::{self, Acceptor, Hub, lock};
use crate::relay;
use crate::request::{RecordedRequest, RequestReader};

/// How a proxy is set up.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpProxySetup {
    /// `user:password` that clients have to show (Basic); none are asked for if absent.
    pub credentials: Option<String>,
    /// Where hosts are: `host:port` as clients say it, and the loopback address that stands for it. Any other host is
    /// refused with a 502, so that nothing leaves this machine.
    pub hosts: BTreeMap<String, SocketAddr>,
}

/// What a proxy saw.
#[derive(Debug, Clone, Serialize)]
pub struct ProxiedRequest {
    /// The method; `CONNECT` for a tunnel.
    pub method: String,
    /// The target as on the wire: a URL, or `host:port` for a tunnel.
    pub target: String,
    /// The header fields by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// With which status the proxy refused it; null if it was passed on.
    pub refused: Option<u16>,
}

/// An HTTP proxy on a free loopback port. Stops when dropped.
#[derive(Debug)]
pub struct HttpProxy {
    shared: Arc<Shared>,
    acceptor: Acceptor,
}

#[derive(Debug)]
struct Shared {
    setup: HttpProxySetup,
    seen: Mutex<Vec<ProxiedRequest>>,
}

impl HttpProxy {
    /// Starts a proxy.
    ///
    /// # Errors
    /// No loopback port can be bound, or a host stands for an address that is not loopback.
    pub fn start(setup: HttpProxySetup) -> io::Result<Self> {
        if let Some((host, to)) = setup.hosts.iter().find(|(_, to)| !to.ip().is_loopback()) {
            return Err(io::Error::other(format!("{host} stands for {to}, which is not a loopback address")));
        }
        let shared = Arc::new(Shared { setup, seen: Mutex::default() });
        let acceptor = Acceptor::start(acceptor::listen()?, {
            let shared = Arc::clone(&shared);
            move |client, number, hub| serve(&client, number, &shared, hub)
        })?;
        Ok(HttpProxy { shared, acceptor })
    }

    /// The URL to give to clients: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.acceptor.address())
    }

    /// What has arrived so far, in order.
    pub fn requests(&self) -> Vec<ProxiedRequest> {
        lock(&self.shared.seen).clone()
    }
}

fn serve(client: &Arc<TcpStream>, number: usize, shared: &Shared, hub: &Arc<Hub>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut reader = RequestReader::new(&**client);
    while let Some(request) = reader.next(number)? {
        let verdict = judge(&request, &shared.setup);
        lock(&shared.seen).push(ProxiedRequest {
            method: request.method.clone(),
            target: request.raw_target.clone(),
            headers: request.headers.clone(),
            refused: verdict.as_ref().err().copied(),
        });
        let upstream = match verdict {
            Ok(to) => Arc::new(TcpStream::connect(to)?),
            Err(status) => {
                refuse(client, status)?;
                continue;
            }
        };
        hub.watch(&upstream);
        if request.method == "CONNECT" {
            (&**client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            (&*upstream).write_all(&reader.into_buffered())?;
            return relay::both_ways(client, &upstream, hub);
        }
        return forward(client, &upstream, &request);
    }
    Ok(())
}

/// Where a request goes, or the status with which it is refused.
fn judge(request: &RecordedRequest, setup: &HttpProxySetup) -> Result<SocketAddr, u16> {
    if let Some(credentials) = &setup.credentials {
        let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials));
        if request.headers.get("proxy-authorization") != Some(&expected) {
            return Err(407);
        }
    }
    let target = &request.raw_target;
    let host = match (request.method.as_str(), target.strip_prefix("http://")) {
        ("CONNECT", _) => target.clone(),
        (_, Some(rest)) => match rest.split('/').next() {
            Some(host) if host.contains(':') => host.to_owned(),
            host => format!("{}:80", host.unwrap_or_default()),
        },
        (_, None) => return Err(400),
    };
    setup.hosts.get(&host).copied().ok_or(502)
}

fn refuse(mut client: &TcpStream, status: u16) -> io::Result<()> {
    let (reason, more) = match status {
        400 => ("Bad Request", ""),
        407 => ("Proxy Authentication Required", "proxy-authenticate: Basic realm=\"test\"\r\n"),
        _ => ("Bad Gateway", ""),
    };
    client.write_all(format!("HTTP/1.1 {status} {reason}\r\n{more}content-length: 0\r\n\r\n").as_bytes())
}

/// Passes one request on and its answer back; the client is told that the connection ends with it.
fn forward(mut client: &TcpStream, mut upstream: &TcpStream, request: &RecordedRequest) -> io::Result<()> {
    let rest = request.raw_target.trim_start_matches("http://");
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    let mut head = format!("{} {path} HTTP/1.1\r\nvia: 1.1 test\r\nconnection: close\r\n", request.method);
    let body = request.body.as_deref().unwrap_or_default();
    for (name, value) in &request.headers {
        let hop = name.starts_with("proxy-")
            || matches!(name.as_str(), "connection" | "transfer-encoding" | "content-length");
        if !hop {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    let _ = write!(head, "content-length: {}\r\n\r\n{body}", body.len());
    upstream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    let line = answer.windows(2).position(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
    client.write_all(&answer[..line])?;
    if line > 0 {
        client.write_all(b"connection: close\r\n")?;
    }
    client.write_all(&answer[line..])?;
    client.shutdown(Shutdown::Write)
}
