//! Webhooks that come in: whether they are from who they seem to be from, and what they say.
//!
//! [`verify`] checks a signature, [`parse`] reads a body, [`unwrap`] does both, [`sign`] is for those who send, tests
//! above all. All of it is pure: no clock, no I/O.

mod event;
mod headers;
mod refusal;
mod secret;
mod signature;

pub use event::{ApprovalRequest, Event, parse, payload};
pub use headers::Headers;
pub use refusal::{Reason, Refused};
pub use secret::Secret;
pub use signature::{Scheme, Stamp, Window, sign, verify};

use crate::error::Error;

/// Why a webhook was not handed out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Rejected {
    /// Its signature is no good.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is signed, but its body is not what a webhook has.
    #[error(transparent)]
    Unreadable(#[from] Error),
}

/// Checks a webhook and reads it: [`verify`], then [`parse`].
///
/// # Errors
/// Those of the two.
pub fn unwrap(body: &[u8], headers: &Headers, secrets: &[Secret], window: Window) -> Result<Event, Rejected> {
    verify(body, headers, secrets, window)?;
    Ok(parse(body)?)
}
