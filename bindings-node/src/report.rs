//! What a call can tell beside its data: status and headers for those who want the raw answer, and its attempts for a
//! logger. JSON text, made only where it was asked for.

use loki_mode_core::{AttemptRecord, Response};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log: Vec<Attempt<'a>>,
}

#[derive(Serialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    attempts: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attempt<'a> {
    number: u32,
    method: &'a str,
    path: &'a str,
    status: Option<u16>,
    kind: Option<&'static str>,
    problem: Option<&'a str>,
    milliseconds: f64,
    reused_connection: bool,
}

/// What a caller wants to be told beside the data: bits, as `native.ts` names them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wants(pub(crate) u32);

impl Wants {
    const ANSWER: u32 = 1;
    const LOG: u32 = 2;

    pub(crate) fn answer(self) -> bool {
        self.0 & Self::ANSWER != 0
    }

    pub(crate) fn log(self) -> bool {
        self.0 & Self::LOG != 0
    }
}

/// The report as JSON text, if anything of it is wanted.
pub(crate) fn to_json(wants: Wants, response: Option<&Response>, log: &[AttemptRecord]) -> Option<String> {
    let answer = response.filter(|_| wants.answer()).map(|response| Answer {
        status: response.status,
        headers: response.header_bytes().map(|(name, value)| (name.to_owned(), latin1(value))).collect(),
        attempts: response.attempts,
    });
    if answer.is_none() && log.is_empty() {
        return None;
    }
    let log = log.iter().map(attempt).collect();
    Some(serde_json::to_string(&Report { answer, log }).expect("strings and numbers can be written as JSON"))
}

/// One character for each byte, as `fetch` gives them.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn attempt(record: &AttemptRecord) -> Attempt<'_> {
    Attempt {
        number: record.number,
        method: record.method,
        path: &record.path,
        status: record.status,
        kind: record.kind.map(|kind| kind.class_name()),
        problem: record.problem.as_deref(),
        milliseconds: record.duration.as_secs_f64() * 1e3,
        reused_connection: record.reused_connection,
    }
}
