//! The client: what all calls share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loki_mode_spec::{GET_RUN_TIMELINE, Operation};
use ureq::http::{HeaderName, HeaderValue};

use crate::args::{Args, Value};
use crate::call::CallOptions;
use crate::config::Options;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::events::{EventStream, parse_since};
use crate::execution::Execution;
use crate::headers;
use crate::request::BaseUrl;
use crate::response::Response;
use crate::stream::OpenStreams;
use crate::token::{Credentials, Token};
use crate::transport::Http;
use crate::warning::Warning;

/// A client of one control plane. Clones share connections, the token and what was learnt about the server; it can
/// be used from many threads at once, and on both sides of a fork.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>);

/// What the calls of a client share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    /// Those of the options, checked.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) server: Arc<Server>,
    pub(crate) streams: OpenStreams,
    closed: AtomicBool,
}

/// One server, as the clients that [`Client::with_options`] derives from each other share it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) base: BaseUrl,
    pub(crate) dialect: Dialect,
    pub(crate) http: Http,
    /// The server was found to have no sessions below projects.
    pub(crate) lacks_project_sessions: AtomicBool,
    /// The server was found to have no sessions of their own.
    pub(crate) lacks_sessions: AtomicBool,
}

/// What a derived client does differently; see [`Client::with_options`]. The default changes nothing.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// See [`Options::timeout`].
    pub timeout: Option<Duration>,
    /// See [`Options::max_retries`].
    pub max_retries: Option<u32>,
    /// See [`Options::token`]; `Some(None)` calls without one. Unless it is given, both clients have one token
    /// between them: [`Client::set_token`] on one is seen by the other.
    pub token: Option<Option<Token>>,
    /// See [`Options::headers`]; replaces all of them.
    pub headers: Option<Vec<(String, String)>>,
}

impl Client {
    /// A client; connects nowhere yet.
    ///
    /// # Errors
    /// [`Error::Config`] naming the option that is no good.
    pub fn new(mut options: Options) -> Result<Self, Error> {
        options.validate()?;
        let base = BaseUrl::parse(&options.base_url)?;
        let http = Http::new(&options, &base)?;
        let server = Server {
            base,
            dialect: Dialect::new(options.path_style),
            http,
            lacks_project_sessions: AtomicBool::new(false),
            lacks_sessions: AtomicBool::new(false),
        };
        let credentials = Arc::new(Credentials::new(options.token.take())?);
        Self::assemble(options, credentials, Arc::new(server))
    }

    fn assemble(options: Options, credentials: Arc<Credentials>, server: Arc<Server>) -> Result<Self, Error> {
        let headers = headers::checked("headers", &options.headers)?;
        let (streams, closed) = (OpenStreams::default(), AtomicBool::new(false));
        Ok(Client(Arc::new(Shared { options, headers, credentials, server, streams, closed })))
    }

    /// A client of the same server that differs in some options and shares the connections and what was learnt about
    /// the server. Cheap. Each of the two is closed by itself.
    ///
    /// # Errors
    /// [`Error::Config`] naming the option that is no good, or if this client is closed.
    pub fn with_options(&self, changes: Changes) -> Result<Self, Error> {
        self.check_open()?;
        let mut options = self.0.options.clone();
        let Changes { timeout, max_retries, token, headers } = changes;
        options.timeout = timeout.unwrap_or(options.timeout);
        options.max_retries = max_retries.unwrap_or(options.max_retries);
        options.headers = headers.unwrap_or(options.headers);
        let credentials = match token {
            Some(token) => {
                options.token = token;
                options.validate()?;
                Arc::new(Credentials::new(options.token.take())?)
            }
            None => Arc::clone(&self.0.credentials),
        };
        options.validate()?;
        Self::assemble(options, credentials, Arc::clone(&self.0.server))
    }

    /// The options that the client was made with, but for the token, which may have been replaced since.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// What its user should know about how this client is set up. To be asked once it is made, and after
    /// [`Client::set_token`] on a client that had none.
    pub fn warnings(&self) -> Vec<Warning> {
        let base = &self.0.server.base;
        if self.0.credentials.is_set() && base.is_in_clear_text() {
            return vec![Warning::TokenInClearText { host: base.host().to_owned() }];
        }
        Vec::new()
    }

    /// What a stream needs of it.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.0.closed.load(Ordering::Relaxed) {
            return Err(Error::config("client", "the client is closed"));
        }
        Ok(())
    }

    /// Executes an operation: sends it, again where that is safe and may help, and returns the answer.
    ///
    /// # Errors
    /// Any [`Error`]: the server's refusal, a lost or missing connection, the end of the call's time, or an
    /// argument that cannot be sent.
    pub fn execute(
        &self,
        operation: &'static Operation,
        args: Args,
        call: &CallOptions<'_>,
    ) -> Result<Response, Error> {
        self.check_open()?;
        Execution::begin(&self.0, operation, call)?.run(&args)
    }

    /// The events of a run (GET its timeline) that this stream has not given out yet, oldest first; the answer
    /// decodes as a list of `RunEvent`. `since` is a timestamp; events before it are left out, those at it are not.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Config`] if `since` is no timestamp.
    pub fn poll_events(
        &self,
        stream: &EventStream,
        run_id: Value,
        since: Option<String>,
        call: &CallOptions<'_>,
    ) -> Result<Response, Error> {
        let since = since.as_deref().map(parse_since).transpose()?;
        let run = run_id.to_text().into_owned();
        let args = Args::new(&GET_RUN_TIMELINE, vec![Some(run_id)])?;
        let mut response = self.execute(&GET_RUN_TIMELINE, args, call)?;
        let events = stream.new_events(&run, since, response.body(), || response.payload())?;
        response.body = events.into_bytes();
        Ok(response)
    }

    /// Exchanges the token, from the next attempt on, for all clones and for the derived clients that have it in
    /// common; a fixed one and a provider can follow each other. `None` sends none.
    ///
    /// # Errors
    /// [`Error::Config`] if it does not fit in a header; the old one stays then.
    pub fn set_token(&self, token: Option<Token>) -> Result<(), Error> {
        self.0.credentials.set(token)
    }

    /// Closes idle connections and makes every later call fail, on all clones; calls under way finish, streams fail at
    /// once. Clients that were derived from this one, or that it was derived from, go on, with new connections.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Relaxed);
        self.0.streams.stop();
        self.0.server.http.close();
    }
}
