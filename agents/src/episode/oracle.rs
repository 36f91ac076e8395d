//! The ceiling: at each evaluation a finite menu of plans is played ahead in copies of the world, chance included, and
//! the best of them is told as a list of steps. It also reads the truth where an agent has to judge.
//!
//! The best plan is the one after which all objectives hold, and of several the one with the highest return. What the
//! menu holds is what the tools can do to one component in one or two changes; a better plan that is not in it is not
//! found, so this is a ceiling for who acts once, and a floor of the ceiling for who acts often.

use sim::environment::{
    Action, Conclusion, Declaration, DeletableKind, Description, Environment, Failure, Goal, NodeView, Observation,
    PolicyView, Query, ResourceChange, Stage, Unavailable, Write,
};
use sim::scenario::{Script, ScriptStep, Trigger};
use sim::score::menu;
use sim::slo;
use sim::time::{SimDuration, SimTime};
use sim::units::{Bytes, Millicores};

use super::branches::{Outcome, Played};
use crate::policy::TaskView;
use crate::service;

/// How far it looks ahead beyond the hold time: a JVM that starts under a small quota takes three minutes to be well.
const AHEAD: SimDuration = SimDuration::from_secs(240);

/// What the world shows of the component at the moment.
struct Standing {
    description: Option<Description>,
    nodes: Vec<NodeView>,
    policies: Vec<PolicyView>,
}

/// The plan that looking ahead finds best, as steps to take; none where the task leaves nothing to choose.
pub(super) async fn foresee<W: Environment + Stage>(
    played: &Played<'_, W>,
    world: &mut W,
    task: &TaskView,
) -> Result<Option<Script>, Unavailable> {
    let acts = match task.goal {
        Goal::Maintain => true,
        Goal::CheckHealth | Goal::CheckPerformance => false,
        _ => return Ok(None),
    };
    let now = world.now();
    let truth = slo::judge(&played.judge.scenario.slos, played.truths, played.fault_free_per_s(), now);
    let healthy = truth.is_some_and(|judgement| !judgement.unhealthy);
    if healthy || !acts {
        return Ok(Some(Script::of(vec![declaration(played, healthy), report(played, healthy, healthy)])));
    }
    let standing = look(world, &task.component).await?;
    let best = best_plan(played, world, now, &plans(&task.component, &standing)).await?;
    let mut steps = vec![declaration(played, false)];
    steps.extend(best.writes.iter().map(|write| step(SimDuration::ZERO, Action::Write(write.clone()))));
    let until = best.outcome.last_red.unwrap_or(now).max(now) + played.judge.scenario.judging_interval * 2;
    let wait = until.since(now).min(patience(played, task, now));
    steps.push(step(wait, Action::Declare(said(played, best.outcome.green))));
    steps.push(report(played, best.outcome.green, false));
    Ok(Some(Script::of(steps)))
}

/// How long it may wait for the result: until the next evaluation is due or, at the end, until the budget is.
fn patience<W>(played: &Played<'_, W>, task: &TaskView, now: SimTime) -> SimDuration {
    let scenario = played.judge.scenario;
    let end = SimTime::ZERO + scenario.budget.time;
    let margin = SimDuration::from_secs(10);
    let left = end.since(now).saturating_sub(margin);
    match &scenario.task.trigger {
        Trigger::Heartbeat(heartbeat) if task.evaluation < heartbeat.times => {
            left.min(heartbeat.every.saturating_sub(margin))
        }
        _ => left,
    }
}

struct Prospect {
    writes: Vec<Write>,
    outcome: Outcome,
}

async fn best_plan<W: Environment + Stage>(
    played: &Played<'_, W>,
    world: &W,
    now: SimTime,
    plans: &[Vec<Write>],
) -> Result<Prospect, Unavailable> {
    let think = played.judge.scenario.thinking.charge(0, 0).unwrap_or(SimDuration::ZERO);
    let mut best: Option<Prospect> = None;
    for writes in plans {
        // The declaration takes a step before the first write does.
        let times = (2_u64..).map(|step| now + think * step);
        let timed: Vec<(SimTime, &Write)> = times.zip(writes).collect();
        let outcome = played.outcome(&mut (played.forks.fork)(world), now, &timed).await?;
        let rank = |outcome: &Outcome| (outcome.green, outcome.value);
        let is_better = |best: &Prospect| {
            let ((green, value), (best_green, best_value)) = (rank(&outcome), rank(&best.outcome));
            green.cmp(&best_green).then(value.total_cmp(&best_value)).is_gt()
        };
        if best.as_ref().is_none_or(is_better) {
            best = Some(Prospect { writes: writes.clone(), outcome });
        }
    }
    Ok(best.expect("the menu always holds the plan to do nothing"))
}

/// When the look ahead ends.
pub(super) fn ahead_until(hold: SimDuration, now: SimTime) -> SimTime {
    now + AHEAD + hold
}

async fn look<W: Environment>(world: &mut W, component: &str) -> Result<Standing, Unavailable> {
    let described = Query::Describe { component: component.to_owned() };
    let seen = [
        observe(world, &described).await?,
        observe(world, &Query::Nodes).await?,
        observe(world, &Query::Policies).await?,
    ];
    let mut standing = Standing { description: None, nodes: Vec::new(), policies: Vec::new() };
    for observation in seen.into_iter().flatten() {
        match observation {
            Observation::Description(description) => standing.description = Some(*description),
            Observation::Nodes(nodes) => standing.nodes = nodes,
            Observation::Policies(policies) => standing.policies = policies,
            _ => {}
        }
    }
    Ok(standing)
}

async fn observe<W: Environment>(world: &mut W, query: &Query) -> Result<Option<Observation>, Unavailable> {
    match world.observe(query).await {
        Ok(observation) => Ok(Some(observation)),
        Err(Failure::Rejected(_)) => Ok(None),
        Err(Failure::Unavailable(failure)) => Err(failure),
    }
}

/// Every plan that is played ahead, the one to do nothing first.
fn plans(component: &str, standing: &Standing) -> Vec<Vec<Write>> {
    let own = || component.to_owned();
    let mut plans = vec![Vec::new()];
    let Some(description) = &standing.description else {
        plans.push(vec![Write::CreateDeployment { component: own() }]);
        return plans;
    };
    let deployment = &description.deployment;
    plans.extend(menu(&own(), deployment.replicas, deployment.cpu_limit).into_iter().map(|write| vec![write]));
    plans.push(vec![Write::Scale { component: own(), replicas: deployment.replicas.max(1) * 4 }]);
    plans.extend(resources(component, deployment.cpu_limit, deployment.memory_limit));
    plans.extend(description.pods.iter().map(|pod| vec![Write::DeletePod { pod: pod.name.clone() }]));
    plans.extend(elsewhere(description, &standing.nodes));
    plans.extend(service::led_to_its_pods(description).map(|write| vec![write]));
    plans.extend(released(component, &standing.policies));
    if description.autoscaler.is_some() {
        plans.push(vec![Write::DeleteAutoscaler { component: own() }]);
    }
    plans
}

/// More of each resource, and of both kinds.
fn resources(component: &str, cpu: Option<Millicores>, memory: Option<Bytes>) -> Vec<Vec<Write>> {
    let change = |change: ResourceChange| {
        vec![Write::SetResources(ResourceChange { component: component.to_owned(), ..change })]
    };
    let mut plans = vec![change(ResourceChange { cpu_request: Some(Millicores(200)), ..ResourceChange::default() })];
    for factor in [4, 10] {
        plans.extend(cpu.map(|limit| {
            change(ResourceChange { cpu_limit: Some(Millicores(limit.0 * factor)), ..ResourceChange::default() })
        }));
    }
    for factor in [2, 10] {
        plans.extend(memory.map(|limit| {
            change(ResourceChange { memory_limit: Some(Bytes(limit.0 * factor)), ..ResourceChange::default() })
        }));
    }
    plans
}

/// Each of its pods somewhere else.
fn elsewhere(description: &Description, nodes: &[NodeView]) -> Vec<Vec<Write>> {
    let with_others = nodes.len() > 1;
    let moved = description.pods.iter().filter(|_| with_others).filter_map(|pod| {
        let node = pod.node.clone()?;
        Some(vec![Write::Cordon { node }, Write::DeletePod { pod: pod.name.clone() }])
    });
    moved.collect()
}

/// Without each object that holds pods back.
fn released(component: &str, policies: &[PolicyView]) -> Vec<Vec<Write>> {
    let without = |policy: &PolicyView| {
        let mut plan = vec![Write::Delete { kind: policy.kind, name: policy.name.clone() }];
        if policy.kind == DeletableKind::ResourceQuota {
            plan.push(Write::Restart { component: component.to_owned() });
        }
        plan
    };
    policies.iter().map(without).collect()
}

/// What it says of health and, where there is one, of the cause: the first that is accepted.
fn said<W>(played: &Played<'_, W>, healthy: bool) -> Declaration {
    let cause = played.judge.root_causes.first();
    Declaration {
        healthy,
        component: cause.map(|cause| cause.component.clone()),
        kind: cause.and_then(|cause| cause.kinds.first()).map(|kind| kind.name().to_owned()),
    }
}

fn declaration<W>(played: &Played<'_, W>, healthy: bool) -> ScriptStep {
    step(SimDuration::ZERO, Action::Declare(said(played, healthy)))
}

fn report<W>(played: &Played<'_, W>, healthy: bool, was_healthy: bool) -> ScriptStep {
    let Declaration { component, kind, .. } = said(played, healthy);
    step(
        SimDuration::ZERO,
        Action::Report(Conclusion {
            healthy,
            root_cause_component: component,
            root_cause_kind: kind,
            mitigated: (!was_healthy).then_some(healthy),
            ..Conclusion::default()
        }),
    )
}

fn step(after: SimDuration, action: Action) -> ScriptStep {
    ScriptStep { after, action }
}
