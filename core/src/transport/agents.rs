//! ureq's agents, one for each connection: an agent with many of them compares the names that each leads to whenever one
//! comes or goes, which with 200 in flight takes a sixth of the time of a call, all under one lock.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Transport};

use super::exchange::Observer;
use super::resolve::CachingResolver;

/// Less than the 5 s after which real servers close an idle connection, without announcing it.
pub(super) const MAX_IDLE_AGE: Duration = Duration::from_secs(4);

/// The agents of one process.
pub(super) struct Agents {
    pub(super) config: Config,
    pub(super) dialer: Dialer,
    pub(super) resolver: CachingResolver,
    observer: Observer,
    most: usize,
    /// Those that nobody uses, with when they came; the last one came last.
    idle: Mutex<VecDeque<(Instant, Agent)>>,
}

impl Agents {
    /// Opens nothing yet, and keeps at most so many connections that nobody uses.
    pub(super) fn new(
        config: Config,
        dialer: Dialer,
        observer: Observer,
        resolver: CachingResolver,
        most: usize,
    ) -> Self {
        Agents { config, dialer, resolver, observer, most, idle: Mutex::default() }
    }

    /// Does something with the agent that was used last, since servers close those that wait; with a new one if all are
    /// in use.
    pub(super) fn with<R>(&self, work: impl FnOnce(&Agent) -> R) -> R {
        let idle = self.lock().pop_back();
        let agent = idle.map_or_else(|| self.fresh(), |(_, agent)| agent);
        let outcome = work(&agent);
        self.take_back(agent);
        outcome
    }

    fn fresh(&self) -> Agent {
        let connector = self.dialer.clone().chain(self.observer.clone());
        Agent::with_parts(self.config.clone(), connector, self.resolver.clone())
    }

    fn take_back(&self, agent: Agent) {
        let now = Instant::now();
        let mut idle = self.lock();
        idle.push_back((now, agent));
        let old = idle.iter().take_while(|(since, _)| now.duration_since(*since) > MAX_IDLE_AGE).count();
        let superfluous = old.max(idle.len().saturating_sub(self.most));
        // Closing a connection takes system calls, which nobody else should have to wait for.
        let closing: Vec<_> = idle.drain(..superfluous).collect();
        drop(idle);
        drop(closing);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, Agent)>> {
        // Nothing that can panic happens between two states that make sense.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What opens connections, tunnels and TLS included, for whatever is spoken over them. All that share it resume each
/// other's TLS sessions.
#[derive(Clone)]
pub(super) struct Dialer(Arc<dyn Connector<(), Out = Box<dyn Transport>>>);

impl Dialer {
    pub(super) fn new(connector: impl Connector) -> Self {
        Dialer(Arc::new(connector.chain(Boxing)))
    }
}

/// Forgets the type of a transport.
#[derive(Debug)]
struct Boxing;

impl<In: Transport> Connector<In> for Boxing {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(Transport::boxed))
    }
}

impl Connector<()> for Dialer {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained)
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
