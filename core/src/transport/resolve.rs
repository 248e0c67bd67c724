//! Names to addresses: literal addresses and `localhost` without asking anybody, others remembered for a while.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::context::{self, Attempt, Trouble};
use super::forward::Forward;
use crate::waiting::oneshot;

/// How long an answer of the name service is good for.
const KEPT: Duration = Duration::from_secs(10);
/// How many addresses of a name are tried: what ureq's list holds.
const MAX_ADDRESSES: usize = 16;

/// Names that were looked up not long ago.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<String, (Instant, Vec<IpAddr>)>>);

impl Names {
    /// Forgets a name whose addresses led nowhere.
    pub(super) fn forget(&self, host: &str) {
        self.lock().remove(host);
    }

    /// Knows a name without having looked it up.
    #[cfg(test)]
    pub(super) fn learn(&self, host: &str, addresses: Vec<IpAddr>) {
        self.lock().insert(host.to_owned(), (Instant::now(), addresses));
    }

    #[cfg(test)]
    pub(super) fn knows(&self, host: &str) -> bool {
        self.lock().contains_key(host)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Vec<IpAddr>)>> {
        // Entries are put in and taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn addresses(&self, attempt: &Attempt<'_>, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Some((when, addresses)) = self.lock().get(host)
            && when.elapsed() < KEPT
        {
            return Ok(addresses.clone());
        }
        let addresses = look_up(attempt, host)?;
        self.lock().insert(host.to_owned(), (Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

/// Asks the name service. It cannot be interrupted, so a thread of its own waits for it; where the call ends first,
/// that thread ends by itself when the answer comes.
fn look_up(attempt: &Attempt<'_>, host: &str) -> io::Result<Vec<IpAddr>> {
    // It is a part of opening a connection, and the clock of that begins to run.
    attempt.open_until();
    let (sender, receiver) = oneshot();
    let name = host.to_owned();
    thread::Builder::new().name("loki-mode-resolver".to_owned()).spawn(move || {
        let addresses = (name.as_str(), 0)
            .to_socket_addrs()
            .map(|addresses| addresses.map(|address| address.ip()).collect::<Vec<_>>());
        sender.send(addresses);
    })?;
    loop {
        if let Some(addresses) = receiver.wait(attempt.slice()?).map_err(io::Error::other)? {
            return addresses;
        }
        attempt.go_on()?;
    }
}

/// What needs no name service.
fn known(host: &str) -> Option<Vec<IpAddr>> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(vec![address]);
    }
    // IPv4 first: that is where local servers listen unless told otherwise.
    host.eq_ignore_ascii_case("localhost")
        .then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

/// Whether a host is this machine, seen from this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    known(host).is_some_and(|addresses| addresses.iter().all(IpAddr::is_loopback))
}

/// Resolves for ureq.
#[derive(Debug, Clone)]
pub(super) struct CachingResolver {
    pub(super) names: Arc<Names>,
    /// The proxy to look up instead of any host.
    pub(super) forward: Option<Arc<Forward>>,
}

impl Resolver for CachingResolver {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let (host, port) = match &self.forward {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => {
                let of_scheme = if uri.scheme_str() == Some("https") { 443 } else { 80 };
                (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(of_scheme))
            }
        };
        let addresses = match known(host) {
            Some(addresses) => addresses,
            None => context::current(|attempt| {
                self.names.addresses(attempt, host).inspect_err(|error| {
                    attempt.report(Trouble::Resolve(error.to_string()));
                })
            })?,
        };
        let mut resolved = self.empty();
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            resolved.push(SocketAddr::new(address, port));
        }
        if resolved.is_empty() {
            context::current(|attempt| {
                attempt.report(Trouble::Resolve("the name has no address".to_owned()))
            });
            return Err(ureq::Error::HostNotFound);
        }
        Ok(resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_localhost_need_no_look_up() {
        assert_eq!(known("127.0.0.1"), Some(vec![Ipv4Addr::LOCALHOST.into()]));
        assert_eq!(known("[::1]"), Some(vec![Ipv6Addr::LOCALHOST.into()]));
        assert_eq!(known("LocalHost").map(|addresses| addresses.len()), Some(2));
        assert_eq!(known("example.com"), None);
        assert!(is_loopback("localhost") && is_loopback("127.9.9.9") && is_loopback("[::1]"));
        assert!(!is_loopback("10.0.0.1") && !is_loopback("example.com"));
    }
}
