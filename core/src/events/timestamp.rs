//! Reading the forms of a timestamp that servers send.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::{self, DateTime};
use jiff::tz::TimeZone;

use crate::error::Error;

/// Reads the forms that servers send: with `Z`, with an offset, or without either, which means UTC; with or without
/// fractions of a second, of which nine digits count; a bare date is its first moment.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    // The name of a zone would be passed over, and its clock taken for that of UTC.
    if text.contains('[') {
        return None;
    }
    let text = &*in_nanoseconds(text);
    text.parse::<Timestamp>().ok().or_else(|| {
        text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

/// The text without the digits of a fraction beyond the ninth.
fn in_nanoseconds(text: &str) -> Cow<'_, str> {
    let Some(point) = text.find(['.', ',']) else { return Cow::Borrowed(text) };
    let fraction = &text[point + 1..];
    let digits = fraction.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(fraction.len());
    if digits <= 9 {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}{}", &text[..point + 10], &fraction[digits..]))
}

/// The same, as what a calendar and a clock in UTC show.
pub fn parse_timestamp_in_utc(text: &str) -> Option<DateTime> {
    parse_timestamp(text)
        .map(|moment| moment.to_zoned(TimeZone::UTC).datetime())
        .or_else(|| last_day(text.trim()))
}

/// The same, as milliseconds since 1970; what is finer is cut off.
pub fn parse_timestamp_in_milliseconds(text: &str) -> Option<i64> {
    let since_1970 = parse_timestamp_in_utc(text)?.duration_since(civil::date(1970, 1, 1).at(0, 0, 0, 0));
    i64::try_from(since_1970.as_nanos().div_euclid(1_000_000)).ok()
}

/// The last day of the calendar, which stands for "never" and is past what a [`Timestamp`] holds.
fn last_day(text: &str) -> Option<DateTime> {
    let bare = text.strip_suffix(['Z', 'z']).or_else(|| text.strip_suffix("+00:00")).unwrap_or(text);
    // Another offset would be passed over.
    let has_offset = bare.contains(['+', '[']) || bare.matches('-').count() != 2;
    if has_offset { None } else { bare.parse().ok() }
}

/// Reads the `since` of a caller. The last day of the calendar is the last moment there is.
///
/// # Errors
/// [`Error::Config`] if it is no timestamp.
pub fn parse_since(text: &str) -> Result<Timestamp, Error> {
    let last = || last_day(text.trim()).map(|_| Timestamp::MAX);
    parse_timestamp(text).or_else(last).ok_or_else(|| {
        let message = "`since` must be a timestamp like 2026-11-21T22:49:47Z, as events carry it";
        Error::config("since", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_one_moment_are_the_same() {
        let moment = parse_timestamp("2026-11-21T22:50:49Z").unwrap();
        for form in [
            "2026-11-21T22:50:49",
            "2026-11-21 22:50:49",
            "2026-11-21T22:50:49.000000",
            "2026-11-21T22:50:49.000000Z",
            "2026-11-21T23:50:49+01:00",
            "2026-11-21T22:50:49.000000+00:00",
        ] {
            assert_eq!(parse_timestamp(form), Some(moment), "{form}");
        }
        let fine = parse_timestamp("2026-11-21T22:50:49.123456789Z");
        for form in ["2026-11-21T22:50:49.123456789999Z", "2026-11-21T23:50:49,123456789123456+01:00"] {
            assert_eq!(parse_timestamp(form), fine, "{form}");
        }
        assert_eq!(parse_timestamp("2026-11-21T22:50:49.1234567891x"), None);
        assert_eq!(parse_timestamp("2026-11-21"), parse_timestamp("2026-11-21T00:00:00Z"));
        assert_eq!(parse_timestamp("yesterday"), None);
        assert_eq!(parse_timestamp("2026-11-21T22:50:49[Europe/Berlin]"), None);
        assert!(matches!(parse_since("yesterday"), Err(Error::Config(_))));
    }

    #[test]
    fn the_last_day_of_the_calendar_is_one() {
        for text in ["9999-12-31T23:59:59", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"] {
            let shown = parse_timestamp_in_utc(text).map(|moment| moment.to_string());
            assert_eq!(shown.as_deref(), Some("9999-12-31T23:59:59"), "{text}");
            assert_eq!(parse_timestamp_in_milliseconds(text), Some(253_402_300_799_000), "{text}");
            assert_eq!(parse_since(text).unwrap(), Timestamp::MAX, "{text}");
        }
        for text in ["9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59+01:00", "9999-12-31[Europe/Berlin]"] {
            assert_eq!(parse_timestamp_in_utc(text), None, "{text}");
        }
    }

    #[test]
    fn milliseconds_are_cut_off_towards_the_past() {
        for (text, milliseconds) in [
            ("1970-01-01T00:00:00.0019Z", 1),
            ("1969-12-31T23:59:59.9991Z", -1),
            ("0000-01-01", -62_167_219_200_000),
        ] {
            assert_eq!(parse_timestamp_in_milliseconds(text), Some(milliseconds), "{text}");
        }
    }
}
