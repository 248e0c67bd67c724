//! What belongs to one JavaScript environment (the main thread or a worker): where its calls and streams wait, and the
//! way back to its event loop.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loki_mode_core::CancelToken;
#[cfg(target_os = "linux")]
use loki_mode_core::fibers;
use loki_mode_core::waiting::Sender;
use loki_mode_core::workers::Pool;
use napi::bindgen_prelude::{Env, FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Result, Status};
use napi_derive::napi;

use crate::event_loop::EventLoop;
use crate::failure;
use crate::options::from_milliseconds;
use crate::outbox::{Batch, Message, Outbox};
use crate::provider::Reply;
use crate::text::Text;

/// How many calls wait side by side; more than that wait until one is done. As fibers they cost memory only.
const MAX_FIBERS: usize = 1024;
const MAX_THREADS: usize = 256;
/// How many streams wait side by side. Those beyond take turns: each lets go of its thread every now and then.
const MAX_STREAMS: usize = 1024;

/// The argument of the JavaScript callback.
type Delivered = FnArgs<(Batch,)>;

/// Weak: a pending call keeps the process alive by a timer on the JavaScript side, an idle client does not.
type Wake = ThreadsafeFunction<(), (), Delivered, Status, false, true>;

/// One per environment, made when the module is loaded.
#[napi]
pub struct Runtime {
    shared: Arc<Shared>,
    event_loop: Option<Rc<EventLoop>>,
}

#[napi]
impl Runtime {
    /// `deliver(batch)` is called on the event loop with what threads have to say; see [`Batch`]. Each call that was
    /// started is settled once.
    ///
    /// Where the event loop can be had, calls run on it as fibers; elsewhere, or if they are to, on threads.
    #[napi(constructor)]
    pub fn new(env: Env, deliver: Function<'_, Delivered, ()>, on_threads: bool) -> Result<Self> {
        let outbox = Arc::new(Outbox::default());
        let event_loop = if on_threads {
            None
        } else {
            EventLoop::attach(&env, &deliver, Arc::clone(&outbox), MAX_FIBERS)?
        };
        let taken = Arc::clone(&outbox);
        let wake = deliver
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .build_callback(move |_| Ok((taken.take(),).into()))?;
        let shared = Arc::new(Shared {
            pool: Pool::new(MAX_THREADS),
            streams: Pool::new(MAX_STREAMS),
            outbox,
            wake,
            pending: Mutex::default(),
            granted: Mutex::default(),
        });
        // Registered after the threadsafe function, so run before Node tears that down: a thread must be gone before
        // the code that it runs is unloaded.
        env.add_env_cleanup_hook(Arc::clone(&shared), |shared| shared.shut_down())?;
        Ok(Runtime { shared, event_loop })
    }

    /// Ends a call early; it is settled as cancelled, unless it was settled already.
    #[napi]
    pub fn cancel(&self, id: u32) {
        // Cancelled outside the lock: it wakes a thread that takes the lock next.
        let token = self.shared.pending().get(&id).map(|call| call.token.clone());
        if let Some(token) = token {
            token.cancel();
            self.shared.reply(id, Reply::Cancelled);
        }
    }

    /// Gives the token of the first attempt of the call that is started next, which has waited for it so many
    /// milliseconds.
    #[napi]
    pub fn grant(&self, id: u32, token: String, waited: f64) {
        *self.shared.granted() = Some((id, Granted { token, waited: from_milliseconds(waited) }));
    }

    /// The JSON text of the error of a call that has waited in vain for the token of its first attempt.
    #[napi]
    pub fn token_too_late(&self) -> String {
        failure::token_too_late()
    }

    /// Answers a call that wants a token; null if there is none to be had.
    #[napi]
    pub fn provide_token(&self, id: u32, token: Option<String>) {
        self.shared.reply(id, token.map_or(Reply::Failed, Reply::Token));
    }
}

impl Runtime {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn event_loop(&self) -> Option<Rc<EventLoop>> {
        self.event_loop.clone()
    }
}

/// How a call ended.
pub(crate) struct Outcome {
    /// The JSON text of the data, or of the error.
    pub(crate) result: std::result::Result<Text, Text>,
    /// See [`crate::report`].
    pub(crate) report: Option<String>,
}

/// The token of a first attempt, which JavaScript has asked for before the call took a place.
pub(crate) struct Granted {
    pub(crate) token: String,
    pub(crate) waited: Duration,
}

/// A call that is not settled yet.
struct Call {
    token: CancelToken,
    /// It waits for a token.
    wants_token: Option<Sender<Reply>>,
}

pub(crate) struct Shared {
    pool: Pool,
    /// Of streams, which wait for hours: calls must not wait for them.
    streams: Pool,
    outbox: Arc<Outbox>,
    wake: Wake,
    pending: Mutex<HashMap<u32, Call>>,
    granted: Mutex<Option<(u32, Granted)>>,
}

impl Shared {
    /// The token that was granted to this call, if any was.
    pub(crate) fn take_granted(&self, id: u32) -> Option<Granted> {
        self.granted().take().filter(|(of, _)| *of == id).map(|(_, granted)| granted)
    }

    /// Waits on behalf of a call; others may have its place meanwhile.
    pub(crate) fn park<T>(&self, wait: impl FnOnce() -> T) -> T {
        #[cfg(target_os = "linux")]
        if fibers::current_id().is_some() {
            return fibers::step_aside(wait);
        }
        self.pool.park(wait)
    }

    /// Runs `job` on the event loop if there is one, or on a thread; what it returns settles the call.
    pub(crate) fn start(
        self: &Arc<Self>,
        event_loop: Option<&EventLoop>,
        id: u32,
        job: impl FnOnce(CancelToken) -> Outcome + Send + 'static,
    ) -> Result<()> {
        self.start_by(id, job, |job| match event_loop {
            Some(event_loop) => event_loop.spawn(job).map_err(|error| error.to_string()),
            None => self.pool.submit(job).map_err(|rejected| rejected.to_string()),
        })
    }

    /// The same for a wait for the next events of a stream, on a thread.
    pub(crate) fn start_wait(
        self: &Arc<Self>,
        id: u32,
        job: impl FnOnce(CancelToken) -> Outcome + Send + 'static,
    ) -> Result<()> {
        self.start_by(id, job, |job| self.streams.submit(job).map_err(|rejected| rejected.to_string()))
    }

    fn start_by(
        self: &Arc<Self>,
        id: u32,
        job: impl FnOnce(CancelToken) -> Outcome + Send + 'static,
        submit: impl FnOnce(Box<dyn FnOnce() + Send>) -> std::result::Result<(), String>,
    ) -> Result<()> {
        let token = CancelToken::new();
        self.pending().insert(id, Call { token: token.clone(), wants_token: None });
        let shared = Arc::clone(self);
        let taken = submit(Box::new(move || {
            let Outcome { result, report } = job(token);
            shared.pending().remove(&id);
            let ok = result.is_ok();
            let (Ok(text) | Err(text)) = result;
            // Refused only while the environment is being torn down: then nobody waits for the answer any more.
            shared.send(Message::Settled { id, ok, text, report });
        }));
        taken.map_err(|reason| {
            self.pending().remove(&id);
            napi::Error::from_reason(reason)
        })
    }

    /// Tells JavaScript; false if the environment is being torn down.
    pub(crate) fn send(&self, message: Message) -> bool {
        // Whoever finds the outbox empty wakes JavaScript, which takes what is there by then.
        !self.outbox.add(message) || self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok
    }

    /// Has the call told when there is a token for it; false if it is cancelled.
    pub(crate) fn await_token(&self, id: u32, sender: Sender<Reply>) -> bool {
        let token = match self.pending().get_mut(&id) {
            Some(call) => {
                call.wants_token = Some(sender);
                call.token.clone()
            }
            None => return false,
        };
        !token.is_cancelled()
    }

    fn reply(&self, id: u32, reply: Reply) {
        let sender = self.pending().get_mut(&id).and_then(|call| call.wants_token.take());
        if let Some(sender) = sender {
            sender.send(reply);
        }
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<u32, Call>> {
        // Nothing panics under the lock.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn granted(&self) -> MutexGuard<'_, Option<(u32, Granted)>> {
        // Nothing panics under the lock.
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shut_down(&self) {
        let calls: Vec<(u32, CancelToken)> =
            self.pending().iter().map(|(id, call)| (*id, call.token.clone())).collect();
        for (id, token) in calls {
            token.cancel();
            self.reply(id, Reply::Cancelled);
        }
        self.pool.shutdown();
        self.streams.shutdown();
    }
}
