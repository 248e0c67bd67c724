//! A watermark in few bytes: cursors keep them.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Given, Id, Watermark};

/// A watermark in few bytes.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    latest: Option<Timestamp>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    first: Option<(Id, u16)>,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    floor: Option<Id>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    floor_second: Option<i64>,
    /// Numbers: the first, then the distance of each from the one before.
    #[serde(rename = "n", default, skip_serializing_if = "Vec::is_empty")]
    numbers: Vec<i64>,
    /// Their digests.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    prints: Vec<u16>,
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    texts: Vec<(Id, u16, Option<i64>)>,
}

impl From<Watermark> for Kept {
    fn from(mark: Watermark) -> Self {
        let Watermark { from, first, latest, recent, floor, floor_second } = mark;
        let first = first.map(|given| (given.id, given.print));
        let (numbers, prints, texts) = (Vec::new(), Vec::new(), Vec::new());
        let mut kept = Kept { from, latest, first, floor, floor_second, numbers, prints, texts };
        let mut before = 0;
        for Given { id, print, second } in recent {
            match id {
                Id::Number(number) => {
                    kept.numbers.push(number.wrapping_sub(before));
                    kept.prints.push(print);
                    before = number;
                }
                Id::Text(_) => kept.texts.push((id, print, second)),
            }
        }
        kept
    }
}

impl From<Kept> for Watermark {
    fn from(kept: Kept) -> Self {
        let Kept { from, latest, first, floor, floor_second, numbers, prints, texts } = kept;
        let mut recent = VecDeque::with_capacity(numbers.len() + texts.len());
        let mut before = 0_i64;
        for (distance, print) in numbers.into_iter().zip(prints) {
            before = before.wrapping_add(distance);
            recent.push_back(Given { id: Id::Number(before), print, second: None });
        }
        recent.extend(texts.into_iter().map(|(id, print, second)| Given { id, print, second }));
        let first = first.map(|(id, print)| Given { id, print, second: None });
        Watermark { from, first, latest, recent, floor, floor_second }
    }
}
