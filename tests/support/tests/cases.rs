//! The shared cases, executed by the engine itself.

use loki_mode_core::{Args, CallOptions, Client, Error, Options, timeout_from_seconds};
use loki_mode_test_support::case::{Call, Case, Outcome, load, subjects};
use loki_mode_test_support::{FaultServer, refused_base_url};
use serde_json::{Value, json};

fn run(subject: &str) {
    let mut failures = Vec::new();
    for case in load(subject).expect("the cases can be read") {
        if let Err(failure) = run_case(&case) {
            failures.push(format!("{}: {failure}", case.name));
        }
    }
    assert!(failures.is_empty(), "{subject}: {} cases failed\n{}", failures.len(), failures.join("\n"));
}

fn run_case(case: &Case) -> Result<(), String> {
    let server = FaultServer::start(case.exchanges.iter().map(|exchange| exchange.response.clone()))
        .map_err(|error| error.to_string())?;
    let base_url = match case.server {
        Some(_) => refused_base_url().map_err(|error| error.to_string())?,
        None => server.base_url().to_owned(),
    };
    let client = options(case, &base_url).and_then(Client::new);
    for (index, call) in case.calls()?.iter().enumerate() {
        let outcome = match &client {
            Ok(client) => execute(client, call).unwrap_or_else(|error| outcome_of(&error)),
            Err(error) => outcome_of(error),
        };
        call.check(&outcome).map_err(|error| format!("call {}: {error}", index + 1))?;
    }
    case.check_requests(&server.requests())
}

fn options(case: &Case, base_url: &str) -> Result<Options, Error> {
    let setup = &case.client;
    let suffix = setup.base_url_suffix.as_deref().unwrap_or_default();
    let mut options = Options {
        base_url: setup.base_url.clone().unwrap_or_else(|| format!("{base_url}{suffix}")),
        token: setup.token.as_deref().map(Into::into),
        ..Options::default()
    };
    if let Some(style) = &setup.path_style {
        options.path_style = style.parse()?;
    }
    if let Some(count) = setup.max_retries {
        options.max_retries = count;
    }
    if let Some(seconds) = setup.timeout_seconds {
        options.timeout = timeout_from_seconds("timeout", seconds)?;
    }
    Ok(options)
}

fn execute(client: &Client, call: &Call) -> Result<Outcome, Error> {
    let operation = loki_mode_spec::operation(&call.operation).expect("an operation of the table");
    let arguments: Vec<_> = operation.params.iter().map(|param| call.arguments.get(param.name)).collect();
    let args = Args::from_json(operation, &json!(arguments).to_string())?;
    let response = client.execute(operation, args, &CallOptions::default())?;
    let payload = response.payload()?;
    Ok(Outcome::Result(serde_json::from_str(payload).expect("a payload is JSON")))
}

fn outcome_of(error: &Error) -> Outcome {
    let info = error.info();
    let fields = json!({
        "status_code": info.status_code,
        "response_body": info.response_body,
        "code": info.code,
        "method": info.method,
        "path": info.path,
        "attempts": info.attempts,
        "retry_after": info.retry_after,
        "required_scope": info.required_scope,
        "errors": info.errors.iter()
            .map(|field| json!({"location": field.location, "message": field.message}))
            .collect::<Vec<Value>>(),
        "maybe_executed": info.maybe_executed,
    });
    let class = error.kind().class_name().to_owned();
    Outcome::Error { class, message: error.to_string(), debug: format!("{error:?}"), fields }
}

/// One test for each file, so that they run side by side, and one that no file is forgotten.
macro_rules! subjects {
    ($($subject:ident)*) => {
        $(#[test]
        fn $subject() {
            run(stringify!($subject));
        })*

        #[test]
        fn every_file_is_run() {
            assert_eq!(subjects().unwrap(), [$(stringify!($subject)),*]);
        }
    };
}

subjects! { audit bridges checkpoints decoding dialect errors input keys live projects retries runs sessions status tasks tenants }
