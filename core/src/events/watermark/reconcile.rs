//! Whether a list is still the one that was read: a server may have lost its data, or some of it.

use std::collections::HashMap;

use super::{Entry, Given, Id, Watermark};

impl Watermark {
    /// Finds out whether this is still the list that was read, and forgets what is no longer in it; true if it is
    /// another one.
    pub(super) fn reconcile(&mut self, list: &[Entry]) -> bool {
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
