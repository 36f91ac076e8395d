//! A competent on-call engineer as rules, with the agent's tools only.
//!
//! It surveys its component ([`survey`]), compares what it saw with the objectives, finds the cause
//! ([`diagnose`]), mends it, waits until the change shows, and looks again; it reports in the end,
//! never before it has looked, and names the cause as what was mended shows it. Nothing here knows a
//! fault's truth: the rules read what `kubectl` and Prometheus show.

mod diagnose;
mod mend;
mod numbers;
mod survey;

use std::collections::BTreeMap;

use sim::environment::{Action, AutoscalerSpec, Conclusion, Declaration, Goal, Write};
use sim::slo::ClauseName;
use sim::time::SimDuration;

use super::desk::{Desk, Procedure};
use super::{AutonomicAgent, Policy, Reply, SETTLE, TaskView};
use diagnose::{Case, Finding, Remedy};
use numbers::Panel;
use survey::{CloserLook, Neighbours, Survey, survey};

/// How often it tries to mend before it gives up.
const ATTEMPTS: u32 = 4;
/// How often it looks whether a change took hold: what a JVM does in its first minutes is slow.
const LOOKS: u32 = 3;
/// The share of the usual rate at which all users are back.
const NEARLY_ALL: f64 = 0.95;
/// The next look when it is too early to say anything: a scrape later.
const SOON: SimDuration = SimDuration::from_secs(15);
/// Steps that another attempt takes.
const STEPS_OF_AN_ATTEMPT: u32 = 14;

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
            let seen = look(&desk, &task).await;
            reported(&task, &seen, "cpu", seen.now(Panel::Cpu))
        }
        Goal::ReportP99 => {
            let seen = look(&desk, &task).await;
            reported(&task, &seen, "p99", seen.now(Panel::P99))
        }
        Goal::CheckHealth | Goal::CheckPerformance => {
            let seen = look(&desk, &task).await;
            judged(&desk, &task, &seen).await
        }
        // A sum is for a manager to share out; alone, the component has all of it.
        Goal::ReduceLatency { below } | Goal::ReduceTotalLatency { below } => {
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

async fn look(desk: &Desk, task: &TaskView) -> Survey {
    let around = Neighbours::of(desk, &task.component).await;
    survey(desk, task, &task.component, &around, None).await
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
        let before = look(desk, task).await;
        let seen = settle(desk, task, &before).await;
        Conclusion {
            healthy: seen.violations(task).is_empty(),
            actions_taken: what,
            mitigated: Some(seen.ready()),
            ..Conclusion::default()
        }
    }
}

/// Another tag of the image that runs now.
async fn set_tag(desk: &Desk, task: &TaskView, tag: &str) -> Conclusion {
    let seen = look(desk, task).await;
    let image = seen.image_with_tag(tag);
    once(desk, task, Write::SetImage { component: task.component.clone(), image }).await
}

/// Waits until a rollout has ended and the metrics show it, at most three times.
async fn settle(desk: &Desk, task: &TaskView, first: &Survey) -> Survey {
    let mut seen;
    let mut looks = 0;
    loop {
        desk.wait(SETTLE).await;
        seen = survey(desk, task, &task.component, &first.around, Some(first)).await;
        looks += 1;
        if looks == LOOKS || seen.violations_if(task, NEARLY_ALL).is_empty() {
            return seen;
        }
    }
}

fn reported(task: &TaskView, seen: &Survey, name: &str, value: Option<f64>) -> Conclusion {
    Conclusion {
        healthy: seen.violations(task).is_empty(),
        values: value.map(|v| (name.to_owned(), v)).into_iter().collect(),
        ..Conclusion::default()
    }
}

/// Says what it sees and what it takes to be the cause.
async fn judged(desk: &Desk, task: &TaskView, seen: &Survey) -> Conclusion {
    let violated = trouble(seen, task);
    let finding = if violated.is_empty() { None } else { find(desk, task, seen, &violated, 0).await };
    desk.declare(declaration(task, violated.is_empty(), finding.as_ref())).await;
    conclusion(&violated, finding.as_ref(), &[])
}

/// What is violated or, just after a blow of which the numbers do not show anything yet, must have been.
fn trouble(seen: &Survey, task: &TaskView) -> Vec<ClauseName> {
    match seen.violations(task) {
        none if none.is_empty() && seen.was_hit() => vec![ClauseName::Throughput],
        violated => violated,
    }
}

fn declaration(task: &TaskView, healthy: bool, finding: Option<&Finding>) -> Declaration {
    // Who is unwell and does not know why suspects himself.
    let suspected = (!healthy).then_some(&task.component);
    Declaration {
        healthy,
        component: finding.map(|finding| &finding.component).or(suspected).cloned(),
        kind: finding.map(|finding| finding.kind.to_owned()),
    }
}

fn conclusion(violated: &[ClauseName], finding: Option<&Finding>, done: &[String]) -> Conclusion {
    Conclusion {
        healthy: violated.is_empty(),
        root_cause_component: finding.map(|finding| finding.component.clone()),
        root_cause_kind: finding.map(|finding| finding.kind.to_owned()),
        values: BTreeMap::new(),
        actions_taken: done.join("; "),
        mitigated: (!done.is_empty()).then_some(violated.is_empty()),
        violated: violated.iter().map(|clause| clause.name().to_owned()).collect(),
    }
}

/// The cause of what is violated: in the component, or in one that it calls.
async fn find(desk: &Desk, task: &TaskView, seen: &Survey, violated: &[ClauseName], earlier: u32) -> Option<Finding> {
    let closer = CloserLook::of(desk, task, seen).await;
    let case = Case { seen, closer: &closer, violated, earlier };
    if let Some(finding) = diagnose::plain(&case) {
        return Some(finding);
    }
    let own = diagnose::by_numbers(&case);
    // Who is asked for a figure of its own does what it can for it, whoever else has a part in it.
    let is_asked =
        matches!(task.goal, Goal::ReduceLatency { .. } | Goal::ReduceTotalLatency { .. } | Goal::ReduceCpu { .. });
    let is_own = |finding: &Finding| finding.component == task.component && !matches!(finding.remedy, Remedy::Wait);
    if is_asked && own.as_ref().is_some_and(is_own) {
        return own;
    }
    if let Some(callee) = diagnose::suspect(&case)
        && let Some(finding) = find_in_callee(desk, task, callee).await
    {
        return Some(finding);
    }
    own
}

/// What is wrong with a component that is not the agent's own, which can do nothing about it but say so.
async fn find_in_callee(desk: &Desk, task: &TaskView, callee: &str) -> Option<Finding> {
    let around = Neighbours::of(desk, callee).await;
    let seen = survey(desk, task, callee, &around, None).await;
    let violated = seen.violations(task);
    let closer = CloserLook::of(desk, task, &seen).await;
    let case = Case { seen: &seen, closer: &closer, violated: &violated, earlier: 0 };
    let finding = diagnose::plain(&case).or_else(|| diagnose::by_numbers(&case))?;
    Some(Finding { remedy: Remedy::Wait, ..finding })
}

/// Look, find the cause, mend, confirm, a few times.
async fn maintain(desk: &Desk, task: &TaskView) -> Conclusion {
    let first_look = look(desk, task).await;
    let found = trouble(&first_look, task);
    if found.is_empty() {
        desk.declare(declaration(task, true, None)).await;
        return conclusion(&found, None, &[]);
    }
    let mut violated = found.clone();
    let mut cause: Option<Finding> = None;
    let mut done = Vec::new();
    let mut last_look = None;
    for attempt in 0..ATTEMPTS {
        let seen = last_look.as_ref().unwrap_or(&first_look);
        let after = if let Some(finding) = find(desk, task, seen, &violated, attempt).await {
            if cause.is_none() {
                desk.declare(declaration(task, false, Some(&finding))).await;
                cause = Some(finding.clone());
            }
            mend::mend(desk, task, seen, &finding.remedy, &mut done).await;
            settle(desk, task, &first_look).await
        } else {
            // Something is starting, or the metrics still show the past: look again soon.
            desk.wait(SOON).await;
            survey(desk, task, &task.component, &first_look.around, Some(&first_look)).await
        };
        cause = cause.map(|cause| diagnose::in_hindsight(cause, &first_look, &after));
        violated = after.violations(task);
        last_look = Some(after);
        if violated.is_empty() || desk.steps_left() < STEPS_OF_AN_ATTEMPT {
            break;
        }
    }
    desk.declare(declaration(task, violated.is_empty(), cause.as_ref())).await;
    let mut report = conclusion(&violated, cause.as_ref(), &done);
    let mended = found.iter().filter(|clause| !violated.contains(clause));
    report.violated.extend(mended.map(|clause| clause.name().to_owned()));
    report
}
