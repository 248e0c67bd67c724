//! One call from its arguments to its answer: the only place where the others meet.

use std::sync::Arc;

use loki_mode_spec::Operation;

use crate::args::{Args, Value};
use crate::call::CallOptions;
use crate::config::Options;
use crate::error::{Error, ErrorInfo, ErrorKind};
use crate::events::EventStream;
use crate::response::Response;
use crate::token::Token;

/// A client of one control plane. Clones share connections and what was learnt about the server; it can be used
/// from many threads at once.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
}

impl Client {
    /// A client; connects nowhere yet.
    ///
    /// # Errors
    /// [`Error::Config`] naming the option that is no good.
    pub fn new(options: Options) -> Result<Self, Error> {
        options.validate()?;
        Ok(Client(Arc::new(Inner { options })))
    }

    /// The options that the client was made with.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Executes an operation.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn execute(
        &self,
        operation: &'static Operation,
        args: Args,
        call: &CallOptions<'_>,
    ) -> Result<Response, Error> {
        let _ = (args, call);
        Err(ErrorInfo::new(ErrorKind::Connection, format!("{}: no transport yet", operation.name)).into())
    }

    /// The events of a run that this stream has not given out yet, oldest first; the answer decodes as a list of
    /// `RunEvent`. `since` is a timestamp; events before it are left out, those at it are not.
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
        let _ = (stream, run_id, since, call);
        Err(ErrorInfo::new(ErrorKind::Connection, "no transport yet").into())
    }

    /// Exchanges the token for all clones, from the next attempt on; `None` sends none.
    ///
    /// # Errors
    /// [`Error::Config`] if it does not fit in a header.
    pub fn set_token(&self, token: Option<Token>) -> Result<(), Error> {
        token.as_ref().map_or(Ok(()), Token::validate)
    }

    /// Closes idle connections and makes every later call fail; calls under way finish.
    pub fn close(&self) {}
}
