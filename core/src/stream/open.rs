//! The streams of a client that are open, for it to end them when it is closed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwap;

use super::Shared as Stream;

/// The streams that were opened and are not gone.
pub(crate) struct OpenStreams(ArcSwap<Here>);

/// Those of one process. Everything that a fork could leave locked is in here.
struct Here {
    pid: u32,
    streams: Mutex<Vec<Weak<Stream>>>,
}

impl Default for OpenStreams {
    fn default() -> Self {
        OpenStreams(ArcSwap::from_pointee(Here::new()))
    }
}

impl Here {
    fn new() -> Self {
        Here { pid: std::process::id(), streams: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Stream>>> {
        // Nothing panics under the lock.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStreams {
    /// Those of this process. Those of a process that it was forked from are leaked: they are not to be ended here, and a
    /// thread that is not here may hold their lock.
    fn here(&self) -> Arc<Here> {
        let pid = std::process::id();
        loop {
            let live = self.0.load_full();
            if live.pid == pid {
                return live;
            }
            let before = self.0.compare_and_swap(&live, Arc::new(Here::new()));
            // Another thread may have been first.
            if Arc::ptr_eq(&before, &live) {
                std::mem::forget(live);
            }
        }
    }

    pub(super) fn add(&self, stream: &Arc<Stream>) {
        let here = self.here();
        let mut streams = here.lock();
        // Only now and then, so that it costs nothing to have many.
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0);
        }
        streams.push(Arc::downgrade(stream));
    }

    /// Ends the waits that are under way, and closes the connections.
    pub(crate) fn stop(&self) {
        let streams = std::mem::take(&mut *self.here().lock());
        for stream in streams.iter().filter_map(Weak::upgrade) {
            stream.stop();
        }
    }
}

impl Drop for OpenStreams {
    fn drop(&mut self) {
        let here = self.0.load_full();
        if here.pid != std::process::id() {
            std::mem::forget(here);
        }
    }
}

impl fmt::Debug for OpenStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStreams").finish_non_exhaustive()
    }
}
