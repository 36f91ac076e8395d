//! The users of the application: the loads of the scenario, and those that faults bring on top.

use std::collections::{BTreeMap, BTreeSet};

use load::{BaseUrl, Interval, Options, Plan, Running, Targets};
use sim::app::App;
use sim::time::SimDuration;
use sim::workload::Workload;

use super::link::Link;
use crate::cluster::Cluster;
use crate::error::Error;

/// All loads that run.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// The scenario's own.
    own: Option<Running>,
    /// Those of faults, by the fault's number.
    of_faults: BTreeMap<usize, Vec<Running>>,
    /// What was counted of loads that have ended since the last look; who waited then waits for ever.
    ended: Interval,
    /// How many loads there were so far.
    started: u32,
}

impl Clients {
    /// Starts the loads of the scenario, whose times count from now on.
    ///
    /// # Errors
    /// A Service without an address, names that the profile does not have, no thread.
    pub(super) fn start(&mut self, app: &App, loads: &[Workload], targets: &Targets, seed: u64) -> Result<(), Error> {
        if !loads.is_empty() {
            self.own = Some(self.run(app, loads, targets, seed)?);
        }
        Ok(())
    }

    /// Starts the load of a fault, at once.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(super) fn add(
        &mut self,
        fault: usize,
        app: &App,
        load: &Workload,
        targets: &Targets,
        seed: u64,
    ) -> Result<(), Error> {
        let load = Workload { start: SimDuration::ZERO, ..load.clone() };
        let running = self.run(app, &[load], targets, seed)?;
        self.of_faults.entry(fault).or_default().push(running);
        Ok(())
    }

    fn run(&mut self, app: &App, loads: &[Workload], targets: &Targets, seed: u64) -> Result<Running, Error> {
        let refused = |why: String| Error::Refused(format!("the load cannot be sent: {why}"));
        let plan = Plan::new(&app.programs, loads, targets, seed).map_err(|error| refused(error.to_string()))?;
        let plan = plan.numbered_from(self.started);
        self.started += loads.len() as u32;
        let options = Options { warm_up: SimDuration::ZERO, duration: None, every: None };
        load::start(plan, options).map_err(|error| refused(error.to_string()))
    }

    /// Ends the loads of a fault.
    pub(super) fn end(&mut self, fault: usize) {
        for running in self.of_faults.remove(&fault).unwrap_or_default() {
            self.ended.add(&running.interval());
        }
    }

    /// What was sent and answered since the last call.
    pub(super) fn interval(&mut self) -> Interval {
        let mut sum = std::mem::take(&mut self.ended);
        // Who waited for a load that has ended still counts as waiting.
        self.ended.waiting = sum.waiting;
        for running in self.own.iter().chain(self.of_faults.values().flatten()) {
            sum.add(&running.interval());
        }
        sum
    }

    /// Whether a load has ended by itself, which none should.
    pub(super) fn is_broken(&self) -> bool {
        self.own.iter().chain(self.of_faults.values().flatten()).any(Running::is_finished)
    }
}

/// Where the services are that these loads call: as told, or by their Services' addresses.
///
/// # Errors
/// A Service that is not there, or has no address.
pub(super) async fn targets(link: &mut Link, app: &App, loads: &[Workload], told: &Targets) -> Result<Targets, Error> {
    let mut targets = told.clone();
    for load in loads {
        for service in called(app, load) {
            let is_told = targets.by_service.contains_key(&service);
            if is_told || (service == load.target && targets.default.is_some()) {
                continue;
            }
            let known = app.profile.services.get(&service);
            let name = known.and_then(|known| known.address.clone()).unwrap_or_else(|| service.clone());
            let address = link.patiently(async |cluster: &Cluster| cluster.service_address(&name).await).await?;
            let malformed = |error: load::PlanError| Error::Malformed {
                what: "the address of a Service".to_owned(),
                reason: error.to_string(),
            };
            let url = format!("http://{address}").parse::<BaseUrl>().map_err(malformed)?;
            targets.by_service.insert(service, url);
        }
    }
    Ok(targets)
}

/// The services that a load's users call.
fn called(app: &App, load: &Workload) -> BTreeSet<String> {
    let class = app.profile.user_classes.get(&load.user_class);
    let requests = class.into_iter().flat_map(|class| &class.tasks).flat_map(|task| &task.requests);
    requests.map(|request| request.to.clone().unwrap_or_else(|| load.target.clone())).collect()
}
