//! All items of a long list, page by page: each once, whatever happens to the list meanwhile.

mod seen;

use std::collections::VecDeque;
use std::time::Duration;

use loki_mode_spec::{Model, Operation, Paging};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use self::seen::{Keys, Seen};
use crate::args::{Args, Value};
use crate::call::CallOptions;
use crate::client::Client;
use crate::decode;
use crate::error::{Error, ErrorInfo, ErrorKind};
use crate::events::{Batch, Cursor, Pull, Source, Step, Stream, StreamCall};
use crate::request::Request;
use crate::response::Response;
use crate::typed::Values;

/// The longest page that is asked for unless the caller wants another: more take long to come.
const LONG_PAGE: i64 = 1000;
/// Pages from this length on are not taken for cut where the one before ended alike: nobody adds as many rows between two
/// requests.
const SHORT: usize = 20;
/// No list is that long.
const BEYOND: i64 = 1_000_000_000;
/// How many pages in a row may bring nothing, beside those that can be explained by rows that were added.
const PATIENCE: usize = 32;

/// How a list is gone through.
#[derive(Debug, Clone, Default)]
pub struct PageOptions {
    /// How many items a page has at the most. Default: as many as servers give, up to 1000.
    pub page_size: Option<u64>,
    /// How many items are given out at the most. Default: all.
    pub max_items: Option<u64>,
    /// The longest that the call for a page may take. Default: the client's.
    pub timeout: Option<Duration>,
    /// How often a failed attempt at a page is repeated. Default: the client's.
    pub max_retries: Option<u32>,
    /// Headers to send with each request.
    pub headers: Vec<(String, String)>,
}

impl Client {
    /// Goes through a list from its beginning to its end, page by page: each [`Batch`] has the items of a page that were not
    /// given out before. Nothing is asked for before it is wanted.
    ///
    /// Rows that are added or removed meanwhile neither repeat others nor hide them; whether they themselves are given out
    /// depends on where they stand. Rows without an id (those of the audit log) are recognised by their texts and their
    /// order: of two that are the same in everything, one may be given out twice if rows are added meanwhile.
    ///
    /// `args` are those of the operation; what they say about the limit and the offset counts for nothing. Each page is a
    /// call like any other, with its retries and its timeout. After an error the stream can be asked again, and goes on where
    /// it stood.
    ///
    /// # Errors
    /// [`Error::Config`] if the operation has no pages, or naming the option that is no good.
    pub fn pages(
        &self,
        operation: &'static Operation,
        args: Args,
        options: PageOptions,
    ) -> Result<Stream, Error> {
        let (Some(paging), Some((model, keys))) = (operation.paging, operation.paged_items()) else {
            return Err(Error::config("operation", format!("`{}` has no pages", operation.name)));
        };
        let size = match options.page_size.map(i64::try_from) {
            None => paging.largest.min(LONG_PAGE),
            Some(Ok(size)) if (1..=paging.largest).contains(&size) => size,
            Some(_) => {
                let message =
                    format!("`page_size` of `{}` must be from 1 to {}", paging.method, paging.largest);
                return Err(Error::config("page_size", message));
            }
        };
        if options.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Error::config("timeout", "`timeout` must be above zero"));
        }
        crate::headers::checked("headers", &options.headers)?;
        // What does not fit into a path is refused here and not with the first page.
        Request::new(operation, operation.path, &args)?;
        let pager = Pager {
            client: self.clone(),
            operation,
            paging,
            model,
            keys,
            args,
            size,
            left: options.max_items,
            options,
            offset: 0,
            seen: Seen::new(model.fields.iter().any(|field| field.wire == "id")),
            last: Keys::Rows(Vec::new()),
            longest: 0,
            step_back: 0,
            barren: 0,
            done: false,
        };
        Ok(Stream::new(self, Box::new(pager), Cursor::default()))
    }

    /// The same, with the values of the typed face: they must not say anything about the limit and the offset.
    pub(crate) fn typed_pages<T: DeserializeOwned>(
        &self,
        operation: &'static Operation,
        values: Values,
        options: PageOptions,
    ) -> Result<Items<T>, Error> {
        let values = values.into_list();
        if let Some(paging) = operation.paging {
            for (param, value) in operation.params.iter().zip(&values) {
                if value.is_some() && [paging.limit, paging.offset].contains(&param.name) {
                    let message = format!(
                        "`{}` cannot be given to `{}`: see `page_size` and `max_items`",
                        param.name, paging.method
                    );
                    return Err(Error::config(param.name, message));
                }
            }
        }
        let stream = self.pages(operation, Args::new(operation, values)?, options)?;
        Ok(Items { stream, ready: VecDeque::new() })
    }
}

/// The items of a list, one after the other. After an error it can be asked again.
#[derive(Debug)]
pub struct Items<T> {
    stream: Stream,
    ready: VecDeque<T>,
}

impl<T: DeserializeOwned> Iterator for Items<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            match self.stream.next(&StreamCall::default()).step {
                Ok(Step::Events(batch)) => match serde_json::from_str(batch.json()) {
                    Ok(items) => self.ready = items,
                    Err(error) => {
                        return Some(Err(ErrorInfo::new(ErrorKind::Decode, error.to_string()).into()));
                    }
                },
                Ok(Step::Idle) => {}
                Ok(Step::End) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Goes through a list.
struct Pager {
    client: Client,
    operation: &'static Operation,
    paging: Paging,
    /// What the list is of, and the keys under which it may stand.
    model: &'static Model,
    keys: &'static [&'static str],
    args: Args,
    options: PageOptions,
    /// How many new items a page may bring.
    size: i64,
    /// How many items are still to be given out; none if all.
    left: Option<u64>,
    /// Where the next page begins: at the last row that was given out, if the list is as it was.
    offset: i64,
    seen: Seen,
    /// The last page that was answered and followed on what was given out.
    last: Keys,
    /// The length of the longest page: servers may have a limit of their own.
    longest: usize,
    /// How far to go back if the next page does not follow on what was given out.
    step_back: i64,
    /// How many pages in a row brought nothing.
    barren: usize,
    done: bool,
}

impl Pager {
    /// How long the next page may be: one more than is wanted for the row that is known, within what servers give.
    fn limit(&self) -> i64 {
        let known = i64::from(self.seen.len() > 0);
        let left = self.left.map_or(i64::MAX, |left| i64::try_from(left).unwrap_or(i64::MAX));
        self.size.min(left).saturating_add(known).min(self.paging.largest)
    }

    fn ask(&self, pull: &mut Pull<'_>, limit: i64, offset: i64) -> Result<Response, Error> {
        let mut args = self.args.with(self.operation, self.paging.limit, Some(Value::Int(limit)));
        let offset = Some(Value::Int(offset)).filter(|_| offset > 0);
        args = args.with(self.operation, self.paging.offset, offset);
        let call = CallOptions {
            timeout: self.options.timeout,
            max_retries: self.options.max_retries,
            headers: &self.options.headers,
            ..pull.unhurried_call()
        };
        let outcome = self.client.execute(self.operation, args, &call);
        let attempts = match &outcome {
            Ok(response) => &response.attempt_log,
            Err(error) => &error.details().attempt_log,
        };
        pull.note(attempts.iter().cloned());
        outcome
    }

    /// The next page: some items that are new, or none if the list has to be asked for once more.
    fn page(&mut self, pull: &mut Pull<'_>) -> Result<Option<Batch>, Error> {
        let limit = self.limit();
        let response = self.ask(pull, limit, self.offset)?;
        let rows = response.rows(self.keys)?;
        let keys = self.seen.keys(&rows).map_err(|error| response.not_as_promised(&error))?;
        let mut fresh = self.seen.look(&keys);
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        self.longest = self.longest.max(rows.len());
        if self.offset > 0 && !fresh.meets_known {
            // Rows from before this page are gone, and those that came after them stand before it now.
            self.count_barren()?;
            self.offset = (self.offset - self.step_back).max(0);
            self.step_back *= 2;
            return Ok(None);
        }
        self.step_back = (self.size / 4).max(1);
        if fresh.fresh.is_empty() {
            // Neither a short page nor one that is too long says by itself that it is the last: servers have limits of
            // their own. That nothing comes after the last row of the page before says it, unless a limit cut the page
            // and just as many rows were added before it.
            let may_be_cut =
                rows.len() == wanted || (2..SHORT).contains(&rows.len()) && rows.len() == self.longest;
            self.done = rows.is_empty() || !may_be_cut && keys.last() == self.last.last();
            if !self.done && keys == self.last {
                self.done = self.takes_no_notice(pull, rows.len(), wanted)?;
            }
            if !self.done {
                self.count_barren()?;
                self.advance(rows.len());
            }
            self.last = keys;
            return Ok(None);
        }
        self.barren = 0;
        if let Some(left) = &mut self.left {
            fresh.fresh.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= fresh.fresh.len() as u64;
            self.done = *left == 0;
        }
        self.advance(rows.len());
        self.seen.give(&keys, &fresh.fresh);
        self.last = keys;
        let texts: Vec<_> = fresh.fresh.iter().map(|at| rows[*at].get()).collect();
        Ok(Some(Batch::new(format!("[{}]", texts.join(",")), texts.len(), self.model)))
    }

    /// The next page begins with the last row of one of this length.
    fn advance(&mut self, length: usize) {
        self.offset += i64::try_from(length).unwrap_or(i64::MAX).saturating_sub(1);
    }

    /// The server gave the same page twice: because of its offset, or because as many rows were added as that differs by?
    /// Beyond the end of any list, there is nothing to be given.
    ///
    /// # Errors
    /// It takes no notice of the offset, and the page was cut, which shows when a shorter one is asked for: a server that
    /// ignores the limit, too, gives everything every time.
    fn takes_no_notice(&mut self, pull: &mut Pull<'_>, length: usize, wanted: usize) -> Result<bool, Error> {
        let shorter = i64::try_from(length).unwrap_or(i64::MAX).saturating_sub(1).max(1);
        let rows = self.ask(pull, shorter, BEYOND)?.rows(self.keys)?.len();
        if rows == 0 {
            return Ok(false);
        }
        if rows >= length || length < wanted {
            return Ok(true);
        }
        self.done = true;
        let message = format!(
            "{} {}: this server takes no notice of `{}`, so that only the first {} can be listed",
            self.operation.method.as_str(),
            self.operation.path,
            self.paging.offset,
            self.seen.len()
        );
        Err(ErrorInfo::new(ErrorKind::NotAvailable, message).into())
    }

    fn count_barren(&mut self) -> Result<(), Error> {
        self.barren += 1;
        // Pages overlap by a row.
        let explained = 2 * self.seen.len() / self.longest.saturating_sub(1).max(1);
        if self.barren <= PATIENCE + explained {
            return Ok(());
        }
        self.done = true;
        let message = format!(
            "{} {}: the list comes in another order every time, so that its pages do not fit together",
            self.operation.method.as_str(),
            self.operation.path
        );
        Err(ErrorInfo::new(ErrorKind::NotAvailable, message).into())
    }
}

impl Source for Pager {
    fn step(&mut self, pull: &mut Pull<'_>) -> Result<Step, Error> {
        loop {
            if self.done || self.left == Some(0) {
                return Ok(Step::End);
            }
            if let Some(batch) = self.page(pull)? {
                return Ok(Step::Events(batch));
            }
            if !self.done && pull.is_due() {
                return Ok(Step::Idle);
            }
        }
    }
}

impl Response {
    /// The rows of a list that stands bare or under one of these keys.
    fn rows(&self, keys: &'static [&'static str]) -> Result<Vec<&RawValue>, Error> {
        let text = self.payload()?;
        let list = decode::list(text, keys).map_err(|failure| self.failure(failure))?;
        serde_json::from_str(list).map_err(|error| self.not_as_promised(&error))
    }

    fn not_as_promised(&self, error: &serde_json::Error) -> Error {
        let message = format!(
            "{} {}: the answer ({}) is not what `{}` returns: {error}",
            self.operation.method.as_str(),
            self.path,
            self.status,
            self.operation.name
        );
        ErrorInfo { status_code: Some(self.status), ..ErrorInfo::new(ErrorKind::Decode, message) }.into()
    }
}
