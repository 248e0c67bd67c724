//! One request over the network, and nothing about what it means: ureq's agents with sockets, names, proxies and TLS
//! of our own beneath it.

mod agents;
mod context;
mod encoding;
mod exchange;
mod failure;
mod forward;
mod places;
mod proxy;
mod resolve;
mod setup;
mod streaming;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod websocket;
mod wire;

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use ureq::Agent;
use ureq::http::uri::InvalidUri;
use ureq::http::{HeaderMap, HeaderValue, Request, StatusCode, header};

use self::agents::Agents;
use self::context::Attempt;
#[cfg(target_os = "linux")]
pub(crate) use self::context::aside;
use self::failure::Broken;
pub(crate) use self::failure::{Cause, Failure};
use self::places::Places;
pub(crate) use self::resolve::is_loopback;
use self::setup::Setup;
pub(crate) use self::streaming::{Opened, Reading};
pub(crate) use self::tls::certificates;
pub(crate) use self::websocket::{Heard, Refusal, Socket};
pub(crate) use self::wire::{Received, Wire};
use crate::call::Limits;
use crate::config::Options;
use crate::error::Error;
use crate::per_process::{Local, PerProcess};
use crate::request::BaseUrl;

/// The transport of one client.
pub(crate) struct Http {
    setup: Setup,
    connections: PerProcess<Connections>,
}

/// The connections of one process.
struct Connections {
    agents: Agents,
    places: Arc<Places>,
}

impl Http {
    /// Opens nothing yet.
    pub(crate) fn new(options: &Options, base: &BaseUrl) -> Result<Self, Error> {
        Ok(Http { setup: Setup::new(options, base)?, connections: PerProcess::default() })
    }

    /// The connections of this process.
    fn connections(&self) -> Arc<Local<Connections>> {
        self.connections.get(|| Connections {
            agents: self.setup.agents(Arc::default()),
            places: Arc::new(Places::new(self.setup.max_connections)),
        })
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn send(&self, wire: &Wire<'_>, limits: &Limits<'_>) -> Result<Received, Failure> {
        let attempt = Attempt::new(limits, self.setup.connect_timeout, wire.has_body(), wire.longest_line());
        self.attempt(&attempt, || self.exchange(wire, &attempt))
    }

    /// Makes an attempt, unless it is over before it has begun.
    fn attempt<T>(
        &self,
        attempt: &Attempt<'_>,
        work: impl FnOnce() -> Result<T, Broken>,
    ) -> Result<T, Failure> {
        let outcome = match attempt.limits.check() {
            Ok(()) => context::lend(attempt, work),
            Err(stop) => {
                attempt.stop.set(Some(stop));
                Err(Broken::Stopped)
            }
        };
        outcome.map_err(|broken| self.failure(attempt, broken))
    }

    fn exchange(&self, wire: &Wire<'_>, attempt: &Attempt<'_>) -> Result<Received, Broken> {
        let connections = self.connections();
        let Connections { agents, places } = &**connections;
        let _place = places.take(attempt).map_err(|_| Broken::Stopped)?;
        agents.with(|agent| self.exchange_by(agent, wire, attempt))
    }

    fn exchange_by(&self, agent: &Agent, wire: &Wire<'_>, attempt: &Attempt<'_>) -> Result<Received, Broken> {
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
        let Some(connections) = self.connections.made() else { return };
        // Those in use still count: derived clients may go on.
        let places = Arc::clone(&connections.places);
        // If another thread was first, it has done the same.
        self.connections
            .replace(&connections, Connections { agents: self.setup.agents(Arc::default()), places });
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("proxied", &self.proxy_place().is_some()).finish_non_exhaustive()
    }
}
