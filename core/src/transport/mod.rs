//! One request over the network, and nothing about what it means: ureq's agent with sockets, names, proxies and TLS
//! of our own beneath it.

mod context;
mod exchange;
mod proxy;
mod resolve;
mod tcp;
mod tls;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use ureq::Agent;
use ureq::http::uri::InvalidUri;
use ureq::http::{HeaderMap, HeaderValue, Method, Request, header};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};

use self::context::{Attempt, Trouble};
use crate::call::{Limits, Stop};
use crate::config::Options;
use crate::error::Error;
use crate::request::BaseUrl;

/// Less than the 5 s after which real servers close an idle connection, without announcing it.
const MAX_IDLE_AGE: Duration = Duration::from_secs(4);

/// What goes over the network.
pub(crate) struct Wire<'a> {
    pub(crate) method: Method,
    /// The whole URL.
    pub(crate) url: &'a str,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) body: Option<&'a [u8]>,
}

/// What came back.
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
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
    /// The request cannot be put on the wire.
    Unsendable(String),
}

/// The transport of one client.
pub(crate) struct Http {
    setup: Setup,
    live: ArcSwapOption<Generation>,
}

/// The connections of one process.
struct Generation {
    pid: u32,
    agent: Agent,
}

/// What an agent is built from.
struct Setup {
    proxy: Option<ureq::Proxy>,
    trust: tls::Trust,
    max_idle_connections: usize,
    connect_timeout: Duration,
    max_body_bytes: u64,
    user_agent: HeaderValue,
}

impl Http {
    /// Opens nothing yet.
    pub(crate) fn new(options: &Options, base: &BaseUrl) -> Result<Self, Error> {
        let user_agent = user_agent(options)?;
        let setup = Setup {
            proxy: proxy::choose(options, base)?,
            trust: tls::Trust::read(options)?,
            max_idle_connections: options.max_idle_connections,
            connect_timeout: options.connect_timeout,
            max_body_bytes: options.max_body_bytes,
            user_agent,
        };
        Ok(Http { setup, live: ArcSwapOption::empty() })
    }

    /// The agent of this process. After a fork, the child gets one of its own; the inherited one is leaked, since
    /// its connections are the parent's.
    fn agent(&self) -> Agent {
        let pid = std::process::id();
        let live = self.live.load();
        match &*live {
            Some(generation) if generation.pid == pid => generation.agent.clone(),
            other => {
                if let Some(inherited) = other {
                    std::mem::forget(Arc::clone(inherited));
                    // Siblings would otherwise wait for the same "random" times.
                    fastrand::seed(RandomState::new().hash_one((pid, SystemTime::now())));
                }
                let agent = self.setup.agent();
                self.live.store(Some(Arc::new(Generation { pid, agent: agent.clone() })));
                agent
            }
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn send(&self, wire: &Wire<'_>, limits: &Limits<'_>) -> Result<Received, Failure> {
        let attempt = Attempt::new(limits, self.setup.connect_timeout);
        let outcome = match limits.check() {
            Ok(()) => context::lend(&attempt, || self.exchange(wire)),
            Err(stop) => {
                attempt.stop.set(Some(stop));
                Err(Broken::Stopped)
            }
        };
        outcome.map_err(|broken| {
            let sent = attempt.sent.get();
            let cause = match (attempt.stop.get(), attempt.trouble.take(), broken) {
                (Some(stop), ..) => Cause::Stopped(stop),
                (_, _, Broken::TooLarge) => Cause::TooLarge(self.setup.max_body_bytes),
                (_, _, Broken::Unsendable(problem)) => Cause::Unsendable(problem),
                (_, Some(Trouble::Resolve(problem)), _) => Cause::Resolve(problem),
                (_, Some(Trouble::Connect(error)), _) => Cause::Connect(error),
                (_, Some(Trouble::Tls(problem)), _) => Cause::Tls(problem),
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
            }
        })
    }

    fn exchange(&self, wire: &Wire<'_>) -> Result<Received, Broken> {
        let agent = self.agent();
        let response = match wire.body {
            Some(body) => agent.run(self.request(wire, body)?),
            None => agent.run(self.request(wire, ())?),
        };
        let (parts, body) = response.map_err(Broken::Http)?.into_parts();
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
        reader.read_to_end(&mut bytes).map_err(Broken::Body)?;
        if bytes.len() as u64 > limit {
            return Err(Broken::TooLarge);
        }
        Ok(Received { status: parts.status.as_u16(), headers: pairs(&parts.headers), body: bytes })
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
        if wire.body.is_some_and(|body| !body.is_empty()) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = wire.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Drops the idle connections; those in use are dropped when they become idle.
    pub(crate) fn close(&self) {
        if let Some(generation) = self.live.swap(None)
            && generation.pid != std::process::id()
        {
            std::mem::forget(generation);
        }
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.close();
    }
}

/// How an exchange broke off.
enum Broken {
    Stopped,
    Unsendable(String),
    Http(ureq::Error),
    Body(io::Error),
    TooLarge,
}

impl Setup {
    fn agent(&self) -> Agent {
        // No timeouts of ureq's: the sockets know the deadline, and a lookup needs no thread for it.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(self.proxy.clone())
            .max_idle_age(MAX_IDLE_AGE)
            .max_idle_connections(self.max_idle_connections)
            .max_idle_connections_per_host(self.max_idle_connections)
            .output_buffer_size(16 << 10)
            .input_buffer_size(32 << 10)
            .timeout_await_100(None)
            .build();
        let names = Arc::new(resolve::Names::default());
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(tcp::Tcp { names: Arc::clone(&names) })
                .chain(tls::Tls::new(self.trust.clone()))
                .chain(exchange::Observer { proxied: self.proxy.is_some() });
        Agent::with_parts(config, connector, resolve::CachingResolver { names })
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

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
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
        f.debug_struct("Http").field("proxied", &self.setup.proxy.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a fork does to the child, without one: the process id of the generation is no longer ours.
    #[test]
    fn a_generation_of_another_process_is_replaced_and_leaked() {
        let options = Options::default();
        let base = BaseUrl::parse(&options.base_url).unwrap();
        let http = Http::new(&options, &base).unwrap();
        let inherited = Arc::new(Generation { pid: std::process::id() + 1, agent: http.setup.agent() });
        http.live.store(Some(Arc::clone(&inherited)));
        http.agent();
        assert_eq!(http.live.load().as_ref().unwrap().pid, std::process::id());
        // Ours and the leaked one: its connections are never closed by this process.
        assert_eq!(Arc::strong_count(&inherited), 2);
    }
}
