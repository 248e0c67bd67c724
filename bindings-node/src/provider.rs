//! Tokens that a function in JavaScript gives. For the first attempt JavaScript asks it before the call takes a place;
//! what is here is for later ones. Neither a thread nor a fiber can call it: it asks the event loop, and waits for the
//! answer as long as its call may. Its place goes to another call meanwhile, which may be one that the function waits for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loki_mode_core::waiting::{Receiver, oneshot};
use loki_mode_core::{NoToken, Token};

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

/// How long a token is waited for.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// Until the call is over.
    Until(Instant),
    /// So long each time: a stream makes one request after the other, on a thread that is its own.
    Each(Duration),
}

thread_local! {
    /// The calls that this thread executes, each by the number of its fiber if it has one: the engine asks for a token
    /// without saying for which call.
    static CALLS: RefCell<HashMap<Option<u64>, (u32, Patience)>> = RefCell::default();
}

/// Runs a call; whoever asks for a token meanwhile is told by it for whom, and until when.
pub(crate) fn during_call<T>(id: u32, patience: Patience, call: impl FnOnce() -> T) -> T {
    let fiber = current_fiber();
    CALLS.with_borrow_mut(|calls| calls.insert(fiber, (id, patience)));
    let result = call();
    CALLS.with_borrow_mut(|calls| calls.remove(&fiber));
    result
}

/// A token that the function of the calling client is asked for.
pub(crate) fn token(runtime: Arc<Shared>) -> Token {
    Token::provider(move || ask(&runtime).map_err(Into::into))
}

fn ask(runtime: &Shared) -> Result<String, NoToken> {
    let (id, patience) =
        CALLS.with_borrow(|calls| calls.get(&current_fiber()).copied()).ok_or(NoToken::Cancelled)?;
    let (sender, receiver) = oneshot();
    // Asked first, then looked whether it is cancelled: the other way around, a cancellation in between would find
    // nobody to tell.
    if !runtime.await_token(id, sender) || !runtime.send(Message::TokenWanted { id }) {
        return Err(NoToken::Cancelled);
    }
    match patience {
        Patience::Until(deadline) => runtime.park(|| wait(&receiver, deadline)),
        Patience::Each(longest) => wait(&receiver, Instant::now() + longest),
    }
}

fn wait(receiver: &Receiver<Reply>, until: Instant) -> Result<String, NoToken> {
    loop {
        match receiver.wait(until.saturating_duration_since(Instant::now())) {
            Ok(Some(Reply::Token(token))) => return Ok(token),
            Ok(Some(Reply::Failed)) => return Err(NoToken::Failed),
            Ok(Some(Reply::Cancelled)) | Err(_) => return Err(NoToken::Cancelled),
            Ok(None) if Instant::now() >= until => return Err(NoToken::Late),
            Ok(None) => {}
        }
    }
}

fn current_fiber() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return loki_mode_core::fibers::current_id();
    #[cfg(not(target_os = "linux"))]
    return None;
}
