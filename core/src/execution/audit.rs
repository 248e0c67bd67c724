//! An audit query with moments for dates: page after page, since what a server lists of the first and the last day is
//! not all wanted.

use serde_json::value::RawValue;

use super::Execution;
use crate::args::{Args, Value};
use crate::bridges::Span;
use crate::decode;
use crate::error::Error;
use crate::response::Response;

/// The most entries that a server lists at a time.
const MOST: i64 = 10_000;

/// How many are asked for where the first page did not have enough.
const PAGE: i64 = 1_000;

impl Execution<'_> {
    /// Asks for entries, newest first, until there are as many within the span as wanted, or no more.
    ///
    /// `args` has days for dates. Its offset is counted in entries within the span, as its limit is. Only the entries that
    /// are newer than the span have to be read to find it: those that come next are within it, and can be left out by the
    /// server. Where a log is not quite in order, that repeats an entry at the most, and hides none.
    ///
    /// A short page says nothing: servers may have a limit of their own. The list ends where nothing comes after it.
    pub(super) fn audit(mut self, args: &Args, span: Span) -> Result<Response, Error> {
        let operation = self.operation;
        let number = |name, otherwise| match args.named(operation, name) {
            Some(Value::Int(number)) => *number,
            Some(_) => -1,
            None => otherwise,
        };
        let (limit, skip) = (number("limit", MOST), number("offset", 0));
        let answerable = (1..=MOST).contains(&limit) && skip >= 0;
        let mut picked = Picked { left_out: skip, limit, rows: Vec::new() };
        let mut before: Vec<Box<RawValue>> = Vec::new();
        // How many the offset of this page leaves out beside those of the pages before.
        let mut jumped = 0;
        let (mut page, mut offset) = (limit, skip);
        let mut begun = span.is_open_above();
        if begun {
            picked.left_out = 0;
        } else if answerable {
            offset = 0;
            page = limit.saturating_add(skip).min(limit.max(PAGE));
        }
        loop {
            let given = Some(Value::Int(offset)).filter(|_| offset != 0);
            let args = args.with(operation, "limit", Some(Value::Int(page))).with(operation, "offset", given);
            let mut answer = self.ask(&args)?;
            if !answer.is_success() {
                return Err(self.refuse(&answer));
            }
            let list = decode::payload(&operation.returns, &answer.body).ok();
            let Some(rows) = list.and_then(|list| serde_json::from_str::<Vec<Box<RawValue>>>(list).ok())
            else {
                // Whoever decodes it says what is wrong.
                return self.accept(answer);
            };
            // Entries that were added meanwhile push others on to the next page: those came before.
            let again = match jumped {
                0 => overlap(&before, &rows),
                // Nothing was left out by a server that takes no notice of the offset.
                _ if !before.is_empty() && begins_with(&rows, &before) => {
                    picked.left_out = jumped;
                    before.len()
                }
                _ => 0,
            };
            picked.take(&span, &rows[again..]);
            begun |= picked.left_out < skip || !picked.rows.is_empty();
            let is_last = rows.len() == again || rows.last().is_some_and(|row| span.is_over(row.get()));
            if picked.is_full() || is_last || !answerable {
                answer.body = format!("[{}]", picked.rows.join(",")).into_bytes();
                return self.accept(answer);
            }
            offset += i64::try_from(rows.len()).unwrap_or(MOST);
            page = PAGE;
            before = rows;
            jumped = if begun { std::mem::take(&mut picked.left_out) } else { 0 };
            offset = offset.saturating_add(jumped);
        }
    }
}

/// What is handed out.
struct Picked {
    /// How many are still to be left out at the beginning.
    left_out: i64,
    limit: i64,
    rows: Vec<String>,
}

impl Picked {
    fn take(&mut self, span: &Span, rows: &[Box<RawValue>]) {
        for row in rows.iter().map(|row| row.get()).filter(|row| span.holds(row)) {
            if self.is_full() {
                return;
            }
            if self.left_out > 0 {
                self.left_out -= 1;
            } else {
                self.rows.push(row.to_owned());
            }
        }
    }

    fn is_full(&self) -> bool {
        i64::try_from(self.rows.len()).is_ok_and(|count| count >= self.limit)
    }
}

fn begins_with(rows: &[Box<RawValue>], start: &[Box<RawValue>]) -> bool {
    rows.len() >= start.len() && start.iter().zip(rows).all(|(one, other)| one.get() == other.get())
}

/// How many of the first rows are the last ones of the page before.
fn overlap(before: &[Box<RawValue>], rows: &[Box<RawValue>]) -> usize {
    let same = |count: &usize| begins_with(rows, &before[before.len() - count..]);
    (0..=before.len().min(rows.len())).rev().find(same).unwrap_or(0)
}
