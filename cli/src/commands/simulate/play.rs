//! Plays the plan and looks at each window of it.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, anyhow};
use indicatif::ProgressBar;
use sim::environment::{Component, Environment, Observation, Query, Stage, Write, ready};
use sim::episode::{ComponentTruth, WorldEvent};
use sim::promql::{self, Value};
use sim::time::{SimDuration, SimTime};
use sim::traffic::{RequestStatistics, ServiceStatistics, Statistics};
use sim::transition::{Observer, ReplicaCounts, Transition};
use sim::world::{SCRAPE_EVERY, Twin};

use super::plan::Plan;
use crate::output::Failed;
use crate::progress;

/// How far the world runs between two looks at the progress bar.
const STRIDE: SimDuration = SimDuration::from_secs(5);
/// How often the cluster's objects are looked at while they are recorded.
const RESOLUTION: SimDuration = SimDuration::from_millis(1);

/// What happened in a part of the measured time.
pub(in crate::commands) struct Window {
    pub(in crate::commands) from: SimTime,
    pub(in crate::commands) to: SimTime,
    pub(in crate::commands) statistics: Statistics,
    /// CPU, memory and replicas of each component.
    pub(in crate::commands) components: Vec<ComponentTruth>,
    /// What happened to the world itself.
    pub(in crate::commands) journal: Vec<WorldEvent>,
}

/// What Prometheus shows of a component, as means over the measured time.
#[derive(Clone, Copy, Default)]
pub(in crate::commands) struct Dashboard {
    /// Requests per second, probes and scrapes among them where the service counts them.
    pub(in crate::commands) request_rate: Option<f64>,
    /// `histogram_quantile`'s estimate of P99 in seconds.
    pub(in crate::commands) latency_p99: Option<f64>,
}

/// The whole measured time.
pub(in crate::commands) struct Played {
    pub(in crate::commands) total: Window,
    /// Its parts, where they were asked for.
    pub(in crate::commands) windows: Vec<Window>,
    /// By component, in the order of [`Window::components`].
    pub(in crate::commands) dashboards: Vec<Dashboard>,
    /// Share of its cores' time that each node worked.
    pub(in crate::commands) nodes_busy: Vec<f64>,
    /// Components with pods that were not ready when the load began.
    pub(in crate::commands) unready: Vec<String>,
    /// Events in the measured time.
    pub(in crate::commands) events: u64,
    /// Wall time of the measured time.
    pub(in crate::commands) wall_s: f64,
    /// What happened to the cluster's objects, by the time since [`Plan::recorded_from`].
    pub(in crate::commands) transitions: Vec<Transition>,
    /// The pods of each Deployment then.
    pub(in crate::commands) before: BTreeMap<Component, ReplicaCounts>,
}

/// A recording of what happens to the cluster's objects.
struct Recording {
    began: SimTime,
    before: BTreeMap<Component, ReplicaCounts>,
    observer: Observer,
}

/// Something that the scenario does to the world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Inject(usize),
    Recover(usize),
    Write(usize),
}

pub(in crate::commands) fn play(plan: &Plan, seed: u64) -> Result<Played, Failed> {
    let bar = progress::bar(plan.until.0 / 1_000_000_000, "simulated seconds");
    let mut player = Player {
        twin: Twin::new(&plan.app, &plan.scenario, seed),
        changes: changes(plan),
        writes: &plan.writes,
        recording: None,
        bar: &bar,
    };
    let played = player.play(plan).map_err(Failed::Run);
    bar.finish_and_clear();
    played
}

/// What the scenario does and when, latest first.
fn changes(plan: &Plan) -> Vec<(SimTime, Change)> {
    let mut changes = Vec::new();
    for (index, fault) in plan.scenario.faults.iter().enumerate() {
        changes.push((fault.injected_at(), Change::Inject(index)));
        changes.extend(fault.ends_at().map(|end| (end, Change::Recover(index))));
    }
    changes.extend(plan.writes.iter().enumerate().map(|(index, (at, _))| (*at, Change::Write(index))));
    changes.sort_by(|a, b| b.cmp(a));
    changes
}

struct Player<'a> {
    twin: Twin,
    changes: Vec<(SimTime, Change)>,
    writes: &'a [(SimTime, Write)],
    recording: Option<Recording>,
    bar: &'a ProgressBar,
}

impl Player<'_> {
    fn play(&mut self, plan: &Plan) -> anyhow::Result<Played> {
        ready(self.twin.prepare())?;
        let mut unready = Vec::new();
        if let Some(settled) = plan.settled {
            self.advance(settled)?;
            unready = self.unready();
        }
        if let Some(from) = plan.recorded_from {
            self.record(from)?;
        }
        self.advance(plan.measured_from)?;
        // A new window, for requests and for CPU.
        ready(self.twin.truth())?;
        self.twin.drain_journal();
        let (started, events, busy) = (Instant::now(), self.twin.events(), self.twin.nodes_busy());
        let mut windows = Vec::new();
        while self.twin.now() < plan.until {
            let from = self.twin.now();
            let to = plan.every.map_or(plan.until, |every| (from + every).min(plan.until));
            self.advance(to)?;
            windows.push(self.look(from)?);
        }
        let wall_s = started.elapsed().as_secs_f64();
        self.twin.check_conservation().map_err(|e| anyhow!(e)).context("requests were lost: this is a bug")?;
        let core_seconds = plan.until.since(plan.measured_from).as_secs_f64();
        let share = |((now, before), node): ((SimDuration, SimDuration), &sim::scenario::Node)| {
            // The twin's nodes have whole cores.
            let cores = node.cores.cores().ceil();
            now.saturating_sub(before).as_secs_f64() / (core_seconds * cores)
        };
        let nodes = &plan.scenario.cluster.nodes;
        let nodes_busy = self.twin.nodes_busy().into_iter().zip(busy).zip(nodes).map(share).collect();
        let total = total(&windows).context("nothing was measured: the duration is zero")?;
        let recording = self.recording.take();
        let (before, observer) = recording.map(|recording| (recording.before, recording.observer)).unwrap_or_default();
        Ok(Played {
            dashboards: total.components.iter().map(|c| self.dashboard(plan, &c.component)).collect(),
            windows: if plan.every.is_some() { windows } else { Vec::new() },
            total,
            nodes_busy,
            unready,
            events: self.twin.events() - events,
            wall_s,
            transitions: observer.finish(),
            before,
        })
    }

    /// Lets the world run until `from`, and begins to record.
    fn record(&mut self, from: SimTime) -> anyhow::Result<()> {
        self.advance(SimTime(from.0.saturating_sub(RESOLUTION.0)))?;
        let mut observer = Observer::default();
        self.twin.drain_journal();
        let began = self.twin.now();
        self.twin.run_observed(from, began, RESOLUTION, &mut observer);
        observer.begin();
        self.recording = Some(Recording { began: from, before: observer.replicas(), observer });
        Ok(())
    }

    /// Lets the world run, and does to it what is due before that; what is due then belongs to the next window.
    fn advance(&mut self, until: SimTime) -> anyhow::Result<()> {
        while let Some((at, change)) = self.changes.last().copied().filter(|(at, _)| *at < until) {
            self.run_until(at);
            self.changes.pop();
            match change {
                Change::Inject(index) => ready(self.twin.inject(index))?,
                Change::Recover(index) => ready(self.twin.recover(index))?,
                Change::Write(index) => {
                    let write = self.named(&self.writes[index].1)?;
                    ready(self.twin.act(&write))?;
                }
            }
        }
        self.run_until(until);
        Ok(())
    }

    /// The same with the pod's whole name.
    fn named(&mut self, write: &Write) -> anyhow::Result<Write> {
        let Some(prefix) = write.pod_prefix() else { return Ok(write.clone()) };
        let Observation::Pods(pods) = ready(self.twin.observe(&Query::ListPods { component: None }))? else {
            return Ok(write.clone());
        };
        let found = pods.into_iter().find(|view| view.name.starts_with(prefix));
        let found = found.with_context(|| format!("no pod's name begins with {prefix}"))?;
        Ok(Write::DeletePod { pod: found.name })
    }

    fn run_until(&mut self, until: SimTime) {
        while self.twin.now() < until {
            let to = (self.twin.now() + STRIDE).min(until);
            match &mut self.recording {
                Some(Recording { began, observer, .. }) => self.twin.run_observed(to, *began, RESOLUTION, observer),
                None => self.twin.run_until(to),
            }
            self.bar.set_position(self.twin.now().0 / 1_000_000_000);
        }
    }

    /// The window that ends now.
    fn look(&mut self, from: SimTime) -> anyhow::Result<Window> {
        let statistics = self.twin.statistics().clone();
        // This begins a new window of the statistics too.
        let truth = ready(self.twin.truth())?;
        Ok(Window {
            from,
            to: self.twin.now(),
            statistics,
            components: truth.components,
            journal: self.twin.drain_journal(),
        })
    }

    fn unready(&mut self) -> Vec<String> {
        if self.twin.all_ready() {
            return Vec::new();
        }
        let truth = ready(self.twin.truth());
        let components = truth.into_iter().flat_map(|truth| truth.components);
        components.filter(|c| c.ready < c.replicas).map(|c| c.component).collect()
    }

    fn dashboard(&self, plan: &Plan, component: &str) -> Dashboard {
        let mean = |name: &str| {
            let expression = plan.app.profile.dashboards.get(name)?.replace("$component", component);
            self.mean_of(plan, &expression)
        };
        Dashboard { request_rate: mean("request_rate"), latency_p99: mean("latency_p99") }
    }

    /// Mean of a dashboard's first series over the measured time, looked at once per scrape.
    fn mean_of(&self, plan: &Plan, expression: &str) -> Option<f64> {
        let (from, to) = (plan.measured_from.as_millis(), plan.until.as_millis());
        // The dashboards look back a minute, which should not reach into the time before.
        let from = (from + 60_000).min(to);
        let answer = promql::query_range(self.twin.store(), expression, from, to, SCRAPE_EVERY.as_millis()).ok()?;
        let Value::Matrix(series) = answer else { return None };
        let values = series.first()?.samples.iter().map(|sample| sample.value).filter(|v| v.is_finite());
        let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
        (count > 0).then(|| sum / f64::from(count))
    }
}

/// All windows as one; none if there is none.
fn total(windows: &[Window]) -> Option<Window> {
    let (first, last) = (windows.first()?, windows.last()?);
    let mut statistics = first.statistics.clone();
    for window in &windows[1..] {
        merge(&mut statistics, &window.statistics);
    }
    let seconds = last.to.since(first.from).as_secs_f64();
    let mut components = last.components.clone();
    for component in &mut components {
        let of = |window: &Window| -> Option<(f64, ComponentTruth)> {
            let found = window.components.iter().find(|c| c.component == component.component)?;
            Some((window.to.since(window.from).as_secs_f64(), found.clone()))
        };
        let parts: Vec<_> = windows.iter().filter_map(of).collect();
        component.cpu_total = parts.iter().map(|(length, c)| c.cpu_total * length).sum::<f64>() / seconds;
        component.periods = parts.iter().map(|(_, c)| c.periods).sum();
        component.throttled_periods = parts.iter().map(|(_, c)| c.throttled_periods).sum();
    }
    Some(Window { from: first.from, to: last.to, statistics, components, journal: Vec::new() })
}

fn merge(total: &mut Statistics, window: &Statistics) {
    for (total, window) in total.services.iter_mut().zip(&window.services) {
        merge_service(total, window);
    }
    for (i, request) in window.requests.iter().enumerate() {
        match total.requests.get_mut(i) {
            Some(total) => merge_request(total, request),
            // A kind that a fault's traffic brought.
            None => total.requests.push(request.clone()),
        }
    }
    total.users.merge(&window.users);
}

fn merge_service(total: &mut ServiceStatistics, window: &ServiceStatistics) {
    total.answered += window.answered;
    total.server_errors += window.server_errors;
    total.calls_answered += window.calls_answered;
    total.calls_failed += window.calls_failed;
    total.misdirected += window.misdirected;
    total.handler.merge(&window.handler);
    total.caller.merge(&window.caller);
}

fn merge_request(total: &mut RequestStatistics, window: &RequestStatistics) {
    total.sent += window.sent;
    total.ok += window.ok;
    total.client_errors += window.client_errors;
    total.server_errors += window.server_errors;
    total.misdirected += window.misdirected;
    total.unanswered += window.unanswered;
    total.latency.merge(&window.latency);
}
