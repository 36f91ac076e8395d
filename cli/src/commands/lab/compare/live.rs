//! A case on the lab: the application deployed, aged, loaded, disturbed and watched.

mod disturb;
mod network;
mod placement;
mod watch;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use bridge::live::{Hand, Patience};
use bridge::{Cluster, Prometheus, Recording};
use datasets::apps::AppFiles;
use lab::Lab;
use load::{BaseUrl, Options, Plan, Report, Targets};
use serde::{Deserialize, Serialize};
use sim::environment::Component;
use sim::scenario::{AppChoice, Node};
use sim::time::{SimDuration, SimTime};
use sim::workload::Workload;
use tokio::runtime::Runtime;

use self::disturb::{Disturbance, Place};
pub(super) use self::network::Network;
use self::watch::{Sight, Watch};
use super::case::{Ages, Case, LEAD};
use super::record::{Record, Second};
use super::side::{RequestSide, Side, request_name};
use crate::commands::lab::{PATIENCE, application, failed, watched};
use crate::output::{self, Failed};
use crate::progress;

/// Length of the windows in which the client is watched.
const EVERY: SimDuration = SimDuration::SECOND;
/// Time between two looks at what is due.
const TICK: Duration = Duration::from_millis(100);
/// A machine with less idle time than this was the bottleneck itself.
const LEAST_IDLE: f64 = 0.15;
/// Prometheus' own step between the values whose mean is reported.
const STEP: Duration = Duration::from_secs(5);

/// What the lab did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Live {
    pub(super) side: Side,
    pub(super) record: Record,
    pub(super) ages: Ages,
    pub(super) network: Network,
    /// CPU time of the load generator for each request: no service's demand contains it. None in recordings of before
    /// 2026-12-01.
    #[serde(default)]
    pub(super) client: SimDuration,
    /// The nodes, as the twin boots them.
    pub(super) nodes: Vec<Node>,
    /// The nodes of each Deployment's pods before the load.
    pub(super) placement: BTreeMap<Component, Vec<String>>,
    /// Share of its time that the busiest processor was idle.
    pub(super) idle: f64,
    pub(super) void: Option<String>,
}

/// The lab with the application of the latest case on it.
pub(super) struct Stage {
    lab: Lab,
    runtime: Runtime,
    prometheus: Prometheus,
    seed: u64,
    deployed: Option<Deployed>,
}

struct Deployed {
    choice: AppChoice,
    applied: Instant,
    cluster: Cluster,
    is_as_applied: bool,
}

impl Stage {
    /// The lab that is up.
    pub(super) fn open(seed: u64) -> Result<Self, Failed> {
        let lab = Lab::find().map_err(failed)?;
        // Somebody may have ended a comparison that had pulled a cable out.
        lab.plug_in().map_err(failed)?;
        // Its thread records what happens while this one does other things.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.context("no runtime");
        let prometheus = Prometheus::new(&lab.prometheus_url());
        Ok(Self { lab, runtime: runtime.map_err(Failed::Run)?, prometheus, seed, deployed: None })
    }

    pub(super) fn play(&mut self, case: &Case) -> Result<Live> {
        let choice = &case.scenario.app;
        let is_anywhere = case.placement.is_empty();
        let mut deployed = match self.deployed.take() {
            Some(deployed) if deployed.is_as_applied && deployed.choice == *choice && is_anywhere => deployed,
            _ => self.deploy(case)?,
        };
        deployed.is_as_applied = case.leaves_no_trace();
        let (before, network) = self.prepare(case, &deployed)?;
        let placement = self.runtime.block_on(placement::of(&deployed.cluster))?;
        let load = SimTime(since(deployed.applied).0);
        let live = self.measure(case, &deployed, Ages { before, load }, network, placement);
        self.deployed = Some(deployed);
        // The next case finds all machines again, whatever became of this one.
        self.lab.plug_in()?;
        live
    }

    fn deploy(&self, case: &Case) -> Result<Deployed> {
        let choice = case.scenario.app.clone();
        let files = AppFiles::find(&choice.name)?;
        let application = application(&files, &choice.name, choice.overlay.as_deref()).map_err(into_error)?;
        let deployed = watched(|watcher| self.lab.deploy(&application, watcher)).map_err(into_error)?;
        let applied = Instant::now();
        watched(|watcher| self.lab.wait_until_ready(&deployed, PATIENCE, watcher)).map_err(into_error)?;
        let namespace = deployed.deployments.first().map_or("default", |(namespace, _)| namespace);
        let cluster = self.runtime.block_on(Cluster::connect(&self.lab.kubeconfig(), namespace))?;
        self.runtime.block_on(placement::arrange(&cluster, &self.lab, &case.placement))?;
        Ok(Deployed { choice, applied, cluster, is_as_applied: true })
    }

    /// Lets the application age, times messages while nothing else happens, and makes the start; the age at which that
    /// was.
    fn prepare(&self, case: &Case, deployed: &Deployed) -> Result<(SimTime, Network)> {
        let lead = if case.before.is_empty() { SimDuration::ZERO } else { LEAD };
        pass(
            case.begins.saturating_sub(lead).saturating_sub(since(deployed.applied)),
            "until the application is old enough",
        );
        let network = self.runtime.block_on(Network::measure(&deployed.cluster))?;
        let before = since(deployed.applied);
        for write in &case.before {
            self.runtime.block_on(deployed.cluster.write(write)).with_context(|| format!("{write:?}"))?;
        }
        pass(lead, "until the start is as it should be");
        Ok((SimTime(before.0), network))
    }

    fn measure(
        &self,
        case: &Case,
        deployed: &Deployed,
        ages: Ages,
        network: Network,
        placement: BTreeMap<Component, Vec<String>>,
    ) -> Result<Live> {
        let (warm_up, duration) = (case.warm_up, case.duration);
        let plan = self.load(case, deployed)?;
        let calm = self.lab.calm()?;
        let recorder = self.runtime.block_on(deployed.cluster.record()).context("cannot record what happens")?;
        let (began, recorded_before) = (Instant::now(), recorder.elapsed());
        let options = Options { warm_up, duration: Some(duration), every: Some(EVERY) };
        let running = plan.map(|plan| load::start(plan, options)).transpose().context("cannot start the load")?;
        calm.step_aside()?;
        let (seen, disturbed_at) = self.play_through(case, deployed, began)?;
        let recording = self.runtime.block_on(recorder.finish());
        let report = running.map(load::Running::wait).transpose().context("the load ended too early")?;
        drop(calm);
        let void = void(seen.idle, report.as_ref(), &recording);
        let record = record(recording, recorded_before, warm_up + duration, report.as_ref(), disturbed_at);
        let mut side = Side { components: seen.components(duration), ready: record.ready(), ..Side::default() };
        side.requests = report.iter().flat_map(|report| &report.requests).map(request).collect();
        self.ask_prometheus(case, &mut side, SystemTime::now() - Duration::from_nanos(duration.0))?;
        let nodes = lab::cluster().context("the nodes are not known")?.nodes;
        let client = report.as_ref().map(client).unwrap_or_default();
        Ok(Live { side, record, ages, network, client, nodes, placement, idle: seen.idle, void })
    }

    /// Disturbs and watches until the measured time is over; what was seen, and when it was disturbed first.
    fn play_through(&self, case: &Case, deployed: &Deployed, began: Instant) -> Result<(Sight, Option<SimDuration>)> {
        let end = case.warm_up + case.duration;
        let mut disturbances = Disturbance::all(case);
        let mut disturbed_at =
            disturb::traffic(&case.scenario).map(|load| load.start.saturating_sub(case.begins)).min();
        // Whatever burns in the containers ends with its connection or with them.
        let hand = Hand::new(deployed.cluster.clone(), Patience::default());
        let mut place = Place { lab: &self.lab, cluster: &deployed.cluster, hand };
        let mut watch = Watch::new(&self.lab, &deployed.cluster);
        let bar = progress::bar(end.as_secs_f64() as u64, "seconds");
        loop {
            let now = since(began);
            while disturbances.last().is_some_and(|next| next.at <= now) {
                let next = disturbances.pop().expect("just seen");
                let at = since(began);
                disturbed_at = Some(disturbed_at.map_or(at, |first| first.min(at)));
                self.runtime.block_on(next.apply(&mut place)).with_context(|| format!("{next:?}"))?;
            }
            if now >= case.warm_up {
                watch.begin()?;
            }
            if now >= end {
                break;
            }
            self.runtime.block_on(watch.look(now))?;
            bar.set_position(now.as_secs_f64() as u64);
            std::thread::sleep(TICK);
        }
        self.runtime.block_on(watch.look(end))?;
        bar.finish_and_clear();
        Ok((watch.end()?, disturbed_at))
    }

    /// The load with its times counted from its own start; none if there is nothing to send.
    fn load(&self, case: &Case, deployed: &Deployed) -> Result<Option<Plan>> {
        let mut workloads: Vec<Workload> = case.scenario.workloads.clone();
        workloads.extend(disturb::traffic(&case.scenario));
        let mut targets = Targets::default();
        for workload in &mut workloads {
            workload.start = workload.start.saturating_sub(case.begins);
            let service = &case.app.profile.services[&workload.target];
            let name = service.address.as_deref().unwrap_or(&workload.target);
            let address = self.runtime.block_on(deployed.cluster.service_address(name))?;
            let url: BaseUrl = format!("http://{address}").parse().context("an address makes a URL")?;
            targets.by_service.insert(workload.target.clone(), url);
        }
        let plan = || Plan::new(&case.app.programs, &workloads, &targets, self.seed);
        (!workloads.is_empty()).then(plan).transpose().context("the load cannot be sent")
    }

    /// What the dashboards show over the measured time.
    fn ask_prometheus(&self, case: &Case, side: &mut Side, from: SystemTime) -> Result<()> {
        for (component, figures) in &mut side.components {
            let mean = |name: &str| -> Result<Option<f64>> {
                let Some(expression) = case.app.profile.dashboards.get(name) else { return Ok(None) };
                let expression = expression.replace("$component", component);
                let series = self.prometheus.range(&expression, from, SystemTime::now(), STEP);
                let series = self.runtime.block_on(series).with_context(|| expression.clone())?;
                let values = series.into_iter().flat_map(|series| series.points).map(|(_, value)| value);
                let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
                Ok((!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64))
            };
            figures.rps_all = mean("request_rate")?;
            figures.p99_prometheus_ms = mean("latency_p99")?.map(|seconds| seconds * 1e3);
        }
        Ok(())
    }
}

fn client(report: &Report) -> SimDuration {
    if report.total.count == 0 {
        return SimDuration::ZERO;
    }
    SimDuration((report.generator.cpu_s * 1e9) as u64 / report.total.count)
}

fn request(request: &load::RequestReport) -> (String, RequestSide) {
    let side = RequestSide {
        rps: request.rps,
        error_rate: request.error_rate,
        mean_ms: request.mean_ms,
        p50_ms: request.p50_ms,
        p99_ms: request.p99_ms,
    };
    (request_name(&request.service, &request.request), side)
}

/// A recording with its times counted from the load's start, `recorded_before` after its own.
fn record(
    recording: Recording,
    recorded_before: SimDuration,
    end: SimDuration,
    report: Option<&Report>,
    disturbed_at: Option<SimDuration>,
) -> Record {
    let mut transitions = recording.transitions;
    transitions.retain_mut(|transition| {
        transition.at = transition.at.saturating_sub(recorded_before);
        transition.at <= end
    });
    let second = |window: &load::WindowReport| Second {
        to_s: window.to_s,
        error_rate: (window.rps > 0.0).then_some(window.error_rate),
    };
    let seconds = report.iter().flat_map(|report| &report.windows).map(second).collect();
    Record { before: recording.before, transitions, seconds, disturbed_at }
}

/// Why a comparison says nothing about the twin.
fn void(idle: f64, report: Option<&Report>, recording: &Recording) -> Option<String> {
    if idle < LEAST_IDLE {
        return Some(format!("a processor was only {:.0} % idle: the machine itself was the bottleneck", idle * 100.0));
    }
    if let Some(lost) = recording.interruptions.first() {
        return Some(format!("a watch of the cluster was lost, and with it what happened meanwhile: {}", lost.reason));
    }
    report.and_then(|report| report.warnings().into_iter().next())
}

/// Time since a moment, as the twin's clock counts it.
fn since(moment: Instant) -> SimDuration {
    SimDuration(moment.elapsed().as_nanos() as u64)
}

/// Waits, and says for what.
fn pass(time: SimDuration, why: &str) {
    if time > SimDuration::SECOND {
        output::talk(&format!("waiting {:.0} s {why}", time.as_secs_f64()));
    }
    std::thread::sleep(Duration::from_nanos(time.0));
}

fn into_error(failed: Failed) -> anyhow::Error {
    match failed {
        Failed::Input(error) | Failed::Run(error) => error,
    }
}
