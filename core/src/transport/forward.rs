//! Requests of plain `http` through a proxy: handed to it with their whole URL (RFC 9112, 3.2.2), not through a tunnel,
//! which many proxies open to port 443 only.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ureq::http::{HeaderValue, Uri};
use ureq::{Proxy, ProxyProtocol};

/// The proxy that requests are handed to.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) host: String,
    pub(super) port: u16,
    /// It is spoken to over TLS.
    pub(super) tls: bool,
    /// Its credentials, as it is shown them; marked as sensitive.
    pub(super) authorization: Option<HeaderValue>,
}

impl Forward {
    pub(super) fn new(proxy: &Proxy) -> Self {
        let authorization = (proxy.username().is_some() || proxy.password().is_some()).then(|| {
            let (user, password) =
                (proxy.username().unwrap_or_default(), proxy.password().unwrap_or_default());
            let text = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
            let mut value = HeaderValue::try_from(text).expect("base64 is ASCII");
            value.set_sensitive(true);
            value
        });
        Forward {
            host: proxy.host().to_owned(),
            port: proxy.port(),
            tls: proxy.protocol() == ProxyProtocol::Https,
            authorization,
        }
    }
}

/// Scheme, host and port of a URL, as they stand before its path.
pub(super) fn origin(uri: &Uri) -> String {
    let (scheme, host) = (uri.scheme_str().unwrap_or("http"), uri.host().unwrap_or_default());
    match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// The head of a request with its whole URL in the first line: `GET /a HTTP/1.1` is `GET http://host/a HTTP/1.1`.
pub(super) fn absolute_form(head: &[u8], origin: &str) -> Vec<u8> {
    let target = head.iter().position(|byte| *byte == b' ').map_or(0, |blank| blank + 1);
    [&head[..target], origin.as_bytes(), &head[target..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_gets_the_whole_url_and_the_rest_stays() {
        let cases = [
            ("http://a.test:57374/x?y=1", "GET http://a.test:57374/x?y=1 HTTP/1.1\r\nA: b\r\n\r\n"),
            ("http://a.test/x?y=1", "GET http://a.test/x?y=1 HTTP/1.1\r\nA: b\r\n\r\n"),
            ("http://[fd00::1]:80/x?y=1", "GET http://[fd00::1]:80/x?y=1 HTTP/1.1\r\nA: b\r\n\r\n"),
        ];
        for (url, expected) in cases {
            let head = absolute_form(b"GET /x?y=1 HTTP/1.1\r\nA: b\r\n\r\n", &origin(&url.parse().unwrap()));
            assert_eq!(String::from_utf8(head).unwrap(), expected);
        }
    }

    #[test]
    fn credentials_are_decoded_once_and_not_shown() {
        let forward = |url| Forward::new(&Proxy::new(url).unwrap());
        let with = forward("http://user:p%40ss@proxy:3128");
        // user:p@ss
        assert_eq!(with.authorization.as_ref().unwrap(), "Basic dXNlcjpwQHNz");
        assert!(!format!("{with:?}").contains("dXNlcjpwQHNz"));
        assert_eq!(forward("http://proxy:3128").authorization, None);
        assert!(forward("https://proxy").tls && forward("https://proxy").port == 443);
    }
}
