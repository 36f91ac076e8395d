//! A live cluster behind the ports of a world: what agents see and change, what the runner does to it, what the judge
//! reads.
//!
//! ```text
//!  observe ─▶ observe ──lists, logs──▶ link ──patience──▶ API server, metrics-server, Prometheus
//!               └─▶ workloads, pods, network, policies, events: JSON as the twin's views
//!  act ─────▶ writes ──Write──▶ Changes (a guard, or the cluster itself) ──▶ API server
//!  prepare, inject, recover ─▶ faults (pure) ─▶ Hand ──▶ pods, objects        clients: the load generator
//!                                                └─▶ guard::Recoveries: how it is taken back, kept before it is done
//!  truth ───▶ stage ─▶ truth: figures of the judge
//!  drain_journal ◀── watches of the cluster (events), what became of the link, faults
//! ```
//!
//! The clock of an episode is that of this machine, from the moment at which the world is prepared: every Deployment
//! complete, the start as the scenario says. [`Environment::advance`] waits.
//!
//! What an agent asks for passes through one port, [`Changes`], which a [`Guarded`](crate::guard::Guarded) cluster is. How
//! what the stage does to the cluster is taken back is added to a list on disk, [`Recoveries`], before it is done, so that
//! it can be undone after a crash ([`Cluster::undo`]). [`Live::finish`] undoes it at the end.

mod clients;
mod events;
mod faults;
mod inject;
mod json;
mod link;
mod network;
mod observe;
mod pods;
mod policies;
mod stage;
mod truth;
mod workloads;
mod writes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use load::Targets;
use sim::app::App;
use sim::environment::{Environment, Failure, Observation, Query, Unavailable, Write};
use sim::episode::WorldEvent;
use sim::scenario::Scenario;
use sim::time::{SimDuration, SimTime};

pub use inject::Hand;
pub use link::Patience;

use crate::changes::Changes;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::guard::{Finding, Recoveries};
use crate::prometheus::Prometheus;
use crate::recorder::Recorder;
use clients::Clients;
use events::Zero;
use stage::unavailable;
use truth::{Meter, Nodes};

/// How an application is found on a cluster, and how patiently.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The label that its pods have; pods without it are not shown. None shows all of the namespace.
    pub label: Option<String>,
    /// Where clients reach its services, if not by the addresses of their Services.
    pub targets: Targets,
    /// The seed of the clients' chance.
    pub seed: u64,
    /// How long a cluster may fail to answer.
    pub patience: Patience,
    /// How long the application may take to become ready.
    pub ready_within: Duration,
}

impl Default for Settings {
    /// Sock Shop, whose pods have the label `name`, and whose own probes wait up to 300 s before they look.
    fn default() -> Self {
        Self {
            label: Some("name".to_owned()),
            targets: Targets::default(),
            seed: 1,
            patience: Patience::default(),
            ready_within: Duration::from_mins(7),
        }
    }
}

/// The clock of an episode.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// When it began, on this machine's clock and on everybody's; none before it has.
    zero: Option<(Instant, Timestamp)>,
}

impl Clock {
    fn start(&mut self) {
        self.zero = Some((Instant::now(), Timestamp::now()));
    }

    fn now(self) -> SimTime {
        self.at(Instant::now())
    }

    /// A moment on this clock; zero before it has begun.
    fn at(self, moment: Instant) -> SimTime {
        let elapsed = self.zero.map_or(Duration::ZERO, |(began, _)| moment.saturating_duration_since(began));
        SimTime(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    fn zero(self) -> Zero {
        Zero(self.zero.map_or_else(Timestamp::now, |(_, wall)| wall))
    }
}

/// A live cluster as a world. `C` is what its changes pass through.
pub struct Live<C> {
    hand: Hand,
    changes: C,
    prometheus: Prometheus,
    app: Arc<App>,
    scenario: Arc<Scenario>,
    settings: Settings,
    clock: Clock,
    has_chaos_mesh: bool,
    recorder: Option<Recorder>,
    /// How long the recorder had been recording when the clock began.
    recorded_before: SimDuration,
    clients: Clients,
    nodes: Nodes,
    /// Whether nodes may be looked at: rights to one namespace do not say so.
    sees_nodes: bool,
    meter: Meter,
    journal: Vec<WorldEvent>,
}

impl<C: Changes> Live<C> {
    /// The world of a scenario of an application that is deployed on a cluster.
    pub fn new(
        cluster: Cluster,
        changes: C,
        prometheus: Prometheus,
        app: Arc<App>,
        scenario: Arc<Scenario>,
        settings: Settings,
    ) -> Self {
        Self {
            hand: Hand::new(cluster, settings.patience),
            changes,
            prometheus,
            app,
            scenario,
            settings,
            clock: Clock { zero: None },
            has_chaos_mesh: false,
            recorder: None,
            recorded_before: SimDuration::ZERO,
            clients: Clients::default(),
            nodes: Nodes::default(),
            sees_nodes: true,
            meter: Meter::default(),
            journal: Vec::new(),
        }
    }

    /// The same with a list on disk of how what the stage does is taken back. Without one, a crash leaves it done.
    #[must_use]
    pub fn keeping(mut self, recoveries: Recoveries) -> Self {
        self.hand.recoveries = Some(recoveries);
        self
    }

    /// Why the scenario cannot be played on this cluster, all reasons at once; nothing is touched.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn refusals(&mut self) -> Result<Vec<String>, Error> {
        let ask = async |cluster: &Cluster| cluster.serves("chaos-mesh.org").await;
        let has_chaos_mesh = self.hand.link.patiently(ask).await?;
        Ok(faults::refusals(&self.scenario, has_chaos_mesh))
    }

    /// Ends the episode: loads stop, and what the stage did is taken back, the latest first. What became of each, those
    /// that were taken back before included.
    ///
    /// # Errors
    /// What is left open, which stays in the list on disk.
    pub async fn finish(&mut self) -> Result<Vec<Finding>, Unavailable> {
        self.clients = Clients::default();
        self.hand.take_all_back().await.map_err(unavailable)
    }
}

impl<C: Changes> Environment for Live<C> {
    fn now(&self) -> SimTime {
        self.clock.now()
    }

    async fn observe(&mut self, query: &Query) -> Result<Observation, Failure> {
        self.look(query).await.map_err(Error::into_failure)
    }

    async fn act(&mut self, write: &Write) -> Result<String, Failure> {
        writes::change(&mut self.hand.link, &self.changes, write).await
    }

    async fn advance(&mut self, until: SimTime) -> Result<(), Unavailable> {
        loop {
            if self.clients.is_broken() {
                return Err(Unavailable("the load generator has ended, which nobody told it to".to_owned()));
            }
            let left = until.since(self.clock.now());
            if left == SimDuration::ZERO {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_nanos(left.0)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_begins_when_it_is_told() {
        let mut clock = Clock { zero: None };
        assert_eq!((clock.now(), clock.at(Instant::now())), (SimTime::ZERO, SimTime::ZERO));
        let before = Instant::now();
        clock.start();
        assert_eq!(clock.at(before), SimTime::ZERO, "what was before counts as of its beginning");
        let (began, _) = clock.zero.unwrap();
        assert_eq!(clock.at(began + Duration::from_secs(3)), SimTime::ZERO + SimDuration::from_secs(3));
    }
}
