//! Every option: its meaning, its default, its environment variable. A wrong value is an error, never replaced.

use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::token::Token;

/// The base URL of a local dashboard, used when none is given.
pub const DEFAULT_BASE_URL: &str = "http://localhost:57374";

/// How long each part of the `User-Agent` may be.
const MAX_AGENT: usize = 1 << 10;

/// How a client is set up. `Options::default()` reads no environment; [`Options::from_env`] does.
#[derive(Clone)]
pub struct Options {
    /// Where the control plane is: `http` or `https`, a host, optionally a port and a path prefix. No credentials,
    /// query or fragment; trailing slashes are dropped. Default: `http://localhost:57374`. Environment:
    /// `LOKI_BASE_URL`.
    pub base_url: String,
    /// Bearer token, sent to the origin of `base_url` and nowhere else. Default: none. Environment: `LOKI_API_TOKEN`,
    /// or `LOKI_API_TOKEN_FILE`, which names a file that holds it.
    pub token: Option<Token>,
    /// The longest that a call may take, attempts, waits and body included. Default: 30 s. Environment:
    /// `LOKI_TIMEOUT` (seconds).
    pub timeout: Duration,
    /// The longest that opening a connection may take, within `timeout`: looking up the name, connecting, a tunnel through a
    /// proxy and TLS together. Default: 5 s.
    pub connect_timeout: Duration,
    /// How often a failed attempt is repeated where repeating is safe. Default: 2. Environment: `LOKI_MAX_RETRIES`.
    pub max_retries: u32,
    /// Which paths the server speaks. Default: learnt from its answers. Environment: `LOKI_PATH_STYLE`.
    pub path_style: PathStyle,
    /// The language part of the `User-Agent`, for example `Python/3.12`. Default: `Rust`.
    pub language: String,
    /// A suffix of the `User-Agent` that names the application, for example `deploy-bot/2.1`. Default: none.
    pub app_info: Option<String>,
    /// The largest answer that is read, in bytes after decompression. Default: 64 MiB.
    pub max_body_bytes: u64,
    /// How many connections may be in use at once; further calls wait for one, in the order in which they began,
    /// within their time. Default: 256.
    pub max_connections: usize,
    /// How many idle connections are kept, each for 4 s at most. Default: 256, so that a burst of calls finds again the
    /// connections of the one before.
    pub max_idle_connections: usize,
    /// Headers that are sent with each request, beside the client's own, which they cannot replace. Default: none.
    pub headers: Vec<(String, String)>,
    /// Proxy to use instead of the environment's choice, for example `http://user:secret@proxy:3128`; an empty
    /// string means none. Default: by the scheme of `base_url`, `HTTPS_PROXY` or `HTTP_PROXY`, then `ALL_PROXY`, in
    /// lower or upper case, unless `NO_PROXY` names the host. Loopback addresses never go through a proxy.
    pub proxy: Option<String>,
    /// PEM file with certificates that are trusted beside the default ones. Default: none. Environment:
    /// `LOKI_CA_FILE`.
    pub ca_file: Option<String>,
    /// Trust what the operating system trusts instead of the bundled Mozilla roots. Default: false.
    pub system_roots: bool,
    /// PEM file with the client certificate and its chain (mTLS); needs `client_key_file`. Default: none.
    pub client_cert_file: Option<String>,
    /// PEM file with the private key of the client certificate. Default: none.
    pub client_key_file: Option<String>,
}

impl fmt::Debug for Options {
    // The token hides itself; a proxy's address can hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("base_url", &self.base_url)
            .field("token", &self.token)
            .field("timeout", &self.timeout)
            .field("max_retries", &self.max_retries)
            .field("path_style", &self.path_style)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("proxy", &self.proxy.as_ref().map(|_| "***"))
            .finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            base_url: DEFAULT_BASE_URL.to_owned(),
            token: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            max_retries: 2,
            path_style: PathStyle::Auto,
            language: "Rust".to_owned(),
            app_info: None,
            max_body_bytes: 64 << 20,
            max_connections: 256,
            max_idle_connections: 256,
            headers: Vec::new(),
            proxy: None,
            ca_file: None,
            system_roots: false,
            client_cert_file: None,
            client_key_file: None,
        }
    }
}

/// Which of the two families of paths is used where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PathStyle {
    /// The guide's first, the deployed servers' when the answer shows that the server lacks the route; remembered.
    #[default]
    Auto,
    /// Those of the SDK guide, for example `/api/runs`.
    Guide,
    /// Those of deployed servers, for example `/api/v2/runs`.
    V2,
}

impl PathStyle {
    /// The word that [`FromStr`](std::str::FromStr) reads.
    pub const fn as_str(self) -> &'static str {
        match self {
            PathStyle::Auto => "auto",
            PathStyle::Guide => "guide",
            PathStyle::V2 => "v2",
        }
    }
}

impl std::str::FromStr for PathStyle {
    type Err = Error;

    /// Reads `auto`, `guide` or `v2`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(PathStyle::Auto),
            "guide" => Ok(PathStyle::Guide),
            "v2" => Ok(PathStyle::V2),
            other => Err(Error::config(
                "path_style",
                format!("`path_style` must be \"auto\", \"guide\" or \"v2\", not {other:?}"),
            )),
        }
    }
}

/// Turns a timeout in seconds, as both languages have it, into a duration.
///
/// # Errors
/// [`Error::Config`] naming `param` unless it is a finite number above zero.
pub fn timeout_from_seconds(param: &str, seconds: f64) -> Result<Duration, Error> {
    if seconds > 0.0 && seconds.is_finite() {
        // Beyond 30 years the clock arithmetic would overflow on some platforms, and nobody waits that long.
        return Ok(Duration::from_secs_f64(seconds.clamp(0.001, 1e9)));
    }
    // Where there may be no end to a wait, infinity is read before.
    let number = if seconds == f64::INFINITY { "a finite number" } else { "a number" };
    Err(Error::config(param, format!("`{param}` must be {number} of seconds above zero, not {seconds}")))
}

impl Options {
    /// Checks what needs no parsing of its own; the base URL, proxy and certificates are checked where they are read.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        for (param, duration) in [("timeout", self.timeout), ("connect_timeout", self.connect_timeout)] {
            if duration.is_zero() {
                return Err(Error::config(param, format!("`{param}` must be above zero")));
            }
        }
        for (param, is_zero) in
            [("max_connections", self.max_connections == 0), ("max_body_bytes", self.max_body_bytes == 0)]
        {
            if is_zero {
                return Err(Error::config(param, format!("`{param}` must be above zero")));
            }
        }
        if let Some(token) = &self.token {
            token.validate()?;
        }
        for (param, text) in [("language", Some(&self.language)), ("app_info", self.app_info.as_ref())] {
            if text.is_some_and(|text| !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())) {
                return Err(Error::config(param, format!("`{param}` must be printable ASCII")));
            }
            if text.is_some_and(|text| text.len() > MAX_AGENT) {
                return Err(Error::config(param, format!("`{param}` is longer than {MAX_AGENT} bytes")));
            }
        }
        if self.client_cert_file.is_some() != self.client_key_file.is_some() {
            return Err(Error::config(
                "client_cert_file",
                "`client_cert_file` and `client_key_file` must be given together",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_must_be_above_zero_and_finite() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = timeout_from_seconds("timeout", bad).unwrap_err();
            assert!(matches!(error, Error::Config(_)), "{bad}");
        }
        assert_eq!(timeout_from_seconds("timeout", 0.5).unwrap(), Duration::from_millis(500));
    }

    #[test]
    fn options_do_not_print_the_token() {
        let options = Options {
            token: Some(Token::new("loki_canary")),
            proxy: Some("http://user:canary@proxy:3128".to_owned()),
            ..Options::default()
        };
        assert!(!format!("{options:?}").contains("canary"));
    }
}
