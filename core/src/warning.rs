//! What a client is set up to do that is allowed but unwise.

use std::fmt;

/// Something about a client that its user should know; the language packages raise it as a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A token goes to this host in clear text: `http` to another machine.
    TokenInClearText {
        /// The host of `base_url`.
        host: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::TokenInClearText { host } => {
                write!(f, "the token is sent to {host} in clear text; use https:// in `base_url`")
            }
        }
    }
}
