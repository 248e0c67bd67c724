//! Listening on a loopback port, a thread for each connection, and ending it all.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A panicking thread of a test must not hide what the others recorded.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A listener on a free loopback port.
pub(crate) fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// A flag that ends every wait.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn set(&self) {
        *lock(&self.stopped) = true;
        self.changed.notify_all();
    }

    fn is_set(&self) -> bool {
        *lock(&self.stopped)
    }

    /// Waits, unless the server stops meanwhile, which is an error.
    pub(crate) fn sleep(&self, duration: Duration) -> io::Result<()> {
        let deadline = Instant::now() + duration;
        let mut stopped = lock(&self.stopped);
        loop {
            if *stopped {
                return Err(io::Error::other("the server stops"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            stopped = self.changed.wait_timeout(stopped, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What the connections of one listener share.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    pub(crate) stop: Stop,
    /// Weak, because a connection is reset only when its last handle goes.
    connections: Mutex<Vec<Weak<TcpStream>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Hub {
    /// Has a connection shut down when the listener stops.
    pub(crate) fn watch(&self, stream: &Arc<TcpStream>) {
        let mut connections = lock(&self.connections);
        connections.retain(|connection| connection.strong_count() > 0);
        connections.push(Arc::downgrade(stream));
        if self.stop.is_set() {
            // Fails only if the connection is gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Runs something in a thread that is joined when the listener stops.
    pub(crate) fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        let thread = thread::spawn(work);
        let mut threads = lock(&self.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }
}

/// A listener that serves each connection in a thread of its own. Ends every connection when dropped.
pub(crate) struct Acceptor {
    address: SocketAddr,
    hub: Arc<Hub>,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    /// Serves what connects; the first connection has the number 1. An error of `serve` means that the client has left or that the server
    /// stops: both are ordinary.
    pub(crate) fn start(
        listener: TcpListener,
        serve: impl Fn(Arc<TcpStream>, usize, &Arc<Hub>) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let hub = Arc::new(Hub::default());
        let serve = Arc::new(serve);
        let thread = thread::spawn({
            let hub = Arc::clone(&hub);
            move || {
                let mut number = 0;
                while let Ok((stream, _)) = listener.accept() {
                    if hub.stop.is_set() {
                        return;
                    }
                    number += 1;
                    let stream = Arc::new(stream);
                    hub.watch(&stream);
                    let (serve, shared) = (Arc::clone(&serve), Arc::clone(&hub));
                    hub.spawn(move || {
                        let _ = serve(stream, number, &shared);
                    });
                }
            }
        });
        Ok(Acceptor { address, hub, thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.hub.stop.set();
        // Wakes the acceptor; if it cannot be reached it has ended already.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for stream in std::mem::take(&mut *lock(&self.hub.connections)).iter().filter_map(Weak::upgrade) {
            // Fails only if the connection is gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Taken out first: a thread that ends may want to start another.
        loop {
            let threads = std::mem::take(&mut *lock(&self.hub.threads));
            if threads.is_empty() {
                return;
            }
            for thread in threads {
                let _ = thread.join();
            }
        }
    }
}
