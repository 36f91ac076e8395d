//! Decisions: all that are due at one moment are made at the same time, and take effect in a fixed order.
//!
//! Nothing that follows depends on which answer came first: the world stands still until all are there, and they are
//! then written down in the order of the seats.

use futures_util::future::{OptionFuture, join, join_all};
use sim::environment::{Environment, Stage, Unavailable};
use sim::episode::{EndReason, EpisodeEvent, MisstepKind};
use sim::time::{SimDuration, SimTime};

use super::seat::{Doing, Job, Plays, Seat, Who};
use super::work::Unreported;
use super::{Conductor, Log, Setup};
use crate::model::Usage;
use crate::policy::{Cost, Decided, Decision, Misstep, Percept, Policy, Role};
use crate::queue::MessageQueue;

/// How many decisions may follow from one step before they are charged like steps: what a model decides at once must not
/// hold the world still for ever.
const CONTINUED_AT_MOST: u32 = 200;

impl<W: Environment + Stage, Q: MessageQueue> Conductor<'_, '_, '_, W, Q> {
    /// Lets everybody decide who has heard something; whether anybody did.
    pub(super) async fn decide(&mut self, now: SimTime) -> Result<bool, Unavailable> {
        self.stop_who_used_up(now).await?;
        let manager = OptionFuture::from(self.manager.as_mut().and_then(|seat| deciding(seat, now)));
        let agents = self.agents.iter_mut().enumerate().filter_map(|(index, seat)| {
            let deciding = deciding(seat, now)?;
            Some(async move { (index, deciding.await) })
        });
        let (manager, agents) = join(manager, join_all(agents)).await;
        let anybody = manager.is_some() || !agents.is_empty();
        if let Some((decision, seat)) = manager.zip(self.manager.as_mut()) {
            let think = write_down(seat, decision, now, &mut self.steps, self.setup, self.log)?;
            self.agenda.turn_at(Who::Manager, now + think);
        }
        for (index, decision) in agents {
            let think = write_down(&mut self.agents[index], decision, now, &mut self.steps, self.setup, self.log)?;
            self.agenda.turn_at(Who::Agent(index), now + think);
        }
        Ok(anybody)
    }

    /// Ends the work of everybody who would have to decide and has no step, or no time, left for it.
    async fn stop_who_used_up(&mut self, now: SimTime) -> Result<(), Unavailable> {
        let deadline = SimTime::ZERO + self.scenario().budget.time;
        for who in self.seats() {
            let (hears, continues, left) = match who {
                Who::Manager => standing(self.manager.as_ref()),
                Who::Agent(index) => standing(self.agents.get(index)),
            };
            let reason = match left {
                0 if !continues => EndReason::StepBudget,
                _ if now > deadline => EndReason::TimeBudget,
                _ => continue,
            };
            if hears {
                self.finish(who, now, Err(Unreported::UsedUp(reason))).await?;
            }
        }
        Ok(())
    }
}

/// Whether a seat has to decide, whether it would go on with what it decided before, and the steps that it has left.
fn standing<R: Role>(seat: Option<&Seat<'_, R>>) -> (bool, bool, u32) {
    let hears = seat.is_some_and(|seat| matches!(seat.doing, Doing::Hearing(_)));
    let continues = seat.is_some_and(|seat| seat.policy.continues());
    (hears, continues, seat.and_then(|seat| seat.job.as_ref()).map_or(0, |job| job.steps_left))
}

/// The decision of a seat that has heard something.
fn deciding<R: Plays>(seat: &mut Seat<'_, R>, now: SimTime) -> Option<impl Future<Output = Decision<R::Action>>> {
    if !matches!(seat.doing, Doing::Hearing(_)) {
        return None;
    }
    let Doing::Hearing(heard) = std::mem::replace(&mut seat.doing, Doing::Idle) else { return None };
    let job = seat.job.as_mut()?;
    let percept = Percept { now, steps_left: job.steps_left, heard };
    let policy: &mut dyn Policy<R> = match &mut job.foreseen {
        Some(foreseen) => foreseen.as_mut(),
        None => seat.policy.as_mut(),
    };
    Some(async move { policy.decide(&percept).await })
}

/// Writes a decision down and charges what it took.
fn write_down<R: Plays>(
    seat: &mut Seat<'_, R>,
    decision: Decision<R::Action>,
    now: SimTime,
    steps: &mut u32,
    setup: &Setup<'_>,
    log: &mut Log<'_>,
) -> Result<SimDuration, Unavailable> {
    *steps += 1;
    let (agent, step) = (seat.name(), *steps);
    let continued = seat.job.as_mut().is_some_and(|job| charge(job, step, decision.cost));
    let think = if continued { SimDuration::ZERO } else { think_time(setup, decision.cost) };
    if let Cost::Model(usage) = decision.cost {
        log.push(now, model_call(&agent, step, usage));
    }
    match decision.decided {
        Decided::Act(action) => {
            log.push(now, R::entry(agent, step, &action, think.0, continued));
            seat.doing = Doing::Acting(action);
        }
        Decided::Misstep(Misstep { kind, text }) => {
            let think_ns = think.0;
            log.push(now, EpisodeEvent::Misstep { agent, step, what: kind, text: text.clone(), think_ns, continued });
            let is_spent = kind == MisstepKind::TokensSpent;
            seat.doing = if is_spent { Doing::Spent } else { Doing::Stumbling(text) };
        }
        Decided::Lost(why) => return Err(Unavailable(format!("{agent}, step {step}: {why}"))),
    }
    Ok(think)
}

/// Charges a decision to the budget of steps; whether it was decided together with the step before.
fn charge<R: Role>(job: &mut Job<R>, step: u32, cost: Cost) -> bool {
    job.step = step;
    let continued = cost == Cost::Continued && job.continued < CONTINUED_AT_MOST;
    if continued {
        job.continued += 1;
    } else {
        job.continued = 0;
        job.steps_left = job.steps_left.saturating_sub(1);
    }
    continued
}

/// How long the world goes on while this is thought; where only the clock can tell, the time that the call took.
fn think_time(setup: &Setup<'_>, cost: Cost) -> SimDuration {
    let usage = if let Cost::Model(usage) = cost { usage } else { Usage::default() };
    let thinking = &setup.judge.scenario.thinking;
    thinking.charge(usage.tokens.input, usage.tokens.output).unwrap_or(usage.took)
}

fn model_call(agent: &str, step: u32, usage: Usage) -> EpisodeEvent {
    EpisodeEvent::ModelCall {
        agent: agent.to_owned(),
        step,
        tokens_in: usage.tokens.input,
        tokens_out: usage.tokens.output,
        cost_micro_usd: usage.cost_micro_usd,
    }
}
