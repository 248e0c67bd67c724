//! Open enumerations: values that are known, and room for others.

use std::ops::Deref;

/// The known values of an open enumeration: offered by editors, never enforced; any other value is kept as it came.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What type checkers call them, in upper camel case; empty where none are known.
    pub name: &'static str,
    /// The values, in the order in which they are documented.
    pub values: &'static [&'static str],
}

impl Known {
    /// No value is known.
    pub const NONE: &'static Known = &Known { name: "", values: &[] };

    pub(crate) const fn new(name: &'static str, values: &'static [&'static str]) -> Self {
        Known { name, values }
    }
}

impl Deref for Known {
    type Target = [&'static str];

    fn deref(&self) -> &Self::Target {
        self.values
    }
}
