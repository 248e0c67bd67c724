//! Request headers that a caller adds to those of the client.

use ureq::http::{HeaderName, HeaderValue};

use crate::error::Error;
use crate::refusal::excerpt;

/// How long a value may be, and how much the headers of one option may take on the wire: about what servers read at the
/// most. Beyond it the connection would only be lost, and nobody would know why.
pub(crate) const MAX_BYTES: usize = 64 << 10;

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
/// [`Error::Config`] naming the header that cannot be sent or that the client sets itself, or the one with which they are
/// more than [`MAX_BYTES`].
pub(crate) fn checked(
    param: &str,
    headers: &[(String, String)],
) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let mut bytes = 0;
    let counted = |(name, value): &(String, String)| {
        bytes += name.len() + value.len() + ": \r\n".len();
        if bytes > MAX_BYTES {
            // A name can be what is too long.
            let name = excerpt(name);
            let problem = format!("`{param}`: with `{name}` they take more than {MAX_BYTES} bytes");
            return Err(Error::config(param, problem));
        }
        one(param, name, value)
    };
    headers.iter().map(counted).collect()
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

    #[test]
    fn more_than_servers_read_is_refused_by_name() {
        let fits = "x".repeat(MAX_BYTES - "X-Long: \r\n".len());
        assert!(check("X-Long", &fits).is_ok());
        let error = check("X-Long", &(fits + "x")).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Config(_)) && text.contains("with `X-Long`"), "{text}");
        let many: Vec<_> = (0..40_000).map(|index| (format!("x-{index}"), String::new())).collect();
        let text = checked("headers", &many).unwrap_err().to_string();
        assert!(text.contains("`headers`: with `x-"), "{text}");
        let text = check(&"x".repeat(MAX_BYTES), "").unwrap_err().to_string();
        assert!(text.len() < 400, "{text}");
    }
}
