//! What a frame of the stream says, in one form whatever the server.

use std::borrow::Cow;

use loki_mode_spec::EVENTS;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::LiveOptions;
use crate::args::Value;
use crate::bridges::present;
use crate::error::Error;
use crate::events::made::Made;
use crate::events::replay::Event;
use crate::events::sse::Frame;
use crate::events::timestamp::parse_timestamp;

/// Which events are wanted: servers are asked for them only, but not all of them listen.
#[derive(Debug)]
pub(in crate::events) struct Filter {
    session_id: Option<String>,
    types: Vec<String>,
    least_level: Option<usize>,
}

/// The levels of the log, in the order in which they grow.
fn levels() -> &'static [&'static str] {
    EVENTS.params.iter().find(|param| param.name == "min_level").map_or(&[], |param| param.known)
}

impl Filter {
    pub(in crate::events) fn new(options: &LiveOptions) -> Result<Self, Error> {
        let types: Vec<String> = options.types.iter().map(|name| with_colon(name).into_owned()).collect();
        if types.iter().any(|name| name.is_empty() || name.contains(',')) {
            let message = "`types` must be names of events such as \"task:completed\", one each";
            return Err(Error::config("types", message));
        }
        let least_level = match options.min_level.as_deref() {
            None => None,
            Some(level) => {
                let place = levels().iter().position(|known| *known == level);
                Some(place.ok_or_else(|| {
                    let message =
                        format!("`min_level` must be one of {}, not {level:?}", levels().join(", "));
                    Error::config("min_level", message)
                })?)
            }
        };
        let session_id = options.session_id.as_ref().map(|id| Value::to_text(id).into_owned());
        if session_id.as_deref() == Some("") {
            let message =
                "`session_id` is empty, which no event is of; leave it out for the events of all sessions";
            return Err(Error::config("session_id", message));
        }
        Ok(Filter { session_id, types, least_level })
    }

    fn lets_pass(&self, kind: &str, session: Option<&RawValue>) -> bool {
        if !self.types.is_empty() && !self.types.iter().any(|wanted| wanted == kind) {
            return false;
        }
        let level =
            kind.strip_prefix("log:").and_then(|level| levels().iter().position(|known| *known == level));
        if let (Some(level), Some(least)) = (level, self.least_level)
            && level < least
        {
            return false;
        }
        match (session, &self.session_id) {
            (Some(session), Some(wanted)) if session.get() != "null" => {
                session.get().trim_matches('"') == wanted
            }
            _ => true,
        }
    }
}

/// The name of a type with a colon: some servers say `task.completed`.
fn with_colon(kind: &str) -> Cow<'_, str> {
    if kind.contains(':') || !kind.contains('.') {
        return Cow::Borrowed(kind);
    }
    Cow::Owned(kind.replacen('.', ":", 1))
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "sessionId")]
    session_id: Option<&'a RawValue>,
}

/// The text of a JSON string.
fn string(json: &RawValue) -> Option<Cow<'_, str>> {
    let plain = json.get().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match plain {
        Some(text) if !text.contains('\\') => Some(Cow::Borrowed(text)),
        Some(_) => serde_json::from_str(json.get()).ok().map(Cow::Owned),
        None => None,
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text with some of the values in it replaced.
fn with_changes<'a>(text: &'a str, mut changes: Vec<(&'a RawValue, String)>) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    let begin = text.as_ptr() as usize;
    // From the end, so that what stands before keeps its place.
    changes.sort_by_key(|(value, _)| std::cmp::Reverse(value.get().as_ptr() as usize));
    for (value, with) in changes {
        let at = value.get().as_ptr() as usize - begin;
        text.to_mut().replace_range(at..at + value.get().len(), &with);
    }
    text
}

/// What a frame holds that is no event in the usual form.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Object(&'a RawValue),
    Text { text: &'a str },
}

/// Reads a frame; `None` if nobody wants it.
pub(in crate::events) fn read_event<'a>(frame: &Frame<'a>, filter: &Filter) -> Option<Event<'a>> {
    match std::str::from_utf8(frame.data) {
        Ok(data) => read_data(data, frame, filter),
        Err(_) => read_data(&String::from_utf8_lossy(frame.data), frame, filter).map(Event::into_owned),
    }
}

/// The same, given the data as text. What is in the usual form already is not copied.
fn read_data<'a>(data: &'a str, frame: &Frame<'a>, filter: &Filter) -> Option<Event<'a>> {
    let frame_id = frame.id.map(String::from_utf8_lossy).filter(|id| !id.is_empty());
    if data.trim_start().starts_with('{')
        && let Ok(Fields { id, kind: Some(kind), timestamp, session_id }) = serde_json::from_str(data)
        && let Some(said) = string(kind)
    {
        let normal = with_colon(&said);
        if !filter.lets_pass(&normal, session_id) {
            return None;
        }
        let time = timestamp.and_then(string).and_then(|text| parse_timestamp(&text));
        let own_id = id.filter(|id| id.get() != "null");
        let own_id = own_id.map(|id| string(id).unwrap_or_else(|| id.get().into()));
        let mut changes = Vec::new();
        if normal != said {
            changes.push((kind, quoted(&normal)));
        }
        if let (Some(null), None, Some(frame_id)) = (id, &own_id, &frame_id) {
            changes.push((null, quoted(frame_id)));
        }
        let mut json = with_changes(data.trim(), changes);
        if let (None, Some(frame_id)) = (id, &frame_id) {
            let rest = json.strip_prefix('{').unwrap_or_default();
            json = format!(r#"{{"id":{},{rest}"#, quoted(frame_id)).into();
        }
        return Some(Event { id: frame_id.or(own_id), time, json });
    }
    // Not an event in the usual form, such as the greeting of some servers: kept under the name of its frame.
    let name = String::from_utf8_lossy(frame.name);
    let kind = if name.is_empty() { Cow::Borrowed("message") } else { with_colon(&name) };
    if !filter.lets_pass(&kind, None) {
        return None;
    }
    let object = Some(data).filter(|data| data.trim_start().starts_with('{'));
    let data = match object.and_then(|data| serde_json::from_str::<&RawValue>(data).ok()) {
        Some(object) => Data::Object(object),
        None => Data::Text { text: data },
    };
    let json = Made { id: frame_id.as_deref(), kind: &kind, data }.to_json();
    Some(Event { id: frame_id, time: None, json: json.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame<'a>(id: &'a str, name: &'a str, data: &'a str) -> Frame<'a> {
        let id = Some(id.as_bytes()).filter(|id| !id.is_empty());
        Frame { id, name: name.as_bytes(), data: data.as_bytes() }
    }

    fn read(frame: &Frame<'_>, options: &LiveOptions) -> Option<String> {
        read_event(frame, &Filter::new(options).unwrap()).map(|event| event.json.into_owned())
    }

    #[test]
    fn events_of_every_server_come_in_one_form() {
        let all = LiveOptions::default();
        let usual =
            r#"{"id":"evt_6","type":"task:completed","timestamp":"2026-11-21T22:57:36Z","data":{"x":1.0}}"#;
        assert_eq!(read(&frame("evt_6", "task:completed", usual), &all).unwrap(), usual);
        let dotted = usual.replace("task:completed", "task.completed");
        assert_eq!(read(&frame("evt_6", "task.completed", &dotted), &all).unwrap(), usual);
        let event = read_event(&frame("evt_6", "x", usual), &Filter::new(&all).unwrap()).unwrap();
        assert_eq!(
            (event.id.as_deref(), event.time),
            (Some("evt_6"), parse_timestamp("2026-11-21T22:57:36Z"))
        );
        let without_id = r#"{"type":"heartbeat","data":{}}"#;
        let with_id = r#"{"id":"evt_1","type":"heartbeat","data":{}}"#;
        assert_eq!(read(&frame("evt_1", "heartbeat", without_id), &all).unwrap(), with_id);
        let null_id = r#"{"id":null,"type":"task.failed","data":{}}"#;
        let both = r#"{"id":"evt_1","type":"task:failed","data":{}}"#;
        assert_eq!(read(&frame("evt_1", "x", null_id), &all).unwrap(), both);
        let greeting = r#"{"id":null,"type":"connected","timestamp":null,"data":{"status":"idle"}}"#;
        assert_eq!(read(&frame("", "connected", r#"{"status":"idle"}"#), &all).unwrap(), greeting);
        let line = r#"{"id":null,"type":"log","timestamp":null,"data":{"text":"a \"raw\" line"}}"#;
        assert_eq!(read(&frame("", "log", "a \"raw\" line"), &all).unwrap(), line);
    }

    #[test]
    fn what_is_not_wanted_is_left_out_also_if_the_server_sends_it() {
        let event =
            |kind: &str, session: &str| format!(r#"{{"type":"{kind}","sessionId":"{session}","data":{{}}}}"#);
        let options = LiveOptions {
            session_id: Some(Value::from("s-1")),
            types: vec!["task.completed".to_owned(), "log:warn".to_owned(), "log:info".to_owned()],
            min_level: Some("warn".to_owned()),
            ..LiveOptions::default()
        };
        let passes =
            |kind: &str, session: &str| read(&frame("", "", &event(kind, session)), &options).is_some();
        assert!(passes("task:completed", "s-1") && passes("task.completed", "s-1"));
        assert!(passes("log:warn", "s-1") && !passes("log:info", "s-1"));
        assert!(!passes("task:completed", "s-2") && !passes("task:created", "s-1"));
        let error =
            Filter::new(&LiveOptions { min_level: Some("loud".to_owned()), ..LiveOptions::default() });
        assert!(error.unwrap_err().to_string().contains("min_level"));
    }
}
