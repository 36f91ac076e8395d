//! The scheduler: binds each pod to the best of the nodes on which it fits.
//!
//! A pod that fits nowhere is tried again when something happens to which one of the plugins listens that have refused
//! it ([`Relief`]). Its back-off (1 s, doubled up to 10 s) holds nobody up: with nothing else to do the scheduler takes
//! pods from the back-off queue, too (`SchedulerPopFromBackoffQ`, on by default since 1.33).
//!
//! A node fits if it is not cordoned, if the pod tolerates its taints, if it has the labels of the pod's `nodeSelector`
//! and if the requests of all its pods leave room; limits count nothing. Among those that fit the plugins of the default profile score:
//! `LeastAllocated`, for which a container without requests counts as 100m and 200 MB, `BalancedAllocation`, for which
//! it counts nothing, and `PodTopologySpread` with twice the weight.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::environment::Component;
use crate::ids::{NodeIx, PodIx};
use crate::manifest::is_subset;
use crate::time::{SimDuration, SimTime};
use crate::units::{Bytes, Millicores};

use super::node::{MAX_PODS, Node, Taint};
use super::objects::{Pod, Requests};
use super::recorder::{Severity, Source};
use super::runtime::Host;
use super::{Cluster, Event, Work};

/// What a container without requests counts as in scores (`DefaultMilliCPURequest`, `DefaultMemoryRequest`).
const ASSUMED_CPU: Millicores = Millicores(100);
/// See [`ASSUMED_CPU`].
const ASSUMED_MEMORY: Bytes = Bytes(200 * 1024 * 1024);
/// After which a pod is tried again though nothing has changed (`podMaxInUnschedulablePodsDuration`).
const RETRY: SimDuration = SimDuration::from_secs(300);
/// The best score of a plugin (`MaxNodeScore`).
const MAX_SCORE: i64 = 100;
/// `maxSkew` of the built-in constraint over `kubernetes.io/hostname` (`systemDefaultConstraints`).
const MAX_SKEW: f64 = 3.0;

/// Pods that have no node yet.
#[derive(Clone, Debug, Default)]
pub(super) struct SchedulingQueue {
    /// To be tried, oldest first.
    active: BTreeSet<PodIx>,
    /// Tried in vain.
    unschedulable: BTreeMap<PodIx, Attempt>,
    /// When it will look at them again.
    wake: Option<SimTime>,
    /// Where the next pods of a Deployment go, whatever the scores.
    placement: BTreeMap<Component, VecDeque<NodeIx>>,
}

/// The last attempt for a pod that fitted nowhere.
#[derive(Clone, Debug)]
struct Attempt {
    at: SimTime,
    /// What may help.
    reliefs: BTreeSet<Relief>,
}

/// Something after which a pod may fit where it did not, as the plugins say that refuse it (`EventsToRegister`). Nothing
/// helps one that no node has the labels for, since these do not change (`NodeAffinity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Relief {
    /// A pod has left its node, whichever and however small (`NodeResourcesFit`).
    Room,
    /// A node is no longer cordoned, or has lost a taint (`NodeUnschedulable`, `TaintToleration`).
    Opening,
}

/// Why a pod fits on no node.
struct Refusal {
    message: String,
    reliefs: BTreeSet<Relief>,
}

impl SchedulingQueue {
    pub(super) fn forget(&mut self, pod: PodIx) {
        self.active.remove(&pod);
        self.unschedulable.remove(&pod);
    }
}

/// What the pods of a node take.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    pods: u32,
    requests: Requests,
    /// With the assumed requests.
    assumed: Requests,
}

impl Load {
    fn add(&mut self, pod: &Pod) {
        let (requests, assumed) = (pod.requests(), assumed_requests(pod));
        self.pods += 1;
        self.requests.cpu += requests.cpu;
        self.requests.memory += requests.memory;
        self.assumed.cpu += assumed.cpu;
        self.assumed.memory += assumed.memory;
    }
}

fn assumed_requests(pod: &Pod) -> Requests {
    pod.template.containers.iter().fold(Requests::default(), |sum, container| {
        let r = &container.resources;
        Requests {
            cpu: sum.cpu + r.requests.cpu.or(r.limits.cpu).unwrap_or(ASSUMED_CPU),
            memory: sum.memory + r.requests.memory.or(r.limits.memory).unwrap_or(ASSUMED_MEMORY),
        }
    })
}

impl Cluster {
    /// Lets the first pods of Deployments go to these nodes, as far as they fit there.
    ///
    /// # Panics
    /// There is no node of that name; the scenario's check has seen to it.
    pub fn place(&mut self, placement: &BTreeMap<Component, Vec<String>>) {
        let node = |name: &String| {
            let index = self.nodes.iter().position(|node| node.spec.name == *name);
            NodeIx(index.expect("a checked scenario names its own nodes") as u32)
        };
        let places = placement.iter().map(|(component, nodes)| (component.clone(), nodes.iter().map(node).collect()));
        self.scheduling.placement = places.collect();
    }

    pub(super) fn enqueue_for_scheduling(&mut self, pod: PodIx, host: &mut dyn Host) {
        self.scheduling.active.insert(pod);
        self.touch(Work::Scheduler, host);
    }

    /// A pod has left its node: others may fit there now.
    pub(super) fn resources_freed(&mut self, host: &mut dyn Host) {
        self.relieved(Relief::Room, host);
    }

    /// A node takes pods that it did not take.
    pub(super) fn node_opened(&mut self, host: &mut dyn Host) {
        self.relieved(Relief::Opening, host);
    }

    /// Tries those again that this may help (`MoveAllToActiveOrBackoffQueue`).
    fn relieved(&mut self, relief: Relief, host: &mut dyn Host) {
        let queue = &mut self.scheduling;
        let before = queue.active.len();
        let helped = queue.unschedulable.iter().filter(|(_, attempt)| attempt.reliefs.contains(&relief));
        queue.active.extend(helped.map(|(pod, _)| *pod));
        if queue.active.len() > before {
            self.touch(Work::Scheduler, host);
        }
    }

    /// Tries all pods that are due.
    pub(super) fn schedule_pods(&mut self, host: &mut dyn Host) {
        let now = host.now();
        let mut due = std::mem::take(&mut self.scheduling.active);
        let waiting = self.scheduling.unschedulable.iter();
        due.extend(waiting.filter(|(_, attempt)| attempt.at + RETRY <= now).map(|(pod, _)| *pod));
        let mut loads = self.loads();
        for ix in due {
            let Some(pod) = self.pods.get(&ix) else {
                continue;
            };
            let place = self.scheduling.placement.get_mut(&pod.component).and_then(VecDeque::pop_front);
            match self.choose_node(pod, &loads, place) {
                Ok(node) => {
                    loads[node.index()].add(pod);
                    self.bind(ix, node, host);
                }
                Err(refusal) => self.put_aside(ix, refusal, host),
            }
        }
        self.wake_scheduler(host);
    }

    /// Comes back when the first of the pods that did not fit may be tried again.
    fn wake_scheduler(&mut self, host: &mut dyn Host) {
        let now = host.now();
        let queue = &mut self.scheduling;
        let Some(next) = queue.unschedulable.values().map(|attempt| attempt.at + RETRY).min() else {
            return;
        };
        if queue.wake.is_none_or(|wake| wake <= now || next < wake) {
            queue.wake = Some(next);
            host.schedule(next, Event::Sync(Work::Scheduler));
        }
    }

    fn loads(&self) -> Vec<Load> {
        let mut loads = vec![Load::default(); self.nodes.len()];
        for pod in self.pods.values().filter(|pod| !pod.is_over()) {
            if let Some(node) = pod.node() {
                loads[node.index()].add(pod);
            }
        }
        loads
    }

    /// What the pods of each node request, with the number of pods.
    pub(super) fn requested(&self) -> Vec<Requests> {
        self.loads().iter().map(|load| load.requests).collect()
    }

    /// The best node, or `place` if it fits there, or why there is none.
    fn choose_node(&self, pod: &Pod, loads: &[Load], place: Option<NodeIx>) -> Result<NodeIx, Refusal> {
        let mut refusals: BTreeMap<String, u32> = BTreeMap::new();
        let mut reliefs = BTreeSet::new();
        let mut fitting = Vec::new();
        for (index, (node, load)) in self.nodes.iter().zip(loads).enumerate() {
            let reasons = unfit(pod, node, load);
            if reasons.is_empty() {
                fitting.push(index);
            }
            for (reason, relief) in reasons {
                *refusals.entry(reason).or_default() += 1;
                reliefs.extend(relief);
            }
        }
        if fitting.is_empty() {
            return Err(Refusal { message: self.refusal(pod, &refusals), reliefs });
        }
        if let Some(place) = place.filter(|place| fitting.contains(&place.index())) {
            return Ok(place);
        }
        let scores = self.scores(pod, &fitting, loads);
        let best = scores.iter().copied().max().unwrap_or(0);
        let best: Vec<_> = fitting.iter().zip(&scores).filter(|(_, s)| **s == best).map(|(n, _)| *n).collect();
        let pick = pod.key.with_str("node").draw().below(best.len() as u64);
        Ok(NodeIx(best[pick as usize] as u32))
    }

    fn scores(&self, pod: &Pod, fitting: &[usize], loads: &[Load]) -> Vec<i64> {
        let siblings: Vec<_> = fitting
            .iter()
            .map(|node| {
                // The default selector is that of the pod's Services and of its ReplicaSet (`DefaultSelector`), so that
                // pods of other revisions do not count.
                let here = |p: &&Pod| p.is_active() && p.owner == pod.owner && p.node() == Some(NodeIx(*node as u32));
                self.pods.values().filter(here).count()
            })
            .collect();
        let spread = spread_scores(&siblings);
        let resources = fitting.iter().map(|node| resource_score(&self.nodes[*node], &loads[*node], pod));
        resources.zip(spread).map(|(resources, spread)| resources + 2 * spread).collect()
    }

    fn refusal(&self, pod: &Pod, refusals: &BTreeMap<String, u32>) -> String {
        let total = self.nodes.len();
        if total == 0 {
            return "no nodes available to schedule pods".to_owned();
        }
        let mut reasons: Vec<_> = refusals.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        reasons.sort();
        // Where only room is lacking, somebody of lower priority could be evicted; but no eviction makes a node larger
        // or gives it labels (`UnschedulableAndUnresolvable`).
        let hopeless = self.nodes.iter().filter(|node| is_hopeless(pod, node)).count() as u32;
        let short = total as u32 - hopeless;
        let mut preemption = Vec::new();
        if short > 0 {
            preemption.push(format!("{short} No preemption victims found for incoming pod"));
        }
        if hopeless > 0 {
            preemption.push(format!("{hopeless} Preemption is not helpful for scheduling"));
        }
        preemption.sort();
        format!(
            "0/{total} nodes are available: {}. no new claims to deallocate, preemption: 0/{total} nodes are \
             available: {}.",
            reasons.join(", "),
            preemption.join(", ")
        )
    }

    fn bind(&mut self, ix: PodIx, node: NodeIx, host: &mut dyn Host) {
        self.scheduling.forget(ix);
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        pod.bound = Some((node, host.now()));
        pod.unschedulable = None;
        let about = pod.subject();
        let target = format!("{}/{} to {}", pod.namespace, pod.name, self.nodes[node.index()].spec.name);
        let message = format!("Successfully assigned {target}");
        self.record(host, Source::Scheduler, &about, Severity::Normal, "Scheduled", message);
        host.schedule(host.now() + super::WATCH_LATENCY, Event::Wake(ix));
        self.consider_eviction(ix, host);
    }

    fn put_aside(&mut self, ix: PodIx, Refusal { message, reliefs }: Refusal, host: &mut dyn Host) {
        let Some(pod) = self.pods.get_mut(&ix) else {
            return;
        };
        pod.unschedulable = Some(message.clone());
        let about = pod.subject();
        self.scheduling.unschedulable.insert(ix, Attempt { at: host.now(), reliefs });
        self.record(host, Source::Scheduler, &about, Severity::Warning, "FailedScheduling", message);
    }
}

/// The plugin `NodeUnschedulable`.
const CORDONED: &str = "node(s) were unschedulable";
const SELECTOR_MISMATCH: &str = "node(s) didn't match Pod's node affinity/selector";

/// Whether a pod would not fit even if the node were empty.
fn is_hopeless(pod: &Pod, node: &Node) -> bool {
    let (ask, spec) = (pod.requests(), &node.spec);
    let is_too_small = ask.cpu > spec.allocatable_cpu || ask.memory > spec.allocatable_memory;
    is_too_small || is_closed(pod, node).is_some()
}

/// Why a pod must not go to a node, however empty that is, and what may help: the first plugin that says so.
fn is_closed(pod: &Pod, node: &Node) -> Option<(String, Option<Relief>)> {
    if !node.unschedulable && node.taints.is_empty() && pod.template.node_selector.is_empty() {
        return None;
    }
    let tolerations = pod.tolerations();
    if node.unschedulable && !Taint::no_schedule(Taint::UNSCHEDULABLE).is_tolerated(&tolerations) {
        return Some((CORDONED.to_owned(), Some(Relief::Opening)));
    }
    // `FindMatchingUntoleratedTaint` of the plugin `TaintToleration`; these taints have no values.
    if let Some(taint) = node.taints.iter().find(|taint| !taint.is_tolerated(&tolerations)) {
        let reason = format!("node(s) had untolerated taint {{{}: }}", taint.key);
        return Some((reason, Some(Relief::Opening)));
    }
    let fits = is_subset(&pod.template.node_selector, &node.labels);
    (!fits).then(|| (SELECTOR_MISMATCH.to_owned(), None))
}

/// Why a pod does not fit on a node, and what may help; nothing if it does.
fn unfit(pod: &Pod, node: &Node, load: &Load) -> Vec<(String, Option<Relief>)> {
    if let Some(reason) = is_closed(pod, node) {
        return vec![reason];
    }
    let ask = pod.requests();
    let mut reasons = Vec::new();
    let mut lacks = |reason: &str| reasons.push((reason.to_owned(), Some(Relief::Room)));
    if load.pods >= MAX_PODS {
        lacks("Too many pods");
    }
    // Who asks for nothing gets it, on a full node too.
    if ask.cpu.0 > 0 && load.requests.cpu + ask.cpu > node.spec.allocatable_cpu {
        lacks("Insufficient cpu");
    }
    if ask.memory.0 > 0 && load.requests.memory + ask.memory > node.spec.allocatable_memory {
        lacks("Insufficient memory");
    }
    reasons
}

/// `LeastAllocated` plus `BalancedAllocation`, each at most 100.
fn resource_score(node: &Node, load: &Load, pod: &Pod) -> i64 {
    let (cpu, memory) = (node.spec.allocatable_cpu.0, node.spec.allocatable_memory.0);
    let assumed = assumed_requests(pod);
    let least = i64::midpoint(
        free_score(load.assumed.cpu.0 + assumed.cpu.0, cpu),
        free_score(load.assumed.memory.0 + assumed.memory.0, memory),
    );
    let ask = pod.requests();
    // A pod without requests is not scored by it, so that not all of them come together.
    if ask.cpu.0 == 0 && ask.memory.0 == 0 {
        return least;
    }
    let share = |used: u64, of: u64| {
        if of == 0 { 1.0 } else { (used as f64 / of as f64).min(1.0) }
    };
    let cpu = share(load.requests.cpu.0 + ask.cpu.0, cpu);
    let memory = share(load.requests.memory.0 + ask.memory.0, memory);
    // With two resources the standard deviation is half the difference.
    let balanced = ((1.0 - (cpu - memory).abs() / 2.0) * MAX_SCORE as f64) as i64;
    least + balanced
}

/// `leastRequestedScore`.
fn free_score(used: u64, of: u64) -> i64 {
    (of.saturating_sub(used) * MAX_SCORE as u64).checked_div(of).unwrap_or(0) as i64
}

/// `PodTopologySpread` over host names: the fewer pods of the same `ReplicaSet`, the better.
fn spread_scores(siblings: &[usize]) -> Vec<i64> {
    let weight = libm::log(siblings.len() as f64 + 2.0);
    let raw: Vec<_> = siblings.iter().map(|n| libm::round(*n as f64 * weight + MAX_SKEW - 1.0) as i64).collect();
    let (least, most) = (raw.iter().min().copied().unwrap_or(0), raw.iter().max().copied().unwrap_or(0));
    raw.iter().map(|score| if most == 0 { MAX_SCORE } else { MAX_SCORE * (most + least - score) / most }).collect()
}
