//! What of a live stream is new after a reconnection, and what may have been missed: pure, without I/O.
//!
//! Servers differ. Some send what was missed (`Last-Event-ID`) and say so, some send the last events again on request, some
//! send their whole memory to everybody, and all of them forget when they are restarted. So after a reconnection the
//! events are held back until it is clear where what was received before ends.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher as _;

use foldhash::fast::{FixedState, RandomState};
use jiff::Timestamp;

use super::made::{Gap, Reason};

/// How many events are remembered: more than the 1000 that servers do.
const REMEMBERED: usize = 4096;
/// How many events are held back at the most.
pub(crate) const HELD: usize = 2048;

/// An event of a live stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event<'a> {
    /// Its id; none for those that a server does not remember.
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) time: Option<Timestamp>,
    /// The JSON text of the event.
    pub(crate) json: Cow<'a, str>,
}

impl Event<'_> {
    /// The same, to be kept.
    pub(crate) fn into_owned(self) -> Event<'static> {
        let Event { id, time, json } = self;
        Event { id: id.map(|id| id.into_owned().into()), time, json: json.into_owned().into() }
    }
}

/// Something for the user.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News<'a> {
    Event(Event<'a>),
    /// Events may be missing here.
    Gap(Gap),
}

/// Takes what is for the user.
pub(crate) trait Outlet {
    /// Takes one piece; what is to be kept of it has to be copied.
    fn take(&mut self, news: News<'_>);
}

/// What a server says about a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remark {
    /// All that was missed has been sent.
    Resumed,
    /// It does not know the last event; what it remembers follows.
    NotResumed,
    /// The last events have been sent.
    Replayed,
}

impl Remark {
    /// Reads a comment.
    pub(crate) fn read(comment: &[u8]) -> Option<Self> {
        let comment = comment.trim_ascii();
        match () {
            () if comment.starts_with(b"resumed after ") => Some(Remark::Resumed),
            () if comment.starts_with(b"not resumed") => Some(Remark::NotResumed),
            () if comment.starts_with(b"replayed ") => Some(Remark::Replayed),
            () => None,
        }
    }
}

/// Which events were received.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    last: Option<Last>,
    order: VecDeque<u64>,
    known: HashSet<u64, RandomState>,
    held: Option<Held>,
    /// What was before this moment was not asked for.
    began: Option<Timestamp>,
}

/// The last event that was received.
#[derive(Debug, Clone)]
struct Last {
    id: String,
    time: Option<Timestamp>,
}

/// What came since a reconnection.
#[derive(Debug, Default)]
struct Held {
    events: Vec<Event<'static>>,
    /// The server has said that it does not know the last event.
    unknown: bool,
}

impl Replay {
    /// The id of the last event that was received.
    pub(crate) fn last_event_id(&self) -> Option<&str> {
        self.last.as_ref().map(|last| last.id.as_str())
    }

    /// A connection was opened, at this moment of the server's clock. The first one gives what was asked for.
    pub(crate) fn connected(&mut self, server_time: Option<Timestamp>, first: bool) {
        if first {
            self.began = server_time;
        } else {
            self.held = Some(Held::default());
        }
    }

    /// Whether events are held back until it is clear what was missed.
    pub(crate) fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// The server sent an event.
    pub(crate) fn event(&mut self, event: Event<'_>, out: &mut impl Outlet) {
        let Some(held) = &mut self.held else {
            self.pass(event, out);
            return;
        };
        if print_of(&event).is_some_and(|print| self.known.contains(&print)) {
            if event.id.as_deref() == self.last_event_id() {
                // Everything up to here was received. What was held is from before the stream began.
                self.held = None;
            }
            return;
        }
        held.events.push(event.into_owned());
        if held.events.len() >= HELD {
            self.settle(out);
        }
    }

    /// The server said something about a replay.
    pub(crate) fn remark(&mut self, remark: Remark, out: &mut impl Outlet) {
        match (remark, &mut self.held) {
            (Remark::Resumed, Some(_)) => {
                let held = self.held.take().unwrap_or_default();
                for event in held.events {
                    self.pass(event, out);
                }
            }
            (Remark::NotResumed, Some(held)) => held.unknown = true,
            (Remark::Replayed, Some(_)) => self.settle(out),
            (_, None) => {}
        }
    }

    /// Nothing more of a replay is to be expected: gives out what was held, and says what may be missing before it.
    pub(crate) fn settle(&mut self, out: &mut impl Outlet) {
        let Some(held) = self.held.take() else { return };
        let Some(last) = self.last.clone() else {
            // Nothing was received before, so nothing shows where that ended; but when it began is known.
            let began = self.began;
            let is_later = |event: &Event<'_>| match (event.time, began) {
                (Some(time), Some(began)) => time >= began,
                _ => true,
            };
            for event in held.events.into_iter().filter(is_later) {
                self.pass(event, out);
            }
            return;
        };
        // What is older than the last event that was received, and was not, is from before the stream began.
        let is_later = |event: &Event<'_>| match (event.time, last.time) {
            (Some(time), Some(last)) => time >= last,
            _ => true,
        };
        let later: Vec<Event<'_>> = held.events.into_iter().filter(is_later).collect();
        let first = later.iter().find_map(|event| event.id.as_deref()).and_then(counter);
        let restarted = match (first, counter(&last.id)) {
            (Some(first), Some(last)) => first <= last,
            _ => held.unknown,
        };
        let reason = if restarted { Reason::Restarted } else { Reason::Forgotten };
        out.take(News::Gap(Gap { reason, last_event_id: Some(last.id) }));
        for event in later {
            self.pass(event, out);
        }
    }

    fn pass(&mut self, event: Event<'_>, out: &mut impl Outlet) {
        if let Some(print) = print_of(&event) {
            if !self.known.insert(print) {
                return;
            }
            self.order.push_back(print);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        if let Some(id) = &event.id {
            let last = self.last.get_or_insert_with(|| Last { id: String::new(), time: None });
            last.id.clear();
            last.id.push_str(id);
            last.time = event.time;
        }
        out.take(News::Event(event));
    }
}

/// Keeps everything, for checks.
#[cfg(any(test, feature = "fuzzing"))]
impl Outlet for Vec<News<'static>> {
    fn take(&mut self, news: News<'_>) {
        self.push(match news {
            News::Event(event) => News::Event(event.into_owned()),
            News::Gap(gap) => News::Gap(gap),
        });
    }
}

/// Who an event is: ids alone begin anew when a server is restarted.
fn print_of(event: &Event<'_>) -> Option<u64> {
    let id = event.id.as_deref()?;
    Some(FixedState::with_seed(0x6c6f_6b69).hash_one((id, event.time.map(|time| time.as_nanosecond()))))
}

/// The count in an id such as `evt_6_1795301856149` or `evt_6`.
fn counter(id: &str) -> Option<u64> {
    id.split(['_', '-']).find_map(|part| part.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: i64, life: i64) -> Event<'static> {
        let time = Timestamp::from_second(life * 1000 + number).unwrap();
        Event { id: Some(format!("evt_{number}_{life}").into()), time: Some(time), json: "".into() }
    }

    /// What a user sees: the numbers of events, and -1 for a gap.
    fn seen(news: &[News<'_>]) -> Vec<i64> {
        let number = |event: &Event<'_>| counter(event.id.as_deref().unwrap()).unwrap() as i64;
        news.iter().map(|news| if let News::Event(event) = news { number(event) } else { -1 }).collect()
    }

    fn received(numbers: std::ops::RangeInclusive<i64>) -> Replay {
        let mut replay = Replay::default();
        replay.connected(None, true);
        let mut out = Vec::new();
        numbers.for_each(|number| replay.event(event(number, 1), &mut out));
        replay
    }

    #[test]
    fn a_server_that_resumes_leaves_no_gap() {
        let mut replay = received(1..=5);
        let mut out = Vec::new();
        replay.connected(None, false);
        (6..=7).for_each(|number| replay.event(event(number, 1), &mut out));
        assert!(out.is_empty());
        replay.remark(Remark::Resumed, &mut out);
        replay.event(event(8, 1), &mut out);
        assert_eq!(seen(&out), [6, 7, 8]);
    }

    #[test]
    fn a_replay_that_reaches_back_is_cut_where_the_last_event_stands() {
        let mut replay = received(4..=5);
        let mut out = Vec::new();
        replay.connected(None, false);
        (1..=7).for_each(|number| replay.event(event(number, 1), &mut out));
        replay.remark(Remark::Replayed, &mut out);
        replay.event(event(8, 1), &mut out);
        assert_eq!(seen(&out), [6, 7, 8]);
    }

    #[test]
    fn a_replay_that_does_not_reach_back_leaves_a_gap_that_is_told() {
        let mut replay = received(1..=5);
        let mut out = Vec::new();
        replay.connected(None, false);
        (8..=9).for_each(|number| replay.event(event(number, 1), &mut out));
        replay.remark(Remark::Replayed, &mut out);
        assert_eq!(seen(&out), [-1, 8, 9]);
        let gap = Gap { reason: Reason::Forgotten, last_event_id: Some("evt_5_1".to_owned()) };
        assert_eq!(out[0], News::Gap(gap));
    }

    #[test]
    fn a_server_that_was_restarted_counts_from_the_beginning() {
        let mut replay = received(1..=5);
        let mut out = Vec::new();
        replay.connected(None, false);
        replay.remark(Remark::NotResumed, &mut out);
        (1..=2).for_each(|number| replay.event(event(number, 2), &mut out));
        replay.settle(&mut out);
        assert_eq!(seen(&out), [-1, 1, 2]);
        assert!(matches!(&out[0], News::Gap(gap) if gap.reason == Reason::Restarted));
        replay.event(event(3, 2), &mut out);
        replay.event(event(3, 2), &mut out);
        assert_eq!(seen(&out), [-1, 1, 2, 3]);
    }

    #[test]
    fn before_the_first_event_only_the_clock_tells() {
        let mut replay = Replay::default();
        replay.connected(event(5, 1).time, true);
        replay.connected(None, false);
        let mut out = Vec::new();
        (3..=6).for_each(|number| replay.event(event(number, 1), &mut out));
        replay.settle(&mut out);
        assert_eq!(seen(&out), [5, 6]);
    }

    proptest::proptest! {
        /// However often the connection is lost, a server that remembers enough leaves no gap, repeats nothing and
        /// misses nothing, whether it resumes or replays.
        #[test]
        fn nothing_is_missed_and_nothing_repeated(
            steps in proptest::collection::vec((0_i64..5, proptest::bool::ANY, 0_i64..8), 1..30),
            resumes in proptest::bool::ANY,
        ) {
            let mut replay = Replay::default();
            let (mut out, mut made) = (Vec::new(), 0);
            replay.connected(None, true);
            // So that there is a last event to begin with.
            made += 1;
            replay.event(event(made, 1), &mut out);
            for (live, lost, missed) in steps {
                for _ in 0..live {
                    made += 1;
                    replay.event(event(made, 1), &mut out);
                }
                if lost {
                    let last = seen(&out).last().copied().unwrap();
                    made += missed;
                    replay.connected(None, false);
                    let begin = if resumes { last + 1 } else { 1 };
                    (begin..=made).for_each(|number| replay.event(event(number, 1), &mut out));
                    replay.remark(if resumes { Remark::Resumed } else { Remark::Replayed }, &mut out);
                }
            }
            proptest::prop_assert_eq!(seen(&out), (1..=made).collect::<Vec<_>>());
        }
    }
}
