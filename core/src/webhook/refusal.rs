//! Why a webhook is refused.

/// A webhook that is not to be trusted. Python and JavaScript: `WebhookVerificationError`.
///
/// Its message says what to check, and holds neither a secret nor a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

/// Why a webhook is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// There is no secret to check with.
    NoSecret,
    /// None of the headers with a signature is there.
    MissingSignature,
    /// The header with the signature holds something else.
    MalformedSignature,
    /// A header that is signed along with the body is missing or not readable: `webhook-id`, `webhook-timestamp`.
    MalformedHeaders,
    /// The signature is that of another body, or made with another secret.
    BadSignature,
    /// The signature is right, but was made too long ago.
    TooOld,
    /// The signature is right, but its time has not come yet.
    TooNew,
}

impl Reason {
    /// The word that both languages have for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::NoSecret => "no_secret",
            Reason::MissingSignature => "missing_signature",
            Reason::MalformedSignature => "malformed_signature",
            Reason::MalformedHeaders => "malformed_headers",
            Reason::BadSignature => "bad_signature",
            Reason::TooOld => "too_old",
            Reason::TooNew => "too_new",
        }
    }
}

impl Refused {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Refused { reason, message: message.into() }
    }
}
