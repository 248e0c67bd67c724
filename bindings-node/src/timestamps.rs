//! Timestamps: `timestamps.ts` stands above.

use loki_mode_core::events;
use napi_derive::napi;

/// The milliseconds since 1970 that a timestamp stands for, what is finer cut off; null if it is none.
#[napi]
pub fn parse_timestamp(text: String) -> Option<f64> {
    // Within the 8.64e15 of a `Date`: the engine's years end at 9999.
    events::parse_timestamp_in_milliseconds(&text).map(|milliseconds| milliseconds as f64)
}
