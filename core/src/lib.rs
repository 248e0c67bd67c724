//! The engine of the Loki Mode SDK: how a call to the Autonomi Control Plane is made.
//!
//! [`Client::execute`] takes an operation of the table in `loki_mode_spec` and its arguments, and returns the
//! answer of the server or a typed [`Error`]. The language packages are thin faces over it; [`generated`] is the
//! typed face for Rust.

mod args;
mod attempts;
mod bridges;
mod call;
mod client;
mod config;
pub mod decode;
mod dialect;
mod environment;
mod error;
pub mod events;
mod execution;
#[cfg(target_os = "linux")]
pub mod fibers;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod generated;
mod headers;
mod mask;
mod no_token;
mod paging;
mod per_process;
mod refusal;
mod request;
mod response;
mod retry;
mod run_state;
pub mod stream;
mod token;
mod transport;
mod typed;
pub mod waiting;
mod warning;
pub mod webhook;
pub mod workers;

pub use args::{Args, Value};
pub use attempts::AttemptRecord;
pub use call::{CallOptions, CancelToken};
pub use client::{Changes, Client};
pub use config::{DEFAULT_BASE_URL, Options, PathStyle, timeout_from_seconds};
pub use environment::Settings;
pub use error::{Error, ErrorCause, ErrorInfo, ErrorKind, FieldError};
pub use no_token::NoToken;
pub use paging::{Items, PageOptions};
pub use response::Response;
pub use token::Token;
pub use typed::{Id, Object, Secret};
pub use warning::Warning;
