//! Which proxy a client uses, if any: decided once, by the scheme and the host of its base URL.

use std::net::IpAddr;
use std::sync::Arc;

use ureq::Proxy;

use super::forward::Forward;
use super::resolve::is_loopback;
use crate::config::Options;
use crate::error::Error;
use crate::request::BaseUrl;

/// How long the URL of a proxy may be: its credentials have to fit in a header.
const MAX_URL: usize = 4 << 10;

/// How the requests of a client reach its server.
pub(super) enum Route {
    Direct,
    /// For `https`: through a tunnel that the proxy opens (CONNECT).
    Tunnel(Proxy),
    /// For `http`: handed to the proxy.
    Forward(Arc<Forward>),
}

impl Route {
    pub(super) fn tunnel(&self) -> Option<&Proxy> {
        match self {
            Route::Tunnel(proxy) => Some(proxy),
            Route::Direct | Route::Forward(_) => None,
        }
    }

    pub(super) fn forward(&self) -> Option<&Arc<Forward>> {
        match self {
            Route::Forward(proxy) => Some(proxy),
            Route::Direct | Route::Tunnel(_) => None,
        }
    }

    /// Where the proxy is, if there is one, for a message: without its credentials.
    pub(super) fn proxy_place(&self) -> Option<String> {
        match self {
            Route::Direct => None,
            Route::Tunnel(proxy) => Some(format!("{}:{}", proxy.host(), proxy.port())),
            Route::Forward(proxy) => Some(format!("{}:{}", proxy.host, proxy.port)),
        }
    }
}

/// The route for this base URL.
///
/// # Errors
/// [`Error::Config`] if the option or the variable is no proxy URL; its text is not shown, it may hold a password.
pub(super) fn route(options: &Options, base: &BaseUrl) -> Result<Route, Error> {
    let proxy =
        choose_with(options, base, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    Ok(match proxy {
        None => Route::Direct,
        Some(proxy) if base.is_https() => Route::Tunnel(proxy),
        Some(proxy) => Route::Forward(Arc::new(Forward::new(&proxy))),
    })
}

fn choose_with(
    options: &Options,
    base: &BaseUrl,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, Error> {
    let either = |name: &str| variable(&name.to_ascii_lowercase()).or_else(|| variable(name));
    if is_loopback(base.host()) {
        return Ok(None);
    }
    let (param, url) = match &options.proxy {
        Some(url) if url.is_empty() => return Ok(None),
        Some(url) => ("proxy", url.clone()),
        None => {
            if either("NO_PROXY").is_some_and(|list| exempts(&list, base)) {
                return Ok(None);
            }
            let of_scheme = if base.is_https() { "HTTPS_PROXY" } else { "HTTP_PROXY" };
            let found = [of_scheme, "ALL_PROXY"].into_iter().find_map(|name| Some((name, either(name)?)));
            let Some(found) = found else { return Ok(None) };
            found
        }
    };
    let problem = |text: &str| Error::config(param, format!("`{param}` {text}"));
    if url.len() > MAX_URL {
        return Err(problem(&format!("is longer than {MAX_URL} bytes")));
    }
    if url.to_ascii_lowercase().starts_with("socks") {
        return Err(problem("names a SOCKS proxy; only HTTP proxies are supported"));
    }
    let proxy = Proxy::new(&url).ok().filter(|_| has_a_port_that_is_one(&url));
    proxy.map(Some).ok_or_else(|| problem("is no proxy URL like http://host:port"))
}

/// ureq takes one that is out of range for none at all.
fn has_a_port_that_is_one(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?', '#']).next();
    let host = authority.unwrap_or_default().rsplit('@').next().unwrap_or_default();
    match host.rsplit_once(':') {
        // The colon is one of an IPv6 address.
        Some((_, port)) if port.contains(']') => true,
        Some((_, port)) => port.parse::<u16>().is_ok_and(|port| port > 0),
        None => true,
    }
}

/// Whether a `NO_PROXY` list names the host: `*`, a host, a domain with or without a leading dot or `*.`, each with
/// an optional port; or, for an address, a block of them (`10.0.0.0/8`).
fn exempts(list: &str, base: &BaseUrl) -> bool {
    let host = base.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    list.split([',', ' '])
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            if entry == "*" {
                return true;
            }
            if let Some((network, bits)) = entry.split_once('/') {
                return is_within(&host, network, bits).unwrap_or(false);
            }
            // Without brackets, a second colon makes it an IPv6 address and not a port.
            let (name, port) = match entry.rsplit_once(':') {
                Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
                _ => (entry.as_str(), None),
            };
            if port.is_some_and(|port| port != base.port().to_string()) {
                return false;
            }
            let name = name.trim_start_matches('[').trim_end_matches(']');
            let domain = name.trim_start_matches('*').trim_start_matches('.');
            let is_below = || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
            // An address is in no domain.
            host == domain || (host.parse::<IpAddr>().is_err() && is_below())
        })
}

/// Whether an address is in a block; `None` if one of them is none.
fn is_within(host: &str, network: &str, bits: &str) -> Option<bool> {
    let (host, network): (IpAddr, IpAddr) = (host.parse().ok()?, network.parse().ok()?);
    let bits: u32 = bits.parse().ok()?;
    let (host, network, length) = match (host, network) {
        (IpAddr::V4(host), IpAddr::V4(network)) => {
            (u128::from(host.to_bits()), u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(host), IpAddr::V6(network)) => (host.to_bits(), network.to_bits(), 128),
        _ => return None,
    };
    let rest = length - Some(bits).filter(|bits| *bits <= length)?;
    // All bits of an IPv6 address cannot be shifted out.
    Some(rest == 128 || host >> rest == network >> rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy_of(base: &str, variables: &[(&str, &str)]) -> Option<u16> {
        let base = BaseUrl::parse(base).unwrap();
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        choose_with(&Options::default(), &base, variable).unwrap().map(|proxy| proxy.port())
    }

    #[test]
    fn the_scheme_of_the_base_url_decides() {
        let variables = [("HTTPS_PROXY", "http://p:1"), ("http_proxy", "http://p:2")];
        assert_eq!(proxy_of("https://example.com", &variables), Some(1));
        assert_eq!(proxy_of("http://example.com", &variables), Some(2));
        assert_eq!(proxy_of("http://example.com", &[("ALL_PROXY", "http://p:3")]), Some(3));
        assert_eq!(proxy_of("http://example.com", &[]), None);
    }

    #[test]
    fn ports_of_proxies_are_read_as_they_stand() {
        for (url, port) in [
            ("http://u:p@p:3128/", 3128),
            ("p:3128", 3128),
            ("http://[fd00::1]:3128", 3128),
            ("http://[fd00::1]", 80),
            ("http://p", 80),
            ("https://p", 443),
        ] {
            assert_eq!(proxy_of("http://example.com", &[("HTTP_PROXY", url)]), Some(port), "{url}");
        }
    }

    #[test]
    fn loopback_is_always_direct() {
        let variables = [("HTTP_PROXY", "http://p:1"), ("ALL_PROXY", "http://p:1")];
        for base in ["http://localhost:57374", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert_eq!(proxy_of(base, &variables), None, "{base}");
        }
    }

    #[test]
    fn no_proxy_names_hosts_and_domains() {
        let with = |list| {
            proxy_of("http://api.example.com:8080", &[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", list)])
        };
        for list in ["*", "example.com", ".example.com", "*.example.com", "x, api.example.com:8080"] {
            assert_eq!(with(list), None, "{list}");
        }
        for list in ["ample.com", "api.example.com:80", "example.org", ""] {
            assert_eq!(with(list), Some(1), "{list}");
        }
    }

    #[test]
    fn no_proxy_names_addresses_and_blocks_of_them() {
        let with = |base, list| proxy_of(base, &[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", list)]);
        let (four, six) = ("http://10.1.2.3:8080", "http://[fd00::1]:8080");
        for (base, list) in [
            (four, "10.1.2.3"),
            (four, "10.0.0.0/8"),
            (four, "x, 10.1.2.0/30"),
            (four, "0.0.0.0/0"),
            (four, "10.1.2.3/32"),
            (six, "fd00::1"),
            (six, "[fd00::1]"),
            (six, "[fd00::1]:8080"),
            (six, "fd00::/8"),
            (six, "::/0"),
        ] {
            assert_eq!(with(base, list), None, "{base} {list}");
        }
        for (base, list) in [
            (four, "10.1.2.4/32"),
            (four, "10.0.0.0/33"),
            (four, "10.0.0.0/-1"),
            (four, "10.0.0.0/"),
            (four, "fd00::/8"),
            (four, "1.2.3"),
            (six, "[fd00::1]:80"),
            (six, "fe00::/8"),
            ("http://10.example.com", "10.0.0.0/8"),
        ] {
            assert_eq!(with(base, list), Some(1), "{base} {list}");
        }
    }

    #[test]
    fn a_bad_proxy_is_an_error_that_does_not_show_it() {
        let base = BaseUrl::parse("http://example.com").unwrap();
        let long = format!("http://user:canary{}@p:1", "x".repeat(MAX_URL));
        for url in [
            "socks5://user:canary@p:1",
            "nonsense://user:canary@:x",
            "http://user:canary@p:99999",
            "http://user:canary@p:",
            "user:canary@p:0",
            &long,
        ] {
            let options = Options { proxy: Some(url.to_owned()), ..Options::default() };
            let error = choose_with(&options, &base, |_| None).unwrap_err();
            assert!(matches!(error, Error::Config(_)) && !error.to_string().contains("canary"), "{error}");
        }
    }
}
