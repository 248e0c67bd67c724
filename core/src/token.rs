//! The secret: never printed, fit for a header, exchangeable while the client is in use.

use std::fmt;

use crate::error::Error;

/// A bearer token, or a callback that gives one. Its `Debug` shows neither.
#[derive(Clone)]
pub struct Token(Source);

#[derive(Clone)]
enum Source {
    Fixed(std::sync::Arc<str>),
    Provider(std::sync::Arc<Provider>),
}

type Provider = dyn Fn() -> Result<String, String> + Send + Sync;

impl Token {
    /// A fixed token.
    pub fn new(token: impl Into<String>) -> Self {
        Token(Source::Fixed(token.into().into()))
    }

    /// A callback that is asked before each attempt; its error text becomes the message of an
    /// [`Error::Config`](crate::Error::Config).
    pub fn provider(provider: impl Fn() -> Result<String, String> + Send + Sync + 'static) -> Self {
        Token(Source::Provider(std::sync::Arc::new(provider)))
    }

    /// Checks what can be checked without asking a provider.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match &self.0 {
            Source::Fixed(token) => check(token),
            Source::Provider(_) => Ok(()),
        }
    }

    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> Result<String, Error> {
        match &self.0 {
            Source::Fixed(token) => Ok(format!("Bearer {token}")),
            Source::Provider(provider) => {
                let token = provider().map_err(|problem| {
                    Error::config("token", format!("the token provider failed: {problem}"))
                })?;
                check(&token)?;
                Ok(format!("Bearer {token}"))
            }
        }
    }
}

fn check(token: &str) -> Result<(), Error> {
    let problem = if token.is_empty() {
        "is empty; leave it out to call without one"
    } else if token.contains(['\r', '\n']) {
        "contains a line break; strip it, for example when it is read from a file"
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
