//! Tools of the tests: an HTTP server whose answers are scripted, faults of the wire included.
//!
//! [`FaultServer`] is the server, for Rust tests, [`HttpProxy`] a proxy as companies have them, [`FaultProxy`] a bad line
//! to another server; the binary `loki-fault-server` offers the same to any language over
//! JSON lines ([`control`]). Plain TCP and threads, so that every byte and every way of breaking a connection is ours.

mod acceptor;
mod answer;
pub mod case;
mod compare;
pub mod control;
mod fault_proxy;
mod http_proxy;
mod pki;
mod relay;
mod request;
mod script;
mod server;
mod tls;

pub use fault_proxy::{FaultProxy, FaultProxySetup, ProxyFault};
pub use http_proxy::{HttpProxy, HttpProxySetup, ProxiedRequest};
pub use pki::{Pki, TlsVariant};
pub use request::RecordedRequest;
pub use script::{Chunked, Faults, Garbage, HalfOpen, Reply, Stale};
pub use server::{FaultServer, refused_base_url};
