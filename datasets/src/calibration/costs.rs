//! What a request should take by its profile.

use std::collections::BTreeMap;

use sim::profile::{Burst, Condition, Profile, ServiceProfile, Step};
use sim::time::SimDuration;
use sim::world::SCRAPE_EVERY;

/// Which program of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The endpoint with this number.
    Endpoint(usize),
    /// What no endpoint answers.
    NotFound,
    /// The handler of messages with this number.
    Consumer(usize),
}

/// What one run of a program takes in the mean, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// CPU when warm.
    pub(super) warm_s: f64,
    /// CPU beside it when wholly cold.
    pub(super) cold_s: f64,
    /// Calls by service and request, and messages by broker and queue.
    pub(super) calls: BTreeMap<(String, String), f64>,
    pub(super) messages: BTreeMap<(String, String), f64>,
    /// Whether what it takes depends on the request in a way that nobody counts.
    pub(super) is_conditional: bool,
}

/// All programs of a service.
pub(super) fn kinds(service: &ServiceProfile) -> Vec<Kind> {
    let endpoints = (0..service.endpoints.len()).map(Kind::Endpoint);
    let not_found = service.not_found.iter().map(|_| Kind::NotFound);
    endpoints.chain(not_found).chain((0..service.consumes.len()).map(Kind::Consumer)).collect()
}

/// The steps of a kind of request; none of what no endpoint answers, which is a single burst.
pub(super) fn steps(service: &ServiceProfile, kind: Kind) -> &[Step] {
    match kind {
        Kind::Endpoint(number) => &service.endpoints[number].program,
        Kind::NotFound => &[],
        Kind::Consumer(number) => &service.consumes[number].program,
    }
}

pub(super) fn cost(service: &ServiceProfile, kind: Kind) -> Cost {
    let mut cost = Cost::default();
    if let (Kind::NotFound, Some(burst)) = (kind, &service.not_found) {
        add_burst(burst, 1.0, &mut cost);
    }
    walk(steps(service, kind), 1.0, &mut cost);
    cost
}

fn add_burst(burst: &Burst, share: f64, cost: &mut Cost) {
    cost.warm_s += share * burst.mean.as_secs_f64();
    cost.cold_s += share * burst.cold.as_secs_f64();
}

/// Adds what steps take that are reached by a share of requests; the share that goes on behind them.
fn walk(steps: &[Step], mut share: f64, cost: &mut Cost) -> f64 {
    for step in steps {
        match step {
            Step::Cpu(burst) => add_burst(burst, share, cost),
            Step::Call(call) => *cost.calls.entry((call.to.clone(), call.request.clone())).or_default() += share,
            Step::Publish(publish) => {
                *cost.calls.entry((publish.broker.clone(), "publish".to_owned())).or_default() += share;
                *cost.messages.entry((publish.broker.clone(), publish.queue.clone())).or_default() += share;
            }
            Step::Parallel(parallel) => {
                for branch in &parallel.branches {
                    walk(branch, share, cost);
                }
            }
            Step::Repeat(repeat) => {
                for _ in 0..repeat.times {
                    share = walk(&repeat.steps, share, cost);
                }
            }
            Step::Respond(respond) => match respond.when {
                None => share = 0.0,
                Some(Condition::Chance(p)) => share *= 1.0 - p,
                // Taken as what most requests are not.
                Some(Condition::Above { .. }) => cost.is_conditional = true,
            },
            Step::Wait(_) => {}
        }
    }
    share
}

/// How long steps last, in seconds, if a burst takes its warm part and this share of its cold one, and a call as long as its
/// service is said to take.
pub(super) fn lasts(steps: &[Step], cold: f64, call_s: &dyn Fn(&str, &str) -> f64) -> f64 {
    steps
        .iter()
        .map(|step| match step {
            Step::Cpu(burst) => burst.mean.as_secs_f64() + cold * burst.cold.as_secs_f64(),
            Step::Call(call) => call_s(&call.to, &call.request),
            Step::Publish(publish) => call_s(&publish.broker, "publish"),
            Step::Parallel(parallel) => {
                parallel.branches.iter().map(|branch| lasts(branch, cold, call_s)).fold(0.0, f64::max)
            }
            Step::Repeat(repeat) => f64::from(repeat.times) * lasts(&repeat.steps, cold, call_s),
            Step::Wait(wait) => wait.mean.as_secs_f64(),
            Step::Respond(_) => 0.0,
        })
        .sum()
}

/// The kind that answers a call.
pub(super) fn answering(profile: &Profile, service: &str, request: &str) -> Option<Kind> {
    let endpoints = &profile.services.get(service)?.endpoints;
    endpoints.iter().position(|endpoint| endpoint.request == request).map(Kind::Endpoint)
}

/// Multiplies every burst of a kind.
pub(super) fn scale(service: &mut ServiceProfile, kind: Kind, factor: f64) {
    match kind {
        Kind::Endpoint(number) => scale_steps(&mut service.endpoints[number].program, factor),
        Kind::NotFound => {
            if let Some(burst) = &mut service.not_found {
                scale_burst(burst, factor);
            }
        }
        Kind::Consumer(number) => scale_steps(&mut service.consumes[number].program, factor),
    }
}

fn scale_burst(burst: &mut Burst, factor: f64) {
    burst.mean = burst.mean.scaled(factor);
    burst.cold = burst.cold.scaled(factor);
}

fn scale_steps(steps: &mut [Step], factor: f64) {
    for step in steps {
        match step {
            Step::Cpu(burst) => scale_burst(burst, factor),
            Step::Parallel(parallel) => {
                for branch in &mut parallel.branches {
                    scale_steps(branch, factor);
                }
            }
            Step::Repeat(repeat) => scale_steps(&mut repeat.steps, factor),
            Step::Call(_) | Step::Publish(_) | Step::Wait(_) | Step::Respond(_) => {}
        }
    }
}

/// CPU that a process spends in a second without requests, and for scrapes every [`SCRAPE_EVERY`].
pub(super) fn by_itself(service: &ServiceProfile) -> f64 {
    let background = service.runtime.background.as_ref();
    let background = background.filter(|background| background.every > SimDuration::ZERO);
    let background = background.map_or(0.0, |b| b.cpu.as_secs_f64() / b.every.as_secs_f64());
    let scrape = service.metrics.as_ref().and_then(|metrics| metrics.scrape.as_ref());
    background + scrape.map_or(0.0, |scrape| scrape.mean.as_secs_f64() / SCRAPE_EVERY.as_secs_f64())
}
