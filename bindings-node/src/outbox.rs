//! What calls have to say to JavaScript: collected, so that one call of a function there delivers all of it.

use std::sync::{Mutex, PoisonError};

use napi::bindgen_prelude::{Null, ToNapiValue};
use napi::{Env, JsValue, Result, sys};

use crate::text::Text;

/// What there is to say about a call.
pub(crate) enum Message {
    /// It is done: the JSON text of the data or of the error, and of its report if it was asked for.
    Settled { id: u32, ok: bool, text: Text, report: Option<String> },
    /// It needs a token.
    TokenWanted { id: u32 },
}

/// The messages that JavaScript has not been given yet.
#[derive(Default)]
pub(crate) struct Outbox(Mutex<State>);

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    /// The event loop is about to take them by itself.
    attended: bool,
}

impl Outbox {
    /// Adds a message; true if it is the first, so that JavaScript has to be woken.
    pub(crate) fn add(&self, message: Message) -> bool {
        let mut state = self.lock();
        state.messages.push(message);
        state.messages.len() == 1 && !state.attended
    }

    /// Until the next `take`, nobody has to wake JavaScript.
    pub(crate) fn attend(&self) {
        self.lock().attended = true;
    }

    /// Takes all messages, in the order in which they came.
    pub(crate) fn take(&self) -> Batch {
        Batch(std::mem::take(&mut *self.lock()).messages)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages on their way to JavaScript: one flat array, four items for each: the call, what it is about (0: data,
/// 1: an error, 2: a token is wanted), the text, and the report or null.
pub struct Batch(Vec<Message>);

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The error of an answer that no string can hold: V8 ends at 512 MiB.
const TOO_LONG: &str = r#"{"class":"DecodeError","message":"the answer is longer than a string of this JavaScript engine can be","attempts":1}"#;

// SAFETY: the function is unsafe to call because of the raw environment, which its caller, napi, keeps valid.
#[allow(unsafe_code, reason = "the trait declares its function so")]
impl ToNapiValue for Batch {
    unsafe fn to_napi_value(env: sys::napi_env, batch: Self) -> Result<sys::napi_value> {
        let env = Env::from_raw(env);
        let mut array = env.create_array(u32::try_from(batch.0.len() * 4).unwrap_or(0))?;
        for (index, message) in (0..).step_by(4).zip(batch.0) {
            match message {
                Message::Settled { id, ok, text, report } => {
                    array.set(index, id)?;
                    // An engine of JavaScript has a limit, too: the call has to be settled all the same.
                    let fits = array.set(index + 2, text).is_ok();
                    if !fits {
                        array.set(index + 2, TOO_LONG)?;
                    }
                    array.set(index + 1, u32::from(!(ok && fits)))?;
                    array.set(index + 3, report)?;
                }
                Message::TokenWanted { id } => {
                    array.set(index, id)?;
                    array.set(index + 1, 2)?;
                    array.set(index + 2, Null)?;
                    array.set(index + 3, Null)?;
                }
            }
        }
        Ok(array.raw())
    }
}
