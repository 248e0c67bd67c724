//! Errors on their way to JavaScript: structured data as JSON text, from which TypeScript makes its own classes.

use loki_mode_core::webhook::Refused;
use loki_mode_core::{Error, ErrorInfo, NoToken};
use serde::Serialize;

/// What `errors.ts` reads; a field that is not known is left out.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    class: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldFailure<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maybe_executed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    /// The call is to be rejected with what the token provider failed with.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    provider_failed: bool,
}

#[derive(Serialize)]
struct FieldFailure<'a> {
    location: &'a str,
    message: &'a str,
}

/// The JSON text of the error of a call whose first token came too late: nothing was sent.
pub(crate) fn token_too_late() -> String {
    to_json(NoToken::too_late_to_send())
}

/// A webhook that is not to be trusted, as JSON text of the same kind.
pub(crate) fn refused_to_json(refused: &Refused) -> String {
    let Refused { reason, message } = refused;
    let class = "WebhookVerificationError";
    serde_json::json!({ "class": class, "message": message, "reason": reason.as_str() }).to_string()
}

/// The error as what is thrown by a function that returns at once: its message is the JSON text.
pub(crate) fn thrown(error: Error) -> napi::Error {
    napi::Error::from_reason(to_json(error))
}

/// The error as JSON text.
pub(crate) fn to_json(error: Error) -> String {
    let error = NoToken::late_is_a_timeout(error);
    let ErrorInfo {
        kind,
        message,
        status_code,
        response_body,
        code,
        method,
        path,
        attempts,
        retry_after,
        required_scope,
        errors,
        maybe_executed,
        param,
        ..
    } = error.details();
    let failure = Failure {
        class: kind.class_name(),
        message,
        status_code: *status_code,
        response_body: response_body.as_deref(),
        code: code.as_deref(),
        method: method.as_deref(),
        path: path.as_deref(),
        attempts: *attempts,
        retry_after: *retry_after,
        required_scope: required_scope.as_deref(),
        errors: errors
            .iter()
            .map(|field| FieldFailure { location: &field.location, message: &field.message })
            .collect(),
        maybe_executed: *maybe_executed,
        param: param.as_deref(),
        provider_failed: NoToken::behind(&error) == Some(NoToken::Failed),
    };
    written(&failure)
}

fn written(failure: &Failure<'_>) -> String {
    serde_json::to_string(failure).expect("strings, numbers and booleans can be written as JSON")
}
