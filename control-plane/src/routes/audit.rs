//! The audit log.

use rusqlite::Connection;
use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

use super::{Call, Handler};
use crate::answers::{Answer, Failure, Problem};
use crate::json;
use crate::store::audit::{self, Filter};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("query_audit", query), ("verify_audit", verify)];

/// How many entries are listed unless `limit` says otherwise.
const DEFAULT_LIMIT: i64 = 100;

/// A bound of the dates: a whole day, as text, or a point in time in microseconds.
#[derive(Clone, Copy, Default)]
struct Bound<'a> {
    day: Option<&'a str>,
    time: Option<i64>,
}

/// Reads a date, or a date with a time (UTC, unless it names an offset).
fn bound<'a>(call: &Call<'a>, name: &'static str) -> Result<Bound<'a>, Failure> {
    let Some(text) = call.inputs.text(name) else {
        return Ok(Bound::default());
    };
    // The parser of dates ignores a time that follows.
    let is_day = text.len() == "YYYY-MM-DD".len() && Date::parse(text, &Iso8601::DATE).is_ok();
    if call.profile.compares_dates_as_text() || is_day {
        return Ok(Bound { day: Some(text), time: None });
    }
    let point = OffsetDateTime::parse(text, &Iso8601::DEFAULT)
        .or_else(|_| PrimitiveDateTime::parse(text, &Iso8601::DEFAULT).map(PrimitiveDateTime::assume_utc));
    match point.map(|point| i64::try_from(point.unix_timestamp_nanos() / 1000)) {
        Ok(Ok(micros)) => Ok(Bound { day: None, time: Some(micros) }),
        _ => Err(Failure::Invalid(vec![Problem {
            kind: "datetime_from_date_parsing",
            loc: json::strings(&["query", name]),
            msg: "Input should be a valid date or datetime".to_owned(),
            input: json::string(text),
            ctx: None,
        }])),
    }
}

fn query(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let inputs = call.inputs;
    let (first, last) = (bound(call, "start_date")?, bound(call, "end_date")?);
    let filter = Filter {
        days: (first.day, last.day),
        times: (first.time, last.time),
        action: inputs.text("action"),
        resource_type: inputs.text("resource_type"),
        limit: inputs.int("limit").unwrap_or(DEFAULT_LIMIT),
        offset: inputs.int("offset").unwrap_or(0),
    };
    Ok(Answer::json(audit::query(connection, &filter, call.profile.log_time())?))
}

fn verify(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let days = audit::verify(connection)?;
    let sums = call.profile.sums_audit_files();
    let file = |day: &str| format!("audit-{day}.jsonl");
    let results = json::array(days.iter().map(|outcome| {
        json::object(|object| {
            let object = object
                .bool("valid", outcome.first_tampered.is_none())
                .int("entries_checked", outcome.entries)
                .opt_int("first_tampered_line", outcome.first_tampered)
                .str("file", &file(&outcome.day));
            if sums { object.str("last_hash", &outcome.last_hash) } else { object }
        })
    }));
    let tampered = days.iter().find(|outcome| outcome.first_tampered.is_some());
    let files = i64::try_from(days.len()).unwrap_or(i64::MAX);
    Ok(Answer::json(json::object(|object| {
        let object = object.bool("valid", tampered.is_none()).int("files_checked", files);
        let object = if sums {
            object
                .int("files_skipped", 0)
                .int("entries_checked", days.iter().map(|outcome| outcome.entries).sum())
                .opt_str("genesis_file", days.first().map(|outcome| file(&outcome.day)).as_deref())
                .opt_str("first_tampered_file", tampered.map(|outcome| file(&outcome.day)).as_deref())
                .opt_int("first_tampered_line", tampered.and_then(|outcome| outcome.first_tampered))
        } else {
            object
        };
        object.raw("results", &results)
    })))
}
