//! Answers: what a handler returns, and the bodies of everything that goes wrong.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use crate::json;
use crate::news::News;
use crate::profile::Profile;

/// What a handler answers when all went well; unless it says otherwise, the status is the operation's.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The JSON text, if the operation returns anything.
    pub(crate) body: Option<String>,
    /// The thing that was changed, for the audit log, where it is not the one named in the path.
    pub(crate) resource: Option<String>,
    /// The status, where it is not the operation's.
    pub(crate) status: Option<StatusCode>,
    /// What others hear of it.
    pub(crate) news: Vec<News>,
    /// The session that begins to play.
    pub(crate) plays: Option<String>,
}

impl Answer {
    /// JSON text.
    pub(crate) fn json(body: String) -> Self {
        Answer { body: Some(body), ..Answer::nothing() }
    }

    /// Nothing.
    pub(crate) fn nothing() -> Self {
        Answer { body: None, resource: None, status: None, news: Vec::new(), plays: None }
    }

    /// Answers with another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Tells others, once the change is committed.
    pub(crate) fn telling(mut self, news: impl IntoIterator<Item = News>) -> Self {
        self.news.extend(news);
        self
    }

    /// Lets a session play, once the change is committed.
    pub(crate) fn playing(mut self, session: &str) -> Self {
        self.plays = Some(session.to_owned());
        self
    }

    /// Names the thing that was created.
    pub(crate) fn about(mut self, resource: impl ToString) -> Self {
        self.resource = Some(resource.to_string());
        self
    }
}

/// One thing that is wrong with the input.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The kind of problem, for example `missing`.
    pub(crate) kind: &'static str,
    /// Where it is, as a JSON array.
    pub(crate) loc: String,
    /// What is wrong, for people.
    pub(crate) msg: String,
    /// What was sent, as JSON text.
    pub(crate) input: String,
    /// Figures of the rule that was broken, as JSON text.
    pub(crate) ctx: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No token, or none that works.
    Unauthorized(&'static str),
    /// Refused for a reason that fits in a sentence.
    Refused(StatusCode, String),
    /// The same in the manner of the HTTP/SSE API: with a code.
    Coded(StatusCode, &'static str, String),
    /// The input does not fit the operation.
    Invalid(Vec<Problem>),
    /// Something broke, for the reason given (which goes to the log, never to the client).
    Internal(String),
}

impl Failure {
    /// The thing is not there.
    pub(crate) fn not_found(thing: &str) -> Self {
        Failure::Refused(StatusCode::NOT_FOUND, format!("{thing} not found"))
    }

    /// A rule forbids it.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Failure::Refused(StatusCode::BAD_REQUEST, detail.into())
    }

    /// The token does not allow it.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Failure::Refused(StatusCode::FORBIDDEN, detail.into())
    }

    /// It is not in a state in which that can be done.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Failure::Refused(StatusCode::CONFLICT, detail.into())
    }

    /// Refused with a code.
    pub(crate) fn coded(status: StatusCode, code: &'static str, error: impl Into<String>) -> Self {
        Failure::Coded(status, code, error.into())
    }

    /// The same in the manner of the HTTP/SSE API, as far as that has words for it.
    pub(crate) fn with_code(self) -> Self {
        let Failure::Invalid(problems) = self else { return self };
        let Some(problem) = problems.first() else { return Failure::Invalid(problems) };
        if problem.kind == "json_invalid" {
            return Failure::coded(StatusCode::BAD_REQUEST, "BAD_REQUEST", "Invalid JSON body");
        }
        let place: Vec<serde_json::Value> = serde_json::from_str(&problem.loc).unwrap_or_default();
        let place: Vec<_> = place.iter().skip(1).filter_map(|name| name.as_str()).collect();
        let error = if place.is_empty() {
            problem.msg.clone()
        } else {
            format!("{}: {}", place.join("."), problem.msg)
        };
        Failure::coded(StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR", error)
    }

    /// The sentence for the audit log, for a refusal that belongs there.
    pub(crate) fn audit_text(&self) -> Option<&str> {
        match self {
            Failure::Refused(_, detail) | Failure::Coded(_, _, detail) => Some(detail),
            Failure::Internal(_) => Some("Internal Server Error"),
            Failure::Unauthorized(_) | Failure::Invalid(_) => None,
        }
    }

    /// The failure on the wire.
    pub(crate) fn into_response(self) -> Response<Body> {
        match self {
            Failure::Unauthorized(detail) => {
                let mut response = self::detail(StatusCode::UNAUTHORIZED, detail);
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            Failure::Refused(status, detail) => self::detail(status, &detail),
            Failure::Coded(status, code, error) => {
                json(status, json::object(|object| object.str("error", &error).str("code", code)))
            }
            Failure::Invalid(problems) => {
                let items = json::array(problems.into_iter().map(|problem| {
                    json::object(|object| {
                        let object = object
                            .str("type", problem.kind)
                            .raw("loc", &problem.loc)
                            .str("msg", &problem.msg)
                            .raw("input", &problem.input);
                        match &problem.ctx {
                            Some(ctx) => object.raw("ctx", ctx),
                            None => object,
                        }
                    })
                }));
                json(StatusCode::UNPROCESSABLE_ENTITY, json::object(|object| object.raw("detail", &items)))
            }
            Failure::Internal(_) => {
                body(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "Internal Server Error")
            }
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Internal(format!("database: {error}"))
    }
}

fn body(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, text: String) -> Response<Body> {
    body(status, "application/json", text)
}

/// `{"detail": ...}`
fn detail(status: StatusCode, detail: &str) -> Response<Body> {
    json(status, json::object(|object| object.str("detail", detail)))
}

/// A real route, but not by this method; `allow` is the method of one route only, as on real servers.
pub(crate) fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let mut response = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// No such route.
pub(crate) fn unknown_route(profile: Profile, method: &str, path: &str) -> Response<Body> {
    if !profile.catches_all() {
        return detail(StatusCode::NOT_FOUND, "Not Found");
    }
    if method != "GET" {
        return method_not_allowed("GET");
    }
    if path.trim_start_matches('/').starts_with("api/") {
        return json(
            StatusCode::NOT_FOUND,
            json::object(|object| object.str("error", "Not Found").str("path", path)),
        );
    }
    const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Loki Mode Dashboard</title></head><body>\
                        <div id=\"app\">The local control plane has no dashboard; its API is under /api.</div></body></html>\n";
    body(StatusCode::OK, "text/html; charset=utf-8", PAGE)
}

/// The same thing is at another place.
pub(crate) fn redirect(location: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}
