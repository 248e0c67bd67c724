//! Time: microseconds since 1970 in UTC inside, one of several texts on the wire.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000;
/// Microseconds in an hour.
pub(crate) const HOUR: i64 = 3600 * SECOND;
/// Microseconds in a day.
pub(crate) const DAY: i64 = 24 * HOUR;

/// How a point in time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `2026-11-21T22:49:47`
    NaiveSeconds,
    /// `2026-11-21T22:49:47.642180`
    NaiveMicros,
    /// `2026-11-21T22:49:47Z`
    ZuluSeconds,
    /// `2026-11-21T22:49:47.642Z`
    ZuluMillis,
    /// `2026-11-21T22:49:47.642180Z`
    ZuluMicros,
    /// `2026-11-21T22:49:47.642180+00:00`
    OffsetMicros,
}

/// The current time in microseconds since 1970.
pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
}

/// Year, month and day of a number of days since 1970 (Gregorian calendar).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The UTC day of a time as `YYYY-MM-DD`.
pub(crate) fn day(micros: i64) -> String {
    let (year, month, day) = civil(micros.div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// Appends a time in the given form.
pub(crate) fn write(out: &mut String, micros: i64, form: Form) {
    let (year, month, day) = civil(micros.div_euclid(DAY));
    let second = micros.rem_euclid(DAY) / SECOND;
    let fraction = micros.rem_euclid(SECOND);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // Writing to a String cannot fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    match form {
        Form::NaiveSeconds => {}
        Form::ZuluSeconds => out.push('Z'),
        Form::ZuluMillis => {
            let _ = write!(out, ".{:03}Z", fraction / 1000);
        }
        Form::NaiveMicros | Form::ZuluMicros | Form::OffsetMicros => {
            let _ = write!(out, ".{fraction:06}");
            out.push_str(match form {
                Form::ZuluMicros => "Z",
                Form::OffsetMicros => "+00:00",
                _ => "",
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_time() {
        let micros = 1_795_301_389_642_180;
        let text = |form| {
            let mut out = String::new();
            write(&mut out, micros, form);
            out
        };
        assert_eq!(day(micros), "2026-11-21");
        assert_eq!(text(Form::NaiveSeconds), "2026-11-21T22:49:49");
        assert_eq!(text(Form::NaiveMicros), "2026-11-21T22:49:49.642180");
        assert_eq!(text(Form::ZuluSeconds), "2026-11-21T22:49:49Z");
        assert_eq!(text(Form::ZuluMillis), "2026-11-21T22:49:49.642Z");
        assert_eq!(text(Form::ZuluMicros), "2026-11-21T22:49:49.642180Z");
        assert_eq!(text(Form::OffsetMicros), "2026-11-21T22:49:49.642180+00:00");
    }

    #[test]
    fn leap_days_and_times_before_1970() {
        assert_eq!(day(951_782_400 * SECOND), "2000-02-29");
        assert_eq!(day(-1), "1969-12-31");
    }
}
