//! One TCP connection, closed as real servers close theirs: silently after 5 s without traffic, and silently after an
//! answer of 500.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tower_service::Service as _;

/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// What the handlers know of their connection, and what they can make of it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// The other end.
    pub(crate) peer: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Requests that are being answered, and answers that are streams.
    busy: AtomicUsize,
    /// Close as soon as the answer has been written.
    closing: AtomicBool,
}

impl Link {
    /// Keeps the connection from being idle while what is returned exists: for answers that are streams.
    pub(crate) fn busy(&self) -> Busy {
        Busy::new(&self.state)
    }

    /// Closes the connection after the current answer, without announcing it.
    pub(crate) fn close_silently(&self) {
        self.state.closing.store(true, Ordering::Relaxed);
    }
}

/// Keeps a connection from being idle while it exists.
#[derive(Debug)]
pub(crate) struct Busy(Arc<State>);

impl Busy {
    fn new(state: &Arc<State>) -> Self {
        state.busy.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(state))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The stream of a connection, which ends for its reader when the connection is to be closed.
struct Stream {
    tcp: TcpStream,
    idle: Pin<Box<Sleep>>,
    state: Arc<State>,
    /// Whether anything was written since the closing was asked for.
    answered: bool,
}

impl Stream {
    fn active(&mut self) {
        self.idle.as_mut().reset(Instant::now() + KEEP_ALIVE);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let busy = self.state.busy.load(Ordering::Relaxed) > 0;
        if self.answered && !busy {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        if let Poll::Ready(outcome) = Pin::new(&mut self.tcp).poll_read(cx, buffer) {
            if buffer.filled().len() > before {
                self.active();
            }
            return Poll::Ready(outcome);
        }
        while self.idle.as_mut().poll(cx).is_ready() {
            if !busy {
                // Nothing read and no error: the end of the stream, whereupon the connection is shut down.
                return Poll::Ready(Ok(()));
            }
            self.active();
        }
        Poll::Pending
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        if matches!(outcome, Poll::Ready(Ok(_))) {
            self.active();
            self.answered = self.state.closing.load(Ordering::Relaxed);
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// Serves one connection to its end. How a client leaves is its own business: errors of the connection end here.
pub(crate) async fn serve(tcp: TcpStream, peer: SocketAddr, router: Router) {
    // Without it an answer in two writes can wait 40 ms for the other side's acknowledgement. Refusal costs only speed.
    let _ = tcp.set_nodelay(true);
    let state = Arc::new(State::default());
    let stream =
        Stream { tcp, idle: Box::pin(sleep(KEEP_ALIVE)), state: Arc::clone(&state), answered: false };
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let busy = Busy::new(&state);
        request.extensions_mut().insert(Link { peer, state: Arc::clone(&state) });
        let answer = router.clone().call(request);
        async move {
            let answer = answer.await;
            drop(busy);
            answer
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .title_case_headers(false)
        .serve_connection(TokioIo::new(stream), service);
    let _ = connection.with_upgrades().await;
}
