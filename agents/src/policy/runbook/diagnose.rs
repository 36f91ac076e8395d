//! From what was seen to what is wrong: rules in the order in which an engineer goes through them, the most telling
//! evidence first.
//!
//! ```text
//! objects (what the API server says) ─▶ containers (how they ended, what they wrote) ─▶ changes ─▶ numbers
//! ```
//!
//! A rule sees a [`Case`] and says what is wrong, or nothing. Nothing here knows a fault's truth: the rules read what
//! `kubectl` and Prometheus show.

mod containers;
mod numbers;
mod objects;

use sim::environment::{DeletableKind, PodView};
use sim::fault::FaultKind;
use sim::slo::ClauseName;

use super::numbers::Panel;
use super::survey::{CloserLook, MANY_ERRORS, Survey};
use containers::THROTTLED;

/// What is wrong, where, and what is to be done about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    /// Where the cause is.
    pub(super) component: String,
    /// The word for it.
    pub(super) kind: &'static str,
    pub(super) remedy: Remedy,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Remedy {
    /// Nothing but to wait: it is over, and the cluster mends what it broke.
    Wait,
    /// Create the Deployment from its manifest.
    Create,
    /// Back to the revision before.
    Rollback,
    /// Delete these pods.
    DeletePods(Vec<String>),
    /// New pods, while the old ones serve.
    ReplacePods,
    /// Delete what holds pods back; `true`: and ask for the pods again.
    Delete(DeletableKind, String, bool),
    /// Lead the Service to the pods again.
    MendService,
    /// More pods.
    ScaleOut,
    /// A higher limit of CPU.
    RaiseCpu,
    /// A higher limit of memory.
    RaiseMemory,
    /// A higher request of CPU, for a fair share of a crowded machine.
    RequestCpu,
}

/// All that is known when the cause is looked for.
pub(super) struct Case<'a> {
    pub(super) seen: &'a Survey,
    pub(super) closer: &'a CloserLook,
    pub(super) violated: &'a [ClauseName],
    /// How often it was tried to mend already: what this engineer changed is not the cause.
    pub(super) earlier: u32,
}

type Rule = for<'a> fn(&Case<'a>) -> Option<Finding>;

/// What shows for itself; the first that says something is believed.
const PLAIN: &[Rule] = &[
    objects::missing,
    objects::image_cannot_be_pulled,
    objects::over_quota,
    objects::lost_node,
    objects::evicted,
    objects::image_of_a_running_pod_changed,
    objects::isolated,
    objects::service_selects_nobody,
    objects::service_leads_to_a_closed_port,
    containers::disk_is_full,
    containers::changed_and_broken,
    containers::out_of_memory,
    numbers::crowded_machine,
    containers::cut_off,
    containers::was_killed,
    containers::pod_was_deleted,
];

/// What only numbers show, and what others cause as well.
const BY_NUMBERS: &[Rule] = &[
    numbers::memory_fills_up,
    numbers::retried,
    numbers::too_much_load,
    numbers::too_little_cpu,
    numbers::connections_break_off,
    numbers::answers_are_held,
    numbers::network_is_slow,
];

/// What shows for itself in objects and containers.
pub(super) fn plain(case: &Case<'_>) -> Option<Finding> {
    PLAIN.iter().find_map(|rule| rule(case))
}

/// What the numbers make most likely; none when it is too early to say.
pub(super) fn by_numbers(case: &Case<'_>) -> Option<Finding> {
    BY_NUMBERS.iter().find_map(|rule| rule(case))
}

/// A finding as it looks after the change that followed it. That a limit is too small is what is left when no history says
/// how much CPU a request takes; a process that is new says it: if it is much less, the old one did not spend the rest on
/// its requests.
pub(super) fn in_hindsight(finding: Finding, before: &Survey, after: &Survey) -> Finding {
    let is_what_was_left = finding.kind == FaultKind::TooSmallLimit.name()
        && finding.remedy == Remedy::RaiseCpu
        && finding.component == after.component;
    let took = before.cpu_per_request().zip(after.cpu_per_request());
    if is_what_was_left && took.is_some_and(|(before, after)| before > SLOWED * after) {
        return Finding { kind: FaultKind::CpuStress.name(), ..finding };
    }
    finding
}

/// The callee that looks worse than the component itself, if one does: what is wrong here may come from there.
pub(super) fn suspect<'a>(case: &Case<'a>) -> Option<&'a str> {
    let own = case.seen.now(Panel::Throttled).unwrap_or(0.0);
    let numbers = &case.seen.numbers;
    let is_bad = |callee: &&String| {
        let named = |line: &String| BROKEN_CALL.iter().any(|words| line.contains(words)) && names_host(line, callee);
        let throttled = numbers.now(Panel::Throttled, callee).is_some_and(|share| share > THROTTLED && share > own);
        let slow = numbers.growth(Panel::P99, callee).is_some_and(|growth| growth > SLOWED)
            && numbers.now(Panel::P99, callee).is_some_and(|p99| p99 > SLOW);
        let is_watched = numbers.usual(Panel::Rate, callee).is_some();
        let down = is_watched && numbers.now(Panel::Up, callee).is_none_or(|up| up < 1.0);
        let failing = numbers.now(Panel::Errors, callee).is_some_and(|share| share > MANY_ERRORS);
        throttled || slow || down || failing || case.closer.log.iter().any(named)
    };
    case.seen.around.calls.iter().find(is_bad).map(String::as_str)
}

/// Words in a log about a call that came to nothing, in the languages of most services.
const BROKEN_CALL: [&str; 8] =
    ["refused", "imed out", "imeout", "reset", "hang up", "EOF", "no such host", "UnknownHost"];

/// Whether a line names this host, and not one whose name only begins or ends like it.
fn names_host(line: &str, host: &str) -> bool {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|word| word == host)
}

/// Growth of latency, or of CPU per request, that no noise explains.
const SLOWED: f64 = 2.0;
/// A P99 in seconds that others feel.
const SLOW: f64 = 0.1;

impl Case<'_> {
    /// A finding in the component itself.
    fn here(&self, kind: FaultKind, remedy: Remedy) -> Finding {
        Finding { component: self.seen.component.clone(), kind: kind.name(), remedy }
    }

    fn is_violated(&self, clause: ClauseName) -> bool {
        self.violated.contains(&clause)
    }

    fn unready(&self) -> impl Iterator<Item = &PodView> {
        self.seen.pods().filter(|pod| pod.ready < pod.containers)
    }

    fn names<'p>(pods: impl Iterator<Item = &'p PodView>) -> Vec<String> {
        pods.map(|pod| pod.name.clone()).collect()
    }
}
