//! The native module of the npm package: hands calls to the engine and settles them on the JavaScript thread.
//!
//! It knows no endpoint. What a caller sees, arguments, promises, error classes, is TypeScript.

mod client;
pub mod environment;
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
