//! Which entries of a list that is fetched again and again are new: pure, without I/O.
//!
//! Real servers answer the whole timeline every time, many events share one second, and an event can become visible
//! after later ones, since it is committed after its answer. So neither `>` nor `>=` on timestamps gives each event
//! once: the identity of an event decides, and a timestamp only says where to begin.

mod entry;
mod kept;
mod reconcile;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use self::entry::{Entry, Id, fingerprint};
use self::kept::Kept;

/// How many of the latest entries are remembered one by one. An entry that becomes visible after as many later ones is
/// taken for an old one.
const REMEMBERED: usize = 1024;
/// How many are remembered where ids have no order and all are of the same second.
const REMEMBERED_OF_A_SECOND: usize = 8 * REMEMBERED;

/// An entry that was given out.
#[derive(Debug, Clone, PartialEq)]
struct Given {
    id: Id,
    print: u16,
    /// When it was made; used where ids have no order.
    second: Option<i64>,
}

/// How far a list has been read: of a bounded size, however long the list is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub(crate) struct Watermark {
    /// Entries before this moment are left out.
    from: Option<Timestamp>,
    /// The first entry that was given out, the lowest where ids have an order: tells a list that lost its end from one that
    /// began anew.
    first: Option<Given>,
    /// The moment of the latest entry that was given out.
    latest: Option<Timestamp>,
    /// The last entries that were given out: numbers in ascending order, others in the order of the list.
    recent: VecDeque<Given>,
    /// Entries were forgotten, this one last. Those with a number up to it are old.
    floor: Option<Id>,
    /// The latest second of which entries without a number were forgotten. What is not later is old.
    floor_second: Option<i64>,
}

/// What a look at the list found.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    /// The places of the new entries in the list, in the order in which they are to be given out.
    pub(crate) fresh: Vec<usize>,
    /// The list is another one than was read before: the server lost its data, or some of it.
    pub(crate) restarted: bool,
}

impl Watermark {
    /// Begins at a moment: earlier entries are left out.
    pub(crate) fn starting(from: Option<Timestamp>) -> Self {
        Watermark { from, ..Watermark::default() }
    }

    /// Whether nothing has been given out yet.
    pub(crate) fn is_blank(&self) -> bool {
        self.recent.is_empty()
    }

    /// Whether this very entry was given out, and is remembered.
    pub(crate) fn knows(&self, entry: &Entry) -> bool {
        let is_it = |given: &Given| given.id == entry.id && given.print == entry.print;
        match &entry.id {
            Id::Number(_) => self
                .recent
                .binary_search_by(|given| given.id.cmp(&entry.id))
                .is_ok_and(|at| is_it(&self.recent[at])),
            Id::Text(_) => self.recent.iter().any(is_it),
        }
    }

    /// Where the list was begun at; earlier entries are left out.
    pub(crate) fn from(&self) -> Option<Timestamp> {
        self.from
    }

    /// The moment of the latest entry that was given out.
    pub(crate) fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// Also gives out what is older than the list was begun at.
    ///
    /// A `since` after everything that was given out skips what lies between; one before it, such as the timestamp of
    /// the last event in the guide's loop, says nothing new.
    pub(crate) fn move_start(&mut self, since: Option<Timestamp>) {
        let Some(since) = since else {
            self.from = None;
            return;
        };
        let skips = match self.latest {
            Some(latest) => since > latest,
            None => true,
        };
        if skips || self.from.is_some_and(|from| since < from) {
            self.from = Some(since);
        }
    }

    /// Looks for new entries in the list, which can lack its beginning.
    ///
    /// What is found counts as given out only once [`Watermark::give`] says so.
    pub(crate) fn look(&mut self, list: &[Entry]) -> Found {
        let restarted = self.reconcile(list);
        Found { fresh: self.pick(list), restarted }
    }

    /// The places of the new entries in a list, in the order in which they are to be given out. The list is known to be
    /// the one that was read, or a part of it.
    pub(crate) fn pick(&self, list: &[Entry]) -> Vec<usize> {
        let given: HashSet<&Id> = self.recent.iter().map(|given| &given.id).collect();
        // Where entries that do not say when they were made were forgotten, only what stands behind a remembered one can
        // be new.
        let begin = match &self.floor {
            Some(Id::Text(_)) => list.iter().position(|entry| given.contains(&entry.id)).unwrap_or(0),
            _ => 0,
        };
        let is_old_text = |at: usize, entry: &Entry| match (entry.time, self.floor_second) {
            (Some(time), Some(floor)) => time.as_second() <= floor,
            _ => at < begin,
        };
        let mut here = HashSet::with_capacity(list.len().saturating_sub(self.recent.len()));
        let is_old = |at: usize, entry: &Entry| {
            let is_forgotten = match (&entry.id, &self.floor) {
                (Id::Number(id), Some(Id::Number(floor))) => id <= floor,
                (Id::Text(_), Some(_)) => is_old_text(at, entry),
                _ => false,
            };
            given.contains(&entry.id)
                || is_forgotten
                || self.from.is_some_and(|from| entry.time.is_some_and(|time| time < from))
        };
        let mut fresh: Vec<usize> =
            (0..list.len()).filter(|&at| !is_old(at, &list[at]) && here.insert(&list[at].id)).collect();
        if fresh.iter().all(|&at| list[at].id.is_number()) {
            fresh.sort_by(|&one, &other| list[one].id.cmp(&list[other].id));
        } else if fresh.iter().all(|&at| list[at].time.is_some()) {
            fresh.sort_by_key(|&at| list[at].time);
        }
        fresh
    }

    /// Notes that an entry was given out.
    pub(crate) fn give(&mut self, entry: &Entry) {
        let second = entry.time.filter(|_| !entry.id.is_number()).map(Timestamp::as_second);
        let given = Given { id: entry.id.clone(), print: entry.print, second };
        let is_first = match (&self.first, &given.id) {
            (None, _) => true,
            (Some(first), Id::Number(_)) => given.id < first.id,
            (Some(_), Id::Text(_)) => false,
        };
        if is_first {
            self.first = Some(Given { second: None, ..given.clone() });
        }
        self.latest = self.latest.max(entry.time);
        let place = match &given.id {
            Id::Number(_) => self.recent.partition_point(|known| known.id <= given.id),
            Id::Text(_) => self.recent.partition_point(|known| known.second <= given.second),
        };
        self.recent.insert(place, given);
        if self.recent.len() > REMEMBERED {
            self.forget_beyond(REMEMBERED, REMEMBERED);
        }
    }

    /// The same in fewer bytes, to be kept elsewhere.
    pub(crate) fn abridged(&self) -> Self {
        const NUMBERS: usize = 64;
        const TEXTS: usize = 32;
        let mut short = self.clone();
        short.forget_beyond(NUMBERS, TEXTS);
        short
    }

    /// Forgets the oldest, but for this many.
    fn forget_beyond(&mut self, numbers: usize, texts: usize) {
        while let Some(front) = self.recent.front() {
            let end = match (&front.id, front.second) {
                (Id::Number(_), _) => 1,
                // Without an order of their own, entries of one second can change places: a second is forgotten as a
                // whole, or not at all unless there is no end to it.
                (Id::Text(_), second) => self.recent.partition_point(|given| given.second <= second),
            };
            let count = if front.id.is_number() { numbers } else { texts };
            let left = self.recent.len() - end;
            if left < count && self.recent.len() <= REMEMBERED_OF_A_SECOND {
                return;
            }
            for given in self.recent.drain(..end) {
                self.floor_second = self.floor_second.max(given.second);
                self.floor = Some(given.id);
            }
        }
    }
}
