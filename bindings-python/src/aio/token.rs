//! Tokens that a function of the caller's gives. For the first attempt the coroutine asks it before the call takes a
//! thread; what is here is for later ones, and for streams. A thread of the pool cannot call it: it asks the coroutine of
//! its call, which calls or awaits the function in the caller's own context, and waits for the answer as long as the call
//! may. Its place goes to another call meanwhile, which may be one that the function waits for.

use std::cell::RefCell;
use std::sync::Arc;

use loki_mode_core::NoToken;
use pyo3::prelude::*;

use super::progress::Progress;

/// A function that gives tokens, or what gives them when it is awaited.
pub(crate) type Provider = Arc<Py<PyAny>>;

thread_local! {
    /// The call that this thread executes: the engine asks for a token without saying for which.
    static CURRENT: RefCell<Option<Arc<Progress>>> = const { RefCell::new(None) };
}

/// Runs the job of a call; whoever asks for a token meanwhile is told by it for whom.
pub(super) fn during<T>(call: &Arc<Progress>, job: impl FnOnce() -> T) -> T {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            CURRENT.set(None);
        }
    }
    CURRENT.set(Some(Arc::clone(call)));
    let _reset = Reset;
    job()
}

/// Asks for a token in the name of the call that this thread executes for asyncio; `None` if it executes none.
pub(crate) fn ask(provider: &Provider) -> Option<Result<String, NoToken>> {
    let call = CURRENT.with_borrow(Clone::clone)?;
    Some(call.ask(provider))
}
