//! What is asked for, at first and after a connection was lost.

use loki_mode_spec::EVENTS;
use ureq::http::{HeaderName, HeaderValue, header};

use super::{Live, LiveOptions};
use crate::request::Request;

/// How many events a server is asked for when the connection was lost: all that it remembers.
const WHOLE_HISTORY: &str = "1000";

/// What of the query is the same each time.
pub(super) fn query_of(options: &LiveOptions) -> Vec<(&'static str, String)> {
    let wire = |name: &str| EVENTS.params.iter().find(|param| param.name == name).map(|param| param.wire);
    // Servers compare names as text, and each has one of the two spellings.
    let types: Vec<String> = options
        .types
        .iter()
        .flat_map(|name| [name.replacen('.', ":", 1), name.replacen(':', ".", 1)])
        .collect();
    let pairs = [
        ("session_id", options.session_id.as_ref().map(|id| id.to_text().into_owned())),
        ("types", Some(types.join(",")).filter(|types| !types.is_empty())),
        ("min_level", options.min_level.clone()),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((wire(name)?, value?))).collect()
}

impl Live {
    pub(super) fn request(&self) -> Request {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.query);
        let history = match self.history {
            _ if self.connected_before => Some(WHOLE_HISTORY.to_owned()),
            history => history.map(|count| count.to_string()),
        };
        let name = EVENTS.params.iter().find(|param| param.name == "history").map(|param| param.wire);
        if let (Some(name), Some(history)) = (name, history) {
            query.append_pair(name, &history);
        }
        Request { query: query.finish(), ..Request::get(EVENTS.path) }
    }

    pub(super) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = vec![
            (header::ACCEPT, HeaderValue::from_static("text/event-stream")),
            (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        // An id that fits in no header is not asked for; the replay is.
        if let (Some(name), Some(id)) = (EVENTS.resume_header, self.replay.last_event_id())
            && let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(id))
        {
            headers.push((name, value));
        }
        headers
    }
}
