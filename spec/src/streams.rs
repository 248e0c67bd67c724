//! The endpoints that keep a connection open and send one thing after the other.

use crate::known::Known;
use crate::live::{DASHBOARD_MESSAGE, LIVE_EVENT};
use crate::operation::{Model, Param, ParamType};

const LEVELS: &Known = &Known::new("LogLevel", &["debug", "info", "warn", "error"]);

/// An endpoint that streams.
#[derive(Debug)]
pub struct Stream {
    /// The name in snake case.
    pub name: &'static str,
    /// What it sends.
    pub doc: &'static str,
    /// The path.
    pub path: &'static str,
    /// How it is spoken.
    pub kind: StreamKind,
    /// The parameters, all of them optional and in the query string; a list is one value, its items separated by commas.
    pub params: &'static [Param],
    /// The header by which a client that comes back says what it received last.
    pub resume_header: Option<&'static str>,
    /// The query parameter that holds the token, where that does not travel as a bearer token.
    pub token_param: Option<&'static str>,
    /// What each message is.
    pub item: &'static Model,
}

/// How a stream is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// Server-sent events: a GET whose answer does not end.
    ServerSentEvents,
    /// A WebSocket with JSON messages.
    WebSocket,
}

/// The live events of the HTTP/SSE API.
pub const EVENTS: Stream = Stream {
    name: "events",
    doc: "Sends live events as they happen. The server remembers the latest 1000 and replays the last ones on request; one that knows \
          `Last-Event-ID` sends what was missed since. Dashboards have no such route.",
    path: "/api/events",
    kind: StreamKind::ServerSentEvents,
    params: &[
        Param::query("session_id", ParamType::Str, "Only events of this session.").wire("sessionId"),
        Param::query(
            "types",
            ParamType::StrList,
            "Only events of these types, for example `task:completed`.",
        ),
        Param::query("min_level", ParamType::Str, "Only lines of the log of this level or above.")
            .wire("minLevel")
            .known(LEVELS),
        Param::query(
            "history",
            ParamType::Int,
            "How many of the latest events to replay first; none by default.",
        ),
    ],
    resume_header: Some("Last-Event-ID"),
    token_param: None,
    item: &LIVE_EVENT,
};

/// The messages of the dashboard's WebSocket.
pub const WATCH: Stream = Stream {
    name: "watch",
    doc: "Tells of changes of projects and tasks as they happen. It has no history, no runs and no filters. The token travels in the \
          query string; a refusal of the handshake is a 403, whatever the reason. Servers send a `ping` to a client that is silent \
          for 30 s, and some hang up after 60 s.",
    path: "/ws",
    kind: StreamKind::WebSocket,
    params: &[],
    resume_header: None,
    token_param: Some("token"),
    item: &DASHBOARD_MESSAGE,
};

/// Every stream.
pub const STREAMS: &[Stream] = &[EVENTS, WATCH];
