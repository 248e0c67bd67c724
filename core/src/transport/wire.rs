//! A request as it goes over the network, and an answer as it comes back.

use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method};

/// What goes over the network.
pub(crate) struct Wire<'a> {
    pub(crate) method: Method,
    /// The whole URL.
    pub(crate) url: &'a str,
    pub(crate) authorization: Option<HeaderValue>,
    /// Headers that the caller adds; a later one of the same name counts.
    pub(crate) headers: [&'a [(HeaderName, HeaderValue)]; 2],
    pub(crate) body: Option<&'a [u8]>,
}

impl Wire<'_> {
    pub(super) fn has_body(&self) -> bool {
        self.body.is_some_and(|body| !body.is_empty())
    }

    /// How many bytes the longest line of its head can have.
    pub(super) fn longest_line(&self) -> usize {
        // `DELETE`, ` HTTP/1.1`, `proxy-authorization: ` and line ends, generously.
        const AROUND: usize = 64;
        let values =
            self.headers.into_iter().flatten().map(|(name, value)| name.as_str().len() + value.len());
        let authorization = self.authorization.iter().map(HeaderValue::len);
        values.chain(authorization).fold(self.url.len(), usize::max) + AROUND
    }
}

/// What came back.
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The connection had served another request before.
    pub(crate) reused: bool,
}
