//! Answers that are read bit by bit, for as long as the server sends.

use std::io::Read as _;

use ureq::BodyReader;
use ureq::http::HeaderMap;

use super::context::{self, Attempt};
use super::failure::Broken;
use super::{Cause, Failure, Http, Wire};
use crate::call::{Limits, Stop};

/// An answer whose body is still to come.
pub(crate) struct Opened {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The connection had served another request before.
    pub(crate) reused: bool,
    body: BodyReader<'static>,
}

/// What came of reading on.
#[derive(Debug)]
pub(crate) enum Reading {
    /// So many bytes.
    Bytes(usize),
    /// Nothing within the time given; reading can go on.
    Nothing,
    /// The server has ended the answer, or the connection was lost.
    End,
}

impl Http {
    /// Sends a request without a body and reads the head of the answer. Does not count among the connections that a
    /// client may have at once: a stream would hold its place for hours.
    pub(crate) fn open(&self, wire: &Wire<'_>, limits: &Limits<'_>) -> Result<Opened, Failure> {
        let attempt = Attempt::new(limits, self.setup.connect_timeout, false, wire.longest_line());
        let (parts, body) = self.attempt(&attempt, || {
            let request = self.request(wire, ())?;
            let response =
                self.connections().agents.with(|agent| agent.run(request)).map_err(Broken::Http)?;
            let (parts, body) = response.into_parts();
            self.check_proxy(parts.status, &attempt)?;
            Ok((parts, body.into_reader()))
        })?;
        Ok(Opened {
            status: parts.status.as_u16(),
            headers: parts.headers,
            reused: attempt.reused.get(),
            body,
        })
    }
}

impl Opened {
    /// Reads what has come, or waits for it until the deadline.
    ///
    /// # Errors
    /// [`Cause::Stopped`] if the wait was cancelled or interrupted.
    pub(crate) fn read(&mut self, limits: &Limits<'_>, buffer: &mut [u8]) -> Result<Reading, Failure> {
        self.take(limits, buffer, false)
    }

    /// The same without waiting: [`Reading::Nothing`] if nothing has come.
    ///
    /// # Errors
    /// See [`Opened::read`].
    pub(crate) fn read_at_once(
        &mut self,
        limits: &Limits<'_>,
        buffer: &mut [u8],
    ) -> Result<Reading, Failure> {
        self.take(limits, buffer, true)
    }

    fn take(&mut self, limits: &Limits<'_>, buffer: &mut [u8], at_once: bool) -> Result<Reading, Failure> {
        let attempt = Attempt::new(limits, std::time::Duration::ZERO, false, 0);
        attempt.at_once.set(at_once);
        let outcome = context::lend(&attempt, || self.body.read(buffer));
        match (outcome, attempt.stop.get()) {
            (Ok(0), _) => Ok(Reading::End),
            (Ok(count), _) => Ok(Reading::Bytes(count)),
            (Err(_), Some(Stop::Deadline)) => Ok(Reading::Nothing),
            (Err(_), Some(stop)) => Err(Failure {
                cause: Cause::Stopped(stop),
                maybe_executed: true,
                answered: true,
                reused: self.reused,
                queued: false,
            }),
            // Whoever reads connects again.
            (Err(_), None) => Ok(Reading::End),
        }
    }
}
