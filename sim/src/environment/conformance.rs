//! What every implementation of [`Environment`] and [`Stage`] keeps, as checks of a running world.
//!
//! The twin passes them in every test run, a live cluster when one is there. A check takes a world that is
//! prepared and settled, leaves it changed, and speaks of nothing that a cluster cannot do: ages, usage and events
//! may move while it looks.
//!
//! [`all`] runs every check on a world of its own.

mod questions;

use super::{
    Action, Description, Environment, Failure, MetricQuery, Observation, PodView, Query, ResourceChange, Stage,
    Unavailable, Write,
};
use crate::episode::{Truth, WorldEvent};
use crate::time::{SimDuration, SimTime};
use crate::units::Millicores;

use questions::{NOBODY, answers, looks, of_nobody};

/// What the checks are made with: a component that serves, with room for one pod more.
#[derive(Clone, Debug)]
pub struct Subject {
    /// A Deployment.
    pub component: String,
    /// An image of it, other than the one that runs, that can be pulled and serves.
    pub image: String,
    /// A fault of the world's scenario that can be injected and recovered.
    pub fault: usize,
    /// How long a rollout of it, or a start of the whole world until it is measured and used, takes at most. What is over
    /// earlier is not waited for.
    pub settle: SimDuration,
}

/// Within this time controllers have begun what a write asks for.
const CONTROLLERS: SimDuration = SimDuration::from_secs(5);

/// Time between two looks at what is not settled.
const LOOK: SimDuration = SimDuration::SECOND;

/// Why a world does not conform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It broke a rule: which, and what was found.
    #[error("{0}")]
    Broken(String),
    /// It failed, so that nothing can be said.
    #[error("the world failed: {0}")]
    Unavailable(#[from] Unavailable),
}

fn rule(holds: bool, broken: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::Broken(broken())) }
}

/// Every check, each on a world that `make` makes anew.
///
/// # Errors
/// The first rule that is broken.
pub async fn all<W: Environment + Stage>(mut make: impl FnMut() -> W, subject: &Subject) -> Result<(), Violation> {
    time_goes_forward(&mut settled(&mut make, subject).await?).await?;
    looking_changes_nothing(&mut settled(&mut make, subject).await?, subject).await?;
    what_does_not_exist_is_rejected(&mut settled(&mut make, subject).await?, subject).await?;
    writes_show_at_once(&mut settled(&mut make, subject).await?, subject).await?;
    pods_follow_what_is_written(&mut settled(&mut make, subject).await?, subject).await?;
    faults_are_journaled(&mut settled(&mut make, subject).await?, subject).await?;
    truths_follow_each_other(&mut settled(&mut make, subject).await?, subject).await
}

/// A world that is prepared, with the component's pods as they should be and measured.
///
/// # Errors
/// It failed, or the component does not serve, or is not measured, after the time to settle.
pub async fn settled<W: Environment + Stage>(mut make: impl FnMut() -> W, subject: &Subject) -> Result<W, Violation> {
    let mut world = make();
    world.prepare().await?;
    rolled_out(&mut world, subject).await?;
    let found = describe(&mut world, subject).await?.deployment;
    rule(found.available == found.replicas && found.replicas > 0, || format!("it does not serve: {found:?}"))?;
    let until = world.now() + subject.settle;
    while !is_measured(&mut world, subject).await? {
        rule(world.now() < until, || format!("there is no usage of {} after {}", subject.component, subject.settle))?;
        wait(&mut world, LOOK).await?;
    }
    Ok(world)
}

/// Time only goes forward, and as far as it is let; advancing into the past does nothing.
///
/// # Errors
/// The rule is broken.
pub async fn time_goes_forward<W: Environment>(world: &mut W) -> Result<(), Violation> {
    let start = world.now();
    let later = start + SimDuration::from_secs(5);
    world.advance(later).await?;
    let now = world.now();
    rule(now >= later, || format!("advanced to {later}, and it is {now}"))?;
    for past in [start, SimTime::ZERO] {
        world.advance(past).await?;
        rule(world.now() >= now, || format!("advanced to the past, and it is {} after {now}", world.now()))?;
    }
    Ok(())
}

/// Every look answers in its own kind, and what is there stays as it is.
///
/// # Errors
/// The rule is broken.
pub async fn looking_changes_nothing<W: Environment>(world: &mut W, subject: &Subject) -> Result<(), Violation> {
    let before = standing(world, subject).await?;
    for query in looks(&subject.component) {
        let seen = match world.observe(&query).await {
            Ok(seen) => seen,
            Err(Failure::Unavailable(failure)) => return Err(failure.into()),
            Err(Failure::Rejected(why)) => return Err(Violation::Broken(format!("{query:?} is rejected: {why}"))),
        };
        rule(answers(&query, &seen), || format!("{query:?} is answered by {seen:?}"))?;
    }
    wait(world, CONTROLLERS).await?;
    let after = standing(world, subject).await?;
    rule(before == after, || format!("looking changed {before:?} to {after:?}"))
}

/// What names nothing that exists is the agent's mistake: refused by name, and nothing is changed.
///
/// # Errors
/// The rule is broken.
pub async fn what_does_not_exist_is_rejected<W: Environment>(
    world: &mut W,
    subject: &Subject,
) -> Result<(), Violation> {
    let before = standing(world, subject).await?;
    for action in of_nobody() {
        let result = match &action {
            Action::Observe(query) => world.observe(query).await.map(|seen| format!("{seen:?}")),
            Action::Write(write) => world.act(write).await,
            _ => continue,
        };
        match result {
            Ok(answer) => return Err(Violation::Broken(format!("{action:?} is answered: {answer}"))),
            Err(Failure::Unavailable(failure)) => return Err(failure.into()),
            Err(Failure::Rejected(why)) => {
                rule(why.0.contains(NOBODY), || format!("{action:?} is rejected without the name: {why}"))?;
            }
        }
    }
    let promql = Query::Metrics(MetricQuery { promql: "sum(".into(), range: None, step: None });
    match world.observe(&promql).await {
        Err(Failure::Rejected(_)) => {}
        other => return Err(Violation::Broken(format!("broken PromQL is answered: {other:?}"))),
    }
    wait(world, CONTROLLERS).await?;
    let after = standing(world, subject).await?;
    rule(before == after, || format!("what was rejected changed {before:?} to {after:?}"))
}

/// The object is as it was written as soon as the write is answered, and a new template is a new revision.
///
/// # Errors
/// The rule is broken.
pub async fn writes_show_at_once<W: Environment>(world: &mut W, subject: &Subject) -> Result<(), Violation> {
    let component = || subject.component.clone();
    let before = describe(world, subject).await?.deployment;

    let (name, value) = ("CONFORMANCE".to_owned(), "1".to_owned());
    let variable = (name.clone(), value.clone());
    act(world, Write::SetEnv { component: component(), name, value: Some(value) }).await?;
    let found = describe(world, subject).await?.deployment;
    rule(found.env.contains(&variable), || format!("a variable that was set is not there: {:?}", found.env))?;

    let cpu_limit = before.cpu_limit.map_or(Millicores(1_000), |limit| Millicores(limit.0 + 50));
    let change = ResourceChange { component: component(), cpu_limit: Some(cpu_limit), ..ResourceChange::default() };
    act(world, Write::SetResources(change)).await?;
    let found = describe(world, subject).await?.deployment;
    rule(found.cpu_limit == Some(cpu_limit), || format!("a limit that was set is {:?}", found.cpu_limit))?;
    rule(found.cpu_request == before.cpu_request, || {
        format!("a limit changed the request to {:?}", found.cpu_request)
    })?;

    act(world, Write::SetImage { component: component(), image: subject.image.clone() }).await?;
    let found = describe(world, subject).await?.deployment;
    rule(found.image == subject.image, || format!("an image that was set is {}", found.image))?;

    rolled_out(world, subject).await?;
    let revision = describe(world, subject).await?.deployment.revision;
    rule(revision > before.revision, || format!("new templates left revision {revision}"))?;
    act(world, Write::Rollback { component: component(), revision: None }).await?;
    let found = describe(world, subject).await?.deployment;
    rule(found.image == before.image, || format!("undo led to {}, not {}", found.image, before.image))
}

/// Pods come and go until they are what the Deployment asks for.
///
/// # Errors
/// The rule is broken.
pub async fn pods_follow_what_is_written<W: Environment>(world: &mut W, subject: &Subject) -> Result<(), Violation> {
    let component = || subject.component.clone();
    let before = serving(world, subject).await?;
    let wanted = before.len() as u32 + 1;
    act(world, Write::Scale { component: component(), replicas: wanted }).await?;
    let found = describe(world, subject).await?.deployment.replicas;
    rule(found == wanted, || format!("scaled to {wanted}, and it asks for {found}"))?;
    rolled_out(world, subject).await?;
    let more = serving(world, subject).await?;
    rule(more.len() as u32 == wanted, || format!("scaled to {wanted}, and {more:?} serve"))?;
    rule(before.iter().all(|pod| more.contains(pod)), || format!("scaling out replaced {before:?} by {more:?}"))?;

    act(world, Write::DeletePod { pod: more[0].clone() }).await?;
    rolled_out(world, subject).await?;
    let replaced = serving(world, subject).await?;
    rule(!replaced.contains(&more[0]), || format!("{} was deleted and serves", more[0]))?;
    rule(replaced.len() as u32 == wanted, || format!("a deleted pod has no successor: {replaced:?}"))?;

    act(world, Write::Restart { component: component() }).await?;
    rolled_out(world, subject).await?;
    let restarted = serving(world, subject).await?;
    rule(restarted.len() as u32 == wanted, || format!("after a restart {restarted:?} serve"))?;
    rule(!restarted.iter().any(|pod| replaced.contains(pod)), || format!("a restart kept some of {replaced:?}"))
}

/// A fault is in the journal when it begins and when it ends, in order of time, once; one that the scenario does not
/// have cannot be injected.
///
/// # Errors
/// The rule is broken.
pub async fn faults_are_journaled<W: Environment + Stage>(world: &mut W, subject: &Subject) -> Result<(), Violation> {
    world.drain_journal();
    let begun = world.now();
    world.inject(subject.fault).await?;
    wait(world, SimDuration::from_secs(5)).await?;
    world.recover(subject.fault).await?;
    wait(world, SimDuration::from_secs(5)).await?;
    let journal = world.drain_journal();
    let faults: Vec<(bool, u32)> = journal
        .iter()
        .filter_map(|event| match event {
            WorldEvent::FaultBegan { index, .. } => Some((true, *index)),
            WorldEvent::FaultEnded { index, .. } => Some((false, *index)),
            WorldEvent::Kubernetes { .. } => None,
        })
        .collect();
    let index = subject.fault as u32;
    rule(faults == [(true, index), (false, index)], || format!("the journal says of faults: {faults:?}"))?;
    rule(journal.is_sorted_by_key(WorldEvent::at), || format!("the journal is not in order: {journal:?}"))?;
    rule(journal.iter().all(|e| (begun..=world.now()).contains(&e.at())), || format!("not of its time: {journal:?}"))?;
    let rest = world.drain_journal();
    rule(rest.is_empty(), || format!("the journal says it again: {rest:?}"))?;
    rule(world.inject(usize::MAX).await.is_err(), || "a fault that the scenario does not have was injected".into())
}

/// The judge's intervals follow each other without a gap, and each counts only its own.
///
/// # Errors
/// The rule is broken.
pub async fn truths_follow_each_other<W: Environment + Stage>(
    world: &mut W,
    subject: &Subject,
) -> Result<(), Violation> {
    let mut last = world.truth().await?;
    let until = world.now() + subject.settle;
    while last.client_sent == 0 && world.now() < until {
        wait(world, LOOK * 5).await?;
        last = world.truth().await?;
    }
    for _ in 0..6 {
        wait(world, SimDuration::from_secs(5)).await?;
        let next = world.truth().await?;
        rule(next.from == last.to, || format!("an interval from {} follows one to {}", next.from, last.to))?;
        rule(next.to <= world.now() && next.from < next.to, || format!("from {} to {}", next.from, next.to))?;
        let names = |truth: &Truth| truth.components.iter().map(|c| c.component.clone()).collect::<Vec<_>>();
        rule(names(&next) == names(&last), || format!("components are now {:?}", names(&next)))?;
        rule(next.client_sent > 0, || "no client sends anything".into())?;
        let (begun, known) = (last.client_waiting + next.client_sent, next.client_ok + next.client_failed);
        rule(known + next.client_waiting == begun, || {
            format!("of {begun} requests {known} are known and {} wait", next.client_waiting)
        })?;
        last = next;
    }
    Ok(())
}

/// What must not change by itself: revision, replicas and pods with their restarts.
type Standing = (u64, u32, Vec<(String, u32)>);

async fn standing<W: Environment>(world: &mut W, subject: &Subject) -> Result<Standing, Violation> {
    let Description { deployment, pods, .. } = describe(world, subject).await?;
    let mut pods: Vec<_> = pods.into_iter().map(|pod| (pod.name, pod.restarts)).collect();
    pods.sort();
    Ok((deployment.revision, deployment.replicas, pods))
}

/// Names of the component's ready pods.
async fn serving<W: Environment>(world: &mut W, subject: &Subject) -> Result<Vec<String>, Violation> {
    let ready = |pod: &PodView| pod.ready == pod.containers && pod.status == "Running";
    let pods = describe(world, subject).await?.pods;
    let mut names: Vec<String> = pods.into_iter().filter(ready).map(|pod| pod.name).collect();
    names.sort();
    Ok(names)
}

/// Lets time pass until the component is what its Deployment asks for, or the time to settle is over: whether it is, the
/// rules say.
async fn rolled_out<W: Environment>(world: &mut W, subject: &Subject) -> Result<(), Violation> {
    let until = world.now() + subject.settle;
    wait(world, CONTROLLERS).await?;
    while !is_rolled_out(&describe(world, subject).await?) && world.now() < until {
        wait(world, LOOK).await?;
    }
    Ok(())
}

/// Whether all pods are of the newest template, available, and as many as are asked for; none is on its way out.
fn is_rolled_out(Description { deployment, pods, .. }: &Description) -> bool {
    let counts = [deployment.updated, deployment.available, pods.len() as u32];
    counts.iter().all(|count| *count == deployment.replicas)
}

/// Whether usage of the component is known, which it is some time after its containers have started.
async fn is_measured<W: Environment>(world: &mut W, subject: &Subject) -> Result<bool, Violation> {
    match world.observe(&Query::ResourceUsage { component: Some(subject.component.clone()) }).await {
        Ok(Observation::Usage(usage)) => Ok(!usage.is_empty()),
        Err(Failure::Unavailable(failure)) => Err(failure.into()),
        Ok(_) | Err(Failure::Rejected(_)) => Ok(false),
    }
}

async fn describe<W: Environment>(world: &mut W, subject: &Subject) -> Result<Description, Violation> {
    match world.observe(&Query::Describe { component: subject.component.clone() }).await {
        Ok(Observation::Description(description)) => Ok(*description),
        Err(Failure::Unavailable(failure)) => Err(failure.into()),
        other => Err(Violation::Broken(format!("{} cannot be described: {other:?}", subject.component))),
    }
}

async fn act<W: Environment>(world: &mut W, write: Write) -> Result<(), Violation> {
    match world.act(&write).await {
        Ok(_) => Ok(()),
        Err(Failure::Unavailable(failure)) => Err(failure.into()),
        Err(Failure::Rejected(why)) => Err(Violation::Broken(format!("{write:?} is rejected: {why}"))),
    }
}

async fn wait<W: Environment>(world: &mut W, length: SimDuration) -> Result<(), Violation> {
    Ok(world.advance(world.now() + length).await?)
}
