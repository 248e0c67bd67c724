//! Signatures: HMAC-SHA256 in the three ways in which they are sent.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::headers::{self, Headers};
use super::refusal::{Reason, Refused};
use super::secret::Secret;
use crate::error::Error;

/// How a webhook is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `X-Loki-Signature`: the body, in hexadecimal digits.
    Loki,
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp` and the body, in base64 in `webhook-signature`.
    Standard,
    /// `X-Hub-Signature-256`, as GitHub sends it: the body, in hexadecimal digits after `sha256=`.
    GitHub,
}

impl FromStr for Scheme {
    type Err = Error;

    /// Reads `loki`, `standard` or `github`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "loki" => Ok(Scheme::Loki),
            "standard" => Ok(Scheme::Standard),
            "github" => Ok(Scheme::GitHub),
            other => Err(Error::config(
                "scheme",
                format!("`scheme` must be \"loki\", \"standard\" or \"github\", not {other:?}"),
            )),
        }
    }
}

/// How far the time of a webhook, where it has one, may be from ours, in either direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    tolerance: f64,
    now: f64,
}

impl Window {
    /// What is allowed unless something else is said, in seconds.
    pub const DEFAULT_TOLERANCE: f64 = 300.0;

    /// A window of `tolerance` seconds on both sides of `now`, in seconds since 1970. Infinity allows any time.
    ///
    /// # Errors
    /// [`Error::Config`] naming `tolerance` or `now` if it is negative or no number.
    pub fn new(tolerance: f64, now: f64) -> Result<Self, Error> {
        if tolerance.is_nan() || tolerance < 0.0 {
            return Err(Error::config("tolerance", "`tolerance` must be 0 or more"));
        }
        if !now.is_finite() || now < 0.0 {
            return Err(Error::config("now", "`now` must be a time since 1970"));
        }
        Ok(Window { tolerance, now })
    }

    fn check(self, timestamp: u64) -> Result<(), Refused> {
        // Exact for the next 285 million years.
        let age = self.now - timestamp as f64;
        if age.abs() <= self.tolerance {
            return Ok(());
        }
        let (reason, direction) =
            if age > 0.0 { (Reason::TooOld, "past") } else { (Reason::TooNew, "future") };
        let message = format!(
            "the webhook was signed {:.0} s in the {direction} ({}), and {:.0} s are allowed. Check the clocks of \
             both machines; a webhook that is delivered again has to be signed anew",
            age.abs(),
            headers::TIMESTAMP,
            self.tolerance,
        );
        Err(Refused::new(reason, message))
    }
}

/// Checks that a webhook was signed by somebody who knows one of the secrets, and within the window of time.
///
/// The first of these that is there, and has something in it, decides: `webhook-signature`, `X-Loki-Signature`, `X-Hub-Signature-256`. Only the
/// first has a time. Signatures are compared in constant time.
///
/// # Errors
/// [`Refused`] with its reason.
pub fn verify(body: &[u8], headers: &Headers, secrets: &[Secret], window: Window) -> Result<(), Refused> {
    if secrets.is_empty() {
        let message = "there is no secret to check the webhook with. Check the setting that should hold it: it is \
                       missing or empty";
        return Err(Refused::new(Reason::NoSecret, message));
    }
    if let Some(signatures) = headers.get(headers::STANDARD) {
        return verify_standard(body, headers, signatures, secrets, window);
    }
    for name in [headers::LOKI, headers::GITHUB] {
        if let Some(signatures) = headers.get(name) {
            return verify_hexadecimal(body, name, signatures, secrets);
        }
    }
    let message = format!(
        "the webhook is not signed: there is no header {}, {} or {}, or nothing in it. Check that the sender signs and that proxies on \
         the way keep the header",
        headers::LOKI,
        headers::STANDARD,
        headers::GITHUB,
    );
    Err(Refused::new(Reason::MissingSignature, message))
}

fn verify_standard(
    body: &[u8],
    headers: &Headers,
    signatures: &str,
    secrets: &[Secret],
    window: Window,
) -> Result<(), Refused> {
    let header = |name| {
        headers.get(name).ok_or_else(|| {
            let problem = format!("there is a {}, but no {name}", headers::STANDARD);
            Refused::new(
                Reason::MalformedHeaders,
                format!("{problem}. Check that proxies on the way keep all three headers"),
            )
        })
    };
    let id = header(headers::ID)?;
    let written = header(headers::TIMESTAMP)?;
    // What it would read differently from how it is signed is refused: a sign, a fraction, white space.
    let timestamp = Some(written).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let timestamp: u64 = timestamp.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let problem = format!("{} is no number of seconds since 1970", headers::TIMESTAMP);
        Refused::new(Reason::MalformedHeaders, problem)
    })?;
    // Joined headers leave a comma behind; versions other than v1 are not for us.
    let given: Vec<Vec<u8>> = signatures
        .split_ascii_whitespace()
        .filter_map(|one| BASE64.decode(one.trim_end_matches(',').strip_prefix("v1,")?).ok())
        .collect();
    if given.is_empty() {
        return Err(malformed(headers::STANDARD, "`v1,` and base64"));
    }
    let known = secrets.iter().any(|secret| {
        let mac = standard(&secret.standard, id, written, body);
        given.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    });
    if !known {
        return Err(bad(headers::STANDARD, secrets));
    }
    window.check(timestamp)
}

fn verify_hexadecimal(body: &[u8], name: &str, signatures: &str, secrets: &[Secret]) -> Result<(), Refused> {
    let given: Vec<[u8; 32]> = signatures.split([',', ' ']).filter_map(hexadecimal).collect();
    if given.is_empty() {
        return Err(malformed(name, "64 hexadecimal digits, with or without `sha256=` before them"));
    }
    let known = secrets.iter().any(|secret| {
        let mac = keyed(&secret.plain).chain_update(body);
        given.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    });
    if known { Ok(()) } else { Err(bad(name, secrets)) }
}

fn malformed(name: &str, form: &str) -> Refused {
    let message =
        format!("what is in {name} is no signature: it must be {form}. Check what the sender puts there");
    Refused::new(Reason::MalformedSignature, message)
}

fn bad(name: &str, secrets: &[Secret]) -> Refused {
    let with = match secrets.len() {
        1 => "the secret".to_owned(),
        count => format!("any of the {count} secrets"),
    };
    let message = format!(
        "the signature in {name} is not that of this body with {with}. Check that the sender has the same secret, and \
         that the body is the raw one: what was parsed and written again, is still base64 or was unpacked has other bytes"
    );
    Refused::new(Reason::BadSignature, message)
}

/// What else is signed under Standard Webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    id: &'a str,
    timestamp: u64,
}

impl<'a> Stamp<'a> {
    /// `id` identifies the webhook, the same when it is delivered again; `timestamp` is when it is sent, in seconds since
    /// 1970, of which only whole ones are sent.
    ///
    /// # Errors
    /// [`Error::Config`] naming `id` if it does not come through a header as it is, and `timestamp` if it is no time.
    pub fn new(id: &'a str, timestamp: f64) -> Result<Self, Error> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            let problem = "`id` must be visible ASCII characters without white space: it is sent in a header";
            return Err(Error::config("id", problem));
        }
        // Beyond that, neighbouring seconds are one number.
        if !(0.0..=9_007_199_254_740_992.0).contains(&timestamp) {
            return Err(Error::config("timestamp", "`timestamp` must be a time since 1970"));
        }
        // In range, as was just checked; the fraction is dropped.
        Ok(Stamp { id, timestamp: timestamp as u64 })
    }
}

/// The headers that a sender adds to a webhook; `stamp` is for [`Scheme::Standard`].
pub fn sign(body: &[u8], secret: &Secret, scheme: Scheme, stamp: Stamp<'_>) -> Vec<(&'static str, String)> {
    match scheme {
        Scheme::Loki => vec![(headers::LOKI, hexadecimal_of(&secret.plain, body))],
        Scheme::GitHub => {
            vec![(headers::GITHUB, format!("sha256={}", hexadecimal_of(&secret.plain, body)))]
        }
        Scheme::Standard => {
            let timestamp = stamp.timestamp.to_string();
            let mac = standard(&secret.standard, stamp.id, &timestamp, body);
            let signature = BASE64.encode(mac.finalize().into_bytes());
            vec![
                (headers::ID, stamp.id.to_owned()),
                (headers::TIMESTAMP, timestamp),
                (headers::STANDARD, format!("v1,{signature}")),
            ]
        }
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn standard(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    keyed(key).chain_update(format!("{id}.{timestamp}.")).chain_update(body)
}

fn hexadecimal_of(key: &[u8], body: &[u8]) -> String {
    let bytes = keyed(key).chain_update(body).finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a signature, if that is what it is.
fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256=").unwrap_or(text).as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
