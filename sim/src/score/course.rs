//! What an episode looked like over time, as the judge saw it: what is set beside the same episode in another world.

use serde::{Deserialize, Serialize};

use super::{Judge, Reading, timing};
use crate::environment::Write;
use crate::episode::{ComponentTruth, Entry, Truth};
use crate::slo::{self, ClauseName};
use crate::time::{SimDuration, SimTime};

/// An episode over time. Times are in seconds from where it is scored ([`Judge::scored_from`]): the first fault or the
/// task, whichever comes first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// Whether objectives held, look by look.
    pub status: Vec<Status>,
    /// Every component, in the order of the judge.
    pub components: Vec<ComponentCourse>,
    /// The changes that the world accepted.
    pub actions: Vec<ActionAt>,
    /// From the change that mended it to the end of the first look from which on, until the next change, every component
    /// under test had just the pods it wants, all Ready. None if nothing was mended by a change. It is known to the
    /// judge's interval.
    pub ready_after_s: Option<f64>,
}

/// One look of the judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The end of its interval.
    pub at_s: f64,
    /// Whether all objectives held.
    pub is_green: bool,
    /// The clauses that were violated or unknown.
    pub failed: Vec<ClauseName>,
}

/// A component over an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComponentCourse {
    /// The Deployment.
    pub component: String,
    /// Whether the scenario's objectives are about it.
    pub is_under_test: bool,
    /// CPU of all its pods in cores, a mean over time.
    pub cpu: f64,
    /// Throttled periods of CPU quota among all; none without any.
    pub throttled: Option<f64>,
    /// When the wanted or the Ready pods became others, and how many there were then of both.
    pub replicas: Vec<(f64, u32, u32)>,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionAt {
    /// When.
    pub at_s: f64,
    /// What.
    pub write: Write,
}

/// The course of an episode, from its log.
pub fn course(judge: &Judge<'_>, entries: &[Entry]) -> Course {
    let reading = Reading::new(judge, entries);
    let zero = judge.scored_from();
    let first = reading.truths.partition_point(|truth| truth.to <= zero);
    let looks = &reading.truths[first..];
    let status = judge.looks(&reading.truths, reading.fault_free_per_s, first).map(|look| {
        let (at_s, is_green) = (look.truth.to.since(zero).as_secs_f64(), look.is_green());
        Status { at_s, is_green, failed: slo::red(look.clauses) }
    });
    let names = looks.first().map_or(&[][..], |truth| truth.components.as_slice()).iter();
    let writes = reading.writes.iter().filter(|(at, ..)| *at >= zero);
    Course {
        status: status.collect(),
        components: names.map(|of| component(judge, &of.component, looks, zero)).collect(),
        actions: writes
            .map(|(at, _, write)| ActionAt { at_s: at.since(zero).as_secs_f64(), write: (*write).clone() })
            .collect(),
        ready_after_s: ready_after(judge, &reading).map(SimDuration::as_secs_f64),
    }
}

fn component(judge: &Judge<'_>, name: &str, looks: &[&Truth], zero: SimTime) -> ComponentCourse {
    let seen = || looks.iter().filter_map(|truth| Some((*truth, find(truth, name)?)));
    let (mut core_seconds, mut seconds, mut periods, mut throttled) = (0.0, 0.0, 0, 0);
    let mut replicas: Vec<(f64, u32, u32)> = Vec::new();
    for (truth, of) in seen() {
        let lasted = truth.to.since(truth.from).as_secs_f64();
        core_seconds += of.cpu_total * lasted;
        seconds += lasted;
        periods += of.periods;
        throttled += of.throttled_periods;
        if replicas.last().is_none_or(|(_, wanted, ready)| (*wanted, *ready) != (of.replicas, of.ready)) {
            replicas.push((truth.to.since(zero).as_secs_f64(), of.replicas, of.ready));
        }
    }
    ComponentCourse {
        component: name.to_owned(),
        is_under_test: judge.scenario.slos.components.iter().any(|component| component == name),
        cpu: if seconds > 0.0 { core_seconds / seconds } else { 0.0 },
        throttled: (periods > 0).then(|| throttled as f64 / periods as f64),
        replicas,
    }
}

fn find<'t>(truth: &'t Truth, name: &str) -> Option<&'t ComponentTruth> {
    truth.components.iter().find(|of| of.component == name)
}

/// How long it took from the change that mended it until pods were as they should be.
fn ready_after(judge: &Judge<'_>, reading: &Reading<'_>) -> Option<SimDuration> {
    let injected = judge.scenario.first_fault_at()?;
    let mitigated = timing::times(judge, reading).mitigate.filter(|waited| !waited.censored)?;
    let green_from = injected + SimDuration::from_secs_f64(mitigated.seconds);
    // The change may lie within the first green look.
    let first_green = reading.truths.iter().find(|truth| truth.from >= green_from)?.to;
    let mending = reading.writes.iter().rposition(|(at, ..)| *at >= injected && *at <= first_green)?;
    let (changed, ..) = reading.writes[mending];
    let next = reading.writes.get(mending + 1).map_or(SimTime::NEVER, |(at, ..)| *at);
    let looks: Vec<&Truth> =
        reading.truths.iter().copied().filter(|truth| truth.to > changed && truth.from < next).collect();
    let settled =
        |truth: &Truth| judge.scenario.slos.components.iter().all(|name| find(truth, name).is_some_and(is_settled));
    let from = looks.iter().rposition(|truth| !settled(truth)).map_or(0, |last| last + 1);
    looks.get(from).map(|truth| truth.to.since(changed))
}

/// Whether a component has just the pods it wants, all Ready.
const fn is_settled(of: &ComponentTruth) -> bool {
    of.exists && of.replicas > 0 && of.ready == of.replicas && of.pods == of.replicas
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Log, SCENARIO, healthy, scenario, words};
    use super::*;

    #[test]
    fn a_mended_episode_tells_when_its_pods_were_as_they_should_be() {
        let after = |from| {
            let mut truth = healthy(from);
            if from < 135 {
                let of = &mut truth.components[0];
                (of.pods, of.ready) = (2, 2);
            }
            truth
        };
        let entries = Log::of(120, after).writes(110, 1, Write::Restart { component: "catalogue".into() }).entries();
        let (scenario, words) = (scenario(SCENARIO), words());
        let distance = |_: &str, _: &str| -> Option<u32> { None };
        let found = course(&Judge::new(&scenario, &words, &distance), &entries);
        // The last look at a pod too many ends at 135 s; the next one ends at 140 s, 30 s after the change.
        assert_eq!(found.ready_after_s, Some(30.0));
        assert_eq!(found.actions.len(), 1);
        assert!((found.actions[0].at_s - 50.0).abs() < 1e-9, "from the fault at 60 s: {:?}", found.actions);
        assert_eq!(found.status.len(), 36, "looks of 5 s from 60 s to 240 s");
        assert!((found.status[0].at_s - 5.0).abs() < 1e-9 && !found.status[0].is_green, "{:?}", found.status[0]);
        assert!(found.status[0].failed.contains(&ClauseName::Cpu), "{:?}", found.status[0]);
        assert!(found.status[35].is_green, "{:?}", found.status[35]);
        let of = &found.components[0];
        assert!(of.is_under_test && (of.cpu - 0.04).abs() < 1e-9 && of.throttled == Some(0.0), "{of:?}");
        assert_eq!(of.replicas, [(5.0, 1, 1), (65.0, 1, 2), (80.0, 1, 1)]);
    }

    #[test]
    fn what_nobody_mended_has_no_time_to_ready() {
        let (scenario, words) = (scenario(SCENARIO), words());
        let distance = |_: &str, _: &str| -> Option<u32> { None };
        let judge = Judge::new(&scenario, &words, &distance);
        let by_itself = Log::of(120, healthy).entries();
        assert_eq!(course(&judge, &by_itself).ready_after_s, None);
        let restart = Write::Restart { component: "catalogue".into() };
        let never = Log::of(240, healthy).writes(110, 1, restart).entries();
        assert_eq!(course(&judge, &never).ready_after_s, None);
    }
}
