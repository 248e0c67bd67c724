//! Timestamps: `timestamps.ts` stands above.

use loki_mode_core::events;
use napi_derive::napi;

/// The milliseconds since 1970 that a timestamp stands for, what is finer cut off; null if it is none.
#[napi]
pub fn parse_timestamp(text: String) -> Option<f64> {
    let moment = events::parse_timestamp(&text)?;
    // Within the 8.64e15 of a `Date`: the engine's years end at 9999.
    Some(moment.as_microsecond().div_euclid(1000) as f64)
}
