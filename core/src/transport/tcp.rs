//! Sockets: opened within a bound, and waited on in slices, so that a call can end at any time.
//!
//! The waits are below TLS: rustls never sees a slice end, only data, an error or the end of the attempt.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::Socket as Stream;
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};

use super::context::{self, Attempt, Trouble};
use super::forward::Forward;
use super::resolve::Names;
use crate::call::Stop;
#[cfg(target_os = "linux")]
use crate::fibers::{self, Ready};
use crate::waiting::park;

/// How many bytes a fiber reads before it lets the others of its thread go on.
#[cfg(target_os = "linux")]
const TURN: usize = 512 << 10;

/// Opens sockets.
#[derive(Debug)]
pub(super) struct Tcp {
    /// Told which names led nowhere.
    pub(super) names: Arc<Names>,
    /// The Unix domain socket to use instead of any address.
    pub(super) socket: Option<PathBuf>,
    /// The proxy whose addresses they are.
    pub(super) forward: Option<Arc<Forward>>,
}

impl<In: Transport> Connector<In> for Tcp {
    type Out = Either<In, Socket>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        let stream = context::current(|attempt| match &self.socket {
            Some(path) => connect_path(attempt, path),
            None => connect_any(attempt, &details.addrs).inspect_err(|_| {
                let host = self.forward.as_ref().map(|proxy| proxy.host.as_str()).or(details.uri.host());
                self.names.forget(host.unwrap_or_default());
            }),
        })?;
        Ok(Some(Either::B(Socket {
            stream,
            buffers: context::buffers(details.config),
            read_timeout: None,
            write_timeout: None,
            #[cfg(target_os = "linux")]
            turn: 0,
        })))
    }
}

/// Reports why there is no connection, and passes it on.
fn report(attempt: &Attempt<'_>, error: io::Error) -> io::Error {
    let copy = io::Error::new(error.kind(), error.to_string());
    attempt.report(Trouble::Connect(error));
    copy
}

/// Tries one address after the other, each with its share of the time, so that a dead one does not use it all up.
fn connect_any(attempt: &Attempt<'_>, addresses: &[SocketAddr]) -> io::Result<Arc<Stream>> {
    let deadline = attempt.open_until();
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address");
    for (index, &address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match connect_one(attempt, address, Instant::now() + share) {
            Ok(stream) => {
                stream.set_tcp_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) if attempt.stop.get().is_some() => return Err(error),
            Err(error) => last = error,
        }
    }
    // The caller's deadline and not ours ended it: that is a timeout of the call.
    attempt.go_on()?;
    Err(report(attempt, last))
}

/// Connects to a socket of the file system. That needs no wait, unless the server's queue is full.
#[cfg(unix)]
fn connect_path(attempt: &Attempt<'_>, path: &Path) -> io::Result<Arc<Stream>> {
    use socket2::{Domain, SockAddr, Type};

    const PAUSE: Duration = Duration::from_millis(10);
    let until = attempt.open_until();
    loop {
        let open = || -> io::Result<Stream> {
            let stream = Stream::new(Domain::UNIX, Type::STREAM, None)?;
            stream.set_nonblocking(true)?;
            stream.connect(&SockAddr::unix(path)?)?;
            stream.set_nonblocking(false)?;
            Ok(stream)
        };
        match open() {
            Ok(stream) => return Ok(Arc::new(stream)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                park(attempt.slice()?.min(PAUSE));
                attempt.go_on()?;
            }
            Err(error) => return Err(report(attempt, error)),
        }
    }
}

#[cfg(not(unix))]
fn connect_path(attempt: &Attempt<'_>, _: &Path) -> io::Result<Arc<Stream>> {
    Err(report(attempt, io::ErrorKind::Unsupported.into()))
}

#[cfg(unix)]
fn connect_one(attempt: &Attempt<'_>, address: SocketAddr, until: Instant) -> io::Result<Arc<Stream>> {
    use socket2::{Domain, Protocol, Type};

    let socket = Arc::new(Stream::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?);
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            // Where a system cannot shut down what is not connected, the end of a slice ends it.
            watched(attempt, &socket, || wait_until_connected(attempt, &socket, until))?;
        }
        Err(error) => return Err(error),
    }
    socket.set_nonblocking(false)?;
    Ok(socket)
}

#[cfg(unix)]
fn wait_until_connected(attempt: &Attempt<'_>, socket: &Stream, until: Instant) -> io::Result<()> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to the connection request"));
        }
        if becomes_writable(socket, attempt.slice()?.min(left))? {
            return socket.take_error()?.map_or(Ok(()), Err);
        }
        attempt.go_on()?;
    }
}

/// Whether a socket becomes writable within this time. The wait may end before.
#[cfg(unix)]
fn becomes_writable(socket: &Stream, within: Duration) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let mut timeout = Timespec {
        tv_sec: within.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: within.subsec_nanos().into(),
    };
    #[cfg(target_os = "linux")]
    if fibers::is_current() {
        fibers::wait_for(socket, Ready::ToWrite, within)?;
        timeout = Timespec::default();
    }
    match poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&timeout)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn connect_one(attempt: &Attempt<'_>, address: SocketAddr, until: Instant) -> io::Result<Arc<Stream>> {
    // Without poll(2) the wait for the connection is bounded but cannot be cut short.
    attempt.go_on()?;
    let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    std::net::TcpStream::connect_timeout(&address, left).map(Stream::from).map(Arc::new)
}

/// Does I/O while the cancel token of the call, if there is one, knows which socket to shut down.
fn watched<R>(
    attempt: &Attempt<'_>,
    stream: &Arc<Stream>,
    io: impl FnOnce() -> io::Result<R>,
) -> io::Result<R> {
    let Some(cancel) = attempt.limits.cancel else {
        return io();
    };
    cancel.watch(stream);
    let outcome = io();
    cancel.unwatch();
    // A cancelled socket is shut down, whatever came out of it.
    attempt.go_on()?;
    outcome
}

/// An open socket. The timeouts are what the operating system was last told, so that it is told only changes.
pub(super) struct Socket {
    /// Shared weakly with the cancel token of the call that is blocked on it.
    stream: Arc<Stream>,
    buffers: LazyBuffers,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    /// What a fiber may read before it lets the others of its thread go on.
    #[cfg(target_os = "linux")]
    turn: usize,
}

/// Whether the wait ended without anything having gone wrong with the connection.
fn is_only_a_slice(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

impl Socket {
    fn write(&mut self, attempt: &Attempt<'_>, amount: usize) -> io::Result<()> {
        let mut written = 0;
        while written < amount {
            match self.write_some(written..amount, attempt.slice()?) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    written += count;
                    if attempt.requesting.get() {
                        attempt.sent.set(true);
                    }
                }
                Err(error) if is_only_a_slice(&error) => attempt.go_on()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Blocks no longer than a slice.
    fn write_some(&mut self, range: Range<usize>, slice: Duration) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        if fibers::is_current() {
            self.turn = 0;
            let outcome = write_at_once(&self.stream, &self.buffers.output()[range]);
            if outcome.as_ref().is_err_and(is_only_a_slice) {
                fibers::wait_for(&*self.stream, Ready::ToWrite, slice)?;
            }
            return outcome;
        }
        if self.write_timeout != Some(slice) {
            self.stream.set_write_timeout(Some(slice))?;
            self.write_timeout = Some(slice);
        }
        (&*self.stream).write(&self.buffers.output()[range])
    }

    fn read(&mut self, attempt: &Attempt<'_>) -> io::Result<usize> {
        if attempt.at_once.get() {
            return match read_at_once(&self.stream, self.buffers.input_append_buf()) {
                Err(error) if is_only_a_slice(&error) => Err(attempt.stopped(Stop::Deadline)),
                outcome => outcome,
            };
        }
        loop {
            match self.read_some(attempt.slice()?) {
                Err(error) if is_only_a_slice(&error) => attempt.go_on()?,
                outcome => return outcome,
            }
        }
    }

    /// Blocks no longer than a slice.
    fn read_some(&mut self, slice: Duration) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        if fibers::is_current() {
            // The answer to what was just written is not there yet.
            if self.turn == 0 {
                fibers::wait_for(&*self.stream, Ready::ToRead, slice)?;
                self.turn = TURN;
            }
            let outcome = read_at_once(&self.stream, self.buffers.input_append_buf());
            self.turn = self.turn.saturating_sub(*outcome.as_ref().unwrap_or(&TURN));
            return outcome;
        }
        if self.read_timeout != Some(slice) {
            self.stream.set_read_timeout(Some(slice))?;
            self.read_timeout = Some(slice);
        }
        (&*self.stream).read(self.buffers.input_append_buf())
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        let stream = Arc::clone(&self.stream);
        context::current(|attempt| watched(attempt, &stream, || self.write(attempt, amount)))?;
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let stream = Arc::clone(&self.stream);
        let count = context::current(|attempt| watched(attempt, &stream, || self.read(attempt)))?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        is_quiet(&self.stream)
    }
}

/// Whether nothing waits to be read: neither the end of the connection nor bytes that nobody asked for.
#[cfg(unix)]
fn is_quiet(stream: &Stream) -> bool {
    use rustix::net::{RecvFlags, recv};

    let mut byte = [0_u8; 1];
    let outcome = recv(stream, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    matches!(outcome, Err(rustix::io::Errno::AGAIN))
}

#[cfg(not(unix))]
fn is_quiet(stream: &Stream) -> bool {
    use std::mem::MaybeUninit;

    let quiet = stream.set_nonblocking(true).is_ok()
        && stream
            .peek(&mut [MaybeUninit::uninit()])
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    quiet && stream.set_nonblocking(false).is_ok()
}

/// Reads what has come already.
#[cfg(unix)]
fn read_at_once(stream: &Stream, buffer: &mut [u8]) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};

    let (count, _) = recv(stream, buffer, RecvFlags::DONTWAIT)?;
    Ok(count)
}

/// Writes what there is room for already.
#[cfg(target_os = "linux")]
fn write_at_once(stream: &Stream, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};

    Ok(send(stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
}

/// Without a flag for it, nothing is read unless it is waited for.
#[cfg(not(unix))]
fn read_at_once(_: &Stream, _: &mut [u8]) -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("peer", &self.stream.peer_addr().ok()).finish_non_exhaustive()
    }
}
