//! What was read and not handed out yet.

use loki_mode_spec::EVENTS;

use crate::events::replay::{News, Outlet};
use crate::stream::Batch;

/// Events as a JSON array whose end is missing.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) json: String,
    pub(super) count: usize,
}

impl Outlet for Ready {
    fn take(&mut self, news: News<'_>) {
        self.json.push(if self.count == 0 { '[' } else { ',' });
        match news {
            News::Event(event) => self.json.push_str(&event.json),
            News::Gap(gap) => self.json.push_str(&gap.to_json()),
        }
        self.count += 1;
    }
}

impl Ready {
    pub(super) fn hand_out(&mut self) -> Option<Batch> {
        let Ready { mut json, count } = std::mem::take(self);
        if count == 0 {
            return None;
        }
        json.push(']');
        Some(Batch::new(json, count, EVENTS.item))
    }
}
