//! The streams of a client that are open, for it to end them when it is closed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Shared as Stream;
use crate::per_process::PerProcess;

type Streams = Vec<Weak<Stream>>;

/// The streams that were opened and are not gone. Those of a process that this one was forked from are not to be ended
/// here.
#[derive(Default)]
pub(crate) struct OpenStreams(PerProcess<Mutex<Streams>>);

impl OpenStreams {
    pub(super) fn add(&self, stream: &Arc<Stream>) {
        let here = self.0.get(Mutex::default);
        let mut streams = locked(&here);
        // Only now and then, so that it costs nothing to have many.
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0);
        }
        streams.push(Arc::downgrade(stream));
    }

    /// Ends the waits that are under way, and closes the connections.
    pub(crate) fn stop(&self) {
        let Some(here) = self.0.made() else { return };
        let streams = std::mem::take(&mut *locked(&here));
        for stream in streams.iter().filter_map(Weak::upgrade) {
            stream.stop();
        }
    }
}

fn locked(streams: &Mutex<Streams>) -> MutexGuard<'_, Streams> {
    // Nothing panics under the lock.
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for OpenStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStreams").finish_non_exhaustive()
    }
}
