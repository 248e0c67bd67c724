//! Text on its way to JavaScript.

use napi::bindgen_prelude::ToNapiValue;
use napi::{Env, JsValue, Result, sys};

/// A string that V8 gets without decoding UTF-8 where it is ASCII, as most answers are.
pub struct Text {
    text: String,
    is_ascii: bool,
}

impl Text {
    /// Looks at the text once, on the calling thread.
    pub(crate) fn new(text: String) -> Self {
        Text { is_ascii: text.is_ascii(), text }
    }
}

// SAFETY: the function is unsafe to call because of the raw environment, which its caller, napi, keeps valid.
#[allow(unsafe_code, reason = "the trait declares its function so")]
impl ToNapiValue for Text {
    unsafe fn to_napi_value(env: sys::napi_env, text: Self) -> Result<sys::napi_value> {
        let env = Env::from_raw(env);
        let string = if text.is_ascii {
            env.create_string_latin1(text.text.as_bytes())?
        } else {
            env.create_string(&text.text)?
        };
        Ok(string.raw())
    }
}
