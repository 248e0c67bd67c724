//! [`AuditDays`](loki_mode_spec::Bridge::AuditDays): real servers compare the dates of an audit query, as text, with the
//! days of their log files, and answer nothing to anything finer.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;
use loki_mode_spec::Operation;
use serde::Deserialize;

use crate::args::{Args, Value};
use crate::events::{parse_timestamp, parse_timestamp_in_utc};

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
        let day = bound.day.strftime("%Y-%m-%d").to_string();
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
    /// Whether the entry, JSON text, belongs to it. One whose time cannot be read does: it is not for us to hide it.
    pub(crate) fn holds(&self, entry: &str) -> bool {
        #[derive(Deserialize)]
        struct Entry<'a> {
            #[serde(borrow)]
            timestamp: Cow<'a, str>,
        }
        let Ok(entry) = serde_json::from_str::<Entry<'_>>(entry) else { return true };
        let Some(time) = parse_timestamp(&entry.timestamp) else { return true };
        self.first.is_none_or(|first| time >= first) && self.last.is_none_or(|last| time <= last)
    }
}
