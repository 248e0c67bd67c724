//! The state of a run, as far as it decides what can be done.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// States in which a run does nothing any more.
const ENDED: &[&str] = &["completed", "failed", "cancelled", "canceled", "stopped", "error"];

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
        self.status.as_deref().is_some_and(|status| ENDED.contains(&status)) || self.ended_at.is_some()
    }
}
