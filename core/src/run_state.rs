//! The state of a run, as far as it decides what can be done.

use std::borrow::Cow;

use loki_mode_spec::ENDED_RUN_STATUSES;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a run says about its state.
#[derive(Deserialize)]
pub(crate) struct RunState<'a> {
    #[serde(borrow, default)]
    pub(crate) status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) ended_at: Option<&'a RawValue>,
}

impl RunState<'_> {
    pub(crate) fn has_ended(&self) -> bool {
        self.status.as_deref().is_some_and(|status| ENDED_RUN_STATUSES.contains(&status))
            || self.ended_at.is_some()
    }
}
