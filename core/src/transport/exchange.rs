//! The top of the connection, where requests and answers are plain text: watches one exchange after the other.

use std::io;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use super::{context, forward};

/// Puts an [`Observed`] on top of each connection.
#[derive(Debug, Clone)]
pub(super) struct Observer {
    /// Whether connections are tunnels through a proxy, in which case the first exchange is with it.
    pub(super) tunnelled: bool,
    /// Whether connections end at a proxy, which needs the whole URL of each request.
    pub(super) forwarded: bool,
}

impl Connector<Box<dyn Transport>> for Observer {
    type Out = Observed;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<Box<dyn Transport>>,
    ) -> Result<Option<Observed>, Error> {
        // The leg to the proxy is made with a configuration that has no proxy any more: nothing is executed there.
        let counts = !self.tunnelled || details.config.proxy().is_some();
        Ok(chained.map(|inner| Observed {
            inner,
            counts,
            origin: self.forwarded.then(|| forward::origin(details.uri)),
            room: context::current(|attempt| attempt.longest_line).max(details.config.output_buffer_size()),
            idle: false,
            awaiting: false,
            spent: false,
            deaf: None,
            has_body: false,
            held: Vec::new(),
        }))
    }
}

/// A connection whose exchanges are watched.
#[derive(Debug)]
pub(super) struct Observed {
    inner: Box<dyn Transport>,
    counts: bool,
    /// What the target of each request begins with, if it is a whole URL.
    origin: Option<String>,
    /// How long a line of a request its buffer can hold.
    room: usize,
    /// An exchange has been completed on it, and no other begun.
    idle: bool,
    /// A request was sent and nothing of its answer has come.
    awaiting: bool,
    /// Not to be used again.
    spent: bool,
    /// Why the server takes no more of the request under way. It may have said why before that.
    deaf: Option<io::Error>,
    /// The request under way has a body.
    has_body: bool,
    /// The head of that request, which waits for its body.
    held: Vec<u8>,
}

impl Observed {
    fn look_at_status(&mut self) {
        let input = self.inner.buffers().input();
        // `HTTP/1.1 500`: real servers close the connection silently after a 500, without announcing it. So do some
        // after a refusal that came before they had read the body.
        self.spent |= match input.get(9) {
            // Behind a preliminary answer, the status that counts is not seen.
            Some(b'1' | b'5') => true,
            Some(b'4') => self.has_body,
            _ => false,
        };
        self.awaiting = false;
    }

    /// Sends a head that was held together with the first part of its body, which is in the output buffer.
    ///
    /// In one piece, because a server may refuse a request by its head alone and close the connection: what of the
    /// body is still on its way then resets it, and the refusal can be lost with it.
    fn transmit_with_head(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let head = std::mem::take(&mut self.held);
        let output = self.inner.buffers().output();
        let whole = head.len() + amount;
        if whole <= output.len() {
            output.copy_within(..amount, head.len());
            output[..head.len()].copy_from_slice(&head);
            return self.inner.transmit_output(whole, timeout);
        }
        let (body, room) = (output[..amount].to_vec(), output.len());
        for piece in head.chunks(room).chain(body.chunks(room)) {
            self.inner.buffers().output()[..piece.len()].copy_from_slice(piece);
            self.inner.transmit_output(piece.len(), timeout)?;
        }
        Ok(())
    }
}

impl Transport for Observed {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.deaf.is_some() {
            return Ok(());
        }
        match self.transmit(amount, timeout) {
            Err(Error::Io(error)) if self.is_turned_away(&error) => {
                self.spent = true;
                self.deaf = Some(error);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let outcome = self.receive(timeout);
        match (outcome, self.deaf.take()) {
            // There was no answer before it: what went wrong first is what is told.
            (Err(_) | Ok(false), Some(error)) => Err(error.into()),
            (outcome, _) => outcome,
        }
    }

    fn is_open(&mut self) -> bool {
        // A piece of a status that never became whole: nothing can be said about this connection.
        if self.spent || self.awaiting || context::current(|attempt| attempt.longest_line) > self.room {
            return false;
        }
        // ureq asks when a connection comes back and again before it is used. Asking the system costs a call each
        // time, and only the second answer is worth it.
        if std::mem::replace(&mut self.idle, true) { self.inner.is_open() } else { true }
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl Observed {
    /// Whether the server has closed the connection while a body was on its way, as some do who refuse it. What they
    /// have said before can still be read.
    fn is_turned_away(&self, error: &io::Error) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};

        let is_over = matches!(error.kind(), BrokenPipe | ConnectionReset | ConnectionAborted);
        is_over && self.awaiting && self.has_body && context::current(|attempt| attempt.sent.get())
    }

    fn transmit(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.counts && !self.awaiting {
            self.awaiting = true;
            self.has_body = context::current(|attempt| {
                attempt.requesting.set(true);
                attempt.reused.set(self.idle);
                attempt.has_body
            });
            self.idle = false;
            let head = &self.inner.buffers().output()[..amount];
            match &self.origin {
                Some(origin) => self.held = forward::absolute_form(head, origin),
                None if self.has_body => self.held.extend_from_slice(head),
                None => {}
            }
            if self.has_body {
                return Ok(());
            }
            if !self.held.is_empty() {
                return self.transmit_with_head(0, timeout);
            }
        }
        if self.held.is_empty() {
            self.inner.transmit_output(amount, timeout)
        } else {
            self.transmit_with_head(amount, timeout)
        }
    }

    fn receive(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if !self.held.is_empty() {
            self.transmit_with_head(0, timeout)?;
        }
        let progress = self.inner.await_input(timeout)?;
        if self.awaiting && progress {
            context::current(|attempt| attempt.answered.set(true));
            // The status may come in pieces; it is looked at once it is complete.
            if self.inner.buffers().input().len() > 9 {
                self.look_at_status();
            }
        }
        Ok(progress)
    }
}
