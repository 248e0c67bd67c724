//! Live events: what has just happened, for everybody who listens, and the latest of it for those who come late.
//!
//! Memory is bounded: the latest [`KEPT`] events stay, and a listener that falls further behind is cut off.

mod filter;
mod sse;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::clock::{self, Form};
use crate::json;

pub(crate) use filter::Filter;
pub(crate) use sse::stream;

/// How many events are kept.
pub(crate) const KEPT: usize = 1000;
/// How far a listener may fall behind.
const BEHIND: usize = 1024;

/// A live event.
#[derive(Debug)]
pub(crate) struct Event {
    /// `evt_<number>_<milliseconds since 1970>`
    pub(crate) id: String,
    /// The type, for example `task:completed`.
    pub(crate) kind: String,
    /// The session in which it happened.
    pub(crate) session: Option<String>,
    /// All of it as JSON.
    pub(crate) json: String,
}

/// Where live events come in and go out.
#[derive(Debug)]
pub(crate) struct Hub {
    recent: Mutex<Recent>,
    listeners: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug, Default)]
struct Recent {
    /// How many events there have been since the server was started.
    count: u64,
    by_kind: BTreeMap<String, u64>,
    events: VecDeque<Arc<Event>>,
}

/// How a listener begins.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) past: Past,
    pub(crate) events: broadcast::Receiver<Arc<Event>>,
}

/// What a listener hears of the time before it came.
#[derive(Debug)]
pub(crate) enum Past {
    /// What followed the event that it named.
    Since(Vec<Arc<Event>>),
    /// The event that it named is not known (any more): the latest events, as many as it asked for.
    Unknown(Vec<Arc<Event>>),
    /// It named none: the latest events, as many as it asked for.
    Latest(Vec<Arc<Event>>),
}

impl Hub {
    pub(crate) fn new() -> Self {
        Hub { recent: Mutex::default(), listeners: broadcast::Sender::new(BEHIND) }
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        // Counters and a list: valid after a panic anywhere.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody; `data` is the JSON text of an object.
    pub(crate) fn publish(&self, kind: &str, session: Option<&str>, data: &str) {
        let now = clock::now();
        let mut recent = self.lock();
        recent.count += 1;
        let id = format!("evt_{}_{}", recent.count, now / 1000);
        let json = json::object(|object| {
            let object = object.str("id", &id).str("type", kind).time("timestamp", now, Form::ZuluMillis);
            match session {
                Some(session) => object.str("sessionId", session),
                None => object,
            }
            // A frame ends its lines where the text does; in JSON, line breaks are nothing but space.
            .raw("data", &data.replace(['\n', '\r'], " "))
        });
        let event = Arc::new(Event { id, kind: kind.to_owned(), session: session.map(str::to_owned), json });
        *recent.by_kind.entry(kind.to_owned()).or_default() += 1;
        if recent.events.len() == KEPT {
            recent.events.pop_front();
        }
        recent.events.push_back(Arc::clone(&event));
        // Under the lock, so that everybody hears events in the order of their numbers. An error means that nobody
        // listens.
        let _ = self.listeners.send(event);
    }

    /// Listens from now on, with the past that was asked for and no gap between the two.
    pub(crate) fn listen(&self, filter: &Filter, after: Option<&str>, history: usize) -> Listener {
        let recent = self.lock();
        let place = after.map(|id| recent.events.iter().rposition(|event| event.id == id));
        let past = match place {
            Some(Some(place)) => Past::Since(
                recent.events.iter().skip(place + 1).filter(|event| filter.lets(event)).cloned().collect(),
            ),
            Some(None) => Past::Unknown(recent.latest(filter, history)),
            None => Past::Latest(recent.latest(filter, history)),
        };
        Listener { past, events: self.listeners.subscribe() }
    }

    /// The latest events that pass a filter, oldest first.
    pub(crate) fn latest(&self, filter: &Filter, count: usize) -> Vec<Arc<Event>> {
        self.lock().latest(filter, count)
    }

    /// Figures, as JSON.
    pub(crate) fn stats(&self) -> String {
        let recent = self.lock();
        let by_kind = json::object(|object| {
            recent.by_kind.iter().fold(object, |object, (kind, count)| object.raw(kind, &count.to_string()))
        });
        json::object(|object| {
            object
                .raw("totalEvents", &recent.count.to_string())
                .raw("historySize", &recent.events.len().to_string())
                .raw("subscribers", &self.listeners.receiver_count().to_string())
                .raw("eventsByType", &by_kind)
        })
    }
}

impl Recent {
    fn latest(&self, filter: &Filter, count: usize) -> Vec<Arc<Event>> {
        let mut latest: Vec<_> =
            self.events.iter().rev().filter(|event| filter.lets(event)).take(count).cloned().collect();
        latest.reverse();
        latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(events: &[Arc<Event>]) -> Vec<&str> {
        events.iter().map(|event| event.id.as_str()).collect()
    }

    #[test]
    fn the_latest_events_are_kept_and_found_by_their_ids() {
        let hub = Hub::new();
        for _ in 0..KEPT + 2 {
            hub.publish("log:info", Some("s"), "{}");
        }
        let all = hub.latest(&Filter::default(), usize::MAX);
        assert_eq!(all.len(), KEPT);
        assert!(all[0].id.starts_with("evt_3_"));
        let Past::Since(missed) = hub.listen(&Filter::default(), Some(&all[997].id), 5).past else {
            panic!()
        };
        assert_eq!(ids(&missed), ids(&all[998..]));
        let Past::Since(none) = hub.listen(&Filter::default(), Some(&all[999].id), 5).past else { panic!() };
        assert!(none.is_empty());
        let Past::Unknown(latest) = hub.listen(&Filter::default(), Some("evt_1_1"), 2).past else { panic!() };
        assert_eq!(ids(&latest), ids(&all[998..]));
    }
}
