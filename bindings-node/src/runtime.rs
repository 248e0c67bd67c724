//! What belongs to one JavaScript environment (the main thread or a worker): the threads on which its calls wait, and
//! the way back to its event loop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loki_mode_core::CancelToken;
use loki_mode_core::workers::Pool;
use napi::bindgen_prelude::{Env, FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Result, Status};
use napi_derive::napi;

use crate::text::Text;

/// How many calls wait side by side; more than that wait for a thread.
const MAX_THREADS: u32 = 256;

/// The arguments of the JavaScript callback: which call, whether it succeeded, and its JSON text.
type Settled = FnArgs<(u32, bool, Text)>;

/// Weak: a pending call keeps the process alive by a timer on the JavaScript side, an idle client does not.
type Settle = ThreadsafeFunction<Settled, (), Settled, Status, false, true>;

/// One per environment, made when the module is loaded.
#[napi]
pub struct Runtime {
    shared: Arc<Shared>,
}

#[napi]
impl Runtime {
    /// `settle(id, ok, text)` is called on the event loop once for each call that was started: `text` is the JSON text
    /// of the data, or of the error.
    #[napi(constructor)]
    pub fn new(env: Env, settle: Function<'_, Settled, ()>, max_threads: Option<u32>) -> Result<Self> {
        let settle = settle.build_threadsafe_function::<Settled>().weak::<true>().build()?;
        let shared = Arc::new(Shared {
            pool: Pool::new(max_threads.unwrap_or(MAX_THREADS) as usize),
            settle,
            pending: Mutex::default(),
        });
        // Registered after the threadsafe function, so run before Node tears that down: a thread must be gone before
        // the code that it runs is unloaded.
        env.add_env_cleanup_hook(Arc::clone(&shared), |shared| shared.shut_down())?;
        Ok(Runtime { shared })
    }

    /// Ends a call early; it is settled as cancelled, unless it was settled already.
    #[napi]
    pub fn cancel(&self, id: u32) {
        // Cancelled outside the lock: it wakes a thread that takes the lock next.
        let token = self.shared.pending().get(&id).cloned();
        if let Some(token) = token {
            token.cancel();
        }
    }
}

impl Runtime {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

pub(crate) struct Shared {
    pool: Pool,
    settle: Settle,
    pending: Mutex<HashMap<u32, CancelToken>>,
}

impl Shared {
    /// Runs `job` on a thread of the pool; what it returns settles the call.
    pub(crate) fn start(
        self: &Arc<Self>,
        id: u32,
        job: impl FnOnce(CancelToken) -> std::result::Result<String, String> + Send + 'static,
    ) -> Result<()> {
        let token = CancelToken::new();
        self.pending().insert(id, token.clone());
        let shared = Arc::clone(self);
        let taken = self.pool.submit(move || {
            let outcome = job(token);
            shared.pending().remove(&id);
            let ok = outcome.is_ok();
            let text = Text::new(outcome.unwrap_or_else(|error| error));
            // Refused only while the environment is being torn down: then nobody waits for the answer any more.
            shared.settle.call((id, ok, text).into(), ThreadsafeFunctionCallMode::NonBlocking);
        });
        taken.map_err(|rejected| {
            self.pending().remove(&id);
            napi::Error::from_reason(rejected.to_string())
        })
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<u32, CancelToken>> {
        // Nothing panics under the lock.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shut_down(&self) {
        let tokens: Vec<CancelToken> = self.pending().values().cloned().collect();
        for token in tokens {
            token.cancel();
        }
        self.pool.shutdown();
    }
}
