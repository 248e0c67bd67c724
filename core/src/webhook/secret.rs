//! What both sides of a webhook know and nobody else.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::error::Error;

/// Base64 as it is written by hand: with its padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What secrets of the Standard Webhooks begin with; base64 follows.
const PREFIX: &str = "whsec_";

/// A secret that signs webhooks. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The key of hexadecimal signatures: the text as it stands.
    pub(super) plain: Vec<u8>,
    /// The key of Standard Webhooks: what `whsec_` stands before, or the text as it stands.
    pub(super) standard: Vec<u8>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Secret {
    /// A secret given as text. One that begins with `whsec_` is, for Standard Webhooks, the bytes that its base64
    /// stands for; everything else is its own UTF-8. None if the text is empty, which is no secret: everybody knows
    /// it, and a setting that is missing looks like that.
    ///
    /// # Errors
    /// [`Error::Config`] naming `param`, never showing the text: it has white space around it, as when it was read
    /// from a file with its line break, or no base64 after `whsec_`.
    pub fn from_text(param: &str, text: &str) -> Result<Option<Self>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.trim() != text {
            let problem = "begins or ends with white space, for example the line break of a file";
            return Err(Error::config(param, format!("`{param}`: a secret {problem}; strip it")));
        }
        let plain = text.as_bytes().to_vec();
        let standard = match text.strip_prefix(PREFIX) {
            Some(encoded) => LENIENT.decode(encoded).ok().filter(|key| !key.is_empty()).ok_or_else(|| {
                Error::config(param, format!("`{param}`: what follows `{PREFIX}` in a secret must be base64"))
            })?,
            None => plain.clone(),
        };
        Ok(Some(Secret { plain, standard }))
    }

    /// A secret given as the bytes of its key, whatever signs with it. None if there are none.
    pub fn from_bytes(key: &[u8]) -> Option<Self> {
        (!key.is_empty()).then(|| Secret { plain: key.to_vec(), standard: key.to_vec() })
    }

    /// The secret to sign with, which has to be there.
    ///
    /// # Errors
    /// [`Error::Config`] naming `secret` if it is none.
    pub fn required(given: Option<Self>) -> Result<Self, Error> {
        given.ok_or_else(|| Error::config("secret", "`secret` must not be empty"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> (Vec<u8>, Vec<u8>) {
        let secret = Secret::from_text("secrets", text).unwrap().unwrap();
        (secret.plain, secret.standard)
    }

    #[test]
    fn only_the_prefix_makes_base64_of_it() {
        assert_eq!(keys("c2VjcmV0"), (b"c2VjcmV0".to_vec(), b"c2VjcmV0".to_vec()));
        assert_eq!(keys("whsec_c2VjcmV0"), (b"whsec_c2VjcmV0".to_vec(), b"secret".to_vec()));
        assert_eq!(keys("whsec_c2VjcmV0cw==").1, keys("whsec_c2VjcmV0cw").1);
    }

    #[test]
    fn nothing_is_no_secret() {
        assert_eq!(Secret::from_text("secrets", "").unwrap(), None);
        assert_eq!(Secret::from_bytes(b""), None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_not_shown() {
        for text in ["canary\n", " canary", "whsec_", "whsec_canary!", "whsec_canary_canary"] {
            let error = Secret::from_text("secrets", text).unwrap_err();
            assert!(matches!(error, Error::Config(_)), "{text:?}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
        assert_eq!(format!("{:?}", Secret::from_bytes(b"canary")), "Some(Secret(***))");
    }
}
