//! Written by `make generate`.

pub(crate) mod models;
