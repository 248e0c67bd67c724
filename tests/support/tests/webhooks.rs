//! The shared cases of webhooks, executed by the engine itself: `tests/cases/webhooks/README.md`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use loki_mode_core::Error;
use loki_mode_core::webhook::{self, Headers, Rejected, Scheme, Secret, Stamp, Window};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

fn load<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/../cases/webhooks/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the cases can be read");
    serde_json::from_str(&text).expect("the cases are well formed")
}

/// What is wanted if it is not a success.
#[derive(Deserialize)]
struct Failure {
    error: Option<String>,
    refused: Option<String>,
    #[serde(default)]
    message_contains: Vec<String>,
}

impl Failure {
    fn check(&self, name: &str, rejected: &Rejected) {
        match rejected {
            Rejected::Refused(refused) => {
                assert_eq!(self.refused.as_deref(), Some(refused.reason.as_str()), "{name}: {refused}");
            }
            Rejected::Unreadable(error) => {
                assert_eq!(self.error.as_deref(), Some(error.kind().class_name()), "{name}: {error}");
            }
        }
        for text in &self.message_contains {
            assert!(rejected.to_string().contains(text), "{name}: {text} is not in: {rejected}");
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum GivenSecret {
    Text(String),
    Bytes { base64: String },
}

impl GivenSecret {
    fn read(&self, param: &str) -> Result<Option<Secret>, Error> {
        match self {
            GivenSecret::Text(text) => Secret::from_text(param, text),
            GivenSecret::Bytes { base64 } => {
                Ok(Secret::from_bytes(&BASE64.decode(base64).expect("a case has base64")))
            }
        }
    }
}

#[test]
fn verify() {
    #[derive(Deserialize)]
    struct File {
        body: String,
        now: f64,
        cases: Vec<Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        name: String,
        body: Option<String>,
        headers: Vec<(String, String)>,
        secrets: Vec<Option<GivenSecret>>,
        now: Option<f64>,
        tolerance_seconds: Option<f64>,
        #[serde(default)]
        accepted: bool,
        #[serde(flatten)]
        failure: Failure,
    }

    fn run(file: &File, case: &Case) -> Result<(), Rejected> {
        let body = case.body.as_ref().unwrap_or(&file.body).as_bytes();
        let headers: Headers = case.headers.iter().map(|(name, value)| (name, value)).collect();
        let given = case.secrets.iter().flatten().map(|secret| secret.read("secrets"));
        let secrets: Vec<Secret> = given.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let tolerance = case.tolerance_seconds.unwrap_or(Window::DEFAULT_TOLERANCE);
        let window = Window::new(tolerance, case.now.unwrap_or(file.now))?;
        Ok(webhook::verify(body, &headers, &secrets, window)?)
    }

    let file: File = load("verify");
    for case in &file.cases {
        match run(&file, case) {
            Ok(()) => assert!(case.accepted, "{}: was accepted", case.name),
            Err(rejected) => case.failure.check(&case.name, &rejected),
        }
    }
}

#[test]
fn events() {
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        name: String,
        body: String,
        event: Option<Value>,
        #[serde(flatten)]
        failure: Failure,
    }

    for case in load::<File>("events").cases {
        match webhook::parse(case.body.as_bytes()) {
            Ok(event) => {
                let mut found: Map<String, Value> =
                    serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
                if let Some(Value::Object(mut approval)) = found.remove("approval") {
                    if let Some(created_at) = approval.remove("createdAt") {
                        approval.insert("created_at".to_owned(), created_at);
                    }
                    found.extend(approval);
                }
                assert_eq!(Some(Value::Object(found)), case.event, "{}", case.name);
            }
            Err(error) => case.failure.check(&case.name, &Rejected::Unreadable(error)),
        }
    }
}

#[test]
fn sign() {
    #[derive(Deserialize)]
    struct File {
        body: String,
        id: String,
        timestamp: f64,
        cases: Vec<Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        name: String,
        body: Option<String>,
        id: Option<String>,
        timestamp: Option<f64>,
        secret: GivenSecret,
        scheme: String,
        headers: Option<Value>,
        #[serde(flatten)]
        failure: Failure,
    }

    fn run(file: &File, case: &Case) -> Result<Vec<(&'static str, String)>, Error> {
        let secret = Secret::required(case.secret.read("secret")?)?;
        let scheme: Scheme = case.scheme.parse()?;
        let id = case.id.as_ref().unwrap_or(&file.id);
        let stamp = Stamp::new(id, case.timestamp.unwrap_or(file.timestamp))?;
        Ok(webhook::sign(case.body.as_ref().unwrap_or(&file.body).as_bytes(), &secret, scheme, stamp))
    }

    let file: File = load("sign");
    for case in &file.cases {
        match run(&file, case) {
            Ok(headers) => {
                let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
                assert_eq!(Some(Value::Object(headers.collect())), case.headers, "{}", case.name);
            }
            Err(error) => case.failure.check(&case.name, &Rejected::Unreadable(error)),
        }
    }
}
