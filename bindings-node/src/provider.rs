//! Tokens that a function in JavaScript gives. For the first attempt JavaScript asks it before the call takes a thread;
//! what is here is for later ones. A thread cannot call it: it asks the event loop, and waits for the answer as long as
//! its call may. Its place goes to another call meanwhile, which may be one that the function waits for.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use loki_mode_core::Token;

use crate::outbox::Message;
use crate::runtime::Shared;

/// What the event loop says.
pub(crate) enum Reply {
    Token(String),
    /// The function failed. With what is kept in JavaScript, where the call is rejected with it.
    Failed,
    /// The call was cancelled meanwhile.
    Cancelled,
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoToken {
    Failed,
    Late,
    Cancelled,
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoToken::Failed => "the token provider failed",
            NoToken::Late => "the token provider gave no token within the time of the call",
            NoToken::Cancelled => "the call was cancelled while it waited for a token",
        })
    }
}

impl std::error::Error for NoToken {}

/// How long a token is waited for.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// Until the call is over.
    Until(Instant),
    /// So long each time: a stream makes one request after the other, on a thread that is its own.
    Each(Duration),
}

thread_local! {
    /// The call that this thread executes: the engine asks for a token without saying for which.
    static CALL: Cell<Option<(u32, Patience)>> = const { Cell::new(None) };
}

/// Runs a call; whoever asks for a token meanwhile is told by it for whom, and until when.
pub(crate) fn during_call<T>(id: u32, patience: Patience, call: impl FnOnce() -> T) -> T {
    CALL.set(Some((id, patience)));
    let result = call();
    CALL.set(None);
    result
}

/// A token that the function of the calling client is asked for.
pub(crate) fn token(runtime: Arc<Shared>) -> Token {
    Token::provider(move || ask(&runtime).map_err(Into::into))
}

fn ask(runtime: &Shared) -> Result<String, NoToken> {
    let (id, patience) = CALL.get().ok_or(NoToken::Cancelled)?;
    let (sender, receiver) = channel();
    // Asked first, then looked whether it is cancelled: the other way around, a cancellation in between would find
    // nobody to tell.
    if !runtime.await_token(id, sender) || !runtime.send(Message::TokenWanted { id }) {
        return Err(NoToken::Cancelled);
    }
    let reply = match patience {
        Patience::Until(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            runtime.park(|| receiver.recv_timeout(left))
        }
        Patience::Each(longest) => receiver.recv_timeout(longest),
    };
    match reply {
        Ok(Reply::Token(token)) => Ok(token),
        Ok(Reply::Failed) => Err(NoToken::Failed),
        Err(RecvTimeoutError::Timeout) => Err(NoToken::Late),
        Ok(Reply::Cancelled) | Err(RecvTimeoutError::Disconnected) => Err(NoToken::Cancelled),
    }
}
