//! From the status and the body of an unsuccessful answer to an error, whatever shape the body has.

use std::time::SystemTime;

use loki_mode_spec::Operation;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::dialect::is_unknown_route;
use crate::error::{ErrorInfo, ErrorKind, FieldError, body_text};
use crate::response::Answer;
use crate::retry;

/// How much of a text body a message shows.
const EXCERPT: usize = 200;

/// The error that an answer stands for. `attempts` and whatever concerns the whole call is added by the caller.
pub(crate) fn refusal(operation: &Operation, answer: &Answer) -> ErrorInfo {
    let said = said(answer);
    let unknown_route = is_unknown_route(operation.method, answer);
    let kind = kind(answer, unknown_route);
    let what = if unknown_route && !answer.is_html() {
        format!("this server has no such route ({})", said.text)
    } else {
        said.text
    };
    let required_scope =
        what.split_once("Required scope: ").map(|(_, scope)| scope.trim_end_matches(['.', ')']).to_owned());
    ErrorInfo {
        status_code: Some(answer.status),
        response_body: Some(body_text(&answer.body)),
        code: said.code,
        method: Some(answer.method.to_owned()),
        path: Some(answer.path.clone()),
        retry_after: retry_after(answer).map(|wait| wait.as_secs_f64()),
        required_scope: required_scope.filter(|_| kind == ErrorKind::PermissionDenied),
        errors: said.errors,
        ..ErrorInfo::new(kind, format!("{} {}: {} {what}", answer.method, answer.path, answer.status))
    }
}

fn kind(answer: &Answer, unknown_route: bool) -> ErrorKind {
    match answer.status {
        400 | 422 => ErrorKind::Validation,
        401 => ErrorKind::Authentication,
        403 => ErrorKind::PermissionDenied,
        404 if answer.is_html() => ErrorKind::NotAvailable,
        404 => ErrorKind::NotFound,
        405 if unknown_route || answer.is_html() => ErrorKind::NotAvailable,
        409 => ErrorKind::Conflict,
        410 | 501 => ErrorKind::NotAvailable,
        429 => ErrorKind::RateLimit,
        500..=599 => ErrorKind::Server,
        _ => ErrorKind::Api,
    }
}

/// How long the server asks to wait: the header, which wins, or `retry_after` in the body.
pub(crate) fn retry_after(answer: &Answer) -> Option<std::time::Duration> {
    #[derive(Deserialize)]
    struct Body {
        retry_after: Option<f64>,
        error: Option<Nested>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Nested {
        Object { retry_after: f64 },
        Other(serde::de::IgnoredAny),
    }

    if let Some(header) = answer.header("retry-after") {
        return retry::retry_after(header, SystemTime::now());
    }
    if !matches!(answer.status, 429 | 503) {
        return None;
    }
    let body: Body = serde_json::from_slice(&answer.body).ok()?;
    let nested = body.error.and_then(|error| match error {
        Nested::Object { retry_after } => Some(retry_after),
        Nested::Other(_) => None,
    });
    retry::duration(body.retry_after.or(nested)?)
}

/// What the server says, taken out of its wrapping.
#[derive(Default)]
struct Said {
    text: String,
    code: Option<String>,
    errors: Vec<FieldError>,
}

fn said(answer: &Answer) -> Said {
    let text = |text: &str| Said { text: text.to_owned(), ..Said::default() };
    if answer.is_html() {
        return text("the server answered with an HTML page, not JSON");
    }
    if answer.body.trim_ascii().is_empty() {
        return text("the server gave no reason");
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Json::Object(mut object)) => {
            from_object(&mut object).unwrap_or_else(|| text("the server gave no reason"))
        }
        Ok(Json::String(said)) => text(&excerpt(&said)),
        Ok(_) => text("the server gave no reason"),
        Err(_) => text(&excerpt(&String::from_utf8_lossy(&answer.body))),
    }
}

fn from_object(object: &mut serde_json::Map<String, Json>) -> Option<Said> {
    let code = object.get("code").and_then(code_text);
    for key in ["detail", "error", "message"] {
        let found = match object.remove(key) {
            Some(Json::String(said)) => Said { text: excerpt(&said), code: code.clone(), errors: Vec::new() },
            Some(Json::Array(items)) if key == "detail" => {
                let errors: Vec<_> = items.iter().filter_map(field_error).collect();
                let texts: Vec<_> = errors.iter().map(|e| format!("{}: {}", e.location, e.message)).collect();
                Said { text: excerpt(&texts.join("; ")), code: code.clone(), errors }
            }
            Some(Json::Object(mut inner)) => from_object(&mut inner)?,
            _ => continue,
        };
        return Some(Said { code: found.code.or(code), ..found });
    }
    None
}

fn code_text(code: &Json) -> Option<String> {
    match code {
        Json::String(code) => Some(code.clone()),
        Json::Number(code) => Some(code.to_string()),
        _ => None,
    }
}

/// One item of FastAPI's list. Its `input` echoes what was sent, which may be secret, and is left out.
fn field_error(item: &Json) -> Option<FieldError> {
    let message = item.get("msg")?.as_str()?.to_owned();
    let location = item.get("loc").and_then(Json::as_array).map(|parts| {
        let parts = parts.iter().map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned));
        parts.collect::<Vec<_>>().join(".")
    });
    Some(FieldError { location: location.unwrap_or_default(), message })
}

/// The beginning of a text, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(EXCERPT) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use ureq::http::{HeaderMap, header::CONTENT_TYPE};

    use super::*;

    fn info(status: u16, content_type: &str, body: &str) -> ErrorInfo {
        let answer = Answer {
            status,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]),
            body: body.as_bytes().to_vec(),
            method: "GET",
            path: "/api/projects/1".to_owned(),
        };
        refusal(loki_mode_spec::operation("get_project").unwrap(), &answer)
    }

    fn json(status: u16, body: &str) -> ErrorInfo {
        info(status, "application/json", body)
    }

    #[test]
    fn every_shape_of_body_is_read() {
        for (body, text, code) in [
            (r#"{"detail":"Project not found"}"#, "Project not found", None),
            (r#"{"error":"gone","code":"SESSION_NOT_FOUND"}"#, "gone", Some("SESSION_NOT_FOUND")),
            (r#"{"error":{"code":"X1","message":"inner","details":{}}}"#, "inner", Some("X1")),
            (r#"{"message":"plain"}"#, "plain", None),
            (r#""just text""#, "just text", None),
            ("Internal\nServer Error", "Internal Server Error", None),
            ("", "the server gave no reason", None),
            ("{}", "the server gave no reason", None),
            ("[1]", "the server gave no reason", None),
            (r#"{"detail":{"error":{"message":"deep"}}}"#, "deep", None),
        ] {
            let info = json(404, body);
            assert_eq!(info.message, format!("GET /api/projects/1: 404 {text}"), "{body}");
            assert_eq!(info.code.as_deref(), code, "{body}");
            assert_eq!(info.response_body.as_deref(), Some(body));
        }
        let page = info(502, "text/html", "<html>secret page</html>");
        assert_eq!(page.message, "GET /api/projects/1: 502 the server answered with an HTML page, not JSON");
    }

    #[test]
    fn field_errors_are_readable_and_never_echo_the_input() {
        let body = r#"{"detail":[{"type":"missing","loc":["body","name"],"msg":"Field required","input":"canary"},
            {"loc":["body",1],"msg":"bad","ctx":{"error":"canary"}}]}"#;
        let info = json(422, body);
        assert_eq!(info.kind, ErrorKind::Validation);
        assert_eq!(info.message, "GET /api/projects/1: 422 body.name: Field required; body.1: bad");
        let field = |location: &str, message: &str| FieldError {
            location: location.to_owned(),
            message: message.to_owned(),
        };
        assert_eq!(info.errors, [field("body.name", "Field required"), field("body.1", "bad")]);
    }

    #[test]
    fn each_status_has_its_class() {
        for (status, kind) in [
            (400, ErrorKind::Validation),
            (401, ErrorKind::Authentication),
            (403, ErrorKind::PermissionDenied),
            (404, ErrorKind::NotFound),
            (405, ErrorKind::Api),
            (409, ErrorKind::Conflict),
            (410, ErrorKind::NotAvailable),
            (418, ErrorKind::Api),
            (422, ErrorKind::Validation),
            (429, ErrorKind::RateLimit),
            (500, ErrorKind::Server),
            (501, ErrorKind::NotAvailable),
            (503, ErrorKind::Server),
        ] {
            assert_eq!(json(status, "{}").kind, kind, "{status}");
        }
        assert_eq!(info(404, "text/html", "<html>").kind, ErrorKind::NotAvailable);
    }

    #[test]
    fn details_of_a_refusal_are_fields() {
        let denied = json(403, r#"{"detail":"Insufficient permissions. Required scope: control"}"#);
        assert_eq!(denied.required_scope.as_deref(), Some("control"));
        assert_eq!(json(429, r#"{"detail":"x","retry_after":7}"#).retry_after, Some(7.0));
        assert_eq!(json(429, r#"{"error":{"message":"x","retry_after":1.5}}"#).retry_after, Some(1.5));
        assert_eq!(json(429, r#"{"error":"x"}"#).retry_after, None);
        let missing = json(404, r#"{"error":"Not Found","path":"/api/projects/1"}"#);
        assert_eq!(missing.message, "GET /api/projects/1: 404 this server has no such route (Not Found)");
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(body in ".*", status in 300_u16..600) {
            let info = json(status, &body);
            proptest::prop_assert!(info.message.chars().count() < 400);
        }
    }
}
