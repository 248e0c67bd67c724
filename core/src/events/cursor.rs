//! Which events of a timeline are new: pure, without I/O.
//!
//! Real servers answer the whole timeline every time, and many events share one second: neither `>` nor `>=` on
//! timestamps gives each event once. So the identity of an event decides, and timestamps only say where to begin.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, ErrorInfo, ErrorKind};

/// How far each run has been read: a few words per run, however many events it has.
#[derive(Debug, Default)]
pub struct Watermarks(HashMap<String, Watermark>);

/// The last event that was given out.
#[derive(Debug, Clone, PartialEq)]
struct Watermark {
    /// Its id, as JSON text.
    id: String,
    /// The same as a number, if it is one.
    number: Option<i64>,
    /// Its timestamp, as JSON text.
    timestamp: String,
    /// Ids of the events given out that share its timestamp: all that is needed to go on where ids are no numbers
    /// and the event itself is no longer in the timeline.
    same_time: Vec<String>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
}

impl Event<'_> {
    fn number(&self) -> Option<i64> {
        self.id.get().parse().ok()
    }

    fn timestamp_text(&self) -> &str {
        self.timestamp.map_or("null", RawValue::get)
    }

    fn time(&self) -> Option<Timestamp> {
        json_time(self.timestamp_text())
    }
}

fn json_time(json: &str) -> Option<Timestamp> {
    serde_json::from_str::<String>(json).ok().as_deref().and_then(parse_timestamp)
}

/// Reads the forms that servers send: with `Z`, with an offset, or without either, which means UTC; with or without
/// fractions of a second; a bare date is its first moment.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse::<Timestamp>().ok().or_else(|| {
        text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

/// Reads the `since` of a caller.
///
/// # Errors
/// [`Error::Config`] if it is no timestamp.
pub fn parse_since(text: &str) -> Result<Timestamp, Error> {
    parse_timestamp(text).ok_or_else(|| {
        let message = "`since` must be a timestamp like 2026-11-21T22:49:47Z, as events carry it";
        Error::config("since", message)
    })
}

impl Watermarks {
    /// Picks from a timeline, a JSON array in the order of events, those that were not given out before and are not
    /// older than `since`; returns them as a JSON array in which each event's text is as it came. An event without a
    /// readable timestamp counts as not older.
    ///
    /// A timeline that begins anew, since the server was restarted without its data, is noticed by its ids.
    ///
    /// # Errors
    /// [`Error::Decode`] if the timeline is no list of events.
    pub fn new_events(
        &mut self,
        run_id: &str,
        since: Option<Timestamp>,
        timeline: &str,
    ) -> Result<String, Error> {
        let texts: Vec<&RawValue> = serde_json::from_str(timeline).map_err(no_timeline)?;
        let events: Vec<Event<'_>> = texts
            .iter()
            .map(|text| serde_json::from_str(text.get()))
            .collect::<Result<_, _>>()
            .map_err(no_timeline)?;
        let known = self.0.get(run_id).filter(|mark| !mark.is_outlived_by(&events));
        let fresh = known.map_or_else(|| (0..events.len()).collect(), |mark| mark.after(&events));
        let given: Vec<usize> = fresh
            .into_iter()
            .filter(|&index| since.is_none_or(|since| events[index].time().is_none_or(|time| time >= since)))
            .collect();
        if let Some(&last) = given.last() {
            let mark = Watermark::at(&events[last], &events, &given, known);
            self.0.insert(run_id.to_owned(), mark);
        }
        let picked: Vec<&str> = given.iter().map(|&index| texts[index].get()).collect();
        Ok(format!("[{}]", picked.join(",")))
    }
}

fn no_timeline(error: serde_json::Error) -> Error {
    ErrorInfo::new(ErrorKind::Decode, format!("the timeline is no list of events: {error}")).into()
}

impl Watermark {
    fn at(last: &Event<'_>, events: &[Event<'_>], given: &[usize], before: Option<&Watermark>) -> Self {
        let timestamp = last.timestamp_text().to_owned();
        let number = last.number();
        let mut same_time = Vec::new();
        if number.is_none() {
            if let Some(before) = before.filter(|before| before.timestamp == timestamp) {
                same_time.clone_from(&before.same_time);
            }
            let now = given.iter().map(|&index| &events[index]).filter(|e| e.timestamp_text() == timestamp);
            same_time.extend(now.map(|event| event.id.get().to_owned()));
        }
        Watermark { id: last.id.get().to_owned(), number, timestamp, same_time }
    }

    /// Whether the timeline is another one than that which was read: it ends before the mark, or has another event
    /// in its place.
    fn is_outlived_by(&self, events: &[Event<'_>]) -> bool {
        let Some(number) = self.number else { return false };
        let mut highest = None;
        for event in events {
            if event.number() == Some(number) {
                return event.timestamp_text() != self.timestamp;
            }
            highest = highest.max(event.number());
        }
        highest.is_some_and(|highest| highest < number)
    }

    /// The places of the events after the mark.
    fn after(&self, events: &[Event<'_>]) -> Vec<usize> {
        if let Some(number) = self.number {
            let later = |event: &Event<'_>| event.number().is_none_or(|candidate| candidate > number);
            return (0..events.len()).filter(|&index| later(&events[index])).collect();
        }
        if let Some(place) = events.iter().position(|event| event.id.get() == self.id) {
            return (place + 1..events.len()).collect();
        }
        let time = json_time(&self.timestamp);
        let later = |event: &Event<'_>| match (event.time(), time) {
            (Some(candidate), Some(time)) if candidate != time => candidate > time,
            _ => !self.same_time.iter().any(|id| id == event.id.get()),
        };
        (0..events.len()).filter(|&index| later(&events[index])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(events: &[(i64, &str)]) -> String {
        let events: Vec<_> =
            events.iter().map(|(id, time)| format!(r#"{{"id":{id},"timestamp":"{time}"}}"#)).collect();
        format!("[{}]", events.join(","))
    }

    fn ids(json: &str) -> Vec<i64> {
        let events: Vec<Event<'_>> = serde_json::from_str(json).unwrap();
        events.iter().map(|event| event.number().unwrap()).collect()
    }

    fn since(text: &str) -> Option<Timestamp> {
        Some(parse_since(text).unwrap())
    }

    const T: &str = "2026-11-21T22:50:49";

    #[test]
    fn events_of_one_second_come_once_each_however_the_guide_polls() {
        let mut marks = Watermarks::default();
        let first = marks.new_events("1", None, &timeline(&[(1, T), (2, T)])).unwrap();
        assert_eq!(ids(&first), [1, 2]);
        let second = marks.new_events("1", since(T), &timeline(&[(1, T), (2, T), (3, T)])).unwrap();
        assert_eq!(ids(&second), [3]);
        assert_eq!(marks.new_events("1", since(T), &timeline(&[(1, T), (2, T), (3, T)])).unwrap(), "[]");
        let other_run = marks.new_events("2", None, &timeline(&[(1, T)])).unwrap();
        assert_eq!(ids(&other_run), [1]);
    }

    #[test]
    fn since_is_inclusive_in_every_form_of_a_timestamp() {
        let all = [(1, "2026-11-21T22:50:48"), (2, T), (3, "2026-11-21T22:50:49.642180Z")];
        for form in [T, "2026-11-21T22:50:49Z", "2026-11-21T23:50:49+01:00", "2026-11-21T22:50:49.000000"] {
            let new = Watermarks::default().new_events("1", since(form), &timeline(&all)).unwrap();
            assert_eq!(ids(&new), [2, 3], "{form}");
        }
        let new = Watermarks::default().new_events("1", since("2026-11-21"), &timeline(&all)).unwrap();
        assert_eq!(ids(&new), [1, 2, 3]);
        assert!(matches!(parse_since("yesterday"), Err(Error::Config(_))));
    }

    #[test]
    fn a_timeline_that_begins_anew_is_noticed() {
        let mut marks = Watermarks::default();
        marks.new_events("1", None, &timeline(&[(8, T), (9, T)])).unwrap();
        let later = "2026-11-21T23:00:00";
        assert_eq!(ids(&marks.new_events("1", since(T), &timeline(&[(1, later)])).unwrap()), [1]);
        let replaced = timeline(&[(1, "2026-11-21T23:30:00"), (2, "2026-11-21T23:30:00")]);
        assert_eq!(ids(&marks.new_events("1", None, &replaced).unwrap()), [1, 2]);
    }

    #[test]
    fn ids_that_are_no_numbers_work_too_also_when_the_timeline_loses_its_beginning() {
        let event = |id: &str, time: &str| format!(r#"{{"id":"{id}","timestamp":"{time}","x":1.0}}"#);
        let list = |events: &[String]| format!("[{}]", events.join(","));
        let mut marks = Watermarks::default();
        let (a, b, c) = (event("a", T), event("b", T), event("c", T));
        assert_eq!(marks.new_events("r", None, &list(&[a, b.clone()])).unwrap().matches("id").count(), 2);
        assert_eq!(marks.new_events("r", None, &list(&[b.clone(), c.clone()])).unwrap(), list(&[c]));
        let d = event("d", "2026-11-21T22:50:50");
        assert_eq!(marks.new_events("r", None, &list(&[b, d.clone()])).unwrap(), list(&[d]));
    }

    #[test]
    fn what_is_no_timeline_is_an_error() {
        for bad in ["{}", "[1]", "[{}]", "["] {
            let error = Watermarks::default().new_events("1", None, bad).unwrap_err();
            assert!(matches!(error, Error::Decode(_)), "{bad}");
        }
    }

    proptest::proptest! {
        /// However a growing timeline is cut into polls, following it as the guide does gives each event once.
        #[test]
        fn each_event_comes_exactly_once(
            seconds in proptest::collection::vec(0_u32..4, 1..40),
            polls in proptest::collection::vec(1_usize..10, 1..40),
        ) {
            let mut clock = 0;
            let events: Vec<(i64, String)> = seconds
                .iter()
                .enumerate()
                .map(|(index, step)| {
                    clock += step;
                    (index as i64 + 1, format!("2026-11-21T22:{:02}:{:02}", clock / 60, clock % 60))
                })
                .collect();
            let mut marks = Watermarks::default();
            let (mut seen, mut shown, mut last_time) = (Vec::new(), 0, None);
            for step in polls.into_iter().chain([events.len()]) {
                shown = (shown + step).min(events.len());
                let visible: Vec<_> = events[..shown].iter().map(|(id, time)| (*id, time.as_str())).collect();
                let new = ids(&marks.new_events("1", last_time, &timeline(&visible)).unwrap());
                if let Some(last) = new.last() {
                    last_time = since(&events[*last as usize - 1].1);
                }
                seen.extend(new);
            }
            proptest::prop_assert_eq!(seen, (1..=events.len() as i64).collect::<Vec<_>>());
        }
    }
}
