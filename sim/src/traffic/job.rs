//! Jobs and forks: slabs of plain data. A slot is used again under another generation, so that an
//! event for a job that is over is recognised and dropped.

use super::http::Stage;
use super::network::Progress;
use crate::chance::Key;
use crate::program::{Attributes, MAX_BRANCHES, NONE};
use crate::time::{SimDuration, SimTime};

/// A job, for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobRef {
    pub(super) ix: u32,
    pub(super) generation: u32,
}

/// Who waits for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Nobody, or nobody any longer.
    Nobody,
    /// A user.
    User(u32),
    /// The handler that made the call.
    Job(JobRef),
    /// The handler that it is a branch of: fork, branch.
    Branch(u32, u8),
    /// A probe, by its token.
    Probe(u32),
    /// A broker whose message it handles: subscription and its epoch.
    Message(u32, u32),
    /// A broker that is told of a handled message: subscription and its epoch.
    Ack(u32, u32),
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The slot is free.
    Free,
    /// Waits for a connection of its client's pool.
    PoolWait,
    /// Connects: SYNs are unanswered so far.
    Connecting,
    /// The request is on its way.
    Travelling,
    /// At the server, before its handler starts.
    Queued,
    /// Its handler wants to run and waits for a runner.
    Ready,
    /// A burst of its handler is on the CPU.
    Running,
    /// Its handler waits: for a call, a branch, a timer.
    Blocked,
    /// The answer is on its way.
    Answering,
    /// The proxy of an HTTP fault holds it.
    Held,
    /// The server is gone without a trace; only the caller's patience ends it.
    Lost,
}

/// One attempt at a request, or a branch of a handler.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one request, one byte each")]
pub(super) struct Job {
    pub(super) key: Key,
    /// When its caller began.
    pub(super) sent: SimTime,
    /// While it connects: when the first SYN went out. Then: when its handler started. Where a network has faults, while a
    /// message travels: when that went out first.
    pub(super) since: SimTime,
    /// CPU time that its next burst takes in addition.
    pub(super) extra: SimDuration,
    pub(super) attributes: Attributes,
    pub(super) caller: Caller,
    generation: u32,
    /// The container that handles it, or [`NONE`].
    pub(super) container: u32,
    /// The address that its SYNs go to, or [`NONE`].
    pub(super) address: u32,
    /// The address of the pod that sends it, or [`NONE`] for users and probes.
    pub(super) client: u32,
    /// The current instruction of its handler.
    pub(super) pc: u32,
    /// What it asks for, an `EndpointIx`; [`NONE`] for branches, messages and TCP probes.
    pub(super) endpoint: u32,
    /// The call in the programs that it was made by, or [`NONE`].
    pub(super) call: u32,
    /// The latest fork of its handler, or [`NONE`].
    pub(super) fork: u32,
    /// The timer of its caller's patience, or [`NONE`].
    pub(super) timer: u32,
    /// Where a network has faults: what of its message has arrived.
    pub(super) message: Progress,
    pub(super) state: State,
    pub(super) status: u16,
    /// How many HTTP faults there had been when its connection was opened.
    pub(super) opened: u16,
    /// The latest proxy of an HTTP fault that it has passed.
    pub(super) passed: Option<Stage>,
    /// SYNs sent so far.
    pub(super) syns: u8,
    /// Tries of the current call of its handler that have failed.
    pub(super) failed_tries: u8,
    /// Its handler occupies a runner (event loop, goroutines).
    pub(super) has_runner: bool,
    /// It decides whether its client's breaker closes.
    pub(super) is_client_trial: bool,
    /// It decides whether its endpoint's breaker closes.
    pub(super) is_endpoint_trial: bool,
    /// It is a TCP probe.
    pub(super) is_tcp_probe: bool,
}

impl Job {
    pub(super) fn new(key: Key, now: SimTime, caller: Caller) -> Self {
        Self {
            key,
            sent: now,
            since: now,
            extra: SimDuration::ZERO,
            attributes: Attributes::default(),
            caller,
            generation: 0,
            container: NONE,
            address: NONE,
            client: NONE,
            pc: NONE,
            endpoint: NONE,
            call: NONE,
            fork: NONE,
            timer: NONE,
            message: Progress::default(),
            state: State::Connecting,
            status: 0,
            opened: 0,
            passed: None,
            syns: 0,
            failed_tries: 0,
            has_runner: false,
            is_client_trial: false,
            is_endpoint_trial: false,
            is_tcp_probe: false,
        }
    }
}

/// How a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Failed,
}

/// All jobs of a world, and the ledger of those that are over.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    slots: Vec<Job>,
    free: Vec<u32>,
    started: u64,
    answered: u64,
    failed: u64,
}

impl Jobs {
    #[inline]
    pub(super) fn add(&mut self, mut job: Job) -> u32 {
        self.started += 1;
        if let Some(ix) = self.free.pop() {
            job.generation = self.slots[ix as usize].generation;
            self.slots[ix as usize] = job;
            ix
        } else {
            self.slots.push(job);
            self.slots.len() as u32 - 1
        }
    }

    #[inline]
    pub(super) fn end(&mut self, ix: u32, outcome: Outcome) {
        let job = &mut self.slots[ix as usize];
        debug_assert_ne!(job.state, State::Free, "a job ended twice");
        debug_assert_eq!(job.timer, NONE, "the caller of a job that ended still has a timer");
        job.state = State::Free;
        job.generation = job.generation.wrapping_add(1);
        self.free.push(ix);
        match outcome {
            Outcome::Answered => self.answered += 1,
            Outcome::Failed => self.failed += 1,
        }
    }

    #[inline]
    pub(super) fn reference(&self, ix: u32) -> JobRef {
        JobRef { ix, generation: self.slots[ix as usize].generation }
    }

    /// The job, unless it is over.
    #[inline]
    pub(super) fn get(&self, job: JobRef) -> Option<&Job> {
        self.slots.get(job.ix as usize).filter(|found| found.generation == job.generation)
    }

    /// Indices of the jobs in progress.
    pub(super) fn live(&self) -> impl Iterator<Item = u32> {
        let slots = self.slots.iter().enumerate();
        slots.filter(|(_, job)| job.state != State::Free).map(|(ix, _)| ix as u32)
    }

    pub(super) fn check_conservation(&self) -> Result<(), String> {
        let in_flight = self.live().count() as u64;
        if self.started == self.answered + self.failed + in_flight {
            return Ok(());
        }
        Err(format!(
            "{} jobs started, {} answered, {} failed, {in_flight} in flight",
            self.started, self.answered, self.failed
        ))
    }
}

impl std::ops::Index<u32> for Jobs {
    type Output = Job;
    #[inline]
    fn index(&self, ix: u32) -> &Job {
        &self.slots[ix as usize]
    }
}

impl std::ops::IndexMut<u32> for Jobs {
    #[inline]
    fn index_mut(&mut self, ix: u32) -> &mut Job {
        &mut self.slots[ix as usize]
    }
}

/// A parallel step in progress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fork {
    /// Who waits; none once it has gone on.
    pub(super) parent: Option<JobRef>,
    /// The branch that is waited for now, or `u8::MAX`.
    pub(super) awaited: u8,
    /// Branches still running.
    pub(super) running: u8,
    /// Bit i: branch i is done.
    pub(super) done: u32,
    /// By branch: the status with which it ended the request, or zero.
    pub(super) statuses: [u16; MAX_BRANCHES],
    /// The timer of the current await, or [`NONE`].
    pub(super) timer: u32,
}

/// All forks of a world.
#[derive(Clone, Debug, Default)]
pub(super) struct Forks {
    slots: Vec<Fork>,
    free: Vec<u32>,
}

impl Forks {
    pub(super) fn add(&mut self, parent: JobRef, branches: u8) -> u32 {
        let fork = Fork {
            parent: Some(parent),
            awaited: u8::MAX,
            running: branches,
            done: 0,
            statuses: [0; MAX_BRANCHES],
            timer: NONE,
        };
        if let Some(ix) = self.free.pop() {
            self.slots[ix as usize] = fork;
            ix
        } else {
            self.slots.push(fork);
            self.slots.len() as u32 - 1
        }
    }

    /// Gives the slot back once neither the parent nor a branch refers to it.
    pub(super) fn end_if_unused(&mut self, ix: u32) {
        let fork = &self[ix];
        if fork.parent.is_none() && fork.running == 0 {
            self.free.push(ix);
        }
    }
}

impl std::ops::Index<u32> for Forks {
    type Output = Fork;
    fn index(&self, ix: u32) -> &Fork {
        &self.slots[ix as usize]
    }
}

impl std::ops::IndexMut<u32> for Forks {
    fn index_mut(&mut self, ix: u32) -> &mut Fork {
        &mut self.slots[ix as usize]
    }
}
