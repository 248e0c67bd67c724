//! How whoever executes a call waits: a thread blocks, a fiber lets the others of its thread go on.
//!
//! Every wait may end early, without a reason: whoever waits looks whether it has come what it waits for.

use std::sync::mpsc;
use std::thread::{self, Thread};
use std::time::Duration;

#[cfg(target_os = "linux")]
use crate::fibers;

/// Ends the [`park`] of the thread or fiber that it was made on.
#[derive(Debug, Clone)]
pub(crate) enum Waker {
    Thread(Thread),
    #[cfg(target_os = "linux")]
    Fiber(fibers::Waker),
}

impl Waker {
    /// One for the thread or fiber that asks.
    pub(crate) fn here() -> Self {
        #[cfg(target_os = "linux")]
        if let Some(waker) = fibers::waker() {
            return Waker::Fiber(waker);
        }
        Waker::Thread(thread::current())
    }

    /// Ends its park, or the next one if it does not park.
    pub(crate) fn wake(&self) {
        match self {
            Waker::Thread(thread) => thread.unpark(),
            #[cfg(target_os = "linux")]
            Waker::Fiber(waker) => waker.wake(),
        }
    }
}

/// Waits for a [`Waker::wake`], at most so long.
pub(crate) fn park(at_most: Duration) {
    #[cfg(target_os = "linux")]
    if fibers::park(at_most) {
        return;
    }
    thread::park_timeout(at_most);
}

/// Whether a wait costs nobody a thread.
pub(crate) fn is_on_a_fiber() -> bool {
    #[cfg(target_os = "linux")]
    return fibers::is_current();
    #[cfg(not(target_os = "linux"))]
    return false;
}

/// Hands one value to the thread or fiber that made it, from wherever.
#[derive(Debug)]
pub struct Sender<T> {
    value: Option<mpsc::SyncSender<T>>,
    waker: Waker,
}

/// Where the value comes to.
#[derive(Debug)]
pub struct Receiver<T>(mpsc::Receiver<T>);

/// Who was to send the value is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody is left to send a value")]
pub struct Gone;

/// A way for one value. It can be waited for only where it was made.
pub fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::sync_channel(1);
    (Sender { value: Some(sender), waker: Waker::here() }, Receiver(receiver))
}

impl<T> Sender<T> {
    /// Sends the value. Whoever waited for it may have gone; then nobody needs it.
    pub fn send(self, value: T) {
        if let Some(sender) = &self.value {
            // Its buffer is empty, so an error can only mean that the receiver is gone.
            let _ = sender.try_send(value);
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.value = None;
        self.waker.wake();
    }
}

impl<T> Receiver<T> {
    /// Waits for the value, at most so long; the wait may end before, without it.
    ///
    /// # Errors
    /// [`Gone`] if it cannot come any more.
    pub fn wait(&self, at_most: Duration) -> Result<Option<T>, Gone> {
        if let Some(value) = self.look()? {
            return Ok(Some(value));
        }
        park(at_most);
        self.look()
    }

    fn look(&self) -> Result<Option<T>, Gone> {
        match self.0.try_recv() {
            Ok(value) => Ok(Some(value)),
            Err(mpsc::TryRecvError::Empty) => Ok(None),
            Err(mpsc::TryRecvError::Disconnected) => Err(Gone),
        }
    }
}
