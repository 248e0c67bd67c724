//! What may be tried again, and when: pure, without clock, network or chance of its own.

use std::time::{Duration, SystemTime};

/// The longest wait that a server may ask for; beyond it a call gets the error at once, and a stream waits for this
/// long.
pub(crate) const LONGEST_OBEYED: Duration = Duration::from_secs(120);
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);

/// How an attempt failed, as far as trying again is concerned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Setback {
    /// The request never left: no name or no connection.
    NotSent,
    /// The connection was lost with the request on it and nothing of an answer.
    Lost {
        /// It had served another request, and so was probably closed for being idle.
        reused: bool,
    },
    /// The server answered with this status.
    Status {
        /// The status.
        status: u16,
        /// How long it asked to wait.
        retry_after: Option<Duration>,
    },
}

/// Where a call stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// Whether executing the request twice changes nothing.
    pub(crate) idempotent: bool,
    /// How often it has been tried again already.
    pub(crate) retries: u32,
    /// How often it may be.
    pub(crate) max_retries: u32,
    /// The time left until the deadline.
    pub(crate) left: Duration,
    /// A number from 0 to 1, by chance.
    pub(crate) chance: f64,
}

/// How long to wait before the next attempt; `None` if there must not be one.
pub(crate) fn wait_before_retry(setback: Setback, standing: Standing) -> Option<Duration> {
    if standing.retries >= standing.max_retries || !may_repeat(setback, standing.idempotent) {
        return None;
    }
    let asked = match setback {
        Setback::Status { retry_after, .. } => retry_after,
        // Nothing is overloaded: only the connection was old.
        Setback::Lost { reused: true } if standing.retries == 0 => Some(Duration::ZERO),
        Setback::NotSent | Setback::Lost { .. } => None,
    };
    if asked.is_some_and(|asked| asked > LONGEST_OBEYED) {
        return None;
    }
    let wait = asked.unwrap_or_else(|| backoff(standing.retries).mul_f64(standing.chance.clamp(0.0, 1.0)));
    // Waiting for a deadline would only turn a telling error into a timeout.
    (wait < standing.left).then_some(wait)
}

fn may_repeat(setback: Setback, idempotent: bool) -> bool {
    match setback {
        // 429 says that it was refused, not done.
        Setback::NotSent | Setback::Status { status: 429, .. } => true,
        Setback::Lost { .. } | Setback::Status { status: 408 | 502 | 503 | 504, .. } => idempotent,
        Setback::Status { .. } => false,
    }
}

/// The upper bound of the wait; "full jitter" takes any time up to it.
fn backoff(retries: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(retries)).min(LONGEST_BACKOFF)
}

/// How long a `Retry-After` header asks to wait: seconds, or a date.
pub(crate) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return duration(seconds);
    }
    // A date in the past means now.
    httpdate::parse_http_date(header).ok().map(|date| date.duration_since(now).unwrap_or_default())
}

/// A number of seconds from a server as a duration.
pub(crate) fn duration(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDING: Standing =
        Standing { idempotent: true, retries: 0, max_retries: 2, left: Duration::from_secs(30), chance: 1.0 };

    fn status(status: u16) -> Setback {
        Setback::Status { status, retry_after: None }
    }

    fn asking(seconds: u64) -> Setback {
        Setback::Status { status: 503, retry_after: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn only_what_is_safe_is_repeated() {
        let write = Standing { idempotent: false, ..STANDING };
        for setback in [Setback::NotSent, status(429)] {
            assert!(wait_before_retry(setback, write).is_some(), "{setback:?}");
        }
        for setback in [Setback::Lost { reused: true }, status(408), status(502), status(503), status(504)] {
            assert!(wait_before_retry(setback, write).is_none(), "{setback:?}");
            assert!(wait_before_retry(setback, STANDING).is_some(), "{setback:?}");
        }
        for setback in [status(500), status(404), status(501), status(409)] {
            assert!(wait_before_retry(setback, STANDING).is_none(), "{setback:?}");
        }
    }

    #[test]
    fn the_wait_doubles_up_to_eight_seconds() {
        let wait = |retries| {
            let standing = Standing { retries, max_retries: u32::MAX, ..STANDING };
            wait_before_retry(status(503), standing).unwrap().as_millis()
        };
        assert_eq!(
            [wait(0), wait(1), wait(2), wait(3), wait(4), wait(40)],
            [500, 1000, 2000, 4000, 8000, 8000]
        );
    }

    #[test]
    fn attempts_and_deadline_bound_it() {
        assert!(wait_before_retry(status(503), Standing { retries: 2, ..STANDING }).is_none());
        assert!(wait_before_retry(status(503), Standing { max_retries: 0, ..STANDING }).is_none());
        assert!(wait_before_retry(asking(30), STANDING).is_none());
        assert_eq!(wait_before_retry(asking(29), STANDING), Some(Duration::from_secs(29)));
    }

    #[test]
    fn more_than_two_minutes_is_not_waited_for() {
        let patient = Standing { left: Duration::from_secs(1000), ..STANDING };
        assert!(wait_before_retry(asking(120), patient).is_some());
        assert!(wait_before_retry(asking(121), patient).is_none());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        assert_eq!(retry_after("3", now), Some(Duration::from_secs(3)));
        assert_eq!(retry_after(" 0.5 ", now), Some(Duration::from_millis(500)));
        let date = |offset: u64| httpdate::fmt_http_date(now + Duration::from_secs(offset));
        assert_eq!(retry_after(&date(90), now), Some(Duration::from_secs(90)));
        assert_eq!(retry_after("Thu, 01 Jan 1970 00:00:00 GMT", now), Some(Duration::ZERO));
        for bad in ["", "soon", "-1", "NaN"] {
            assert_eq!(retry_after(bad, now), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic_or_outlast_the_deadline(header in ".*", left in 0_u64..1000) {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
            let setback = Setback::Status { status: 429, retry_after: retry_after(&header, now) };
            let left = Duration::from_secs(left);
            let wait = wait_before_retry(setback, Standing { left, ..STANDING });
            proptest::prop_assert!(wait.is_none_or(|wait| wait < left && wait <= LONGEST_OBEYED));
        }

        #[test]
        fn any_number_of_seconds_is_read(seconds in proptest::num::f64::ANY) {
            let now = SystemTime::UNIX_EPOCH;
            let read = retry_after(&seconds.to_string(), now);
            proptest::prop_assert_eq!(read.is_some(), seconds >= 0.0);
        }
    }
}
