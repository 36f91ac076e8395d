//! What happens to the application while it is under load: the actions and the faults of a case.

use anyhow::{Context, Result};
use bridge::Cluster;
use bridge::live::Hand;
use lab::Lab;
use sim::environment::Write;
use sim::fault::{Effect, Fault, NodeEffect};
use sim::scenario::Scenario;
use sim::time::SimDuration;
use sim::workload::Workload;

use crate::commands::lab::compare::case::Case;

/// Stress outlives every measurement, and must end by itself.
const STRESS: SimDuration = SimDuration::from_secs(3600);

/// Something that happens at a time since the load began.
#[derive(Debug)]
pub(super) struct Disturbance {
    pub(super) at: SimDuration,
    what: What,
}

#[derive(Debug)]
enum What {
    Write(Write),
    /// By its number in the scenario.
    Fault(usize, Fault),
}

/// The loads that faults bring.
pub(super) fn traffic(scenario: &Scenario) -> impl Iterator<Item = Workload> + '_ {
    scenario.faults.iter().filter_map(|fault| match fault.effect() {
        Some(Effect::Load(workload)) => Some(workload),
        _ => None,
    })
}

impl Disturbance {
    /// All of a case, latest first.
    pub(super) fn all(case: &Case) -> Vec<Self> {
        let writes = case.actions.iter().map(|(at, write)| Self { at: *at, what: What::Write(write.clone()) });
        let is_load = |fault: &Fault| matches!(fault.effect(), Some(Effect::Load(_)));
        let faults = case.scenario.faults.iter().enumerate().filter(|(_, fault)| !is_load(fault));
        let faults = faults.map(|(number, fault)| Self {
            at: fault.start.saturating_sub(case.begins),
            what: What::Fault(number, fault.clone()),
        });
        let mut all: Vec<_> = writes.chain(faults).collect();
        all.sort_by_key(|disturbance| std::cmp::Reverse(disturbance.at));
        all
    }

    /// Makes it happen.
    pub(super) async fn apply(&self, place: &mut Place<'_>) -> Result<()> {
        match &self.what {
            What::Write(write) => place.write(write).await,
            What::Fault(number, fault) => place.inject(*number, fault).await,
        }
    }
}

/// Where things happen.
pub(super) struct Place<'a> {
    pub(super) lab: &'a Lab,
    pub(super) cluster: &'a Cluster,
    pub(super) hand: Hand,
}

impl Place<'_> {
    async fn write(&self, write: &Write) -> Result<()> {
        match write.pod_prefix() {
            None => self.cluster.write(write).await?,
            Some(prefix) => {
                let found = self.cluster.pods().await?.into_iter().find(|pod| pod.name.starts_with(prefix));
                let pod = found.with_context(|| format!("no pod's name begins with {prefix}"))?.name;
                self.cluster.write(&Write::DeletePod { pod }).await?
            }
        };
        Ok(())
    }

    /// A fault as a cluster without Chaos Mesh can have it. The lab's machines are its own to lose.
    async fn inject(&mut self, number: usize, fault: &Fault) -> Result<()> {
        if let Some(Effect::Node { node, effect: NodeEffect::Loss }) = fault.effect() {
            self.lab.unplug(&node)?;
        } else {
            self.hand.play(number, fault, STRESS).await?;
        }
        Ok(())
    }
}
