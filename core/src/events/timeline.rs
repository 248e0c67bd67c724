//! Reading the timeline of a run again and again: only what is new in it is looked at event by event.
//!
//! A server that answers the whole timeline every time repeats the same bytes and adds to them. Their digest is kept, so
//! that a poll costs one pass over the bytes, whatever their number, and work for the new events.

use foldhash::fast::FixedState;
use jiff::Timestamp;
use loki_mode_spec::LAST_RUN_EVENTS;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::hash::BuildHasher as _;

use super::timestamp::parse_timestamp;
use super::watermark::{Entry, Found, Id, Watermark, fingerprint};
use crate::bridges::present;
use crate::error::{Error, ErrorInfo, ErrorKind};

/// What JSON takes for space.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// A timeline, and how far it has been read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timeline {
    pub(crate) mark: Watermark,
    known: Option<Known>,
    /// The earliest event of the last answer.
    oldest: Option<Timestamp>,
}

/// The beginning of an answer, up to the end of its last event. Nothing in it is new.
#[derive(Debug, Clone, Copy)]
struct Known {
    length: usize,
    digest: u64,
}

/// What an answer holds beside events.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Told {
    /// The run has a duration, and so an end; unknown if the server does not speak of it.
    pub(crate) ended: Option<bool>,
}

/// New events.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) events: Events,
    pub(crate) told: Told,
    /// The earliest event of the answer.
    pub(crate) oldest: Option<Timestamp>,
    /// The answer holds events that were given out.
    pub(crate) meets_known: bool,
}

impl News {
    /// Whether the answer holds events from before this moment.
    pub(crate) fn reaches_back_beyond(&self, since: Timestamp) -> bool {
        self.oldest.is_some_and(|oldest| oldest < since)
    }
}

/// Events in the order in which they are to be given out: their texts as they came, and who they are.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The texts, each followed by a comma.
    text: String,
    /// Where each text ends in it, without its comma.
    ends: Vec<usize>,
    pub(crate) entries: Vec<Entry>,
    /// One of them says that the run has ended.
    pub(crate) ends_run: bool,
}

impl Events {
    fn of(items: &[Item<'_>], fresh: &[usize]) -> Self {
        let mut events = Events::default();
        for item in fresh.iter().filter_map(|at| items.get(*at)) {
            events.push(item.text, item.entry.clone());
            events.ends_run |= item.ends_run;
        }
        events
    }

    fn push(&mut self, text: &str, entry: Entry) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
        self.text.push(',');
        self.entries.push(entry);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Some of them as a JSON array.
    pub(crate) fn to_json(&self, range: std::ops::Range<usize>) -> String {
        if range.is_empty() {
            return "[]".to_owned();
        }
        let begin = if range.start == 0 { 0 } else { self.ends[range.start - 1] + 1 };
        format!("[{}]", &self.text[begin..self.ends[range.end - 1]])
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event_type: Option<&'a RawValue>,
}

/// What may surround the events.
#[derive(Deserialize)]
struct Envelope<'a> {
    // Null counts as present.
    #[serde(borrow, default, deserialize_with = "present")]
    duration_seconds: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// What it says, if it is an object.
    fn parse(text: &str) -> Option<Told> {
        let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
        Some(Told { ended: envelope.duration_seconds.map(|value| value.get() != "null") })
    }
}

/// An event, read as far as needed.
struct Item<'a> {
    text: &'a str,
    entry: Entry,
    ends_run: bool,
}

impl<'a> Item<'a> {
    fn read(text: &'a RawValue) -> Result<Self, Error> {
        let fields: Fields<'_> = serde_json::from_str(text.get()).map_err(no_timeline)?;
        let time = fields.timestamp.and_then(|value| json_time(value.get()));
        let kind = fields.event_type.map_or("", RawValue::get);
        Ok(Item {
            text: text.get(),
            entry: Entry { id: Id::from_json(fields.id.get()), print: fingerprint(time, kind), time },
            ends_run: LAST_RUN_EVENTS.contains(&kind.trim_matches('"')),
        })
    }
}

fn json_time(json: &str) -> Option<Timestamp> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    // Timestamps need no escapes.
    parse_timestamp(inner)
}

pub(crate) fn no_timeline(error: serde_json::Error) -> Error {
    ErrorInfo::new(ErrorKind::Decode, format!("the timeline is no list of events: {error}")).into()
}

impl Timeline {
    /// A timeline that was read as far as this.
    pub(crate) fn marked(mark: Watermark) -> Self {
        Timeline { mark, ..Timeline::default() }
    }

    /// Moves the moment before which events are left out; see [`Watermark::move_start`].
    pub(crate) fn start_at(&mut self, since: Option<Timestamp>) {
        let before = self.mark.from();
        self.mark.move_start(since);
        if self.mark.from() != before {
            // What was left out may be wanted now.
            self.forget_answer();
        }
    }

    /// Finds the new events of an answer. `list` finds the array of events in its body, which may stand in an envelope.
    ///
    /// Whoever gives them out tells the watermark, one by one, before the next answer is read.
    ///
    /// # Errors
    /// [`Error::Decode`] if the answer is no timeline.
    pub(crate) fn read<'a>(
        &mut self,
        body: &'a [u8],
        list: impl FnOnce() -> Result<&'a str, Error>,
    ) -> Result<News, Error> {
        if let Some((tail, told)) = self.tail(body) {
            let entries: Vec<Entry> = tail.iter().map(|item| item.entry.clone()).collect();
            let fresh = self.mark.pick(&entries);
            let oldest = self.oldest;
            return Ok(News { events: Events::of(&tail, &fresh), told, oldest, meets_known: true });
        }
        let list = list()?;
        let texts: Vec<&RawValue> = serde_json::from_str(list).map_err(no_timeline)?;
        let items: Vec<Item<'_>> = texts.into_iter().map(Item::read).collect::<Result<_, _>>()?;
        let told = std::str::from_utf8(body).ok().and_then(Envelope::parse).unwrap_or_default();
        self.known = items.last().and_then(|last| Known::up_to_end_of(last.text, body));
        let entries: Vec<Entry> = items.iter().map(|item| item.entry.clone()).collect();
        self.oldest = entries.iter().filter_map(|entry| entry.time).min();
        let Found { fresh, .. } = self.mark.look(&entries);
        let meets_known = entries.iter().any(|entry| self.mark.knows(entry));
        Ok(News { events: Events::of(&items, &fresh), told, oldest: self.oldest, meets_known })
    }

    /// Reads the whole answer the next time, since what was found is not given out after all.
    pub(crate) fn forget_answer(&mut self) {
        self.known = None;
    }

    /// What stands behind the part that is known; `None` if the answer has to be read as a whole.
    fn tail<'a>(&mut self, body: &'a [u8]) -> Option<(Vec<Item<'a>>, Told)> {
        let known = self.known?;
        let (begin, rest) = body.split_at_checked(known.length)?;
        if digest(begin) != known.digest {
            return None;
        }
        let mut rest = std::str::from_utf8(rest).ok()?;
        let mut items = Vec::new();
        loop {
            rest = rest.trim_start_matches(SPACE);
            if let Some(envelope) = rest.strip_prefix(']') {
                let told = if body.trim_ascii_start().starts_with(b"{") {
                    // What stands behind the events belongs to an object, whose beginning is known.
                    let fields = envelope.trim_start_matches(SPACE);
                    let fields = fields.strip_prefix(',').unwrap_or(fields);
                    Envelope::parse(&format!("{{{fields}"))?
                } else if envelope.trim_matches(SPACE).is_empty() {
                    Told::default()
                } else {
                    return None;
                };
                if let Some(last) = items.last() {
                    let last: &Item<'_> = last;
                    self.known = Known::up_to_end_of(last.text, body);
                }
                return Some((items, told));
            }
            rest = rest.strip_prefix(',')?;
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
            items.push(Item::read(values.next()?.ok()?).ok()?);
            rest = &rest[values.byte_offset()..];
        }
    }
}

impl Known {
    /// `text` is a part of the body.
    fn up_to_end_of(text: &str, body: &[u8]) -> Option<Self> {
        let begin = (text.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        let length = begin.checked_add(text.len()).filter(|length| *length <= body.len())?;
        Some(Known { length, digest: digest(&body[..length]) })
    }
}

fn digest(bytes: &[u8]) -> u64 {
    FixedState::with_seed(0x6c6f_6b69).hash_one(bytes)
}
