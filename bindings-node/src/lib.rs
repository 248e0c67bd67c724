//! The native module of the npm package: hands calls to the engine and settles them on the JavaScript thread.
//!
//! It knows no endpoint. What a caller sees, arguments, promises, error classes, is TypeScript.

mod client;
pub mod environment;
#[cfg_attr(not(target_os = "linux"), path = "no_event_loop.rs")]
mod event_loop;
mod failure;
mod options;
pub mod outbox;
mod provider;
mod report;
mod runtime;
mod stream;
pub mod text;
pub mod timestamps;
pub mod webhooks;
