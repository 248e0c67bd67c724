//! What a caller says about the requests of a stream.

use std::time::{Duration, Instant};

use crate::call::{CallOptions, Stop};
use crate::error::Error;
use crate::headers;
use crate::stream::ended;

/// The terms of a stream, and how it fares by them.
#[derive(Debug)]
pub(crate) struct Terms {
    headers: Vec<(String, String)>,
    /// How many failures in a row are waited out; none if it is up to the stream.
    max_retries: Option<u32>,
    failures: u32,
    /// When the stream is over.
    deadline: Option<Instant>,
}

impl Terms {
    /// # Errors
    /// [`Error::Config`] naming what is no good.
    pub(crate) fn new(
        timeout: Option<Duration>,
        max_retries: Option<u32>,
        headers: &[(String, String)],
    ) -> Result<Self, Error> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Error::config("timeout", "`timeout` must be above zero"));
        }
        headers::checked("headers", headers)?;
        Ok(Terms {
            headers: headers.to_vec(),
            max_retries,
            failures: 0,
            // A clock that cannot count that far will not run out either.
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        })
    }

    /// The headers that go with each request.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// A call of the stream, with what goes with each of them.
    pub(crate) fn call<'a>(&'a self, call: CallOptions<'a>) -> CallOptions<'a> {
        CallOptions { headers: &self.headers, ..call }
    }

    /// A request went well.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// A request failed; whether the caller wants another one. If not, the count begins anew: it is the caller's turn.
    pub(crate) fn may_retry(&mut self) -> bool {
        let wanted = self.max_retries.is_none_or(|most| self.failures < most);
        self.failures = if wanted { self.failures.saturating_add(1) } else { 0 };
        wanted
    }

    /// Whether its time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// # Errors
    /// [`Error::Timeout`] when its time is over, however often it is asked: the end of a stream would say that there is no
    /// more to come.
    pub(crate) fn check_time(&self) -> Result<(), Error> {
        if self.is_over() { Err(ended(Stop::Deadline)) } else { Ok(()) }
    }

    /// The moment, or the end of the stream if that comes first.
    pub(crate) fn at_most(&self, moment: Instant) -> Instant {
        self.deadline.map_or(moment, |deadline| deadline.min(moment))
    }

    /// How long a request may take that may take this long for itself. Never zero, which is no timeout: the time may have
    /// run out since it was looked at.
    pub(crate) fn timeout(&self, longest: Duration) -> Duration {
        const SHORTEST: Duration = Duration::from_millis(1);
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.map_or(longest, |left| longest.min(left.max(SHORTEST)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_are_counted_and_the_caller_begins_anew() {
        let mut terms = Terms::new(None, Some(2), &[]).unwrap();
        assert_eq!([(); 4].map(|()| terms.may_retry()), [true, true, false, true]);
        terms.succeeded();
        assert_eq!([(); 3].map(|()| terms.may_retry()), [true, true, false]);
        let mut never = Terms::new(None, Some(0), &[]).unwrap();
        assert_eq!([(); 2].map(|()| never.may_retry()), [false; 2]);
        let mut always = Terms::new(None, None, &[]).unwrap();
        assert!((0..1000).all(|_| always.may_retry()));
    }

    #[test]
    fn a_request_gets_what_is_left_and_never_nothing() {
        let longest = Duration::from_secs(5);
        let terms = |timeout| Terms::new(timeout, None, &[]).unwrap();
        assert_eq!(terms(None).timeout(longest), longest);
        assert!(terms(Some(Duration::from_secs(2))).timeout(longest) <= Duration::from_secs(2));
        let over = terms(Some(Duration::from_nanos(1)));
        while !over.is_over() {}
        assert!(!over.timeout(longest).is_zero());
    }

    #[test]
    fn what_is_no_good_is_named() {
        for (timeout, headers, named) in [
            (Some(Duration::ZERO), vec![], "timeout"),
            (None, vec![("Host".to_owned(), "x".to_owned())], "headers"),
        ] {
            let error = Terms::new(timeout, None, &headers).unwrap_err();
            assert!(matches!(error, Error::Config(_)) && error.to_string().contains(named), "{error}");
        }
        // Longer than any clock counts: without end.
        assert!(!Terms::new(Some(Duration::MAX), None, &[]).unwrap().is_over());
    }
}
