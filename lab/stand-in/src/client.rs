//! The caller's side: how this service connects to each service that it calls.
//!
//! A *link* is one client of the profile: the target's address, its connections (new ones, a pool, or one for all),
//! its patience and its breaker. Retries and reactions belong to the handler.

mod answer;
mod connection;
mod resolver;
mod shared;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use sim::profile::{Breaker as BreakerSettings, Connections};
use sim::program::Client;
use sim::time::{SimDuration, SimTime};
use sim::traffic::{Admission, Breaker, Failure};
use tokio::sync::Semaphore;

pub(crate) use connection::{Connection, Way};
pub(crate) use resolver::Resolver;
use shared::Shared;

/// One client of this service.
#[derive(Debug)]
pub(crate) struct Link {
    resolver: Resolver,
    way: Way,
    connections: Kept,
    timeout: Option<SimDuration>,
    connect_timeout: Option<SimDuration>,
    breaker: Option<(BreakerSettings, Mutex<Breaker>)>,
}

/// The connections of a link.
#[derive(Debug)]
enum Kept {
    /// None outlives its call.
    PerCall,
    Pool(Pool),
    Shared(Shared),
}

/// Connections that are kept after a call and used again, last in, first out.
#[derive(Debug)]
struct Pool {
    idle: Mutex<Vec<Connection>>,
    max_idle: usize,
    /// As many permits as connections may be open.
    open: Option<Semaphore>,
    /// Calls that wait for a permit.
    waiting: AtomicU32,
}

impl Link {
    /// The link of a client; `way` is how this process waits for the network.
    pub(crate) fn new(client: &Client, resolver: Resolver, way: Way) -> Self {
        let connections = match client.connections {
            Connections::PerCall => Kept::PerCall,
            Connections::Pool { max_open, max_idle } => Kept::Pool(Pool {
                idle: Mutex::default(),
                max_idle: max_idle.map_or(usize::MAX, |n| n as usize),
                open: max_open.map(|n| Semaphore::new(n as usize)),
                waiting: AtomicU32::new(0),
            }),
            Connections::Shared => Kept::Shared(Shared::default()),
        };
        Self {
            resolver,
            way,
            connections,
            timeout: client.timeout,
            connect_timeout: client.connect_timeout,
            breaker: client.breaker.clone().map(|settings| (settings, Mutex::default())),
        }
    }

    /// Whether requests on this link end their connection.
    pub(crate) fn closes(&self) -> bool {
        matches!(self.connections, Kept::PerCall)
    }

    /// Asks the breaker.
    pub(crate) fn admit(&self, now: SimTime) -> Admission {
        self.breaker.as_ref().map_or(Admission::Pass, |(_, state)| state.lock().expect(NO_PANIC).admit(now))
    }

    /// Tells the breaker what came of a call.
    pub(crate) fn record(&self, now: SimTime, admission: Admission, succeeded: bool) {
        if let Some((settings, state)) = &self.breaker {
            state.lock().expect(NO_PANIC).record(settings, now, admission == Admission::Trial, succeeded);
        }
    }

    /// One try of a call: the status of its answer.
    pub(crate) async fn exchange(&self, request: &[u8]) -> Result<u16, Failure> {
        let deadline = self.timeout.map(after);
        match &self.connections {
            Kept::PerCall => {
                let mut connection = self.open(deadline).await?;
                Ok(connection.exchange(request, deadline).await?.status)
            }
            Kept::Pool(pool) => self.pooled(pool, request, deadline).await,
            Kept::Shared(shared) => shared.exchange(|| self.open_as(Way::Task, deadline), request, deadline).await,
        }
    }

    async fn pooled(&self, pool: &Pool, request: &[u8], deadline: Option<Instant>) -> Result<u16, Failure> {
        let _permit = match &pool.open {
            None => None,
            Some(open) => {
                pool.waiting.fetch_add(1, Relaxed);
                let permit = connection::within(deadline, open.acquire()).await;
                pool.waiting.fetch_sub(1, Relaxed);
                Some(permit?.expect("nobody closes the semaphore"))
            }
        };
        let mut connection = match pool.take() {
            Some(connection) => connection,
            None => self.open(deadline).await?,
        };
        let answer = connection.exchange(request, deadline).await?;
        if answer.keeps {
            pool.give_back(connection);
        }
        Ok(answer.status)
    }

    async fn open(&self, deadline: Option<Instant>) -> Result<Connection, Failure> {
        self.open_as(self.way, deadline).await
    }

    async fn open_as(&self, way: Way, deadline: Option<Instant>) -> Result<Connection, Failure> {
        let patience = self.connect_timeout.map(after);
        let deadline = deadline.into_iter().chain(patience).min();
        let address = self.resolver.resolve(way).await?;
        Connection::open(address, way, deadline).await
    }
}

impl Pool {
    /// The connection that was used last, if its other end has not closed it.
    fn take(&self) -> Option<Connection> {
        loop {
            let connection = self.idle.lock().expect(NO_PANIC).pop()?;
            if connection.is_open() {
                return Some(connection);
            }
        }
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().expect(NO_PANIC);
        // Whoever waits takes it at once.
        if idle.len() < self.max_idle || self.waiting.load(Relaxed) > 0 {
            idle.push(connection);
        }
    }
}

const NO_PANIC: &str = "nobody panics while he holds it";

fn after(time: SimDuration) -> Instant {
    Instant::now() + std::time::Duration::from_nanos(time.0)
}
