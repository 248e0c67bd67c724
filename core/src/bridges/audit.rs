//! [`AuditDays`](loki_mode_spec::Bridge::AuditDays): real servers compare the dates of an audit query, as text, with the
//! days of their log files, and answer nothing to anything finer.

use std::borrow::Cow;

use jiff::civil::{self, Date};
use jiff::{SignedDuration, Timestamp};
use loki_mode_spec::Operation;
use serde::Deserialize;

use crate::args::{Args, Value};
use crate::events::{parse_timestamp, parse_timestamp_in_utc};

/// How far a log may be out of order: those who write to it do so side by side.
const DISORDER: SignedDuration = SignedDuration::from_secs(60);

/// The first day that texts of four digits for the year can name in their order.
const FIRST_DAY: Date = civil::date(1, 1, 1);

/// Which entries are wanted, where that is more than whole days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// The arguments with days for dates, and what has to be looked at besides: nothing if days are all that was given.
pub(crate) fn with_days(operation: &Operation, args: &Args) -> (Args, Option<Span>) {
    let bound = |args: &Args, name: &str| match args.named(operation, name) {
        Some(Value::Str(text)) => read(text),
        _ => None,
    };
    let mut daily = args.clone();
    let mut moment = |name: &str| {
        let bound = bound(args, name)?;
        let day = bound.day.max(FIRST_DAY).to_string();
        daily = daily.with(operation, name, Some(Value::Str(day)));
        bound.moment
    };
    let span = Span { first: moment("start_date"), last: moment("end_date") };
    let finer = span.first.is_some() || span.last.is_some();
    (daily, finer.then_some(span))
}

/// A bound: its day in UTC, and the moment, if it is one.
struct Bound {
    day: Date,
    moment: Option<Timestamp>,
}

fn read(text: &str) -> Option<Bound> {
    let day = parse_timestamp_in_utc(text)?.date();
    // Every form of a time has a colon, or at least the letter before it.
    let is_day = !text.contains([':', 'T', 't']);
    Some(Bound { day, moment: parse_timestamp(text).filter(|_| !is_day) })
}

impl Span {
    /// Whether the newest entries belong to it.
    pub(crate) fn is_open_above(&self) -> bool {
        self.last.is_none()
    }

    /// Whether none of the entries that follow this one, all of them older, can belong to it.
    pub(crate) fn is_over(&self, entry: &str) -> bool {
        let Some((first, time)) = self.first.zip(time(entry)) else { return false };
        first.duration_since(time) > DISORDER
    }

    /// Whether the entry, JSON text, belongs to it. One whose time cannot be read does: it is not for us to hide it.
    pub(crate) fn holds(&self, entry: &str) -> bool {
        let Some(time) = time(entry) else { return true };
        self.first.is_none_or(|first| time >= first) && self.last.is_none_or(|last| time <= last)
    }
}

fn time(entry: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow)]
        timestamp: Cow<'a, str>,
    }

    parse_timestamp(&serde_json::from_str::<Entry<'_>>(entry).ok()?.timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(start: Option<&str>, end: Option<&str>) -> (Option<Value>, Option<Value>, Option<Span>) {
        let operation = loki_mode_spec::operation("query_audit").unwrap();
        let args = Args::new(operation, vec![start.map(Value::from), end.map(Value::from)]).unwrap();
        let (args, span) = with_days(operation, &args);
        let named = |name| args.named(operation, name).cloned();
        (named("start_date"), named("end_date"), span)
    }

    #[test]
    fn days_stay_days_and_nothing_has_to_be_looked_at() {
        let (start, end, span) = days(Some("2026-02-01"), None);
        assert_eq!((start, end, span), (Some("2026-02-01".into()), None, None));
    }

    #[test]
    fn the_last_day_of_the_calendar_stands_for_no_end() {
        for end in ["9999-12-31", "9999-12-31T23:59:59Z"] {
            let (start, end, span) = days(Some("2026-02-01"), Some(end));
            assert_eq!((start, end, span), (Some("2026-02-01".into()), Some("9999-12-31".into()), None));
        }
    }

    #[test]
    fn what_is_before_the_calendar_of_servers_is_its_first_day() {
        for start in ["0001-01-01T00:00:00+14:00", "0000-02-01", "-000004-01-01T00:00:00Z"] {
            assert_eq!(days(Some(start), None).0, Some("0001-01-01".into()), "{start}");
        }
    }

    #[test]
    fn moments_become_days_in_utc() {
        for moment in ["2026-02-01T23:30:00-02:00", "2026-02-02T01:30Z", "2026-02-02 01:30:00"] {
            let (start, end, span) = days(Some("2026-02-01"), Some(moment));
            assert_eq!(start, Some("2026-02-01".into()));
            assert_eq!(end, Some("2026-02-02".into()), "{moment}");
            let span = span.unwrap();
            assert_eq!((span.first, span.last), (None, parse_timestamp("2026-02-02T01:30:00Z")), "{moment}");
        }
    }

    #[test]
    fn bounds_belong_to_the_span_and_so_does_what_cannot_be_read() {
        let (.., span) = days(Some("2026-02-01T08:00:00Z"), Some("2026-02-01T09:00:00Z"));
        let span = span.unwrap();
        let holds = |timestamp: &str| span.holds(&format!(r#"{{"timestamp":{timestamp}}}"#));
        for inside in ["2026-02-01T08:00:00", "2026-02-01T10:00:00+01:00", "2026-02-01T08:59:59.999999Z"] {
            assert!(holds(&format!("{inside:?}")), "{inside}");
        }
        for outside in ["2026-02-01T07:59:59.999999", "2026-02-01T09:00:00.000001+00:00"] {
            assert!(!holds(&format!("{outside:?}")), "{outside}");
        }
        for (timestamp, over) in [
            ("2026-02-01T07:59:00Z", false),
            ("2026-02-01T07:58:59Z", true),
            ("2026-02-01T08:30:00Z", false),
            ("?", false),
        ] {
            assert_eq!(span.is_over(&format!(r#"{{"timestamp":"{timestamp}"}}"#)), over, "{timestamp}");
        }
        assert!(holds(r#""this morning""#) && holds("5") && span.holds("{}") && span.holds("["));
    }
}
