//! The shared cases, as `tests/cases/README.md` describes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::compare;
use crate::{RecordedRequest, Reply};

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique in its file.
    pub name: String,
    /// How the client is set up.
    #[serde(default)]
    pub client: ClientSetup,
    /// `refused`: nobody listens.
    pub server: Option<AbsentServer>,
    operation: Option<String>,
    #[serde(default)]
    arguments: BTreeMap<String, Value>,
    calls: Option<Vec<Call>>,
    /// What must be seen on the wire, and the answers.
    pub exchanges: Vec<Exchange>,
    #[serde(default, deserialize_with = "some")]
    result: Option<Value>,
    result_contains: Option<Value>,
    error: Option<ExpectedError>,
}

/// The word `refused`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbsentServer {
    /// The only word there is.
    Refused,
}

/// Options of the client; what is `None` is left at its default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientSetup {
    /// The token.
    pub token: Option<String>,
    /// `auto`, `guide` or `v2`.
    pub path_style: Option<String>,
    /// Number of retries.
    pub max_retries: Option<u32>,
    /// The timeout in seconds.
    pub timeout_seconds: Option<f64>,
    /// Appended to the base URL of the server.
    pub base_url_suffix: Option<String>,
    /// Used instead of the base URL of the server.
    pub base_url: Option<String>,
}

/// One call with what must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Name of the operation.
    pub operation: String,
    /// Arguments by their names in the table.
    pub arguments: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "some")]
    result: Option<Value>,
    result_contains: Option<Value>,
    error: Option<ExpectedError>,
}

/// Tells `"result": null` from no `result`.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A request and the answer to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    request: ExpectedRequest,
    /// The answer.
    pub response: Reply,
}

/// What a request must look like.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedRequest {
    method: String,
    path: String,
    #[serde(default)]
    query: BTreeMap<String, Value>,
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    #[serde(default)]
    body: Value,
    /// How long after the request before it at the least.
    pause_ms: Option<u64>,
}

/// What an error must look like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedError {
    class: String,
    #[serde(default)]
    message_contains: Vec<String>,
    #[serde(default)]
    message_excludes: Vec<String>,
    #[serde(default)]
    fields: BTreeMap<String, Value>,
}

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    /// The data.
    Result(Value),
    /// The error.
    Error {
        /// Name of its class.
        class: String,
        /// Its message.
        message: String,
        /// Everything that can be printed of it.
        debug: String,
        /// Its attributes by their Python names.
        fields: Value,
    },
}

/// The folder of the cases.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases")
}

/// The subjects: the names of the files without `.json`, sorted.
///
/// # Errors
/// The folder cannot be read.
pub fn subjects() -> Result<Vec<String>, String> {
    let mut subjects = Vec::new();
    for entry in fs::read_dir(folder()).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            subjects.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    subjects.sort();
    Ok(subjects)
}

/// The cases of one subject.
///
/// # Errors
/// The file cannot be read, or is not what the README says.
pub fn load(subject: &str) -> Result<Vec<Case>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        cases: Vec<Case>,
    }
    let path = folder().join(subject).with_extension("json");
    let complain = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| complain(&error))?;
    let file: File = serde_json::from_str(&text).map_err(|error| complain(&error))?;
    for case in &file.cases {
        for call in case.calls().map_err(|error| complain(&error))? {
            let expectations = [call.result.is_some(), call.result_contains.is_some(), call.error.is_some()];
            if expectations.into_iter().filter(|given| *given).count() != 1 {
                return Err(complain(&format!(
                    "{}: give one of `result`, `result_contains`, `error`",
                    case.name
                )));
            }
        }
    }
    Ok(file.cases)
}

impl Case {
    /// The calls to make, one after the other.
    ///
    /// # Errors
    /// The case has both `operation` and `calls`, or neither.
    pub fn calls(&self) -> Result<Vec<Call>, String> {
        match (&self.operation, &self.calls) {
            (Some(operation), None) => Ok(vec![Call {
                operation: operation.clone(),
                arguments: self.arguments.clone(),
                result: self.result.clone(),
                result_contains: self.result_contains.clone(),
                error: self.error.clone(),
            }]),
            (None, Some(calls)) => Ok(calls.clone()),
            _ => Err(format!("{}: give `operation` or `calls`", self.name)),
        }
    }

    /// Compares the requests that arrived with those that had to.
    ///
    /// # Errors
    /// The first difference.
    pub fn check_requests(&self, requests: &[RecordedRequest]) -> Result<(), String> {
        for (index, (request, exchange)) in requests.iter().zip(&self.exchanges).enumerate() {
            exchange.request.check(request).map_err(|error| format!("request {}: {error}", index + 1))?;
        }
        if requests.len() == self.exchanges.len() {
            return Ok(());
        }
        let sent: Vec<_> = requests.iter().map(|r| format!("{} {}", r.method, r.raw_target)).collect();
        Err(format!("{} requests were due, {} arrived: {sent:?}", self.exchanges.len(), requests.len()))
    }
}

impl ExpectedRequest {
    fn check(&self, request: &RecordedRequest) -> Result<(), String> {
        let line = format!("{} {}", self.method, self.path);
        let got = format!("{} {}", request.method, request.path);
        if line != got {
            return Err(format!("expected {line}, got {got}"));
        }
        if self.query != request.query {
            return Err(format!("expected the query {:?}, got {:?}", self.query, request.query));
        }
        for (name, value) in &self.headers {
            let got = request.headers.get(name);
            if got != value.as_ref() {
                return Err(format!("expected {name}: {value:?}, got {got:?}"));
            }
        }
        if let Some(least) = self.pause_ms
            && request.pause_ms.is_none_or(|pause| pause < least)
        {
            return Err(format!("it came {:?} ms after the one before it, not {least}", request.pause_ms));
        }
        let body = match &request.body {
            None => Value::Null,
            Some(text) => serde_json::from_str(text).map_err(|error| format!("body {text:?}: {error}"))?,
        };
        compare::exactly(&body, &self.body).map_err(|difference| format!("body: {difference}"))
    }
}

impl Call {
    /// Whether the call must succeed.
    pub fn succeeds(&self) -> bool {
        self.error.is_none()
    }

    /// Compares what came of the call with what had to.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&self, outcome: &Outcome) -> Result<(), String> {
        match (outcome, &self.error) {
            (Outcome::Result(value), None) => {
                let difference = match (&self.result, &self.result_contains) {
                    (Some(expected), _) => compare::loosely(value, expected),
                    (None, Some(expected)) => compare::contains(value, expected),
                    (None, None) => Err("nothing is expected".to_owned()),
                };
                difference.map_err(|difference| format!("result: {difference}"))
            }
            (Outcome::Error { class, message, debug, fields }, Some(expected)) => {
                expected.check(class, message, fields).map_err(|error| format!("{error}\n    got {debug}"))
            }
            (Outcome::Result(value), Some(expected)) => {
                Err(format!("expected {}, got the result {value}", expected.class))
            }
            (Outcome::Error { debug, .. }, None) => Err(format!("expected a result, got {debug}")),
        }
    }
}

impl ExpectedError {
    fn check(&self, class: &str, message: &str, fields: &Value) -> Result<(), String> {
        if self.class != class {
            return Err(format!("expected {}, got {class}", self.class));
        }
        if let Some(text) = self.message_contains.iter().find(|text| !message.contains(text.as_str())) {
            return Err(format!("the message lacks {text:?}: {message:?}"));
        }
        if let Some(text) = self.message_excludes.iter().find(|text| message.contains(text.as_str())) {
            return Err(format!("the message shows {text:?}: {message:?}"));
        }
        for (name, expected) in &self.fields {
            let got = fields.get(name).unwrap_or(&Value::Null);
            compare::loosely(got, expected).map_err(|difference| format!("{name}: {difference}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::FaultServer;

    fn case(value: Value) -> Case {
        serde_json::from_value(value).unwrap()
    }

    fn outcome(class: &str, message: &str, fields: Value) -> Outcome {
        Outcome::Error {
            class: class.to_owned(),
            message: message.to_owned(),
            debug: message.to_owned(),
            fields,
        }
    }

    #[test]
    fn a_wrong_outcome_is_noticed() {
        let case = case(json!({
            "name": "n", "operation": "get_project", "exchanges": [],
            "error": {"class": "NotFoundError", "message_contains": ["gone"], "message_excludes": ["secret"],
                      "fields": {"attempts": 1, "code": null}},
        }));
        let call = &case.calls().unwrap()[0];
        let good = json!({"attempts": 1});
        assert_eq!(call.check(&outcome("NotFoundError", "it is gone", good.clone())), Ok(()));
        for bad in [
            outcome("AutonomiError", "it is gone", good.clone()),
            outcome("NotFoundError", "it is there", good.clone()),
            outcome("NotFoundError", "gone: secret", good.clone()),
            outcome("NotFoundError", "gone", json!({"attempts": 2})),
            outcome("NotFoundError", "gone", json!({"attempts": 1, "code": "X"})),
            outcome("NotFoundError", "gone", json!({})),
            Outcome::Result(Value::Null),
        ] {
            assert!(call.check(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_wrong_result_is_noticed() {
        let case = case(json!({"name": "n", "operation": "delete_tenant", "exchanges": [], "result": null}));
        let call = &case.calls().unwrap()[0];
        assert_eq!(call.check(&Outcome::Result(Value::Null)), Ok(()));
        assert!(call.check(&Outcome::Result(json!({}))).is_err());
        assert!(call.check(&outcome("NotFoundError", "", Value::Null)).is_err());
    }

    #[test]
    fn a_wrong_request_is_noticed() {
        let expected = |request: Value| {
            case(json!({"name": "n", "operation": "x", "result": null,
                        "exchanges": [{"request": request, "response": {}}]}))
        };
        let sent = RecordedRequest {
            method: "PUT".to_owned(),
            path: "/a".to_owned(),
            query: [("q".to_owned(), json!("1"))].into(),
            raw_target: "/a?q=1".to_owned(),
            headers: [("x".to_owned(), "y".to_owned())].into(),
            body: Some("{\"a\": null}".to_owned()),
            connection: 1,
            pause_ms: Some(40),
            unexpected: false,
        };
        let sent = std::slice::from_ref(&sent);
        let good = json!({"method": "PUT", "path": "/a", "query": {"q": "1"}, "body": {"a": null},
                          "headers": {"x": "y", "z": null}, "pause_ms": 40});
        assert_eq!(expected(good.clone()).check_requests(sent), Ok(()));
        for (key, value) in [
            ("method", json!("POST")),
            ("path", json!("/b")),
            ("query", json!({})),
            ("query", json!({"q": "1", "r": "2"})),
            ("body", json!(null)),
            ("body", json!({})),
            ("headers", json!({"x": null})),
            ("headers", json!({"z": "y"})),
            ("pause_ms", json!(41)),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            assert!(expected(bad).check_requests(sent).is_err(), "{key}");
        }
        assert!(expected(good).check_requests(&[]).is_err());
        let none = case(json!({"name": "n", "operation": "x", "result": null, "exchanges": []}));
        assert!(none.check_requests(sent).is_err());
        assert_eq!(none.check_requests(&FaultServer::start([]).unwrap().requests()), Ok(()));
    }
}
