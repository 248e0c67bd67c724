//! One request over the network, and nothing about what it means: ureq's agent with sockets, names, proxies and TLS
//! of our own beneath it.

mod agents;
mod context;
mod encoding;
mod exchange;
mod forward;
mod places;
mod proxy;
mod resolve;
mod streaming;
mod tcp;
mod tls;
mod websocket;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use ureq::Agent;
use ureq::http::uri::InvalidUri;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};

use self::agents::{Agents, Line, MAX_IDLE_AGE};
#[cfg(target_os = "linux")]
pub(crate) use self::context::aside;
use self::context::{Attempt, Trouble};
use self::places::Places;
use self::proxy::Route;
pub(crate) use self::resolve::is_loopback;
pub(crate) use self::streaming::{Opened, Reading};
pub(crate) use self::tls::certificates;
pub(crate) use self::websocket::{Heard, Refusal, Socket};
use crate::call::{Limits, Stop};
use crate::config::Options;
use crate::error::Error;
use crate::request::BaseUrl;

/// Bytes of status and headers that are read of an answer; with less room in the buffer it would seem to end early.
const MAX_HEAD: usize = 24 << 10;
const INPUT_BUFFER: usize = 32 << 10;
/// What fits in the buffer for output of an ordinary connection. A request with a longer line in its head, for example a
/// long token, gets a connection with a buffer of its own size.
const OUTPUT_BUFFER: usize = 16 << 10;

/// What goes over the network.
pub(crate) struct Wire<'a> {
    pub(crate) method: Method,
    /// The whole URL.
    pub(crate) url: &'a str,
    pub(crate) authorization: Option<HeaderValue>,
    /// Headers that the caller adds; a later one of the same name counts.
    pub(crate) headers: [&'a [(HeaderName, HeaderValue)]; 2],
    pub(crate) body: Option<&'a [u8]>,
}

impl Wire<'_> {
    fn has_body(&self) -> bool {
        self.body.is_some_and(|body| !body.is_empty())
    }

    /// How many bytes the longest line of its head can have.
    fn longest_line(&self) -> usize {
        // `DELETE`, ` HTTP/1.1`, `proxy-authorization: ` and line ends, generously.
        const AROUND: usize = 64;
        let values =
            self.headers.into_iter().flatten().map(|(name, value)| name.as_str().len() + value.len());
        let authorization = self.authorization.iter().map(HeaderValue::len);
        values.chain(authorization).fold(self.url.len(), usize::max) + AROUND
    }
}

/// What came back.
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The connection had served another request before.
    pub(crate) reused: bool,
}

/// Why nothing, or not all of it, came back.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    /// The server may have executed the request.
    pub(crate) maybe_executed: bool,
    /// The beginning of an answer came.
    pub(crate) answered: bool,
    /// The connection had served another request before.
    pub(crate) reused: bool,
    /// It ended while waiting for one of the connections that a client may have.
    pub(crate) queued: bool,
}

/// The kinds of [`Failure`].
#[derive(Debug)]
pub(crate) enum Cause {
    Stopped(Stop),
    Resolve(String),
    Connect(io::Error),
    Tls(String),
    Lost(String),
    /// The body is larger than this many bytes.
    TooLarge(u64),
    /// The headers of the answer are beyond what is read.
    TooManyHeaders,
    /// The body is not compressed as its headers say.
    Encoded(String),
    /// The request cannot be put on the wire.
    Unsendable(String),
    /// The proxy asks for credentials, or for others than it was shown.
    ProxyCredentials,
}

/// The transport of one client.
pub(crate) struct Http {
    setup: Setup,
    live: ArcSwapOption<Generation>,
}

/// The connections of one process. Everything that a fork could leave locked is in here.
struct Generation {
    pid: u32,
    agents: Agents,
    places: Arc<Places>,
}

/// What agents are built from.
struct Setup {
    route: Route,
    trust: tls::Trust,
    max_idle_connections: usize,
    connect_timeout: Duration,
    max_body_bytes: u64,
    user_agent: HeaderValue,
    max_connections: usize,
    socket: Option<PathBuf>,
}

impl Http {
    /// Opens nothing yet.
    pub(crate) fn new(options: &Options, base: &BaseUrl) -> Result<Self, Error> {
        let user_agent = user_agent(options)?;
        let setup = Setup {
            route: proxy::route(options, base)?,
            trust: tls::Trust::read(options)?,
            max_idle_connections: options.max_idle_connections,
            connect_timeout: options.connect_timeout,
            max_body_bytes: options.max_body_bytes,
            user_agent,
            max_connections: options.max_connections,
            socket: base.socket().map(Path::to_path_buf),
        };
        Ok(Http { setup, live: ArcSwapOption::empty() })
    }

    /// The connections of this process. After a fork, the child gets some of its own; the inherited ones are leaked,
    /// since they are the parent's, and a thread that is not in the child may hold their locks.
    fn generation(&self) -> Arc<Generation> {
        let pid = std::process::id();
        loop {
            let live = self.live.load_full();
            if let Some(generation) = live.as_ref().filter(|generation| generation.pid == pid) {
                return Arc::clone(generation);
            }
            let places = Arc::new(Places::new(self.setup.max_connections));
            let fresh = Arc::new(Generation { pid, agents: self.setup.agents(Arc::default()), places });
            let before = self.live.compare_and_swap(&live, Some(Arc::clone(&fresh)));
            // Another thread may have been first; then its connections are everybody's.
            if before.as_ref().map(Arc::as_ptr) == live.as_ref().map(Arc::as_ptr) {
                if let Some(inherited) = live {
                    std::mem::forget(inherited);
                    // Siblings would otherwise wait for the same "random" times.
                    fastrand::seed(RandomState::new().hash_one((pid, SystemTime::now())));
                }
                return fresh;
            }
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn send(&self, wire: &Wire<'_>, limits: &Limits<'_>) -> Result<Received, Failure> {
        let attempt = Attempt::new(limits, self.setup.connect_timeout, wire.has_body(), wire.longest_line());
        let outcome = match limits.check() {
            Ok(()) => context::lend(&attempt, || self.exchange(wire, &attempt)),
            Err(stop) => {
                attempt.stop.set(Some(stop));
                Err(Broken::Stopped)
            }
        };
        outcome.map_err(|broken| self.failure(&attempt, broken))
    }

    /// What became of an attempt.
    fn failure(&self, attempt: &Attempt<'_>, broken: Broken) -> Failure {
        let sent = attempt.sent.get();
        let cause = match (attempt.stop.get(), attempt.trouble.take(), broken) {
            (Some(stop), ..) => Cause::Stopped(stop),
            (_, _, Broken::TooLarge) => Cause::TooLarge(self.setup.max_body_bytes),
            (_, _, Broken::Encoded(problem)) => Cause::Encoded(problem),
            (_, _, Broken::Unsendable(problem)) => Cause::Unsendable(problem),
            (_, Some(Trouble::Resolve(problem)), _) => Cause::Resolve(problem),
            (_, Some(Trouble::Connect(error)), _) => Cause::Connect(error),
            (_, Some(Trouble::Tls(problem)), _) => Cause::Tls(problem),
            (_, _, Broken::ProxyCredentials) => Cause::ProxyCredentials,
            (_, _, Broken::Http(error)) if wants_proxy_credentials(&error) => Cause::ProxyCredentials,
            (_, None, Broken::Http(error)) if is_header_bomb(&error) => Cause::TooManyHeaders,
            (_, None, Broken::Http(error)) if sent => Cause::Lost(describe(&error)),
            (_, None, Broken::Http(error)) => Cause::Connect(error.into_io()),
            (_, None, Broken::Body(error)) => Cause::Lost(describe(&ureq::Error::Io(error))),
            // Only a stop breaks it off this way, and a stop is looked at first.
            (_, None, Broken::Stopped) => Cause::Lost("the attempt was given up".to_owned()),
        };
        Failure {
            cause,
            maybe_executed: sent,
            answered: attempt.answered.get(),
            reused: attempt.reused.get(),
            queued: attempt.queued.get(),
        }
    }

    fn exchange(&self, wire: &Wire<'_>, attempt: &Attempt<'_>) -> Result<Received, Broken> {
        let Generation { agents, places, .. } = &*self.generation();
        let _place = places.take(attempt).map_err(|_| Broken::Stopped)?;
        let agent = agents.lend();
        let response = match wire.body {
            Some(body) => agent.run(self.request(wire, body)?),
            None => agent.run(self.request(wire, ())?),
        };
        let (mut parts, body) = response.map_err(Broken::Http)?.into_parts();
        self.check_proxy(parts.status, attempt)?;
        // Its status says what happened, even if its reasons get lost.
        let is_refusal = !parts.status.is_success();
        let limit = self.setup.max_body_bytes;
        let announced = body.content_length().unwrap_or(0);
        if announced > limit {
            return Err(Broken::TooLarge);
        }
        // A server may announce anything; beyond this the buffer grows with what really comes.
        let capacity = usize::try_from(announced.min(1 << 20)).unwrap_or_default();
        let mut bytes = Vec::with_capacity(capacity);
        // One more than allowed, to see whether there is more.
        let mut reader = body.into_reader().take(limit.saturating_add(1));
        match reader.read_to_end(&mut bytes) {
            Err(_) if is_refusal && attempt.stop.get().is_none() => {}
            read => drop(read.map_err(Broken::Body)?),
        }
        if bytes.len() as u64 > limit {
            return Err(Broken::TooLarge);
        }
        let bytes = match encoding::decoded(&mut parts.headers, bytes, limit) {
            Err(Broken::Encoded(_)) if is_refusal => Vec::new(),
            decoded => decoded?,
        };
        Ok(Received {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: bytes,
            reused: attempt.reused.get(),
        })
    }

    /// Whether an answer is from the server, and not from a proxy that wants other credentials.
    fn check_proxy(&self, status: StatusCode, attempt: &Attempt<'_>) -> Result<(), Broken> {
        if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED && self.setup.route.forward().is_some() {
            // The proxy has not passed the request on.
            attempt.sent.set(false);
            return Err(Broken::ProxyCredentials);
        }
        Ok(())
    }

    fn request<B>(&self, wire: &Wire<'_>, body: B) -> Result<Request<B>, Broken> {
        let uri = wire.url.parse().map_err(|error: InvalidUri| Broken::Unsendable(error.to_string()))?;
        // Room for ours and those that ureq adds, so that the map never grows.
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(header::USER_AGENT, self.setup.user_agent.clone());
        if let Some(authorization) = &wire.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        if wire.has_body() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in wire.headers.into_iter().flatten() {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(authorization) = self.setup.route.forward().and_then(|proxy| proxy.authorization.as_ref())
        {
            headers.insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        let mut request = Request::new(body);
        *request.method_mut() = wire.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The proxy that connections lead through, for a message: without its credentials.
    pub(crate) fn proxy_place(&self) -> Option<String> {
        self.setup.route.proxy_place()
    }

    /// Drops the idle connections; those in use are dropped when they become idle.
    pub(crate) fn close(&self) {
        let pid = std::process::id();
        let Some(live) = self.live.load_full() else { return };
        if live.pid != pid {
            // The next call leaks them.
            return;
        }
        // Those in use still count: derived clients may go on.
        let places = Arc::clone(&live.places);
        let fresh = Arc::new(Generation { pid, agents: self.setup.agents(Arc::default()), places });
        // If another thread was first, it has done the same.
        self.live.compare_and_swap(&live, Some(fresh));
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        if let Some(generation) = self.live.swap(None)
            && generation.pid != std::process::id()
        {
            std::mem::forget(generation);
        }
    }
}

/// How an exchange broke off.
enum Broken {
    Stopped,
    Unsendable(String),
    Http(ureq::Error),
    Body(io::Error),
    /// The proxy wants other credentials.
    ProxyCredentials,
    TooLarge,
    /// The body is not compressed as its headers say.
    Encoded(String),
}

impl Setup {
    fn agents(&self, names: Arc<resolve::Names>) -> Agents {
        // No timeouts of ureq's: the sockets know the deadline, and a lookup needs no thread for it.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(self.route.tunnel().cloned())
            .max_idle_age(MAX_IDLE_AGE)
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .output_buffer_size(OUTPUT_BUFFER)
            .input_buffer_size(INPUT_BUFFER)
            .max_response_header_size(MAX_HEAD)
            .timeout_await_100(None)
            .build();
        let forward = self.route.forward();
        let observer =
            exchange::Observer { tunnelled: self.route.tunnel().is_some(), forwarded: forward.is_some() };
        let tcp =
            tcp::Tcp { names: Arc::clone(&names), socket: self.socket.clone(), forward: forward.cloned() };
        let tls = tls::Tls::new(self.trust.clone(), forward.cloned());
        let line = Line::new(().chain(ConnectProxyConnector::default()).chain(tcp).chain(tls));
        let resolver = resolve::CachingResolver { names, forward: forward.cloned() };
        Agents::new(config, line, observer, resolver, self.max_idle_connections)
    }
}

fn user_agent(options: &Options) -> Result<HeaderValue, Error> {
    let mut text = format!("loki-mode-sdk/{} ({})", env!("CARGO_PKG_VERSION"), options.language);
    if let Some(app) = &options.app_info {
        text.push(' ');
        text.push_str(app);
    }
    HeaderValue::try_from(text).map_err(|error| Error::config("language", error.to_string()))
}

/// Whether a proxy refused to open a tunnel for want of credentials.
fn wants_proxy_credentials(error: &ureq::Error) -> bool {
    // The status is in the text only; a test notices if it changes.
    matches!(error, ureq::Error::ConnectProxyFailed(reason) if reason.contains("responded 407"))
}

fn is_header_bomb(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::LargeResponseHeader(..) => true,
        // The type within cannot be named from here; a test notices if its words change.
        ureq::Error::Protocol(error) => error.to_string().contains("too many headers"),
        _ => false,
    }
}

/// What became of a connection, in words.
fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
            io::ErrorKind::ConnectionReset => "the server reset the connection".to_owned(),
            io::ErrorKind::BrokenPipe => {
                "the server closed the connection while the request was sent".to_owned()
            }
            _ => error.to_string(),
        },
        ureq::Error::Protocol(error) => format!("the answer is not HTTP: {error}"),
        other => other.to_string(),
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("proxied", &self.proxy_place().is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client whose name service knows these addresses, and the outcome of one call with it.
    fn send_to(port: u16, names: &Arc<resolve::Names>) -> Result<Received, Failure> {
        let base_url = format!("http://control.test:{port}");
        let options = Options { base_url, proxy: Some(String::new()), ..Options::default() };
        let base = BaseUrl::parse(&options.base_url).unwrap();
        let http = Http::new(&options, &base).unwrap();
        let agents = http.setup.agents(Arc::clone(names));
        let places = Arc::new(Places::new(1));
        http.live.store(Some(Arc::new(Generation { pid: std::process::id(), agents, places })));
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let limits = Limits { deadline, cancel: None, interrupted: None };
        let url = format!("{}/x", options.base_url);
        let wire =
            Wire { method: Method::GET, url: &url, authorization: None, headers: [&[], &[]], body: None };
        http.send(&wire, &limits)
    }

    #[test]
    fn a_dead_address_of_a_name_is_passed_over_and_a_name_that_leads_nowhere_is_forgotten() {
        use std::io::Write;

        let (live, dead) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let listener = std::net::TcpListener::bind((live, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n").unwrap();
        });
        let names = Arc::new(resolve::Names::default());
        names.learn("control.test", vec![dead, live]);
        assert_eq!(send_to(port, &names).map_err(|failure| failure.cause).unwrap().status, 200);
        assert!(names.knows("control.test"));
        server.join().unwrap();

        names.learn("control.test", vec![dead]);
        let failure = send_to(port, &names).map(|received| received.status).unwrap_err();
        assert!(matches!(failure.cause, Cause::Connect(_)), "{failure:?}");
        assert!(!names.knows("control.test"));
    }

    /// What a fork does to the child, without one: the process id of the generation is no longer ours.
    #[test]
    fn a_generation_of_another_process_is_replaced_and_leaked() {
        let options = Options::default();
        let base = BaseUrl::parse(&options.base_url).unwrap();
        let http = Http::new(&options, &base).unwrap();
        let pid = std::process::id() + 1;
        let places = Arc::new(Places::new(1));
        let inherited = Arc::new(Generation { pid, agents: http.setup.agents(Arc::default()), places });
        http.live.store(Some(Arc::clone(&inherited)));
        let ours = http.generation();
        assert_eq!(ours.pid, std::process::id());
        assert!(!Arc::ptr_eq(&ours.places, &inherited.places));
        assert!(Arc::ptr_eq(&ours, &http.generation()));
        // Ours and the leaked one: its connections are never closed by this process.
        assert_eq!(Arc::strong_count(&inherited), 2);
    }
}
