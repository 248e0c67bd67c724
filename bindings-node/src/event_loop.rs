//! Calls on the event loop of Node, as fibers: libuv watches one descriptor for all of them.
//!
//! libuv is looked up while it runs. A runtime that has none of it (Bun, Deno) is left to the threads.
#![allow(
    unsafe_code,
    reason = "libuv, and the functions of Node-API around a callback of it, have no safe face"
)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use libloading::os::unix::Library;
use loki_mode_core::fibers::Fibers;
use napi::bindgen_prelude::{Env, Function, JsValue, ToNapiValue};
use napi::{Result, check_status, sys};

use crate::outbox::{Batch, Outbox};

/// `UV_POLL` of `uv_handle_type`, and `UV_READABLE` of `uv_poll_event`.
const POLL: c_int = 8;
const READABLE: c_int = 1;

/// A `uv_poll_t`, of whatever size it is in this Node.
type Handle = *mut c_void;

/// The functions of libuv, which live as long as the process.
#[derive(Clone, Copy)]
struct Libuv {
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    unref: unsafe extern "C" fn(Handle),
    close: unsafe extern "C" fn(Handle, unsafe extern "C" fn(Handle)),
    poll_init: unsafe extern "C" fn(*mut sys::uv_loop_s, Handle, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(Handle, c_int, unsafe extern "C" fn(Handle, c_int, c_int)) -> c_int,
}

impl Libuv {
    fn find() -> Option<Self> {
        let library = Library::this();
        // SAFETY: these are the signatures of uv.h, which libuv keeps within its major version; 1 is that of every Node
        // that has Node-API 8. The process itself is never unloaded.
        unsafe {
            Some(Libuv {
                handle_size: *library.get(b"uv_handle_size\0").ok()?,
                unref: *library.get(b"uv_unref\0").ok()?,
                close: *library.get(b"uv_close\0").ok()?,
                poll_init: *library.get(b"uv_poll_init\0").ok()?,
                poll_start: *library.get(b"uv_poll_start\0").ok()?,
            })
        }
    }
}

/// The fibers of one JavaScript environment. Belongs to its thread.
pub(crate) struct EventLoop {
    fibers: Fibers,
    outbox: Arc<Outbox>,
    env: sys::napi_env,
    /// The function of JavaScript that takes a batch of messages.
    deliver: sys::napi_ref,
    libuv: Libuv,
    handle: Handle,
    layout: Layout,
    /// Tells Node that what was to be cleaned up is.
    cleaned: Cell<sys::napi_async_cleanup_hook_handle>,
}

impl EventLoop {
    /// Has the loop of this environment watch the fibers to come; nothing if it has no loop that can be watched with.
    pub(crate) fn attach<A, R>(
        env: &Env,
        deliver: &Function<'_, A, R>,
        outbox: Arc<Outbox>,
        places: usize,
    ) -> Result<Option<Rc<Self>>>
    where
        A: napi::bindgen_prelude::JsValuesTupleIntoVec,
        R: napi::bindgen_prelude::FromNapiValue,
    {
        let Some(libuv) = Libuv::find() else { return Ok(None) };
        let Ok(of_env) = env.get_uv_event_loop() else { return Ok(None) };
        let Ok(fibers) = Fibers::new(places) else { return Ok(None) };
        let mut reference = ptr::null_mut();
        // SAFETY: a function of this environment, on its thread.
        check_status!(unsafe {
            sys::napi_create_reference(env.raw(), deliver.raw(), 1, &raw mut reference)
        })?;
        // SAFETY: it only tells a size.
        let size = unsafe { (libuv.handle_size)(POLL) };
        let Ok(layout) = Layout::from_size_align(size, align_of::<u128>()) else { return Ok(None) };
        // SAFETY: no type has the size zero.
        let handle = unsafe { alloc_zeroed(layout) }.cast::<c_void>();
        if handle.is_null() {
            return Ok(None);
        }
        let this = Rc::new(EventLoop {
            fibers,
            outbox,
            env: env.raw(),
            deliver: reference,
            libuv,
            handle,
            layout,
            cleaned: Cell::new(ptr::null_mut()),
        });
        // SAFETY: the loop is that of this thread, and the handle has room for a `uv_poll_t`.
        if unsafe { (libuv.poll_init)(of_env, handle, this.fibers.fd().as_raw_fd()) } != 0 {
            return Ok(None);
        }
        let of_handle = Rc::into_raw(Rc::clone(&this)).cast_mut().cast::<c_void>();
        // SAFETY: the handle is initialized, and its first field is `data`, the user's. What it refers to is given back
        // when it is closed, which the hook sees to before the loop ends. Unreferenced, it keeps no process alive.
        unsafe {
            handle.cast::<*mut c_void>().write(of_handle);
            let mut cleaned = ptr::null_mut();
            let is_watched = (libuv.poll_start)(handle, READABLE, on_readable) == 0
                && sys::napi_add_async_cleanup_hook(env.raw(), Some(clean_up), of_handle, &raw mut cleaned)
                    == sys::Status::napi_ok;
            (libuv.unref)(handle);
            if !is_watched {
                (libuv.close)(handle, on_closed);
                return Ok(None);
            }
            this.cleaned.set(cleaned);
        }
        Ok(Some(this))
    }

    /// Starts a job: it runs now, up to its first wait.
    ///
    /// # Errors
    /// There is no memory for its stack.
    pub(crate) fn spawn(&self, job: impl FnOnce() + 'static) -> io::Result<()> {
        self.fibers.spawn(job)
    }

    /// Lets go on whoever can, and tells JavaScript what came out of it.
    fn turn(&self) {
        self.outbox.attend();
        self.fibers.run();
        let batch = self.outbox.take();
        if !batch.is_empty() {
            // SAFETY: called by libuv on the thread of the environment, which lives as long as its loop runs.
            unsafe { self.tell(batch) };
        }
    }

    /// # Safety
    /// On the thread of the environment, while it lives.
    unsafe fn tell(&self, batch: Batch) {
        let env = self.env;
        // SAFETY: what is made here is used within the scope. A status other than `napi_ok` leaves a null, which the next
        // function refuses; in the end that means that the environment runs no JavaScript any more, and nobody waits.
        unsafe {
            let mut scope = ptr::null_mut();
            if sys::napi_open_handle_scope(env, &raw mut scope) != sys::Status::napi_ok {
                return;
            }
            let (mut global, mut deliver, mut result) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
            sys::napi_get_global(env, &raw mut global);
            sys::napi_get_reference_value(env, self.deliver, &raw mut deliver);
            if let Ok(batch) = Batch::to_napi_value(env, batch) {
                let status = sys::napi_make_callback(
                    env,
                    ptr::null_mut(),
                    global,
                    deliver,
                    1,
                    &raw const batch,
                    &raw mut result,
                );
                if status == sys::Status::napi_pending_exception {
                    let mut error = ptr::null_mut();
                    sys::napi_get_and_clear_last_exception(env, &raw mut error);
                    sys::napi_fatal_exception(env, error);
                }
            }
            sys::napi_close_handle_scope(env, scope);
        }
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        // SAFETY: either libuv never knew it, or it is closed: until then it refers to this, too.
        unsafe { dealloc(self.handle.cast(), self.layout) };
    }
}

/// # Safety
/// Called by libuv, with a handle that refers to an [`EventLoop`].
unsafe extern "C" fn on_readable(handle: Handle, _: c_int, _: c_int) {
    // SAFETY: it refers to one until it is closed. JavaScript that runs within may end the environment, and does so
    // through `clean_up`, which gives nothing back before this has returned.
    let this = unsafe { data_of(handle) };
    this.turn();
}

/// # Safety
/// Called by Node on the thread of the environment, with the [`EventLoop`] that was given to the hook.
unsafe extern "C" fn clean_up(_: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: see above; the handle is closed only here.
    unsafe {
        let this = &*data.cast::<EventLoop>();
        // They have been cancelled, and end where they wait.
        this.outbox.attend();
        this.fibers.run();
        drop(this.outbox.take());
        (this.libuv.close)(this.handle, on_closed);
    }
}

/// # Safety
/// Called by libuv, once, with a handle that refers to an [`EventLoop`].
unsafe extern "C" fn on_closed(handle: Handle) {
    // SAFETY: this is the reference that the handle has had.
    let this = unsafe { Rc::from_raw(ptr::from_ref(data_of(handle))) };
    let cleaned = this.cleaned.get();
    drop(this);
    if !cleaned.is_null() {
        // SAFETY: the hook was added and has run.
        unsafe { sys::napi_remove_async_cleanup_hook(cleaned) };
    }
}

/// # Safety
/// The handle refers to an [`EventLoop`], and is not closed while the reference is in use.
unsafe fn data_of<'a>(handle: Handle) -> &'a EventLoop {
    // SAFETY: `data`, the field that belongs to the user, is the first one of every handle.
    unsafe { &**handle.cast::<*const EventLoop>() }
}
