//! Request headers that a caller adds to those of the client.

use ureq::http::{HeaderName, HeaderValue};

use crate::error::Error;

/// Headers that the client sets itself, and those that would change how the message is read.
const RESERVED: [&str; 14] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Checks headers and makes them ready for the wire. `param` names the option in messages; values are not shown, they
/// may be secret.
///
/// # Errors
/// [`Error::Config`] naming the header that cannot be sent or that the client sets itself.
pub(crate) fn checked(
    param: &str,
    headers: &[(String, String)],
) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    headers.iter().map(|(name, value)| one(param, name, value)).collect()
}

fn one(param: &str, name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let problem = |text: &str| Error::config(param, format!("`{param}`: {text}"));
    let checked = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| problem(&format!("{name:?} is no name of a header")))?;
    if RESERVED.contains(&checked.as_str()) {
        let instead = match checked.as_str() {
            "authorization" => "; give a `token` instead",
            "user-agent" => "; give `app_info` instead",
            _ => "",
        };
        return Err(problem(&format!("`{name}` is set by the client itself{instead}")));
    }
    if value.contains(['\r', '\n']) {
        return Err(problem(&format!("the value of `{name}` contains a line break")));
    }
    // Beyond ASCII, no two servers agree on what the bytes mean.
    if !value.bytes().all(|byte| matches!(byte, b' ' | b'\t') || byte.is_ascii_graphic()) {
        return Err(problem(&format!(
            "the value of `{name}` contains a control character or one outside ASCII"
        )));
    }
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| problem(&format!("the value of `{name}` does not fit in a header")))?;
    // Keeps it out of whatever prints headers.
    value.set_sensitive(true);
    Ok((checked, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        checked("headers", &[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_name_and_without_its_value() {
        for (name, value, message) in [
            ("X-Bad", "canary\r\nX-Injected: 1", "`X-Bad` contains a line break"),
            ("X-Bad", "canary\u{0}", "control character"),
            ("X-Bad", "canary-é", "outside ASCII"),
            ("X Bad", "canary", "\"X Bad\" is no name of a header"),
            ("", "canary", "is no name"),
            ("Authorization", "canary", "give a `token`"),
            ("HOST", "canary", "set by the client"),
            ("content-length", "canary", "set by the client"),
        ] {
            let error = check(name, value).unwrap_err();
            assert!(matches!(error, Error::Config(_)), "{name}");
            let text = error.to_string();
            assert!(text.contains(message) && !text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn others_pass_as_they_are() {
        let headers = check("X-Request-ID", "a b\t7").unwrap();
        assert_eq!(headers[0].0.as_str(), "x-request-id");
        assert_eq!(headers[0].1.as_bytes(), b"a b\t7");
        assert!(headers[0].1.is_sensitive());
    }
}
