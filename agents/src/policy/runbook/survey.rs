//! What the on-call engineer looks at: the component described, its pods' usage, and the numbers of
//! the dashboards, now and as they usually are; and, where something is wrong, what lies around it.

use sim::environment::{Dependencies, Description, LogQuery, NodeView, Observation, PodView, PolicyView, Query, Usage};
use sim::slo::{ClauseName, Side};
use sim::time::{SimDuration, SimTime};

use super::super::TaskView;
use super::super::desk::Desk;
use super::numbers::{Numbers, Panel};

/// Callers whose logs are read.
const CALLERS: usize = 2;
/// How far back the course of a number is looked at.
const COURSE: SimDuration = SimDuration::from_secs(300);
/// The same for memory: what a process took when it started is none of it.
const COURSE_OF_MEMORY: SimDuration = SimDuration::from_secs(180);
/// Between two values of such a course: the scrape interval.
const STEP: SimDuration = SimDuration::from_secs(15);
/// Lines of a log that are read.
const TAIL: u32 = 30;
/// An error share that breaks the guard on success.
pub(super) const MANY_ERRORS: f64 = 0.01;
/// A rate below this share of the usual one is more than chance.
const FEW_REQUESTS: f64 = 0.8;
/// Users who met an outage may hang in their kernels' pauses for a minute after it.
const A_MOMENT: SimDuration = SimDuration::from_secs(40);
/// A rollout takes no longer.
const ROLLOUT: SimDuration = SimDuration::from_secs(180);

/// Who calls a component, and whom it calls: asked once in a task.
#[derive(Clone)]
pub(super) struct Neighbours {
    pub(super) calls: Vec<String>,
    pub(super) called_by: Vec<String>,
}

impl Neighbours {
    pub(super) async fn of(desk: &Desk, component: &str) -> Self {
        match desk.see(Query::Dependencies { component: component.to_owned() }).await {
            Some(Observation::Dependencies(Dependencies { calls, called_by, .. })) => Self { calls, called_by },
            _ => Self { calls: Vec::new(), called_by: Vec::new() },
        }
    }
}

/// What one look at a component showed.
pub(super) struct Survey {
    /// When it was over.
    pub(super) at: SimTime,
    pub(super) component: String,
    pub(super) description: Option<Description>,
    pub(super) usage: Vec<Usage>,
    pub(super) numbers: Numbers,
    pub(super) around: Neighbours,
}

/// Looks at a component and, in numbers, at what lies around it. What is usual was known best at the `first` look, since
/// by the later ones the trouble itself has become usual.
pub(super) async fn survey(
    desk: &Desk,
    task: &TaskView,
    component: &str,
    around: &Neighbours,
    first: Option<&Survey>,
) -> Survey {
    let describe = Query::Describe { component: component.to_owned() };
    let description = match desk.see(describe).await {
        Some(Observation::Description(d)) => Some(*d),
        _ => None,
    };
    let usage = match desk.see(Query::ResourceUsage { component: Some(component.to_owned()) }).await {
        Some(Observation::Usage(usage)) => usage,
        _ => Vec::new(),
    };
    let mut components = vec![component.to_owned()];
    for other in task.objectives.components.iter().chain(&around.called_by).chain(&around.calls) {
        if !components.contains(other) {
            components.push(other.clone());
        }
    }
    let numbers = Numbers::of(desk, task, &components, first.map(|first| &first.numbers)).await;
    let around = around.clone();
    Survey { at: desk.now(), component: component.to_owned(), description, usage, numbers, around }
}

/// A closer look, when something is wrong: what holds pods back, where they run, what they and their callers say.
pub(super) struct CloserLook {
    pub(super) nodes: Vec<NodeView>,
    pub(super) policies: Vec<PolicyView>,
    /// The component's log, and that of the container before its last restart.
    pub(super) log: Vec<String>,
    pub(super) previous_log: Vec<String>,
    /// The logs of those that call it.
    pub(super) callers_log: Vec<String>,
    /// Over the last minutes, [`STEP`] apart: requests per second, and bytes of the largest working set.
    pub(super) rate: Vec<f64>,
    pub(super) memory: Vec<f64>,
}

impl CloserLook {
    /// Looks around a component.
    pub(super) async fn of(desk: &Desk, task: &TaskView, seen: &Survey) -> Self {
        let nodes = match desk.see(Query::Nodes).await {
            Some(Observation::Nodes(nodes)) => nodes,
            _ => Vec::new(),
        };
        let policies = match desk.see(Query::Policies).await {
            Some(Observation::Policies(policies)) => policies,
            _ => Vec::new(),
        };
        let worst = seen.worst_pod().map_or(seen.component.as_str(), |pod| pod.name.as_str());
        let restarted = seen.worst_pod().is_some_and(|pod| pod.restarts > 0);
        let mut callers_log = Vec::new();
        for caller in seen.around.called_by.iter().take(CALLERS) {
            callers_log.extend(log(desk, caller, false).await);
        }
        let course = async |panel: &str, of: Option<&str>, long: SimDuration| match of
            .and_then(|of| task.dashboard(panel, of))
        {
            Some(promql) => desk.course(promql, long, STEP).await,
            None => Vec::new(),
        };
        let strained = seen.now(Panel::Throttled).is_some() || seen.violations(task).contains(&ClauseName::Cpu);
        let witness = seen.load_witnesses().first().copied().filter(|_| strained);
        let rate = course("request_rate", witness, COURSE).await;
        let is_full = seen.violations(task).contains(&ClauseName::Memory) || seen.ended("OOMKilled");
        let memory = course("memory", is_full.then_some(&*seen.component), COURSE_OF_MEMORY).await;
        Self {
            nodes,
            policies,
            rate,
            memory,
            log: log(desk, worst, false).await,
            previous_log: if restarted { log(desk, worst, true).await } else { Vec::new() },
            callers_log,
        }
    }
}

async fn log(desk: &Desk, of: &str, previous: bool) -> Vec<String> {
    match desk.see(Query::Logs(LogQuery { of: of.to_owned(), previous, tail: TAIL })).await {
        Some(Observation::Logs { lines, .. }) => lines,
        _ => Vec::new(),
    }
}

impl Survey {
    /// Its pods but those that have ended and are kept for their status only.
    pub(super) fn pods(&self) -> impl Iterator<Item = &PodView> {
        let wanted = self.description.as_ref().map_or(0, |d| d.deployment.replicas as usize);
        let pods = || self.description.iter().flat_map(|d| &d.pods);
        // A container that crashed a moment ago shows the same words as a pod that has ended, but then none is too many.
        let too_many = pods().count() > wanted;
        let has_ended = |status: &str| matches!(status, "Completed" | "Evicted" | "Error" | "OOMKilled");
        pods().filter(move |pod| pod.status != "Terminating" && !(too_many && has_ended(&pod.status)))
    }

    /// The pod that one looks at first: one that is not ready, or restarted most, or the youngest.
    pub(super) fn worst_pod(&self) -> Option<&PodView> {
        self.pods().min_by_key(|pod| (pod.ready == pod.containers, std::cmp::Reverse(pod.restarts), pod.age))
    }

    /// Whether every declared replica is up to date, ready and alone.
    pub(super) fn ready(&self) -> bool {
        self.description.as_ref().is_some_and(|d| {
            let deployment = &d.deployment;
            deployment.available >= deployment.replicas
                && deployment.updated >= deployment.replicas
                && self.pods().all(|p| p.ready == p.containers)
        })
    }

    /// The highest share of its CPU limit that a pod uses.
    pub(super) fn cpu_share(&self) -> Option<f64> {
        self.usage.iter().filter_map(|u| Some(u.cpu.cores() / u.cpu_limit?.cores())).max_by(f64::total_cmp)
    }

    /// The highest share of its memory limit that a pod uses.
    pub(super) fn memory_share(&self) -> Option<f64> {
        self.usage
            .iter()
            .filter_map(|u| Some(u.memory.mebibytes() / u.memory_limit?.mebibytes()))
            .max_by(f64::total_cmp)
    }

    /// The same in half a minute, as it grows now: what `kubectl top` shows is as old as that.
    fn memory_soon(&self) -> Option<f64> {
        let limits = self.usage.iter().filter_map(|usage| usage.memory_limit).map(|limit| limit.0 as f64);
        let limit = limits.min_by(f64::total_cmp)?;
        let growth = self.now(Panel::MemoryGrowth).unwrap_or(0.0).max(0.0);
        Some(self.memory_share()? + growth * 30.0 / limit)
    }

    /// Whether Prometheus hears nothing of it, though it used to.
    fn is_silent(&self) -> bool {
        let is_watched = self.numbers.usual(Panel::Rate, &self.component).is_some();
        is_watched && self.now(Panel::Up).is_none_or(|up| up < 1.0)
    }

    /// Whether one of its processes began, or was put an end to, a moment ago, other than by a rollout.
    pub(super) fn was_hit(&self) -> bool {
        let happened = |reason| self.happened(A_MOMENT, reason, "");
        let was_hit = happened("Started") || happened("Killing") || happened("Evicted");
        // A rollout starts and ends processes too; a liveness probe that fails is never a part of it.
        (was_hit && !self.happened(ROLLOUT, "ScalingReplicaSet", ""))
            || self.happened(A_MOMENT, "Killing", "failed liveness probe")
    }

    /// Whether a container ended like this last.
    pub(super) fn ended(&self, how: &str) -> bool {
        let containers = self.description.iter().flat_map(|d| d.containers.iter().flatten());
        containers
            .into_iter()
            .any(|c| c.state.contains(how) || c.last_state.as_ref().is_some_and(|last| last.contains(how)))
    }

    /// A panel of the component itself.
    pub(super) fn now(&self, panel: Panel) -> Option<f64> {
        self.numbers.now(panel, &self.component)
    }

    /// Who tells how much work the component gets: itself, or those that call it where it counts nothing.
    pub(super) fn load_witnesses(&self) -> Vec<&str> {
        if self.now(Panel::Rate).is_some() {
            return vec![&self.component];
        }
        self.around.called_by.iter().map(String::as_str).collect()
    }

    /// How many times the usual load it gets, as the busiest of its witnesses says.
    pub(super) fn load_growth(&self) -> Option<f64> {
        let growths = self.load_witnesses().into_iter().filter_map(|who| self.numbers.growth(Panel::Rate, who));
        growths.max_by(f64::total_cmp)
    }

    /// CPU seconds that it takes for a request, as its busiest witness counts them.
    pub(super) fn cpu_per_request(&self) -> Option<f64> {
        let rates = self.load_witnesses().into_iter().filter_map(|who| self.numbers.now(Panel::Rate, who));
        let rate = rates.max_by(f64::total_cmp).filter(|rate| *rate > 0.0)?;
        Some(self.now(Panel::Cpu)? / rate)
    }

    /// The highest share of errors at itself and at its callers.
    pub(super) fn errors(&self) -> Option<f64> {
        let callers = self.around.called_by.iter().filter_map(|caller| self.numbers.now(Panel::Errors, caller));
        callers.chain(self.now(Panel::Errors)).max_by(f64::total_cmp)
    }

    /// The highest P99 among the components whose latency is judged, or among those that call it if they feel it.
    pub(super) fn judged_p99(&self, task: &TaskView) -> Option<f64> {
        let judged = task.objectives.components_of(ClauseName::Latency);
        let callers = match task.objectives.latency.side {
            Side::Server => &[][..],
            Side::Caller => &self.around.called_by[..],
        };
        let each = judged.iter().chain(callers).filter_map(|component| self.numbers.now(Panel::P99, component));
        each.max_by(f64::total_cmp)
    }

    /// Whether something like this happened to it within the last `within`.
    pub(super) fn happened(&self, within: SimDuration, reason: &str, part: &str) -> bool {
        self.description.iter().flat_map(|d| &d.events).any(|event| {
            event.reason == reason && event.message.contains(part) && self.at.since(event.last_seen) <= within
        })
    }

    /// The objectives that are violated, as far as this look shows.
    pub(super) fn violations(&self, task: &TaskView) -> Vec<ClauseName> {
        self.violations_if(task, FEW_REQUESTS)
    }

    /// The same, if a rate below this share of the usual one is too low: after an incident more is known of what is usual
    /// than before it.
    pub(super) fn violations_if(&self, task: &TaskView, few_requests: f64) -> Vec<ClauseName> {
        let objectives = &task.objectives;
        let reached = |value: Option<f64>, bound: f64| value.is_some_and(|value| value >= bound);
        let few = self.load_growth().is_some_and(|growth| growth < few_requests);
        let violated = [
            (ClauseName::Ready, !self.ready()),
            (ClauseName::Cpu, reached(self.cpu_share(), objectives.cpu.below)),
            (ClauseName::Memory, reached(self.memory_soon(), objectives.memory.below)),
            (ClauseName::Latency, reached(self.judged_p99(task), objectives.latency.below.as_secs_f64())),
            (ClauseName::Success, reached(self.errors(), MANY_ERRORS) || self.is_silent()),
            (ClauseName::Throughput, few),
        ];
        let asked = violated.into_iter().filter(|(clause, violated)| *violated && objectives.asks(*clause));
        asked.map(|(clause, _)| clause).collect()
    }

    /// The repository of the image that the Deployment names now, with another tag.
    pub(super) fn image_with_tag(&self, tag: &str) -> String {
        let image = self.description.as_ref().map_or("", |d| d.deployment.image.as_str());
        let repository = image.rsplit_once(':').map_or(image, |(repository, _)| repository);
        format!("{repository}:{tag}")
    }
}
