//! What a webhook says.

use std::collections::HashMap;

use loki_mode_spec::Returns;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::decode;
use crate::error::{Error, ErrorInfo, ErrorKind};
use crate::typed::Id;

/// Words that differ between the guide and the servers that exist, each with the one that stands for both.
const SAME: [(&str, &str); 1] = [("task_complete", "task_completed")];

/// What a webhook says. A field that is missing, or is of another type than expected, is `None`; the body has it as it
/// came.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Event {
    /// What happened: `type` or `event` of the body, in the words of the guide: `task_completed` also where it says
    /// `task_complete`. Known: `session_start`, `session_end`, `task_completed`, `milestone`, `error`, `warning`,
    /// `approval_request`; others are kept as they came.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// What happened, in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What happened, at length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it happened, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// Whatever belongs to this kind of event: a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<RawValue>>,
    /// The task that it is about: `task_id` of the body or of its metadata, an integer of any size or text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<Id>,
    /// What else there is if somebody is asked to approve of something (`approval_request`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRequest>,
}

/// A gate of a run wants to be approved.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ApprovalRequest {
    /// Identifier of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Phase of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Name of the gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// What is to be approved of: any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<RawValue>>,
    /// When it was asked, as it came.
    #[serde(rename = "createdAt", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// The fields of a JSON object; of two with one name, the later one, as in Python and JavaScript.
struct Fields<'a>(HashMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    fn of(object: &'a str) -> Option<Self> {
        serde_json::from_str(object).ok().map(Fields)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// Text with something in it.
    fn word(&self, name: &str) -> Option<String> {
        self.read(name).filter(|word: &String| !word.is_empty())
    }

    /// An identifier; an empty one is none.
    fn id(&self, name: &str) -> Option<Id> {
        Id::from_json(self.0.get(name)?.get()).filter(|id| *id != Id::Str(String::new()))
    }

    /// Any JSON but null.
    fn json(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|value| value.get() != "null")
    }
}

/// Reads the body of a webhook. It says nothing about who sent it: see [`verify`](super::verify).
///
/// # Errors
/// [`Error::Decode`] if it is no JSON object.
pub fn parse(body: &[u8]) -> Result<Event, Error> {
    let text = payload(body)?;
    // Checked above.
    let fields = Fields::of(text).unwrap_or(Fields(HashMap::new()));
    let metadata = fields.json("metadata").filter(|value| value.get().starts_with('{'));
    let kind = fields.word("type").or_else(|| fields.word("event")).map(|word| {
        let same = SAME.iter().find(|(other, _)| *other == word);
        same.map_or(word, |(_, known)| (*known).to_owned())
    });
    let approval = (kind.as_deref() == Some("approval_request")).then(|| ApprovalRequest {
        id: fields.id("id"),
        phase: fields.read("phase"),
        gate: fields.read("gate"),
        context: fields.json("context").map(ToOwned::to_owned),
        created_at: fields.read("createdAt"),
    });
    Ok(Event {
        kind,
        project: fields.read("project"),
        title: fields.read("title"),
        message: fields.read("message"),
        timestamp: fields.read("timestamp"),
        metadata: metadata.map(ToOwned::to_owned),
        task_id: fields
            .id("task_id")
            .or_else(|| metadata.and_then(|object| Fields::of(object.get())?.id("task_id"))),
        approval,
    })
}

/// The JSON text of the object that the body of a webhook is.
///
/// # Errors
/// [`Error::Decode`] if it is none.
pub fn payload(body: &[u8]) -> Result<&str, Error> {
    decode::payload(&Returns::Object, body).map_err(|failure| {
        ErrorInfo::new(ErrorKind::Decode, format!("the body of the webhook is no JSON object: {failure}"))
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Event {
        parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn both_words_for_a_finished_task_are_one() {
        for body in [
            r#"{"type": "task_completed", "task_id": 7}"#,
            r#"{"event": "task_complete", "metadata": {"task_id": 7}}"#,
            r#"{"event": "x", "type": "task_complete", "task_id": 7, "metadata": {"task_id": 8}}"#,
        ] {
            let event = read(body);
            assert_eq!(event.kind.as_deref(), Some("task_completed"), "{body}");
            assert_eq!(event.task_id, Some(Id::Int(7)), "{body}");
        }
    }

    #[test]
    fn odd_fields_are_none_and_lose_nothing_else() {
        let event = read(
            r#"{"type": 5, "event": "milestone", "title": null, "message": [], "metadata": "m", "task_id": 1.5, "project": "p"}"#,
        );
        assert_eq!(event.kind.as_deref(), Some("milestone"));
        assert_eq!((event.title, event.message, event.task_id), (None, None, None));
        assert!(event.metadata.is_none() && event.approval.is_none());
        assert_eq!(event.project.as_deref(), Some("p"));
        assert_eq!(read("{}").kind, None);
    }

    #[test]
    fn what_is_empty_hides_nothing() {
        let event =
            read(r#"{"type": "", "event": "task_complete", "task_id": "", "metadata": {"task_id": 7}}"#);
        assert_eq!(event.kind.as_deref(), Some("task_completed"));
        assert_eq!(event.task_id, Some(Id::Int(7)));
        let event = read(r#"{"type": "", "task_id": ""}"#);
        assert_eq!((event.kind, event.task_id), (None, None));
    }

    #[test]
    fn an_identifier_of_any_size_is_kept() {
        for digits in ["12345678901234567890123", "-12345678901234567890123", "18446744073709551615"] {
            let event =
                read(&format!(r#"{{"type": "approval_request", "task_id": {digits}, "id": {digits}}}"#));
            assert_eq!(event.task_id, Some(Id::Big(digits.to_owned())));
            assert_eq!(event.approval.as_ref().unwrap().id, event.task_id);
            let written = serde_json::to_string(&event).unwrap();
            assert!(written.contains(&format!(r#""task_id":{digits},"#)), "{written}");
        }
        assert_eq!(read(r#"{"task_id": -5}"#).task_id, Some(Id::Int(-5)));
        for number in ["1.0", "1e2", "true", "[7]", r#"{"id":7}"#] {
            assert_eq!(read(&format!(r#"{{"task_id": {number}}}"#)).task_id, None, "{number}");
        }
    }

    #[test]
    fn an_approval_request_has_more() {
        let event = read(
            r#"{"type":"approval_request","id":"a-1","phase":"DEPLOY","gate":"prod","context":{"n":12345678901234567890123},"createdAt":"2026-11-21T22:49:47Z"}"#,
        );
        let approval = event.approval.unwrap();
        assert_eq!(approval.id, Some(Id::Str("a-1".to_owned())));
        assert_eq!(approval.context.unwrap().get(), r#"{"n":12345678901234567890123}"#);
        assert_eq!(approval.created_at.as_deref(), Some("2026-11-21T22:49:47Z"));
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
        for body in ["", "[]", "null", "1", "{", r#"{"a":NaN}"#, "\u{0}", &deep] {
            let error = parse(body.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::Decode(_)), "{error}");
            assert!(error.to_string().len() < 500);
        }
        assert!(parse(b"{\"a\": \"\xff\"}").is_err());
    }
}
