//! Which entries of a list that is fetched again and again are new: pure, without I/O.
//!
//! Real servers answer the whole timeline every time, many events share one second, and an event can become visible
//! after later ones, since it is committed after its answer. So neither `>` nor `>=` on timestamps gives each event
//! once: the identity of an event decides, and a timestamp only says where to begin.

use std::collections::{HashMap, HashSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many of the latest entries are remembered one by one. An entry that becomes visible after as many later ones is
/// taken for an old one.
const REMEMBERED: usize = 1024;
/// How many are remembered where ids have no order and all are of the same second.
const REMEMBERED_OF_A_SECOND: usize = 8 * REMEMBERED;

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

    fn is_number(&self) -> bool {
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

/// A watermark in few bytes.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    latest: Option<Timestamp>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    first: Option<(Id, u16)>,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    floor: Option<Id>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    floor_second: Option<i64>,
    /// Numbers: the first, then the distance of each from the one before.
    #[serde(rename = "n", default, skip_serializing_if = "Vec::is_empty")]
    numbers: Vec<i64>,
    /// Their digests.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    prints: Vec<u16>,
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    texts: Vec<(Id, u16, Option<i64>)>,
}

impl From<Watermark> for Kept {
    fn from(mark: Watermark) -> Self {
        let Watermark { from, first, latest, recent, floor, floor_second } = mark;
        let first = first.map(|given| (given.id, given.print));
        let (numbers, prints, texts) = (Vec::new(), Vec::new(), Vec::new());
        let mut kept = Kept { from, latest, first, floor, floor_second, numbers, prints, texts };
        let mut before = 0;
        for Given { id, print, second } in recent {
            match id {
                Id::Number(number) => {
                    kept.numbers.push(number.wrapping_sub(before));
                    kept.prints.push(print);
                    before = number;
                }
                Id::Text(_) => kept.texts.push((id, print, second)),
            }
        }
        kept
    }
}

impl From<Kept> for Watermark {
    fn from(kept: Kept) -> Self {
        let Kept { from, latest, first, floor, floor_second, numbers, prints, texts } = kept;
        let mut recent = VecDeque::with_capacity(numbers.len() + texts.len());
        let mut before = 0_i64;
        for (distance, print) in numbers.into_iter().zip(prints) {
            before = before.wrapping_add(distance);
            recent.push_back(Given { id: Id::Number(before), print, second: None });
        }
        recent.extend(texts.into_iter().map(|(id, print, second)| Given { id, print, second }));
        let first = first.map(|(id, print)| Given { id, print, second: None });
        Watermark { from, first, latest, recent, floor, floor_second }
    }
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

    /// Finds out whether this is still the list that was read, and forgets what is no longer in it; true if it is
    /// another one.
    fn reconcile(&mut self, list: &[Entry]) -> bool {
        let Some(newest) = self.recent.back().filter(|_| !list.is_empty()).cloned() else {
            return false;
        };
        let prints: HashMap<&Id, u16> = list.iter().map(|entry| (&entry.id, entry.print)).collect();
        let print_of = |given: &Given| prints.get(&given.id).copied();
        let is_another = |given: &Given| print_of(given).is_some_and(|print| print != given.print);
        let is_same = |given: &Given| print_of(given) == Some(given.print);
        let remains = self.recent.iter().chain(&self.first).any(is_same);
        if self.recent.iter().chain(&self.first).any(is_another) {
            // Ids of what was lost have been given to others. What is as it was, was given out; with a beginning that is,
            // a backup was restored. The very first entry may be that of an earlier list.
            let earliest_here = self.first.iter().chain(&self.recent).find(|given| print_of(given).is_some());
            let begins_as_before = earliest_here.is_some_and(is_same);
            self.recent.retain(is_same);
            if !begins_as_before {
                self.first = self.recent.front().map(|given| Given { second: None, ..given.clone() });
                (self.floor, self.floor_second) = (None, None);
            }
            return true;
        }
        if print_of(&newest).is_some() {
            return false;
        }
        // The latest entry is gone. Either some of the list was lost, at its end or at its beginning, or all of it.
        let highest = list.iter().map(|entry| &entry.id).max();
        match (&newest.id, highest) {
            (Id::Number(newest), Some(Id::Number(highest))) if highest < newest => {
                if !remains {
                    return self.begin_anew();
                }
                // A backup was restored: its numbers are given out again.
                let highest = Id::Number(*highest);
                self.recent.retain(|given| given.id <= highest);
                self.floor = self.floor.take().map(|floor| floor.min(highest));
                true
            }
            (Id::Number(newest), _) => {
                let all_later = list.iter().all(|entry| matches!(entry.id, Id::Number(id) if id > *newest));
                !remains && !all_later && self.begin_anew()
            }
            (Id::Text(_), _) => !remains && self.begin_anew(),
        }
    }

    /// Everything in the list is new.
    fn begin_anew(&mut self) -> bool {
        *self = Watermark::starting(self.from);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: i64, second: i64) -> Entry {
        let time = Timestamp::from_second(1_700_000_000 + second).ok();
        Entry { id: Id::Number(id), print: fingerprint(time, "x"), time }
    }

    fn named(id: &str, second: i64) -> Entry {
        Entry { id: Id::from_json(&format!("{id:?}")), ..entry(0, second) }
    }

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(1_700_000_000 + second).ok()
    }

    /// Looks and gives out everything that is new.
    fn take(mark: &mut Watermark, list: &[Entry]) -> Vec<Id> {
        let fresh = mark.look(list).fresh;
        for &place in &fresh {
            mark.give(&list[place]);
        }
        fresh.into_iter().map(|place| list[place].id.clone()).collect()
    }

    fn numbers(ids: &[Id]) -> Vec<i64> {
        ids.iter().map(|id| if let Id::Number(id) = id { *id } else { panic!("{id:?}") }).collect()
    }

    #[test]
    fn entries_of_one_second_come_once_each() {
        let mut mark = Watermark::default();
        assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(2, 0)])), [1, 2]);
        assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(2, 0), entry(3, 0)])), [3]);
        assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(2, 0), entry(3, 0)])), [0; 0]);
    }

    #[test]
    fn an_entry_that_becomes_visible_after_later_ones_is_not_missed() {
        let mut mark = Watermark::default();
        assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(4, 1)])), [1, 4]);
        assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(2, 0), entry(3, 1), entry(4, 1)])), [2, 3]);
    }

    #[test]
    fn a_start_leaves_out_what_is_older_also_later_on() {
        let list = [entry(1, 0), entry(2, 5), entry(3, 6)];
        let mut mark = Watermark::starting(at(5));
        assert_eq!(numbers(&take(&mut mark, &list)), [2, 3]);
        mark.move_start(at(6));
        assert_eq!(numbers(&take(&mut mark, &list)), [0; 0]);
        mark.move_start(None);
        assert_eq!(numbers(&take(&mut mark, &list)), [1]);
    }

    #[test]
    fn the_guides_since_does_not_hide_a_late_entry_but_a_later_one_skips() {
        let mut mark = Watermark::default();
        take(&mut mark, &[entry(1, 0), entry(3, 1)]);
        mark.move_start(at(1));
        assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(2, 0), entry(3, 1)])), [2]);
        mark.move_start(at(9));
        assert_eq!(numbers(&take(&mut mark, &[entry(3, 1), entry(4, 8), entry(5, 9)])), [5]);
    }

    #[test]
    fn a_list_that_begins_anew_is_given_out_anew() {
        let mut mark = Watermark::default();
        take(&mut mark, &[entry(8, 0), entry(9, 0)]);
        assert_eq!(numbers(&take(&mut mark, &[entry(1, 60)])), [1], "its numbers are lower");
        assert_eq!(
            numbers(&take(&mut mark, &[entry(1, 90), entry(2, 90)])),
            [1, 2],
            "the same number, another time"
        );
    }

    #[test]
    fn a_restored_backup_gives_its_numbers_to_others_and_nothing_is_repeated() {
        let mut mark = Watermark::default();
        let all: Vec<Entry> = (1..=10).map(|id| entry(id, id)).collect();
        take(&mut mark, &all);
        let mut restored = all[..6].to_vec();
        restored.push(entry(7, 70));
        let found = mark.look(&restored[..6]);
        assert!(found.restarted && found.fresh.is_empty());
        assert_eq!(numbers(&take(&mut mark, &restored)), [7]);
    }

    #[test]
    fn a_restored_backup_repeats_nothing_also_where_the_first_entry_was_of_an_earlier_list() {
        let mut mark = Watermark::default();
        take(&mut mark, &[entry(1, 0)]);
        // Nothing tells that the server lost its data meanwhile: its numbers go on.
        let all: Vec<Entry> = (2..=70).map(|id| entry(id, 10)).collect();
        assert_eq!(take(&mut mark, &all).len(), 69);
        let mut restored = all[..66].to_vec();
        restored.push(entry(68, 70));
        let mut resumed = mark.abridged();
        assert_eq!(numbers(&take(&mut resumed, &restored)), [68]);
        assert_eq!(numbers(&take(&mut mark, &restored)), [68]);
    }

    #[test]
    fn a_list_that_lost_its_beginning_is_the_same_list() {
        let mut mark = Watermark::default();
        take(&mut mark, &(1..=5).map(|id| entry(id, id)).collect::<Vec<_>>());
        assert_eq!(numbers(&take(&mut mark, &[entry(5, 5), entry(6, 6)])), [6]);
        let found = mark.look(&[entry(8, 8), entry(9, 9)]);
        assert_eq!((found.fresh.len(), found.restarted), (2, false), "all of what was read is gone");
        assert_eq!(numbers(&take(&mut mark, &[])), [0; 0]);
    }

    #[test]
    fn ids_that_are_no_numbers_work_too() {
        let mut mark = Watermark::default();
        let (a, b, c, d) = (named("a", 0), named("b", 0), named("c", 0), named("d", 1));
        assert_eq!(take(&mut mark, &[a.clone(), b.clone()]).len(), 2);
        assert_eq!(take(&mut mark, &[b.clone(), c.clone()]), [named("c", 0).id]);
        assert_eq!(
            take(&mut mark, &[d.clone(), c.clone(), b.clone()]),
            [named("d", 1).id],
            "in another order"
        );
        assert_eq!(take(&mut mark, &[a, b, c, d]), [] as [Id; 0]);
    }

    #[test]
    fn memory_is_bounded_and_what_was_forgotten_is_not_repeated() {
        for list in [
            (0..5000).map(|id| entry(id, id / 100)).collect::<Vec<_>>(),
            (0..5000).map(|id| named(&format!("e{id}"), id / 100)).collect(),
        ] {
            let mut mark = Watermark::default();
            assert_eq!(take(&mut mark, &list[..4999]).len(), 4999);
            assert!(mark.recent.len() <= REMEMBERED + 100, "one second more at the most");
            let mut restored = mark.abridged();
            assert_eq!(take(&mut restored, &list), [list[4999].id.clone()]);
            assert_eq!(take(&mut mark, &list), [list[4999].id.clone()]);
            let kept = serde_json::to_string(&restored.abridged()).unwrap();
            assert!(kept.len() < 5000, "{} bytes", kept.len());
            let mut back = serde_json::from_str::<Watermark>(&kept).unwrap();
            assert_eq!(take(&mut back, &list), [] as [Id; 0]);
        }
    }
}
