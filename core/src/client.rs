//! The client: what all calls share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loki_mode_spec::Operation;

use crate::args::{Args, Value};
use crate::call::CallOptions;
use crate::config::Options;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::events::{EventStream, cursor};
use crate::execution::Execution;
use crate::request::BaseUrl;
use crate::response::Response;
use crate::token::{Credentials, Token};
use crate::transport::Http;

/// A client of one control plane. Clones share connections, the token and what was learnt about the server; it can
/// be used from many threads at once, and on both sides of a fork.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>);

/// What the calls of a client share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) base: BaseUrl,
    pub(crate) credentials: Credentials,
    pub(crate) dialect: Dialect,
    pub(crate) http: Http,
    /// The server was found to have no session routes.
    pub(crate) lacks_sessions: AtomicBool,
    closed: AtomicBool,
}

impl Client {
    /// A client; connects nowhere yet.
    ///
    /// # Errors
    /// [`Error::Config`] naming the option that is no good.
    pub fn new(options: Options) -> Result<Self, Error> {
        options.validate()?;
        let base = BaseUrl::parse(&options.base_url)?;
        let http = Http::new(&options, &base)?;
        Ok(Client(Arc::new(Shared {
            credentials: Credentials::new(options.token.clone())?,
            dialect: Dialect::new(options.path_style),
            http,
            base,
            options,
            lacks_sessions: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })))
    }

    /// The options that the client was made with.
    pub fn options(&self) -> &Options {
        &self.0.options
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
        if self.0.closed.load(Ordering::Relaxed) {
            return Err(Error::config("client", "the client is closed"));
        }
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
        const NAME: &str = "get_run_timeline";
        let operation = loki_mode_spec::operation(NAME)
            .ok_or_else(|| Error::config("operation", format!("{NAME} is not in the operations table")))?;
        let since = since.as_deref().map(cursor::parse_since).transpose()?;
        let run = run_id.to_text().into_owned();
        let args = Args::new(operation, vec![Some(run_id)])?;
        let mut response = self.execute(operation, args, call)?;
        let events = stream.new_events(&run, since, response.payload()?)?;
        response.body = events.into_bytes();
        Ok(response)
    }

    /// Exchanges the token for all clones, from the next attempt on; `None` sends none.
    ///
    /// # Errors
    /// [`Error::Config`] if it does not fit in a header; the old one stays then.
    pub fn set_token(&self, token: Option<Token>) -> Result<(), Error> {
        self.0.credentials.set(token)
    }

    /// Closes idle connections and makes every later call fail, on all clones; calls under way finish.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Relaxed);
        self.0.http.close();
    }
}
