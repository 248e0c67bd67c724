//! The history of live events, and figures about them.

use rusqlite::Connection;

use super::{Call, Handler};
use crate::answers::{Answer, Failure};
use crate::json;
use crate::live::{Filter, KEPT};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("get_event_history", history), ("get_event_stats", stats)];

/// How many events are answered unless `limit` says otherwise.
const DEFAULT_LIMIT: usize = 100;

fn history(call: &Call<'_>, _: &Connection) -> Result<Answer, Failure> {
    let inputs = call.inputs;
    let types = inputs.list("types").unwrap_or_default().iter().map(String::as_str);
    // There is no level that could be wrong.
    let filter = Filter::new(inputs.text("session_id"), types, None).unwrap_or_default();
    let limit = inputs.int("limit").map_or(DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap_or(KEPT));
    let events = call.live.latest(&filter, limit);
    let count = events.len().to_string();
    let events = json::array(events.iter().map(|event| event.json.clone()));
    Ok(Answer::json(json::object(|object| object.raw("events", &events).raw("count", &count))))
}

fn stats(call: &Call<'_>, _: &Connection) -> Result<Answer, Failure> {
    Ok(Answer::json(call.live.stats()))
}
