//! Sessions: of servers that have no routes for them, and in the two shapes of those that have.

use std::borrow::Cow;
use std::fmt;

use loki_mode_spec::{FieldType, Model, Operation, RESTING_SESSION_STATUSES, Returns};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::args::Value;

/// [`SessionsFromStatus`](loki_mode_spec::Bridge::SessionsFromStatus): the sessions that `/api/status` reports, as
/// the session routes of the guide would list them; `None` if this is no status.
pub(crate) fn sessions_from_status(status: &[u8]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Status<'a> {
        #[serde(borrow)]
        sessions: Option<Vec<&'a RawValue>>,
        #[serde(default)]
        active_sessions: Option<u64>,
        #[serde(borrow)]
        status: Option<&'a RawValue>,
        #[serde(borrow)]
        provider: Option<&'a RawValue>,
    }
    #[derive(Serialize)]
    struct Current<'a> {
        id: &'a str,
        status: Option<&'a RawValue>,
        provider: Option<&'a RawValue>,
    }

    let status: Status<'_> = serde_json::from_slice(status).ok()?;
    if let Some(sessions) = status.sessions {
        return sessions.into_iter().map(|session| with_id(session.get())).collect();
    }
    if status.active_sessions? == 0 {
        return Some(Vec::new());
    }
    let current = Current { id: "current", status: status.status, provider: status.provider };
    Some(vec![serde_json::to_string(&current).ok()?])
}

/// A session object whose identifier is called `id`, everything else kept as it came.
fn with_id(session: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Ids<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
        #[serde(borrow)]
        session_id: Option<&'a RawValue>,
    }

    let ids: Ids<'_> = serde_json::from_str(session).ok()?;
    if ids.id.is_some() {
        return Some(session.to_owned());
    }
    let id = ids.session_id?.get();
    let rest = session.trim_start().strip_prefix('{')?;
    Some(format!(r#"{{"id":{id},{rest}"#))
}

/// [`SessionFromStatus`](loki_mode_spec::Bridge::SessionFromStatus): the one session of this id.
pub(crate) fn session_of_id(sessions: Vec<String>, id: &Value) -> Option<String> {
    #[derive(Deserialize)]
    struct Id<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }

    let mut wanted = Vec::new();
    Value::Str(id.to_text().into_owned()).write_json(&mut wanted);
    sessions.into_iter().find(|session| {
        serde_json::from_str::<Id<'_>>(session)
            .is_ok_and(|found| found.id.get().as_bytes() == wanted || found.id.get() == id.to_text())
    })
}

/// [`AllSessionsFromStatus`](loki_mode_spec::Bridge::AllSessionsFromStatus): the same sessions, counted.
pub(crate) fn session_list(sessions: &[String]) -> String {
    #[derive(Deserialize)]
    struct Status<'a> {
        #[serde(borrow)]
        status: Option<Cow<'a, str>>,
    }

    let at_work = |session: &&String| {
        let status = serde_json::from_str::<Status<'_>>(session).ok().and_then(|session| session.status);
        status.is_some_and(|status| !RESTING_SESSION_STATUSES.contains(&&*status))
    };
    format!(
        r#"{{"sessions":[{}],"total":{},"running":{}}}"#,
        sessions.join(","),
        sessions.len(),
        sessions.iter().filter(at_work).count()
    )
}

/// The members of a JSON object, in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = entries.next_key()? {
                    members.push((name, entries.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

impl<'a> Members<'a> {
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// The object with the members of a model under the names that the model has for them, whichever of the two
    /// spellings the server used.
    fn named_as_in(&self, model: &Model) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let field =
                model.fields.iter().find(|field| *name == field.name || *name == camel_case(field.name));
            let name = match field {
                Some(field) if self.get(field.wire).is_none() => field.wire,
                _ => name,
            };
            Value::from(name).write_json(&mut out);
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
        out.push(b'}');
        out
    }
}

/// `started_at` -> `startedAt`.
fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                camel.push(letter.to_ascii_uppercase());
                upper = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}

/// [`SessionInStatus`](loki_mode_spec::Bridge::SessionInStatus): the session alone, under the names of the operation's
/// model; `None` if this is no object.
pub(crate) fn session_in_status(operation: &Operation, body: &[u8]) -> Option<Vec<u8>> {
    let Returns::Model(model) = operation.returns else { return None };
    let answer: Members<'_> = serde_json::from_slice(body).ok()?;
    match answer.get("session").and_then(|session| serde_json::from_str::<Members<'_>>(session.get()).ok()) {
        Some(session) => Some(session.named_as_in(model)),
        None => Some(answer.named_as_in(model)),
    }
}

/// [`StatusOfSession`](loki_mode_spec::Bridge::StatusOfSession): a session that came alone, as the member `session`;
/// `None` if it did not come alone.
pub(crate) fn status_of_session(operation: &Operation, body: &[u8]) -> Option<Vec<u8>> {
    let Returns::Model(status) = operation.returns else { return None };
    let session_model = status.fields.iter().find_map(|field| match field.ty {
        FieldType::Model(model) if field.name == "session" => Some(model),
        _ => None,
    })?;
    let session: Members<'_> = serde_json::from_slice(body).ok()?;
    if session.get("session").is_some() {
        return None;
    }
    let mut mended = br#"{"session":"#.to_vec();
    mended.extend_from_slice(&session.named_as_in(session_model));
    mended.push(b'}');
    Some(mended)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(bridge: fn(&Operation, &[u8]) -> Option<Vec<u8>>, name: &str, body: &str) -> Option<String> {
        let operation = loki_mode_spec::operation(name).unwrap();
        bridge(operation, body.as_bytes()).map(|mended| String::from_utf8(mended).unwrap())
    }

    #[test]
    fn sessions_come_out_of_both_kinds_of_status() {
        let named = br#"{"sessions":[{"session_id":"s-1","pid":7,"status":"running","log_file":null}]}"#;
        let sessions = sessions_from_status(named).unwrap();
        let text = r#"{"id":"s-1","session_id":"s-1","pid":7,"status":"running","log_file":null}"#;
        assert_eq!(sessions, [text]);
        assert_eq!(session_of_id(sessions.clone(), &Value::from("s-1")).as_deref(), Some(text));
        assert_eq!(session_of_id(sessions, &Value::from("s-2")), None);
        let counted = br#"{"active_sessions":1,"status":"running","provider":"claude"}"#;
        let current = r#"{"id":"current","status":"running","provider":"claude"}"#;
        assert_eq!(sessions_from_status(counted).unwrap(), [current]);
        assert_eq!(sessions_from_status(br#"{"active_sessions":0}"#).unwrap(), Vec::<String>::new());
        assert_eq!(sessions_from_status(br#"{"hello":1}"#), None);
    }

    #[test]
    fn a_session_is_taken_out_of_its_status_and_renamed() {
        let of = |body| mended(session_in_status, "get_session", body);
        assert_eq!(
            of(r#"{"tasks":{},"session":{"id":"s","startedAt":"t","currentPhase":null,"x":1.0}}"#).unwrap(),
            r#"{"id":"s","started_at":"t","currentPhase":null,"x":1.0}"#
        );
        assert_eq!(of(r#"{"id":"s","started_at":"t"}"#).unwrap(), r#"{"id":"s","started_at":"t"}"#);
        let both = r#"{"id":"s","startedAt":"a","started_at":"b"}"#;
        assert_eq!(of(both).unwrap(), both);
        assert_eq!(of(r#"{"id":"s","session":"x"}"#).unwrap(), r#"{"id":"s","session":"x"}"#);
        assert_eq!(of("[]"), None);
    }

    #[test]
    fn a_session_that_comes_alone_is_wrapped() {
        let of = |body| mended(status_of_session, "get_session_status", body);
        assert_eq!(
            of(r#"{"id":"s","started_at":"t","project_id":1}"#).unwrap(),
            r#"{"session":{"id":"s","startedAt":"t","project_id":1}}"#
        );
        assert_eq!(of(r#"{"session":{"id":"s"},"tasks":{}}"#), None);
        assert_eq!(of("null"), None);
    }

    #[test]
    fn sessions_are_counted() {
        let sessions =
            ["running", "autonomous", "stopped", "paused"].map(|word| format!(r#"{{"status":"{word}"}}"#));
        let list: serde_json::Value = serde_json::from_str(&session_list(&sessions)).unwrap();
        assert_eq!((&list["total"], &list["running"]), (&4.into(), &2.into()));
        assert_eq!(session_list(&[]), r#"{"sessions":[],"total":0,"running":0}"#);
    }
}
