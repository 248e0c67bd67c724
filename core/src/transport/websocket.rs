//! WebSockets, over the same sockets, names, proxies and TLS as everything else.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tungstenite::client::client_with_config;
use tungstenite::handshake::client::generate_key;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{HandshakeError, Message, WebSocket};
use ureq::http::{HeaderName, HeaderValue, Request, Uri, header};
use ureq::unversioned::resolver::Resolver as _;
use ureq::unversioned::transport::{ConnectionDetails, Connector as _, NextTimeout, TransportAdapter};

use super::agents::Agents;
use super::context::{self, Attempt};
use super::failure::Broken;
use super::{Failure, Http};
use crate::call::{Limits, Stop};

/// An open connection, whatever is spoken over it. Reads and writes end with the limits of the attempt under way.
pub(crate) struct Line(TransportAdapter);

impl Line {
    /// Lets a wait that was only cut short be taken up again.
    fn outcome<T>(result: io::Result<T>) -> io::Result<T> {
        let is_given_up = context::current(|attempt| attempt.stop.get() == Some(Stop::Deadline));
        result.map_err(|error| if is_given_up { io::ErrorKind::WouldBlock.into() } else { error })
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Self::outcome(self.0.read(buffer))
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::outcome(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::outcome(self.0.flush())
    }
}

/// A WebSocket that is open.
pub(crate) struct Socket(WebSocket<Line>);

/// Why there is no WebSocket.
pub(crate) enum Refusal {
    /// There is no connection.
    Unreachable(Failure),
    /// The server answered with this status instead.
    Status(u16),
    /// What it answered is no handshake.
    NotWebSocket(String),
}

/// What came of waiting for a message.
pub(crate) enum Heard {
    /// A message of text.
    Text(String),
    /// Something that is no message: the other side is there.
    Sign,
    /// Nothing within the time given.
    Nothing,
    /// The connection is gone.
    End,
}

impl Http {
    /// Opens a WebSocket at this URL, which begins with `http`. Its query may hold a secret and is shown nowhere. Of headers
    /// with the same name the later one counts, and none replaces those of the handshake.
    pub(crate) fn socket(
        &self,
        url: &str,
        headers: [&[(HeaderName, HeaderValue)]; 2],
        limits: &Limits<'_>,
        limit: usize,
    ) -> Result<Socket, Refusal> {
        let attempt = Attempt::new(limits, self.setup.connect_timeout, false, url.len());
        context::lend(&attempt, || {
            let unreachable = |broken| Refusal::Unreachable(self.failure(&attempt, broken));
            let line = self.dial(url).map_err(unreachable)?;
            let request = self.upgrade(url, headers).map_err(unreachable)?;
            let config = WebSocketConfig::default().max_message_size(Some(limit)).max_frame_size(Some(limit));
            // From here on it is the request that is on its way.
            attempt.requesting.set(true);
            match client_with_config(request, line, Some(config)) {
                Ok((socket, _)) => Ok(Socket(socket)),
                Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                    Err(Refusal::Status(response.status().as_u16()))
                }
                Err(HandshakeError::Failure(tungstenite::Error::Io(error))) => {
                    Err(unreachable(Broken::Body(error)))
                }
                Err(HandshakeError::Failure(error)) => Err(Refusal::NotWebSocket(error.to_string())),
                // The time is over.
                Err(HandshakeError::Interrupted(_)) => Err(unreachable(Broken::Stopped)),
            }
        })
    }

    fn dial(&self, url: &str) -> Result<Line, Broken> {
        let uri: Uri = url.parse().map_err(|_| Broken::Unsendable("the URL cannot be read".to_owned()))?;
        let connections = self.connections();
        let Agents { config, dialer, resolver, .. } = &connections.agents;
        let timeout = NextTimeout::default();
        // The proxy of a tunnel looks up the name itself.
        let addrs = match self.setup.route.tunnel() {
            Some(_) => resolver.empty(),
            None => resolver.resolve(&uri, config, timeout).map_err(Broken::Http)?,
        };
        let dialer = dialer.clone();
        let open = Arc::new(move |details: &ConnectionDetails<'_>| {
            dialer.connect(details, None)?.ok_or(ureq::Error::ConnectionFailed)
        });
        let details = ConnectionDetails {
            uri: &uri,
            addrs,
            config,
            request_level: false,
            resolver,
            now: ureq::unversioned::transport::time::Instant::now(),
            timeout,
            current_time: Arc::new(ureq::unversioned::transport::time::Instant::now),
            run_connector: open.clone(),
            register_shutdown: Arc::new(|_| Ok(())),
        };
        let transport = open(&details).map_err(Broken::Http)?;
        Ok(Line(TransportAdapter::new(transport, details.current_time.clone())))
    }

    fn upgrade(&self, url: &str, headers: [&[(HeaderName, HeaderValue)]; 2]) -> Result<Request<()>, Broken> {
        let unsendable = || Broken::Unsendable("the URL cannot be read".to_owned());
        let address = url.replacen("http", "ws", 1);
        let uri: Uri = address.parse().map_err(|_| unsendable())?;
        let host = uri.authority().map(|authority| authority.as_str().to_owned()).ok_or_else(unsendable)?;
        let mut request = Request::builder().uri(uri).body(()).map_err(|_| unsendable())?;
        let given = headers.into_iter().flatten().cloned();
        let own = [
            (header::HOST, HeaderValue::try_from(host).map_err(|_| unsendable())?),
            (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            (header::SEC_WEBSOCKET_KEY, HeaderValue::try_from(generate_key()).map_err(|_| unsendable())?),
            (header::USER_AGENT, self.setup.user_agent.clone()),
        ];
        for (name, value) in given.chain(own) {
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }

    /// Whether WebSockets can be opened on the way that requests take: a proxy that they are handed to cannot.
    pub(crate) fn opens_sockets(&self) -> bool {
        self.setup.route.forward().is_none()
    }
}

impl Socket {
    /// Sends a message of text; false if the connection is gone.
    pub(crate) fn send(&mut self, text: &str, limits: &Limits<'_>) -> bool {
        let attempt = Attempt::new(limits, Duration::ZERO, false, 0);
        context::lend(&attempt, || self.0.send(Message::text(text))).is_ok()
    }

    /// Waits for a message until the deadline.
    ///
    /// # Errors
    /// Why the wait was ended from outside.
    pub(crate) fn hear(&mut self, limits: &Limits<'_>) -> Result<Heard, Stop> {
        let attempt = Attempt::new(limits, Duration::ZERO, false, 0);
        let outcome = context::lend(&attempt, || self.0.read());
        match (outcome, attempt.stop.get()) {
            (Ok(Message::Text(text)), _) => Ok(Heard::Text(text.as_str().to_owned())),
            (Ok(Message::Close(_)), _) => Ok(Heard::End),
            (Ok(_), _) => Ok(Heard::Sign),
            (Err(_), Some(Stop::Deadline)) => Ok(Heard::Nothing),
            (Err(_), Some(stop)) => Err(stop),
            (Err(_), None) => Ok(Heard::End),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A farewell, if it can be said at once; the server notices the end of the connection, too.
        let limits =
            Limits { deadline: Instant::now() + Duration::from_millis(50), cancel: None, interrupted: None };
        let attempt = Attempt::new(&limits, Duration::ZERO, false, 0);
        let _ = context::lend(&attempt, || self.0.close(None).and_then(|()| self.0.flush()));
    }
}
