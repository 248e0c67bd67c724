//! Tools of the tests: an HTTP server whose answers are scripted, faults of the wire included.
//!
//! [`FaultServer`] is the server, for Rust tests; the binary `loki-fault-server` offers the same to any language over
//! JSON lines ([`control`]). Plain TCP and threads, so that every byte and every way of breaking a connection is ours.

mod answer;
pub mod case;
mod compare;
pub mod control;
mod request;
mod script;
mod server;

pub use request::RecordedRequest;
pub use script::{Chunked, Faults, Garbage, HalfOpen, Reply, Stale};
pub use server::{FaultServer, refused_base_url};
