//! The engine of the SDK: how a call is made.

pub mod decode;
