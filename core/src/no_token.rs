//! Why there is no token: what a provider fails with that has to ask elsewhere and wait for the answer.

use std::fmt;

use crate::error::{Error, ErrorInfo, ErrorKind};

/// Why a [`Token::provider`](crate::Token::provider) gave none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoToken {
    /// What was asked has failed, and whoever asked it knows with what.
    Failed,
    /// It did not answer in time.
    Late,
    /// The call was cancelled meanwhile.
    Cancelled,
}

impl NoToken {
    /// Why there was no token, if that is what a call failed of.
    pub fn behind(error: &Error) -> Option<Self> {
        error.details().cause.as_ref()?.downcast_ref().copied()
    }

    /// Makes the error of a call whose token came too late one of a call that took too long. Others stay as they are.
    pub fn late_is_a_timeout(error: Error) -> Error {
        if Self::behind(&error) != Some(NoToken::Late) {
            return error;
        }
        let info = error.info();
        ErrorInfo {
            kind: ErrorKind::Timeout,
            message: NoToken::Late.to_string(),
            // What an attempt before this one did is not known.
            maybe_executed: Some(info.attempts > 0),
            param: None,
            cause: None,
            ..info
        }
        .into()
    }

    /// The error of a call whose first token came too late: nothing was sent.
    pub fn too_late_to_send() -> Error {
        ErrorInfo::unsent(NoToken::Late.to_string()).into()
    }
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoToken::Failed => "the token provider failed",
            NoToken::Late => "the token provider gave no token within the `timeout` of the call",
            NoToken::Cancelled => "the call was cancelled while it waited for a token",
        })
    }
}

impl std::error::Error for NoToken {}
