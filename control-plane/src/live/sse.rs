//! `GET /api/events`: the events as server-sent events, in the form of the HTTP/SSE API.
//!
//! Beyond that API it honours `Last-Event-ID`, and says in a comment whether it could.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, header, request};
use futures_util::stream::unfold;
use loki_mode_spec::{EVENTS, Param};
use tokio::sync::broadcast;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::filter::{Filter, LEVELS};
use super::{Event, Hub, Past};
use crate::answers::Failure;
use crate::clock;
use crate::connection::{Busy, Link};

/// A listener's connection.
struct Listening {
    /// What is to be sent before anything else.
    first: VecDeque<Bytes>,
    filter: Filter,
    events: broadcast::Receiver<Arc<Event>>,
    keep_alive: Interval,
    /// The connection is at work for as long as it is listened on.
    _busy: Option<Busy>,
}

/// The frame of an event.
fn frame(event: &Event) -> Bytes {
    Bytes::from(format!("id: {}\nevent: {}\ndata: {}\n\n", event.id, event.kind, event.json))
}

fn comment(text: &str) -> Bytes {
    Bytes::from(format!(": {text}\n\n"))
}

/// The wire name of a parameter of the stream.
fn wire(name: &str) -> &'static str {
    EVENTS.params.iter().find(|param: &&Param| param.name == name).map_or("", |param| param.wire)
}

/// Answers a request for the events.
pub(crate) fn stream(
    hub: &Hub,
    parts: &request::Parts,
    keep_alive: Duration,
) -> Result<Response<Body>, Failure> {
    let query: HashMap<_, _> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).collect();
    let given = |name| query.get(wire(name)).map(AsRef::as_ref);
    let types = given("types").unwrap_or_default().split(',');
    let filter = Filter::new(given("session_id"), types, given("min_level")).map_err(|level| {
        let problem = format!("{} must be one of {}, not {level}", wire("min_level"), LEVELS.join(", "));
        Failure::coded(StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR", problem)
    })?;
    let history = match given("history") {
        None => None,
        Some(text) => Some(text.parse::<usize>().map_err(|_| {
            let problem = format!("{} must be a number from 0, not {text}", wire("history"));
            Failure::coded(StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR", problem)
        })?),
    };
    let last = EVENTS.resume_header.and_then(|name| parts.headers.get(name));
    let last = last.and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());

    let listener = hub.listen(&filter, last, history.unwrap_or(0));
    let mut first = VecDeque::from([comment("connected to loki-mode event stream")]);
    if matches!(listener.past, Past::Unknown(_)) {
        first.push_back(comment("not resumed"));
    }
    match listener.past {
        Past::Since(events) => {
            first.extend(events.iter().map(|event| frame(event)));
            first.push_back(comment(&format!("resumed after {}", last.unwrap_or_default())));
        }
        Past::Unknown(events) | Past::Latest(events) => {
            first.extend(events.iter().map(|event| frame(event)));
            if history.is_some_and(|count| count > 0) {
                first.push_back(comment(&format!("replayed {} historical events", events.len())));
            }
        }
    }
    let mut beat = interval_at(tokio::time::Instant::now() + keep_alive, keep_alive);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listening = Listening {
        first,
        filter,
        events: listener.events,
        keep_alive: beat,
        _busy: parts.extensions.get::<Link>().map(Link::busy),
    };
    let mut response = Response::new(Body::from_stream(unfold(listening, next)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The next thing to send; nothing if the listener has fallen too far behind, or the server ends.
async fn next(mut listening: Listening) -> Option<(Result<Bytes, std::convert::Infallible>, Listening)> {
    if let Some(bytes) = listening.first.pop_front() {
        return Some((Ok(bytes), listening));
    }
    loop {
        tokio::select! {
            biased;
            event = listening.events.recv() => match event {
                Ok(event) if listening.filter.lets(&event) => return Some((Ok(frame(&event)), listening)),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => return None,
            },
            _ = listening.keep_alive.tick() => {
                let beat = comment(&format!("keep-alive {}", clock::now() / 1000));
                return Some((Ok(beat), listening));
            }
        }
    }
}
