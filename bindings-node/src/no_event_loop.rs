//! Where calls cannot be fibers of the event loop of Node: there is none, and they run on threads.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use napi::Result;
use napi::bindgen_prelude::{Env, Function};

use crate::outbox::Outbox;

/// There is none.
pub(crate) enum EventLoop {}

impl EventLoop {
    pub(crate) fn attach<A, R>(
        _: &Env,
        _: &Function<'_, A, R>,
        _: Arc<Outbox>,
        _: usize,
    ) -> Result<Option<Rc<Self>>>
    where
        A: napi::bindgen_prelude::JsValuesTupleIntoVec,
        R: napi::bindgen_prelude::FromNapiValue,
    {
        Ok(None)
    }

    pub(crate) fn spawn(&self, _: impl FnOnce() + 'static) -> io::Result<()> {
        match *self {}
    }
}
