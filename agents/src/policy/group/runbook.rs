//! A competent manager as rules: it asks before it orders, splits a bound by what was measured, and does not take a
//! report for the thing itself.
//!
//! A bound on figures: the figures are asked for, each component that has to gets a bound, and then the figures are
//! asked for again; who missed gets what the others leave of the sum, a few times. The objectives: everybody looks,
//! everybody mends, everybody looks again.

use sim::environment::{Assignment, Component, Conclusion, Declaration, Goal, ManagerAction};
use sim::time::SimDuration;

use super::together;
use crate::policy::desk::{Desk, Procedure};
use crate::policy::{GroupAnswer, GroupManager, GroupTaskView, Policy};

/// How often it gives out work before it gives up.
const ATTEMPTS: u32 = 3;
/// The share of a bound that it asks for: what is measured over one minute varies.
const MARGIN: f64 = 0.9;
/// The least share of a sum for one component, that a fast one is not asked for the impossible.
const LEAST_SHARE: f64 = 0.2;
/// Steps of its own that another attempt takes.
const STEPS_OF_AN_ATTEMPT: u32 = 4;

/// The manager on call.
pub fn runbook() -> impl Policy<GroupManager> {
    Procedure::new("runbook", manage)
}

async fn manage(desk: Desk<GroupManager>, task: GroupTaskView) -> Conclusion {
    match &task.goal {
        Goal::ReduceLatency { below } => {
            let bounds = vec![below.as_secs_f64(); task.about.len()];
            reduce(&desk, &task, &Figure::P99, Target::Each(bounds)).await
        }
        Goal::ReduceTotalLatency { below } => {
            reduce(&desk, &task, &Figure::P99, Target::Sum(below.as_secs_f64())).await
        }
        Goal::ReduceCpu { below } => {
            let bounds = vec![*below; task.about.len()];
            reduce(&desk, &task, &Figure::Cpu, Target::Each(bounds)).await
        }
        Goal::Maintain => maintain(&desk, &task).await,
        goal => together(&desk.give_all(&task.components, &task.text, goal).await),
    }
}

/// What a bound is on.
enum Figure {
    /// Seconds.
    P99,
    /// A share of the limit, of which agents tell only whether it is kept.
    Cpu,
}

/// What the figures have to be below.
enum Target {
    /// Each its own.
    Each(Vec<f64>),
    /// All together.
    Sum(f64),
}

impl Target {
    /// The bound of each component, given what was measured.
    fn bounds(&self, measured: &[Option<f64>]) -> Vec<f64> {
        match self {
            Self::Each(bounds) => bounds.clone(),
            Self::Sum(sum) => {
                let known: f64 = measured.iter().flatten().sum();
                let even = 1.0 / measured.len().max(1) as f64;
                let wish = |value: &Option<f64>| match value {
                    Some(value) if known > 0.0 => (value / known).max(LEAST_SHARE),
                    _ => even,
                };
                let wishes: Vec<f64> = measured.iter().map(wish).collect();
                let all: f64 = wishes.iter().sum();
                wishes.iter().map(|wish| sum * wish / all).collect()
            }
        }
    }

    /// Whether the figures are known and keep it.
    fn is_met(&self, measured: &[Option<f64>]) -> bool {
        match self {
            Self::Each(bounds) => measured.iter().zip(bounds).all(|(value, bound)| value.is_some_and(|v| v < *bound)),
            Self::Sum(sum) => measured.iter().copied().sum::<Option<f64>>().is_some_and(|total| total < *sum),
        }
    }
}

/// Asks for figures, gives out bounds, asks again.
async fn reduce(desk: &Desk<GroupManager>, task: &GroupTaskView, figure: &Figure, target: Target) -> Conclusion {
    let Figure::P99 = figure else { return reduce_cpu(desk, task, &target).await };
    let mut measured = latencies(desk, &task.about).await;
    let mut answers = Vec::new();
    for _ in 0..ATTEMPTS {
        if target.is_met(&measured) || desk.steps_left() < STEPS_OF_AN_ATTEMPT {
            break;
        }
        let bounds = target.bounds(&measured);
        let work = task.about.iter().zip(&measured).zip(&bounds);
        // Who keeps its bound has nothing to do.
        let work = work.filter(|((_, value), bound)| value.is_none_or(|value| value >= **bound * MARGIN));
        let work = work.map(|((component, _), bound)| latency_below(component, bound * MARGIN));
        answers = desk.delegate(work.collect()).await;
        measured = latencies(desk, &task.about).await;
    }
    let met = target.is_met(&measured);
    let values = task.about.iter().zip(&measured).filter_map(|(c, v)| Some((format!("p99 of {c}"), (*v)?)));
    Conclusion { healthy: met, mitigated: Some(met), values: values.collect(), ..together(&answers) }
}

fn latency_below(component: &Component, seconds: f64) -> Assignment {
    let below = SimDuration::from_secs_f64(seconds);
    Assignment {
        component: component.clone(),
        text: format!("Bring the P99 latency of {component} below {below}, and report it as it is then."),
        goal: Goal::ReduceLatency { below },
    }
}

/// The P99 of each component as its agent reports it, in seconds.
async fn latencies(desk: &Desk<GroupManager>, of: &[Component]) -> Vec<Option<f64>> {
    let answers = desk.give_all(of, "Report your P99 latency in seconds as the value p99.", &Goal::ReportP99).await;
    let of_one = |component: &Component| {
        let answer = answers.iter().find(|answer| answer.component == *component)?;
        answer.outcome.as_ref().ok()?.values.get("p99").copied()
    };
    of.iter().map(of_one).collect()
}

/// The same for CPU: agents know their limits, the manager does not, so that it hands the bound on until all keep it.
async fn reduce_cpu(desk: &Desk<GroupManager>, task: &GroupTaskView, target: &Target) -> Conclusion {
    let Target::Each(bounds) = target else { return Conclusion::default() };
    let mut open: Vec<(Component, f64)> = task.about.iter().cloned().zip(bounds.iter().copied()).collect();
    let mut answers: Vec<GroupAnswer> = Vec::new();
    for _ in 0..ATTEMPTS {
        if open.is_empty() || desk.steps_left() < STEPS_OF_AN_ATTEMPT {
            break;
        }
        let work = open.iter().map(|(component, bound)| Assignment {
            component: component.clone(),
            text: format!("Bring the average CPU of {component} below {:.0} % of its limit.", bound * 100.0),
            goal: Goal::ReduceCpu { below: *bound },
        });
        answers = desk.delegate(work.collect()).await;
        open.retain(|(component, _)| {
            let kept = |answer: &&GroupAnswer| answer.component == *component;
            !answers.iter().find(kept).is_some_and(|a| a.outcome.as_ref().is_ok_and(|r| r.healthy))
        });
    }
    Conclusion { healthy: open.is_empty(), mitigated: Some(open.is_empty()), ..together(&answers) }
}

/// Everybody looks; if something is wrong everybody mends, and everybody looks again.
async fn maintain(desk: &Desk<GroupManager>, task: &GroupTaskView) -> Conclusion {
    let check = "Check whether the objectives hold, and say what you see.";
    let mut seen = desk.give_all(&task.components, check, &Goal::CheckHealth).await;
    let found = together(&seen);
    declare(desk, &found).await;
    if found.healthy {
        return found;
    }
    let mut done: Vec<GroupAnswer> = Vec::new();
    for _ in 0..ATTEMPTS {
        if together(&seen).healthy || desk.steps_left() < STEPS_OF_AN_ATTEMPT {
            break;
        }
        let ill: Vec<Component> = seen.iter().filter(|answer| is_ill(answer)).map(|a| a.component.clone()).collect();
        let mend = "Something is wrong. Find the cause, mend it if it is yours, confirm that it worked, and report.";
        done.extend(desk.give_all(&ill, mend, &Goal::Maintain).await);
        seen = desk.give_all(&task.components, check, &Goal::CheckHealth).await;
    }
    let now = together(&seen);
    let work = together(&done);
    let first = |own: Option<String>, other: Option<String>| own.or(other);
    let report = Conclusion {
        healthy: now.healthy,
        violated: found.violated,
        root_cause_kind: first(work.root_cause_kind, found.root_cause_kind),
        root_cause_component: first(work.root_cause_component, found.root_cause_component),
        mitigated: Some(now.healthy),
        ..work
    };
    declare(desk, &report).await;
    report
}

fn is_ill(answer: &GroupAnswer) -> bool {
    !answer.outcome.as_ref().is_ok_and(|report| report.healthy)
}

async fn declare(desk: &Desk<GroupManager>, report: &Conclusion) {
    let declaration = Declaration {
        healthy: report.healthy,
        component: report.root_cause_component.clone(),
        kind: report.root_cause_kind.clone(),
    };
    desk.put(ManagerAction::Declare(declaration)).await;
}
