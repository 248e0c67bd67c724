//! What wakes an event loop: a file descriptor that becomes readable.

pub(super) use self::os::Bell;

/// A counter in the kernel: one descriptor, eight bytes at a time.
#[cfg(target_os = "linux")]
mod os {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};

    use rustix::event::{EventfdFlags, eventfd};

    pub(in crate::aio) struct Bell(OwnedFd);

    impl Bell {
        pub(in crate::aio) fn new() -> io::Result<Option<Self>> {
            Ok(Some(Bell(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
        }

        /// What the loop has to watch.
        pub(in crate::aio) fn descriptor(&self) -> i32 {
            self.0.as_raw_fd()
        }

        pub(in crate::aio) fn ring(&self) {
            // Fails only if the counter is full, and then it is readable.
            let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
        }

        pub(in crate::aio) fn silence(&self) {
            // Fails only if it was not rung.
            let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
        }
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
mod os {
    use std::io::{self, Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    pub(in crate::aio) struct Bell {
        watched: UnixStream,
        rung: UnixStream,
    }

    impl Bell {
        pub(in crate::aio) fn new() -> io::Result<Option<Self>> {
            let (watched, rung) = UnixStream::pair()?;
            watched.set_nonblocking(true)?;
            rung.set_nonblocking(true)?;
            Ok(Some(Bell { watched, rung }))
        }

        /// What the loop has to watch.
        pub(in crate::aio) fn descriptor(&self) -> i32 {
            self.watched.as_raw_fd()
        }

        pub(in crate::aio) fn ring(&self) {
            // Fails only if the socket is full, and then the other one is readable.
            let _ = (&self.rung).write(&[1]);
        }

        pub(in crate::aio) fn silence(&self) {
            // Fails only if it was not rung.
            let _ = (&self.watched).read(&mut [0_u8; 64]);
        }
    }
}

/// The default loop of Windows watches no descriptors: there a thread of Python's waits.
#[cfg(not(unix))]
mod os {
    pub(in crate::aio) enum Bell {}

    impl Bell {
        pub(in crate::aio) fn new() -> std::io::Result<Option<Self>> {
            Ok(None)
        }

        pub(in crate::aio) fn descriptor(&self) -> i32 {
            match *self {}
        }

        pub(in crate::aio) fn ring(&self) {
            match *self {}
        }

        pub(in crate::aio) fn silence(&self) {
            match *self {}
        }
    }
}
