//! What holds for any input at all, for the fuzz targets in `fuzz/` and for the replay of their corpus below.
//!
//! Each function takes whatever bytes it is given and panics when something does not hold. Not part of the interface:
//! it exists in tests and with the feature `fuzzing` only.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};
use std::vec::Drain;

use loki_mode_spec::{Bridge, Location, Method, Model, Operation, Returns};
use serde_json::{Map, Number, Value as Json};
use ureq::http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::args::{Args, Value};
use crate::bridges;
use crate::decode::{self, Builder, Refusal, Validate};
use crate::dialect::is_unknown_route;
pub use crate::events::fuzzing::{cursor, sse};
use crate::refusal;
use crate::request::{BaseUrl, Request};
use crate::response::{Answer, Response};
use crate::retry::{Setback, Standing, retry_after as read_retry_after, wait_before_retry};

/// The operation of this name; any other text stands for one, too, so that a mutated name is not a wasted run.
fn operation_named(name: &str) -> &'static Operation {
    loki_mode_spec::operation(name).unwrap_or_else(|| {
        let all: Vec<_> = loki_mode_spec::operations().collect();
        all[name.bytes().map(usize::from).sum::<usize>() % all.len()]
    })
}

/// The first line, which may hold anything, and the rest.
fn split_line(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (String::from_utf8_lossy(&data[..end]).into_owned(), data.get(end + 1..).unwrap_or_default())
}

/// The response mapper. The input is `operation status`, then header lines, an empty line and the body.
pub fn response(data: &[u8]) {
    let (first, mut rest) = split_line(data);
    let (name, status) = first.split_once(' ').unwrap_or((&first, ""));
    let operation = operation_named(name);
    let mut headers = HeaderMap::new();
    loop {
        let (line, after) = split_line(rest);
        rest = after;
        let Some((name, value)) = line.split_once(':') else { break };
        // What is no header does not get through the HTTP layer.
        if let (Ok(name), Ok(value)) =
            (name.trim().parse::<HeaderName>(), HeaderValue::from_str(value.trim()))
        {
            headers.append(name, value);
        }
    }
    let answer = Answer {
        status: status.trim().parse().unwrap_or(500),
        headers,
        body: rest.to_vec(),
        method: operation.method.as_str(),
        path: operation.path.to_owned(),
    };
    if answer.is_success() { success(operation, answer) } else { failure(operation, &answer) }
}

fn success(operation: &'static Operation, mut answer: Answer) {
    for bridge in operation.bridges {
        match bridge {
            Bridge::TimelineOfUnknownRun => {
                bridges::is_timeline_of_unknown_run(&answer);
            }
            Bridge::AuditEntriesChecked => {
                if let Some(mended) = bridges::with_entries_checked(&answer.body) {
                    answer.body = mended;
                }
            }
            Bridge::SessionsFromStatus | Bridge::SessionFromStatus => {
                if let Some(sessions) = bridges::sessions_from_status(&answer.body) {
                    assert!(sessions.iter().all(|session| is_json(session)), "a session that is no JSON");
                    let list = format!("[{}]", sessions.join(","));
                    assert!(is_json(&list), "sessions that are no JSON list");
                    if let Some(found) = bridges::session_of_id(sessions.clone(), &Value::Int(1)) {
                        assert!(sessions.contains(&found), "a session that was not there");
                    }
                }
            }
            _ => {}
        }
    }
    let response = Response {
        status: answer.status,
        headers: answer.headers,
        attempts: 1,
        path: answer.path,
        attempt_log: Vec::new(),
        authorization: None,
        operation,
        body: answer.body,
    };
    match response.payload() {
        Ok(payload) => assert!(is_json(payload), "a payload that is no JSON"),
        Err(error) => {
            let info = error.info();
            assert_eq!(info.status_code, Some(response.status));
            assert!(info.message.chars().count() < 2000, "a message of {} bytes", info.message.len());
        }
    }
}

fn failure(operation: &'static Operation, answer: &Answer) {
    let mut info = refusal::refusal(operation, answer);
    for bridge in operation.bridges {
        match bridge {
            Bridge::TenantRequired => bridges::explain_missing_tenant(&mut info),
            Bridge::NotFoundOrWrongState(done) if !is_unknown_route(operation.method, answer) => {
                bridges::explain_wrong_state(done, &mut info);
            }
            Bridge::KeyNotFoundAs400 => bridges::key_not_found(&mut info),
            _ => {}
        }
    }
    assert_eq!(info.status_code, Some(answer.status));
    assert!(info.message.starts_with(answer.method), "{}", info.message);
    let field_errors: usize = info.errors.iter().map(|error| error.message.len()).sum();
    assert!(field_errors <= answer.body.len() * 3, "field errors longer than the body");
    assert!(info.message.chars().count() < 1000, "a message of {} bytes", info.message.len());
    assert!(info.retry_after.is_none_or(|wait| wait >= 0.0), "{:?}", info.retry_after);
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The decoders: the input is a body, read as everything that an operation returns. What is built must be what
/// `serde_json` reads from the same text.
pub fn decode(data: &[u8]) {
    static RETURNS: LazyLock<Vec<&'static Returns>> = LazyLock::new(|| {
        let mut names = Vec::new();
        let all = loki_mode_spec::operations().map(|operation| &operation.returns);
        all.filter(|returns| {
            let name = format!("{returns:?}");
            let new = !names.contains(&name);
            names.push(name);
            new
        })
        .collect()
    });
    for returns in RETURNS.iter() {
        decode_as(returns, data);
    }
}

fn decode_as(returns: &'static Returns, body: &[u8]) {
    let built = decode::decode(returns, body, &mut Tree);
    let validated = decode::decode(returns, body, &mut Validate);
    let payload = match decode::payload(returns, body) {
        Ok(payload) => payload,
        Err(failure) => {
            assert!(failure.to_string().chars().count() < 2000, "a message without end");
            assert!(validated.is_err(), "checked twice, with two results");
            // An integer of more than 308 digits is beyond what `Validate` reads, and within what others do.
            assert!(built.is_err() || has_long_number(body), "refused, but can be built: {failure}");
            return;
        }
    };
    let built = match built {
        Ok(built) => built,
        Err(failure) => panic!("accepted, but cannot be built: {failure}"),
    };
    // Their names are how `serde_json` itself marks raw values; no server sends them.
    if payload.contains("$serde_json::private") || matches!(returns, Returns::Nothing) {
        return;
    }
    let expected: Json = match serde_json::from_str(payload) {
        Ok(expected) => expected,
        Err(error) => panic!("a payload that is no JSON: {error}"),
    };
    assert!(same(&built, &expected), "{built} was built from {expected}");
}

/// Whether digits and exponents go on long enough to leave the range of a float.
pub(crate) fn has_long_number(body: &[u8]) -> bool {
    let digits = |run: &[u8]| run.iter().filter(|byte| byte.is_ascii_digit()).count();
    body.split(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')).any(|run| {
        digits(run) > 300
            || run.split(|byte| matches!(byte, b'e' | b'E')).skip(1).any(|exponent| digits(exponent) >= 2)
    })
}

/// Equal, with integers beyond 64 bits compared as the floats that `serde_json` makes of them.
fn same(built: &Json, expected: &Json) -> bool {
    match (built, expected) {
        (Json::Number(a), Json::Number(b)) => a == b || (a.as_f64() == b.as_f64() && !(whole(a) && whole(b))),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (a, b) => a == b,
    }
}

fn whole(number: &Number) -> bool {
    number.is_i64() || number.is_u64()
}

/// Builds a `serde_json` tree.
struct Tree;

fn finite(value: f64) -> Json {
    // JSON has no infinity: a body that asks for one has to be refused or read as text.
    Number::from_f64(value).map_or_else(|| Json::String(value.to_string()), Json::Number)
}

impl Builder for Tree {
    type Value = Json;
    type List = Vec<Json>;
    type Object = Map<String, Json>;

    fn null(&mut self) -> Result<Json, Refusal> {
        Ok(Json::Null)
    }
    fn bool(&mut self, value: bool) -> Result<Json, Refusal> {
        Ok(Json::Bool(value))
    }
    fn int(&mut self, value: i64) -> Result<Json, Refusal> {
        Ok(value.into())
    }
    fn uint(&mut self, value: u64) -> Result<Json, Refusal> {
        Ok(value.into())
    }
    fn number(&mut self, digits: &str) -> Result<Json, Refusal> {
        let text = digits.strip_prefix('-').unwrap_or(digits);
        assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()), "no integer: {digits}");
        digits.parse().map(finite).map_err(|_| Refusal(format!("no integer: {digits}")))
    }
    fn float(&mut self, value: f64) -> Result<Json, Refusal> {
        Ok(finite(value))
    }
    fn str(&mut self, value: &str) -> Result<Json, Refusal> {
        Ok(value.into())
    }
    fn start_list(&mut self) -> Result<Vec<Json>, Refusal> {
        Ok(Vec::new())
    }
    fn push(&mut self, list: &mut Vec<Json>, value: Json) -> Result<(), Refusal> {
        list.push(value);
        Ok(())
    }
    fn end_list(&mut self, list: Vec<Json>) -> Result<Json, Refusal> {
        Ok(Json::Array(list))
    }
    fn start_object(&mut self) -> Result<Map<String, Json>, Refusal> {
        Ok(Map::new())
    }
    fn insert(&mut self, object: &mut Map<String, Json>, key: &str, value: Json) -> Result<(), Refusal> {
        object.insert(key.to_owned(), value);
        Ok(())
    }
    fn end_object(&mut self, object: Map<String, Json>) -> Result<Json, Refusal> {
        Ok(Json::Object(object))
    }
    fn model(
        &mut self,
        model: &'static Model,
        fields: Drain<'_, Option<Json>>,
        unknown: Option<Map<String, Json>>,
    ) -> Result<Json, Refusal> {
        let mut object = unknown.unwrap_or_default();
        assert_eq!(fields.len(), model.fields.len(), "values of {}", model.name);
        for (field, value) in model.fields.iter().zip(fields) {
            if let Some(value) = value {
                assert!(
                    object.insert(field.wire.to_owned(), value).is_none(),
                    "{} is unknown and known",
                    field.wire
                );
            }
        }
        Ok(Json::Object(object))
    }
    fn record(&mut self, _: &'static Model, fields: Map<String, Json>) -> Result<Json, Refusal> {
        Ok(Json::Object(fields))
    }
}

/// From arguments to a URL and a body. The input is the name of an operation, then its arguments as a JSON array.
pub fn url(data: &[u8]) {
    const BASE: &str = "http://127.0.0.1:57374/prefix";
    let (name, arguments) = split_line(data);
    let operation = operation_named(name.trim());
    let Ok(arguments) = std::str::from_utf8(arguments) else { return };
    let Ok(args) = Args::from_json(operation, arguments) else { return };
    let Ok(base) = BaseUrl::parse(BASE) else { panic!("{BASE} is a good base URL") };
    for path in [Some(operation.path), operation.v2_path].into_iter().flatten() {
        let Ok(request) = Request::new(operation, path, &args) else { continue };
        let url = match Url::parse(&base.join(&request)) {
            Ok(url) => url,
            Err(error) => panic!("{}: {error}", base.join(&request)),
        };
        assert_eq!(url.origin().ascii_serialization(), "http://127.0.0.1:57374");
        assert_eq!(url.as_str(), base.join(&request), "a URL that changes when it is read");
        assert!(url.fragment().is_none(), "{url}");
        let template: Vec<_> = path.split('/').skip(1).collect();
        let segments: Vec<_> = url.path().split('/').skip(2).collect();
        assert_eq!(segments.len(), template.len(), "{url} is another path than {path}");
        for (segment, template) in segments.iter().zip(template) {
            assert!(template.starts_with('{') || *segment == template, "{url} is another path than {path}");
            assert!(!matches!(*segment, "" | "." | ".."), "{url}");
        }
        let in_query = |name: &str| {
            operation.params.iter().any(|param| param.wire == name && param.location == Location::Query)
        };
        for (name, _) in url.query_pairs() {
            assert!(in_query(&name), "{url} asks for {name}");
        }
        if let Some(body) = request.body {
            assert!(matches!(operation.method, Method::Post | Method::Put));
            assert!(
                body.is_empty() || serde_json::from_slice::<Map<String, Json>>(&body).is_ok() || big(&body)
            );
        }
    }
}

/// Numbers that leave the range of a float go out as they were given, but this check cannot read them.
fn big(body: &[u8]) -> bool {
    has_long_number(body) && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

/// What a `Retry-After` header makes a call do. The input is the header's value.
pub fn retry_after(data: &[u8]) {
    let header = String::from_utf8_lossy(data);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let asked = read_retry_after(&header, now);
    for (status, idempotent, left) in
        [(429, false, 30), (503, true, 30), (503, true, 100_000), (429, false, 0)]
    {
        let left = Duration::from_secs(left);
        let standing = Standing { idempotent, retries: 0, max_retries: 2, left, chance: 1.0 };
        let wait = wait_before_retry(Setback::Status { status, retry_after: asked }, standing);
        if let Some(wait) = wait {
            assert!(wait < left, "{header:?}: waits {wait:?} with {left:?} left");
            assert!(wait <= Duration::from_secs(120), "{header:?}: waits {wait:?}");
            assert!(asked.is_none_or(|asked| wait == asked), "{header:?}: waits {wait:?}, not {asked:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Feeds every file of a target's corpus to it.
    fn replay(target: &str, check: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let mut count = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            if let Err(panic) = std::panic::catch_unwind(|| check(&data)) {
                println!("with {}", path.display());
                std::panic::resume_unwind(panic);
            }
            count += 1;
        }
        assert!(count >= 10, "{} holds {count} files", folder.display());
    }

    #[test]
    fn corpus_of_response() {
        replay("response", super::response);
    }

    #[test]
    fn corpus_of_decode() {
        replay("decode", super::decode);
    }

    #[test]
    fn corpus_of_url() {
        replay("url", super::url);
    }

    #[test]
    fn corpus_of_retry_after() {
        replay("retry_after", super::retry_after);
    }

    #[test]
    fn corpus_of_cursor() {
        replay("cursor", super::cursor);
    }

    #[test]
    fn corpus_of_sse() {
        replay("sse", super::sse);
    }
}
