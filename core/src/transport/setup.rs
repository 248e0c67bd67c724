//! What connections are opened with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http::HeaderValue;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};

use super::agents::{Agents, Dialer, MAX_IDLE_AGE};
use super::proxy::{self, Route};
use super::{exchange, resolve, tcp, tls};
use crate::config::Options;
use crate::error::Error;
use crate::request::BaseUrl;

/// Bytes of status and headers that are read of an answer; with less room in the buffer it would seem to end early.
const MAX_HEAD: usize = 24 << 10;
const INPUT_BUFFER: usize = 32 << 10;
/// What fits in the buffer for output of an ordinary connection. A request with a longer line in its head, for example a
/// long token, gets a connection with a buffer of its own size.
const OUTPUT_BUFFER: usize = 16 << 10;

/// What agents are built from.
pub(super) struct Setup {
    pub(super) route: Route,
    pub(super) trust: tls::Trust,
    pub(super) max_idle_connections: usize,
    pub(super) connect_timeout: Duration,
    pub(super) max_body_bytes: u64,
    pub(super) user_agent: HeaderValue,
    pub(super) max_connections: usize,
    pub(super) socket: Option<PathBuf>,
}

impl Setup {
    pub(super) fn new(options: &Options, base: &BaseUrl) -> Result<Self, Error> {
        let user_agent = user_agent(options)?;
        Ok(Setup {
            route: proxy::route(options, base)?,
            trust: tls::Trust::read(options)?,
            max_idle_connections: options.max_idle_connections,
            connect_timeout: options.connect_timeout,
            max_body_bytes: options.max_body_bytes,
            user_agent,
            max_connections: options.max_connections,
            socket: base.socket().map(Path::to_path_buf),
        })
    }

    pub(super) fn agents(&self, names: Arc<resolve::Names>) -> Agents {
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
        let dialer = Dialer::new(().chain(ConnectProxyConnector::default()).chain(tcp).chain(tls));
        let resolver = resolve::CachingResolver { names, forward: forward.cloned() };
        Agents::new(config, dialer, observer, resolver, self.max_idle_connections)
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
