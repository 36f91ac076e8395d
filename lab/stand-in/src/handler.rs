//! Handlers: the programs at work on requests. What an instruction means is said in `sim::program`; the twin's
//! interpreter is `sim::traffic`.

use std::sync::Arc;
use std::time::Duration;

use sim::chance::Key;
use sim::ids::EndpointIx;
use sim::profile::Reaction;
use sim::program::{Attributes, Await, NONE, Op};
use sim::time::SimDuration;
use sim::traffic::Admission;
use tokio::task::JoinHandle;

use crate::concurrency::{NO_PANIC, Work};
use crate::life;
use crate::memory::InFlight;
use crate::process::Process;
use crate::wire;

/// What a breaker answers in place of a handler, and a handler that has no other status.
const ERROR: u16 = 500;

/// What a program works on.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) process: Arc<Process>,
    pub(crate) attributes: Attributes,
    pub(crate) key: Key,
    /// CPU time that its first burst takes in addition.
    pub(crate) extra: SimDuration,
}

impl Job {
    /// A request or a message that has just arrived.
    pub(crate) fn new(process: &Arc<Process>, attributes: Attributes) -> Self {
        Self { process: process.clone(), attributes, key: process.next_key(), extra: SimDuration::ZERO }
    }

    /// Handles a request: the endpoint's breaker, its program, its metrics.
    pub(crate) fn request(mut self, endpoint_ix: EndpointIx, in_flight: InFlight) -> Work {
        Box::pin(async move {
            let process = self.process.clone();
            let endpoint = *process.endpoint(endpoint_ix);
            let since = process.now();
            let guard = process.guards.get(endpoint.guard as usize);
            let admission = guard.map_or(Admission::Pass, |state| state.lock().expect(UNPOISONED).admit(since));
            let status = if admission == Admission::Refuse {
                ERROR
            } else {
                self.extra = process.extra(endpoint_ix);
                self.play(endpoint.entry).await.unwrap_or(endpoint.status)
            };
            if let Some(state) = guard.filter(|_| admission != Admission::Refuse) {
                let settings = &process.service().breakers[endpoint.guard as usize];
                let is_trial = admission == Admission::Trial;
                state.lock().expect(UNPOISONED).record(settings, process.now(), is_trial, status < 400);
            }
            if endpoint.counted {
                process.metrics.observe(endpoint_ix, status, process.now().since(since));
            }
            drop(in_flight);
            Some(status)
        })
    }

    /// Handles a message: a consumer's program.
    pub(crate) fn message(self, entry: u32, in_flight: InFlight) -> Work {
        Box::pin(async move {
            let status = self.play(entry).await;
            drop(in_flight);
            status
        })
    }

    /// Plays the program that begins at `entry`. None: it ended without a status of its own.
    async fn play(mut self, entry: u32) -> Option<u16> {
        let process = self.process.clone();
        let programs = &process.programs;
        let mut branches = Vec::new();
        let mut at = entry;
        loop {
            let key = self.key.with(u64::from(at));
            let answer = match programs.ops[at as usize] {
                Op::Cpu(burst) => {
                    process.costs.burst(programs.bursts[burst as usize], key, std::mem::take(&mut self.extra));
                    None
                }
                Op::Call(call) => self.call(call).await,
                Op::Fork(fork) => {
                    branches = self.fork(fork, key);
                    None
                }
                Op::Await(wait) => await_branch(&mut branches, programs.awaits[wait as usize]).await,
                Op::Wait(wait) => {
                    let wait = programs.waits[wait as usize];
                    let time = SimDuration((wait.mean * wait.law.sample(key.draw()) + 0.5) as u64);
                    tokio::time::sleep(Duration::from_nanos(time.0)).await;
                    None
                }
                Op::RespondAbove { attribute, status, value } => {
                    (self.attributes[usize::from(attribute)] > value).then_some(status)
                }
                Op::RespondByChance { status, probability } => {
                    key.draw().bernoulli(f64::from(probability)).then_some(status)
                }
                Op::Respond(status) => Some(status),
                Op::End => return None,
            };
            if answer.is_some() {
                return answer;
            }
            at += 1;
        }
    }

    /// Makes a call, again if it fails and the client says so. The status to answer with, if the program ends here.
    async fn call(&self, call_ix: u32) -> Option<u16> {
        let process = &self.process;
        let call = process.programs.calls[call_ix as usize];
        let client = &process.programs.clients[call.client as usize];
        let link = process.link(call.client);
        let mut request = process.request(call_ix).to_vec();
        wire::write_attributes(&mut request, &process.programs.attributes, &self.attributes);
        request.extend_from_slice(b"\r\n");
        let mut backoff = client.retry_backoff;
        for tries_left in (0..=client.retries).rev() {
            let admission = link.admit(process.now());
            if admission == Admission::Refuse {
                break;
            }
            let outcome = link.exchange(&request).await;
            link.record(process.now(), admission, outcome.is_ok_and(|status| status < 500));
            match outcome {
                Ok(status) if status >= 400 => return react(call.on_status, Some(status)),
                Ok(_) => return None,
                Err(_) if tries_left > 0 => {
                    tokio::time::sleep(Duration::from_nanos(backoff.0)).await;
                    backoff = backoff * 2;
                }
                Err(_) => {}
            }
        }
        react(call.on_failure, None)
    }

    /// Starts the branches of a parallel step.
    fn fork(&self, fork: u32, key: Key) -> Vec<Option<JoinHandle<Option<u16>>>> {
        let programs = &self.process.programs;
        let (first, count) = programs.forks[fork as usize];
        let start = |branch: u32| {
            let entry = programs.branches[(first + branch) as usize];
            debug_assert_ne!(entry, NONE, "every branch was compiled");
            let part = Self { key: key.with(u64::from(branch)), extra: SimDuration::ZERO, ..self.clone() };
            Some(self.process.stage.part(Box::pin(part.play(entry))))
        };
        (0..u32::from(count)).map(start).collect()
    }
}

/// Waits for a branch. One that is late goes on for nobody.
async fn await_branch(branches: &mut [Option<JoinHandle<Option<u16>>>], wait: Await) -> Option<u16> {
    let branch = branches[usize::from(wait.branch)].take()?;
    match wait.timeout {
        None => branch.await.expect(NO_PANIC),
        Some(timeout) => match tokio::time::timeout(Duration::from_nanos(timeout.0), branch).await {
            Ok(status) => status.expect(NO_PANIC),
            Err(_) => react(wait.on_timeout, None),
        },
    }
}

/// What a program does about a step that went wrong: the status to answer with, or none to go on.
fn react(reaction: Reaction, status: Option<u16>) -> Option<u16> {
    match reaction {
        Reaction::Continue => None,
        Reaction::Pass => Some(status.unwrap_or(ERROR)),
        Reaction::Respond(status) => Some(status),
        Reaction::Crash => life::exit(life::CRASH),
    }
}

const UNPOISONED: &str = "nobody panics while he holds it";
