//! An entry of a list, and what it is known by.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The identity of an entry: a JSON number, or any other JSON text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    /// Ascending in the order in which entries are made.
    Number(i64),
    /// In no order of its own.
    Text(Box<str>),
}

impl Id {
    /// Reads the JSON text of an id.
    pub(crate) fn from_json(text: &str) -> Self {
        text.parse().map_or_else(|_| Id::Text(text.into()), Id::Number)
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Id::Number(_))
    }
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    /// A digest of what never changes about it: tells it from another one that was given the same id later.
    pub(crate) print: u16,
    /// When it was made; unknown if it does not say so in a way that can be read.
    pub(crate) time: Option<Timestamp>,
}

/// A digest of the parts of an entry that never change. Stable, since cursors keep it, and short, since they keep many.
pub(crate) fn fingerprint(time: Option<Timestamp>, kind: &str) -> u16 {
    // FNV-1a.
    // To the second: the same moment comes with and without fractions.
    let moment = time.map_or(i64::MIN, Timestamp::as_second).to_le_bytes();
    let hash = moment.iter().chain(kind.as_bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ (hash >> 16) ^ (hash >> 32) ^ (hash >> 48)) as u16
}
