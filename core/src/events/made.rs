//! Events that are written here: those that no server sent, or not in the usual form.

use serde::Serialize;

/// An event whose moment is not known.
pub(super) struct Made<'a, D> {
    pub(super) id: Option<&'a str>,
    pub(super) kind: &'a str,
    pub(super) data: D,
}

impl<D: Serialize> Made<'_, D> {
    /// The event in the usual form.
    pub(super) fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Written<'a, D> {
            id: Option<&'a str>,
            #[serde(rename = "type")]
            kind: &'a str,
            timestamp: Option<&'a str>,
            data: &'a D,
        }

        let Made { id, kind, data } = self;
        let written = Written { id: *id, kind, timestamp: None, data };
        serde_json::to_string(&written).expect("what has text for keys can be written")
    }
}

/// Why events may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Gap {
    pub(super) reason: Reason,
    /// The last event that was received before.
    pub(super) last_event_id: Option<String>,
}

/// Why what was missed could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Reason {
    /// The server counts from the beginning again: it was restarted, and remembers nothing from before.
    #[serde(rename = "server_restarted")]
    Restarted,
    /// The server remembers less than was missed, or nothing.
    #[serde(rename = "history_too_short")]
    Forgotten,
    /// There is no history to be asked for.
    #[serde(rename = "no_replay")]
    NoReplay,
}

impl Gap {
    /// The event that says that others may be missing.
    pub(super) fn to_json(&self) -> String {
        Made { id: None, kind: "gap", data: self }.to_json()
    }
}

#[cfg(test)]
mod tests {
    use loki_mode_spec::EVENT_TYPES;

    use super::*;

    #[test]
    fn a_gap_is_an_event_of_the_table() {
        let gap = Gap { reason: Reason::Restarted, last_event_id: Some("evt_\"5".to_owned()) };
        let expected = r#"{"id":null,"type":"gap","timestamp":null,"data":{"reason":"server_restarted","lastEventId":"evt_\"5"}}"#;
        assert_eq!(gap.to_json(), expected);
        let last_event_id = None;
        let unknown = Gap { last_event_id, ..gap }.to_json();
        assert!(unknown.ends_with(r#","lastEventId":null}}"#), "{unknown}");

        let table =
            EVENT_TYPES.iter().find(|event| event.name == "gap").and_then(|event| event.data).unwrap();
        let reasons = [Reason::Restarted, Reason::Forgotten, Reason::NoReplay];
        let words = reasons.map(|reason| serde_json::to_value(reason).unwrap());
        let known: &[&str] = table.fields.iter().find(|field| field.wire == "reason").unwrap().known;
        assert_eq!(words, known);
        assert!(table.fields.iter().any(|field| field.wire == "lastEventId"));
    }
}
