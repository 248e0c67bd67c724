//! Writes the typed faces, the reference and the OpenAPI description from the operations table.
//!
//! Each module walks the table for one kind of reader and returns whole files; nothing here touches the disk.
//! `make generate` writes the files, `cargo test` fails when one that is committed is stale.

mod names;
mod openapi;
mod ordered;
mod python;
mod reference;
mod rust;
mod sentences;
mod test_table;
mod typescript;

/// One generated file.
#[derive(Debug)]
pub struct Output {
    /// Where it stands, from the top of the repository.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// Every generated file.
pub fn outputs() -> Vec<Output> {
    [
        rust::outputs(),
        python::outputs(),
        typescript::outputs(),
        reference::outputs(),
        openapi::outputs(),
        test_table::outputs(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
