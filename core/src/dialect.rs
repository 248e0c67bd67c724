//! Which path family a server speaks: asked of it by using it, remembered for the client.

use std::sync::atomic::{AtomicU8, Ordering};

use loki_mode_spec::{Method, Operation};
use serde_json::value::RawValue;

use crate::config::PathStyle;
use crate::response::Answer;

/// What is known about a server. Nothing here locks: a race between two first calls costs one request.
#[derive(Debug)]
pub(crate) struct Dialect(AtomicU8);

const UNKNOWN: u8 = 0;
const GUIDE: u8 = 1;
const V2: u8 = 2;

/// A path to use, and the one to try if the server lacks the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) otherwise: Option<&'static str>,
}

impl Dialect {
    pub(crate) fn new(style: PathStyle) -> Self {
        Dialect(AtomicU8::new(match style {
            PathStyle::Auto => UNKNOWN,
            PathStyle::Guide => GUIDE,
            PathStyle::V2 => V2,
        }))
    }

    /// The path of an operation on this server, as far as is known.
    pub(crate) fn route(&self, operation: &Operation) -> Route {
        match (operation.v2_path, self.0.load(Ordering::Relaxed)) {
            (None, _) | (Some(_), GUIDE) => Route { path: operation.path, otherwise: None },
            (Some(v2), V2) => Route { path: v2, otherwise: None },
            (Some(v2), _) => Route { path: operation.path, otherwise: Some(v2) },
        }
    }

    /// Learns from an answer on a path. Refusals of the token and trouble of the server teach nothing: with auth on,
    /// real servers answer 401 on routes that they do not have.
    pub(crate) fn learn(&self, operation: &Operation, path: &str, answer: &Answer) {
        let Some(v2) = operation.v2_path else { return };
        let teaches = match answer.status {
            200..=299 => !answer.is_html(),
            400 | 404 | 409 | 422 => !is_unknown_route(operation.method, answer) && !answer.is_html(),
            _ => false,
        };
        if teaches {
            let learnt = if path == v2 { V2 } else { GUIDE };
            // Only the first lesson counts, and a configured style is never unlearnt.
            let _ = self.0.compare_exchange(UNKNOWN, learnt, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// Whether the server says that it has no such route, rather than no such thing.
///
/// Each server has its own way: v5.51 says exactly `Not Found` (a missing thing is `Run not found`), v9.22 names the
/// path on GET and answers 405 to anything else, older ones serve their web page, the Deno server names the route.
pub(crate) fn is_unknown_route(method: Method, answer: &Answer) -> bool {
    match answer.status {
        200 => method == Method::Get && answer.is_html(),
        404 if method == Method::Get && answer.is_html() => true,
        404 | 405 => says_unknown_route(method, &answer.body),
        _ => false,
    }
}

#[derive(serde::Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
}

fn says_unknown_route(method: Method, body: &[u8]) -> bool {
    let Ok(said) = serde_json::from_slice::<Said<'_>>(body) else { return false };
    let is = |value: Option<&RawValue>, text: &str| value.is_some_and(|value| value.get() == text);
    if is(said.detail, "\"Not Found\"") || (said.error.is_some() && said.path.is_some()) {
        return true;
    }
    if is(said.detail, "\"Method Not Allowed\"") {
        return method != Method::Get;
    }
    is(said.code, "\"NOT_FOUND\"")
        && said.error.is_some_and(|error| error.get().starts_with("\"No route found"))
}

#[cfg(test)]
mod tests {
    use ureq::http::{HeaderMap, header::CONTENT_TYPE};

    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]),
            body: body.as_bytes().to_vec(),
            method: "GET",
            path: "/x".to_owned(),
        }
    }

    fn unknown(method: Method, status: u16, body: &str) -> bool {
        is_unknown_route(method, &answer(status, "application/json", body))
    }

    #[test]
    fn routes_and_things_are_told_apart() {
        for (method, status, body) in [
            (Method::Get, 404, r#"{"detail":"Not Found"}"#),
            (Method::Post, 404, r#"{"detail":"Not Found"}"#),
            (Method::Get, 404, r#"{"error":"Not Found","path":"/api/runs"}"#),
            (Method::Post, 405, r#"{"detail":"Method Not Allowed"}"#),
            (Method::Get, 404, r#"{"error":"No route found for GET /api/runs","code":"NOT_FOUND"}"#),
        ] {
            assert!(unknown(method, status, body), "{status} {body}");
        }
        for (method, status, body) in [
            (Method::Get, 404, r#"{"detail":"Run not found"}"#),
            (Method::Get, 404, r#"{"error":"Session not found: x","code":"SESSION_NOT_FOUND"}"#),
            (Method::Get, 405, r#"{"detail":"Method Not Allowed"}"#),
            (Method::Get, 404, ""),
            (Method::Get, 401, r#"{"detail":"Not Found"}"#),
            (Method::Get, 500, r#"{"detail":"Not Found"}"#),
            (Method::Get, 200, r#"{"detail":"Not Found"}"#),
        ] {
            assert!(!unknown(method, status, body), "{status} {body}");
        }
        let page = "<!DOCTYPE html><html></html>";
        assert!(is_unknown_route(Method::Get, &answer(200, "text/html; charset=utf-8", page)));
        assert!(!is_unknown_route(Method::Post, &answer(200, "text/html", page)));
    }

    #[test]
    fn the_first_telling_answer_is_remembered() {
        let list = loki_mode_spec::operation("list_runs").unwrap();
        let v2 = list.v2_path.unwrap();
        let both = Route { path: list.path, otherwise: Some(v2) };
        let dialect = Dialect::new(PathStyle::Auto);
        assert_eq!(dialect.route(list), both);
        for status in [401, 403, 429, 500, 503] {
            dialect.learn(list, v2, &answer(status, "application/json", "{}"));
        }
        dialect.learn(list, list.path, &answer(404, "application/json", r#"{"detail":"Not Found"}"#));
        dialect.learn(list, list.path, &answer(200, "text/html", "<html>"));
        assert_eq!(dialect.route(list), both);
        dialect.learn(list, v2, &answer(404, "application/json", r#"{"detail":"Run not found"}"#));
        assert_eq!(dialect.route(list), Route { path: v2, otherwise: None });
        dialect.learn(list, list.path, &answer(200, "application/json", "[]"));
        assert_eq!(dialect.route(list), Route { path: v2, otherwise: None });
    }
}
