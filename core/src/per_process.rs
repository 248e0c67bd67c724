//! What belongs to one process, and has to be made anew in a child that was forked off.

use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;

/// A value that each process has for itself, made when it is asked for the first time.
///
/// What a child inherits is leaked: sockets and threads in it are the parent's, and a thread that is not in the child may
/// hold its locks. So whatever a fork could leave locked belongs in here.
pub(crate) struct PerProcess<T>(ArcSwapOption<Local<T>>);

/// The value of one process.
pub(crate) struct Local<T> {
    pid: u32,
    value: T,
}

impl<T> Local<T> {
    fn here(value: T) -> Arc<Self> {
        Arc::new(Local { pid: std::process::id(), value })
    }

    /// Whether it is this process's. One that is held over a fork is not, in the child.
    pub(crate) fn is_ours(&self) -> bool {
        self.pid == std::process::id()
    }
}

impl<T> Deref for Local<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        PerProcess(ArcSwapOption::empty())
    }
}

impl<T> PerProcess<T> {
    /// The value of this process; `make` makes it if there is none yet.
    pub(crate) fn get(&self, make: impl Fn() -> T) -> Arc<Local<T>> {
        loop {
            let inherited = match self.0.load_full() {
                Some(own) if own.is_ours() => return own,
                inherited => inherited,
            };
            let fresh = Local::here(make());
            let before = self.0.compare_and_swap(&inherited, Some(Arc::clone(&fresh)));
            // Another thread may have been first; then its value is everybody's.
            if before.as_ref().map(Arc::as_ptr) == inherited.as_ref().map(Arc::as_ptr) {
                if let Some(inherited) = inherited {
                    std::mem::forget(inherited);
                    // Siblings would otherwise wait for the same "random" times.
                    fastrand::seed(RandomState::new().hash_one((fresh.pid, SystemTime::now())));
                }
                return fresh;
            }
        }
    }

    /// The value of this process, if it was made.
    pub(crate) fn made(&self) -> Option<Arc<Local<T>>> {
        self.0.load_full().filter(|value| value.is_ours())
    }

    /// Puts another value in the place of this one, unless that is gone already.
    pub(crate) fn replace(&self, before: &Arc<Local<T>>, value: T) {
        self.0.compare_and_swap(before, Some(Local::here(value)));
    }

    /// As a child finds it that was forked off after it was made.
    #[cfg(test)]
    pub(crate) fn inherited(value: T) -> (Self, Arc<Local<T>>) {
        let parents = Arc::new(Local { pid: std::process::id() + 1, value });
        (PerProcess(ArcSwapOption::new(Some(Arc::clone(&parents)))), parents)
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        std::mem::forget(self.0.swap(None).filter(|value| !value.is_ours()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn it_is_made_when_it_is_wanted_and_is_the_same_for_all() {
        let (value, made) = (PerProcess::default(), AtomicUsize::new(0));
        assert!(value.made().is_none());
        let get = || value.get(|| made.fetch_add(1, Ordering::SeqCst));
        let all: Vec<usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| **get())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|each| *each == **get()));
        let before = value.made().unwrap();
        value.replace(&before, 100);
        value.replace(&before, 200);
        assert_eq!(**get(), 100);
    }

    #[test]
    fn what_was_inherited_is_neither_used_nor_dropped() {
        let (value, parents) = PerProcess::inherited("the parent's");
        assert!(value.made().is_none() && !parents.is_ours());
        assert_eq!(**value.get(|| "the child's"), "the child's");
        drop(value);
        // Ours and the leaked one.
        assert_eq!(Arc::strong_count(&parents), 2);

        let (never_asked, parents) = PerProcess::inherited(());
        drop(never_asked);
        assert_eq!(Arc::strong_count(&parents), 2);
    }
}
