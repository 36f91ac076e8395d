//! A competent on-call engineer as rules, with the agent's tools only.
//!
//! It surveys its component ([`survey`]), compares what it saw with the objectives, finds the cause
//! ([`diagnose`]), mends it, waits until the change shows, and looks again; it reports in the end,
//! never before it has looked. Nothing here knows a fault's truth: the rules read what `kubectl`
//! and Prometheus show.

mod diagnose;
mod mend;
mod survey;

use std::collections::BTreeMap;

use sim::environment::{Action, AutoscalerSpec, Conclusion, Declaration, Goal, Write};
use sim::time::SimDuration;

use super::desk::{Desk, Procedure};
use super::{AutonomicAgent, Policy, Reply, SETTLE, TaskView};
use diagnose::{Cause, diagnose};
use survey::{Survey, survey};

/// How often it tries to mend before it gives up.
const ATTEMPTS: u32 = 4;

/// The on-call engineer.
pub fn runbook() -> impl Policy<AutonomicAgent> {
    Procedure::new("runbook", operate)
}

async fn operate(desk: Desk, task: TaskView) -> Conclusion {
    let component = task.component.clone();
    match task.goal.clone() {
        Goal::CreateDeployment => once(&desk, &task, Write::CreateDeployment { component }).await,
        Goal::SetEnv { name, value } => once(&desk, &task, Write::SetEnv { component, name, value: Some(value) }).await,
        Goal::SetImageTag { tag } => set_tag(&desk, &task, &tag).await,
        Goal::Restart => once(&desk, &task, Write::Restart { component }).await,
        Goal::Scale { replicas } => once(&desk, &task, Write::Scale { component, replicas }).await,
        Goal::Autoscale => once(&desk, &task, Write::ApplyAutoscaler(autoscaler(component))).await,
        Goal::ReportCpu => {
            let seen = survey(&desk, &task).await;
            reported(&task, &seen, "cpu", seen.cpu_total)
        }
        Goal::ReportP99 => {
            let seen = survey(&desk, &task).await;
            reported(&task, &seen, "p99", seen.p99)
        }
        Goal::CheckHealth | Goal::CheckPerformance => {
            let seen = survey(&desk, &task).await;
            judged(&desk, &task, &seen).await
        }
        Goal::ReduceLatency { below } => {
            let mut task = task;
            task.objectives.latency.below = below;
            maintain(&desk, &task).await
        }
        Goal::ReduceCpu { below } => {
            let mut task = task;
            task.objectives.cpu.below = below;
            maintain(&desk, &task).await
        }
        Goal::Maintain => maintain(&desk, &task).await,
    }
}

fn autoscaler(component: String) -> AutoscalerSpec {
    // 80 % of the request: well below the limit, which in most manifests is twice the request.
    AutoscalerSpec { component, min_replicas: 1, max_replicas: 5, cpu_percent: 80 }
}

/// One change, then a look whether it took hold.
async fn once(desk: &Desk, task: &TaskView, write: Write) -> Conclusion {
    let what = format!("{write:?}");
    if let Reply::Rejected(why) = desk.take(Action::Write(write)).await {
        Conclusion {
            actions_taken: format!("{what} was refused: {why}"),
            mitigated: Some(false),
            ..Conclusion::default()
        }
    } else {
        let seen = settle(desk, task).await;
        Conclusion {
            healthy: seen.violations(&task.objectives).is_empty(),
            actions_taken: what,
            mitigated: Some(seen.ready()),
            ..Conclusion::default()
        }
    }
}

/// Another tag of the image that runs now.
async fn set_tag(desk: &Desk, task: &TaskView, tag: &str) -> Conclusion {
    let seen = survey(desk, task).await;
    let image = seen.image_with_tag(tag);
    once(desk, task, Write::SetImage { component: task.component.clone(), image }).await
}

/// Waits until a rollout has ended and the metrics show it, at most three times [`SETTLE`].
async fn settle(desk: &Desk, task: &TaskView) -> Survey {
    for _ in 0..2 {
        desk.wait(SETTLE).await;
        let seen = survey(desk, task).await;
        if seen.ready() {
            return seen;
        }
    }
    desk.wait(SETTLE).await;
    survey(desk, task).await
}

fn reported(task: &TaskView, seen: &Survey, name: &str, value: Option<f64>) -> Conclusion {
    Conclusion {
        healthy: seen.violations(&task.objectives).is_empty(),
        values: value.map(|v| (name.to_owned(), v)).into_iter().collect(),
        ..Conclusion::default()
    }
}

/// Says what it sees and what it takes to be the cause.
async fn judged(desk: &Desk, task: &TaskView, seen: &Survey) -> Conclusion {
    let violated = seen.violations(&task.objectives);
    let cause = (!violated.is_empty()).then(|| diagnose(seen, &violated)).flatten();
    desk.declare(declaration(task, violated.is_empty(), cause)).await;
    conclusion(task, violated, cause, &[])
}

fn declaration(task: &TaskView, healthy: bool, cause: Option<Cause>) -> Declaration {
    Declaration {
        healthy,
        component: (!healthy).then(|| task.component.clone()),
        kind: cause.map(|c| c.word().to_owned()),
    }
}

fn conclusion(task: &TaskView, violated: Vec<String>, cause: Option<Cause>, done: &[String]) -> Conclusion {
    Conclusion {
        healthy: violated.is_empty(),
        root_cause_component: cause.map(|_| task.component.clone()),
        root_cause_kind: cause.map(|c| c.word().to_owned()),
        values: BTreeMap::new(),
        actions_taken: done.join("; "),
        mitigated: (!done.is_empty()).then_some(violated.is_empty()),
        violated,
    }
}

/// Look, find the cause, mend, confirm, a few times.
async fn maintain(desk: &Desk, task: &TaskView) -> Conclusion {
    let mut seen = survey(desk, task).await;
    let mut violated = seen.violations(&task.objectives);
    if violated.is_empty() {
        desk.declare(declaration(task, true, None)).await;
        return conclusion(task, violated, None, &[]);
    }
    let mut first_cause = None;
    let mut found = violated.clone();
    let mut done = Vec::new();
    for _ in 0..ATTEMPTS {
        let Some(cause) = diagnose(&seen, &violated) else {
            // Something is starting, or the metrics still show the past: look again soon.
            desk.wait(SimDuration::from_secs(15)).await;
            seen = survey(desk, task).await;
            violated = seen.violations(&task.objectives);
            if violated.is_empty() {
                break;
            }
            continue;
        };
        if first_cause.is_none() {
            first_cause = Some(cause);
            desk.declare(declaration(task, false, Some(cause))).await;
        }
        mend::mend(desk, task, &seen, cause, &mut done).await;
        seen = settle(desk, task).await;
        violated = seen.violations(&task.objectives);
        if violated.is_empty() || desk.steps_left() < 12 {
            break;
        }
    }
    desk.declare(declaration(task, violated.is_empty(), first_cause)).await;
    found.retain(|v| !violated.contains(v));
    let mut report = conclusion(task, violated, first_cause, &done);
    report.violated.extend(found);
    report
}
