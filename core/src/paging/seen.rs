//! Which rows of a page were given out already, and whether the page follows on them: pure, without I/O.
//!
//! Pages overlap by a row, so that it shows when rows were removed from the list meanwhile: without it, as many others
//! would be skipped. Rows that were added before the page are in it a second time.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::events::Id;

/// What was given out.
#[derive(Debug)]
pub(super) enum Seen {
    /// Rows that say who they are.
    Ids(HashSet<Id>),
    /// Rows that do not: digests of their texts, in the order in which they were given out.
    Rows { digests: Vec<u64>, hasher: RandomState },
}

/// The rows of a page, as they are told apart.
#[derive(Debug, PartialEq)]
pub(super) enum Keys {
    Ids(Vec<Id>),
    Rows(Vec<u64>),
}

impl Keys {
    /// That of the last row.
    pub(super) fn last(&self) -> Option<Key<'_>> {
        match self {
            Keys::Ids(ids) => ids.last().map(Key::Id),
            Keys::Rows(rows) => rows.last().copied().map(Key::Row),
        }
    }
}

/// A row, as it is told apart.
#[derive(Debug, PartialEq)]
pub(super) enum Key<'a> {
    Id(&'a Id),
    Row(u64),
}

/// What is in a page.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    /// The places of the rows that were not given out.
    pub(super) fresh: Vec<usize>,
    /// Whether it begins with a row that was.
    pub(super) meets_known: bool,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
}

impl Seen {
    pub(super) fn new(have_ids: bool) -> Self {
        if have_ids {
            Seen::Ids(HashSet::new())
        } else {
            Seen::Rows { digests: Vec::new(), hasher: RandomState::new() }
        }
    }

    /// How the rows of a page are told apart.
    ///
    /// # Errors
    /// One of them has no id, though it should.
    pub(super) fn keys(&self, rows: &[&RawValue]) -> Result<Keys, serde_json::Error> {
        Ok(match self {
            Seen::Ids(_) => {
                let ids = rows.iter().map(|row| {
                    let row: Row<'_> = serde_json::from_str(row.get())?;
                    Ok(Id::from_json(row.id.get()))
                });
                Keys::Ids(ids.collect::<Result<_, serde_json::Error>>()?)
            }
            Seen::Rows { hasher, .. } => {
                Keys::Rows(rows.iter().map(|row| hasher.hash_one(row.get())).collect())
            }
        })
    }

    /// Looks at a page.
    pub(super) fn look(&self, page: &Keys) -> Found {
        match (self, page) {
            (Seen::Ids(seen), Keys::Ids(ids)) => {
                let mut twice = HashSet::new();
                let fresh = (0..ids.len())
                    .filter(|at| !seen.contains(&ids[*at]) && twice.insert(&ids[*at]))
                    .collect();
                Found { fresh, meets_known: ids.first().is_some_and(|id| seen.contains(id)) }
            }
            (Seen::Rows { digests, .. }, Keys::Rows(rows)) => look_at_rows(digests, rows),
            // Keys are made by what they are looked at with.
            _ => Found { fresh: Vec::new(), meets_known: false },
        }
    }

    /// Notes that these rows of a page are given out.
    pub(super) fn give(&mut self, page: &Keys, places: &[usize]) {
        match (self, page) {
            (Seen::Ids(seen), Keys::Ids(ids)) => seen.extend(places.iter().map(|at| ids[*at].clone())),
            (Seen::Rows { digests, .. }, Keys::Rows(rows)) => {
                digests.extend(places.iter().map(|at| rows[*at]))
            }
            _ => {}
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Seen::Ids(seen) => seen.len(),
            Seen::Rows { digests, .. } => digests.len(),
        }
    }
}

/// Rows without ids can be the same and yet two: where they stand decides. A page whose beginning is the end of what was given
/// out follows on it. If that can be read in several ways, the least overlap counts: rather give one twice than none.
fn look_at_rows(seen: &[u64], rows: &[u64]) -> Found {
    let overlap = (1..=seen.len().min(rows.len())).find(|count| seen.ends_with(&rows[..*count]));
    if let Some(count) = overlap {
        return Found { fresh: (count..rows.len()).collect(), meets_known: true };
    }
    if !rows.is_empty() && seen.windows(rows.len()).any(|given| given == rows) {
        return Found { fresh: Vec::new(), meets_known: true };
    }
    let known: HashSet<&u64> = seen.iter().collect();
    Found { fresh: (0..rows.len()).filter(|at| !known.contains(&rows[*at])).collect(), meets_known: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(given: &[&str], page: &[&str], have_ids: bool) -> (Vec<usize>, bool) {
        let rows = |names: &[&str]| -> Vec<Box<RawValue>> {
            let row = |name: &&str| RawValue::from_string(format!(r#"{{"id":"{name}"}}"#)).unwrap();
            names.iter().map(row).collect()
        };
        let (given, page) = (rows(given), rows(page));
        let mut seen = Seen::new(have_ids);
        let keys = seen.keys(&given.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap();
        seen.give(&keys, &(0..given.len()).collect::<Vec<_>>());
        assert_eq!(seen.len(), given.len());
        let keys = seen.keys(&page.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap();
        let found = seen.look(&keys);
        (found.fresh, found.meets_known)
    }

    #[test]
    fn what_was_given_out_is_not_fresh() {
        for have_ids in [true, false] {
            // Nothing happened, or two rows were added before the page, or more than a page of them.
            assert_eq!(look(&["a", "b", "c"], &["c", "d", "e"], have_ids), (vec![1, 2], true));
            assert_eq!(look(&["a", "b", "c"], &["a", "b", "c", "d"], have_ids), (vec![3], true));
            assert_eq!(look(&["a", "b", "c"], &["a", "b"], have_ids), (vec![], true));
            assert_eq!(look(&["a", "b", "c"], &["c"], have_ids), (vec![], true));
            // A row was removed from before the page.
            assert_eq!(look(&["a", "b", "c"], &["d", "e"], have_ids), (vec![0, 1], false));
            assert_eq!(look(&["a", "b", "c"], &[], have_ids), (vec![], false));
            assert_eq!(look(&[], &["a", "b"], have_ids), (vec![0, 1], false));
        }
    }

    #[test]
    fn rows_that_are_the_same_are_told_apart_by_their_place() {
        assert_eq!(look(&["a", "a"], &["a", "a", "a", "b"], false), (vec![1, 2, 3], true));
        assert_eq!(look(&["x", "a"], &["a", "a", "x", "b"], false), (vec![1, 2, 3], true));
        assert_eq!(look(&["x", "y", "x"], &["z", "x", "z"], false), (vec![0, 2], false));
    }

    #[test]
    fn a_row_that_comes_twice_in_a_page_is_given_once_if_it_says_who_it_is() {
        assert_eq!(look(&[], &["a", "b", "a"], true), (vec![0, 1], false));
        assert_eq!(look(&[], &["a", "b", "a"], false), (vec![0, 1, 2], false));
    }

    #[test]
    fn a_row_that_should_have_an_id_and_has_none_is_an_error() {
        let row = RawValue::from_string(r#"{"name":"x"}"#.to_owned()).unwrap();
        assert!(Seen::new(true).keys(&[&row]).is_err());
        assert!(Seen::new(false).keys(&[&row]).is_ok());
    }
}
