//! The secret: never printed, fit for a header, exchangeable while the client is in use.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use ureq::http::HeaderValue;

use crate::error::{Error, ErrorCause, ErrorInfo, ErrorKind};
use crate::headers::MAX_BYTES;

/// A bearer token, or a callback that gives one. Its `Debug` shows neither.
#[derive(Clone)]
pub struct Token(Source);

#[derive(Clone)]
enum Source {
    Fixed(Arc<str>),
    Provider(Arc<Provider>),
}

type Provider = dyn Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

impl Token {
    /// A fixed token.
    pub fn new(token: impl Into<String>) -> Self {
        Token(Source::Fixed(token.into().into()))
    }

    /// A callback that is asked before each attempt, and once more after a 401. It runs on the thread of the call,
    /// with no lock held, and may set another token. What it fails with ends the call with an
    /// [`Error::Config`] that has it as [`ErrorInfo::cause`](crate::ErrorInfo::cause).
    pub fn provider(
        provider: impl Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        Token(Source::Provider(Arc::new(provider)))
    }

    fn is_provided(&self) -> bool {
        matches!(self.0, Source::Provider(_))
    }

    /// Checks what can be checked without asking a provider.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match &self.0 {
            Source::Fixed(token) => check(token),
            Source::Provider(_) => Ok(()),
        }
    }

    fn header(&self) -> Result<HeaderValue, Error> {
        match &self.0 {
            Source::Fixed(token) => header(token),
            Source::Provider(provider) => {
                let token = provider().map_err(|problem| {
                    Error::from(ErrorInfo {
                        param: Some("token".to_owned()),
                        cause: Some(ErrorCause::new(problem)),
                        // Its text is the caller's and may hold a secret.
                        ..ErrorInfo::new(ErrorKind::Config, "the token provider failed")
                    })
                })?;
                header(&token)
            }
        }
    }
}

/// The `Authorization` header with this token.
///
/// # Errors
/// [`Error::Config`] if it does not fit in a header.
pub(crate) fn header(token: &str) -> Result<HeaderValue, Error> {
    check(token)?;
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Error::config("token", "`token` does not fit in a header"))?;
    // Keeps it out of whatever prints headers.
    value.set_sensitive(true);
    Ok(value)
}

/// The token of a client, exchangeable while others use it.
pub(crate) struct Credentials(ArcSwapOption<Prepared>);

struct Prepared {
    token: Token,
    /// Ready for use, unless a provider has to be asked.
    header: Option<HeaderValue>,
}

impl Credentials {
    pub(crate) fn new(token: Option<Token>) -> Result<Self, Error> {
        let credentials = Credentials(ArcSwapOption::empty());
        credentials.set(token)?;
        Ok(credentials)
    }

    pub(crate) fn set(&self, token: Option<Token>) -> Result<(), Error> {
        let prepared = match token {
            None => None,
            Some(token) => {
                token.validate()?;
                let header = if token.is_provided() { None } else { Some(token.header()?) };
                Some(Arc::new(Prepared { token, header }))
            }
        };
        self.0.store(prepared);
        Ok(())
    }

    /// The value of the `Authorization` header for the next attempt; asks the provider, if there is one.
    pub(crate) fn authorization(&self) -> Result<Option<HeaderValue>, Error> {
        // Not held while the provider runs: it may take long, and may set another token.
        let prepared = self.0.load_full();
        prepared
            .map(|prepared| prepared.header.clone().map_or_else(|| prepared.token.header(), Ok))
            .transpose()
    }

    /// Whether there is a token, or a provider of one.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load().is_some()
    }

    /// Whether asking again may give another token.
    pub(crate) fn is_provided(&self) -> bool {
        self.0.load().as_ref().is_some_and(|prepared| prepared.token.is_provided())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.load().is_some() { "Credentials(***)" } else { "Credentials(none)" })
    }
}

fn check(token: &str) -> Result<(), Error> {
    let too_long = format!("is longer than {MAX_BYTES} bytes, more than servers read of a header");
    let problem = if token.is_empty() {
        "is empty; leave it out to call without one"
    } else if token.len() > MAX_BYTES {
        &too_long
    } else if token.contains(['\r', '\n']) {
        "contains a line break; strip it, for example when it is read from a file"
    } else if token.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
        "begins with \"Bearer \", which is sent anyway: give what follows it"
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        "contains a blank, a control character or a character outside ASCII"
    } else {
        return Ok(());
    };
    Err(Error::config("token", format!("`token` {problem}")))
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Token::new(token)
    }
}

impl From<&str> for Token {
    fn from(token: &str) -> Self {
        Token::new(token)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Fixed(_) => "Token(***)",
            Source::Provider(_) => "Token(<provider>)",
        })
    }
}
