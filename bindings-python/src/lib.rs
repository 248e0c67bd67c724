//! `loki_mode_sdk._native`: the engine, called from Python.
//!
//! One narrow waist, [`client::Client`], and the classes of the models that it returns. What an endpoint is called
//! and how its arguments are documented is the business of the Python source above it.

mod aio;
mod arguments;
mod client;
mod collector;
mod environment;
mod errors;
mod events;
mod finalizing;
mod generated;
mod logs;
mod models;
mod moments;
mod objects;
mod options;
mod signals;
mod webhooks;

/// The native module.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::aio::{Call, Reader};
    #[pymodule_export]
    use crate::client::{Client, decode};
    #[pymodule_export]
    use crate::environment::settings;
    #[pymodule_export]
    use crate::events::{EventStream, Stream};
    #[pymodule_export]
    use crate::moments::parse_timestamp;
    #[pymodule_export]
    use crate::webhooks::{parse_webhook, sign_webhook, verify_webhook};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python packages use")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::generated::models::register(module)?;
        crate::moments::add_properties(module)
    }
}
