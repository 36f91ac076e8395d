//! One control group, limited or not.

use super::fixed::Work;
use super::fluid::Fluid;
use super::limited::Limited;
use super::{CpuStats, Kernel, Phases, Quota};
use crate::time::{SimDuration, SimTime};

/// How the threads of a group get at processors.
#[derive(Clone, Debug)]
enum Threads {
    Unlimited(Fluid),
    Limited(Box<Limited>),
}

/// A control group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    threads: Threads,
    /// CPU time used under former limits.
    former_usage: Work,
    /// Thread-nanoseconds spent runnable, running or not.
    runnable: u64,
    runnable_synced: SimTime,
}

/// Calls a method of whichever kind of threads there is.
macro_rules! either {
    ($threads:expr, $inner:ident => $call:expr) => {
        match $threads {
            Threads::Unlimited($inner) => $call,
            Threads::Limited($inner) => $call,
        }
    };
}

impl Threads {
    fn new(now: SimTime, quota: Option<Quota>, phases: Phases, cores: u32, kernel: Kernel) -> Self {
        match quota {
            Some(quota) => Self::Limited(Box::new(Limited::new(now, cores, quota, phases, kernel))),
            None => Self::Unlimited(Fluid::new(now)),
        }
    }
}

impl Group {
    pub(super) fn new(now: SimTime, quota: Option<Quota>, phases: Phases, cores: u32, kernel: Kernel) -> Self {
        let threads = Threads::new(now, quota, phases, cores, kernel);
        Self { threads, former_usage: 0, runnable: 0, runnable_synced: now }
    }

    /// When something happens next.
    pub(super) fn due(&self) -> SimTime {
        either!(&self.threads, threads => threads.due())
    }

    /// Runnable threads, frozen or not.
    fn threads(&self) -> u32 {
        either!(&self.threads, threads => threads.threads())
    }

    /// What asks for a core: threads, or lanes if the group is limited.
    pub(super) fn contenders(&self) -> u32 {
        match &self.threads {
            Threads::Unlimited(fluid) => fluid.threads(),
            Threads::Limited(limited) => limited.contenders(),
        }
    }

    /// The threads of the group that are alive.
    pub(super) fn dissolve(&mut self, now: SimTime) -> Vec<(u32, Work)> {
        either!(&mut self.threads, threads => threads.dissolve(now))
    }

    pub(super) fn usage(&self, now: SimTime) -> Work {
        self.former_usage + either!(&self.threads, threads => threads.usage(now))
    }

    fn runnable(&self, now: SimTime) -> u64 {
        self.runnable + u64::from(self.threads()) * now.since(self.runnable_synced).0
    }

    /// Must come before every change of the number of threads.
    fn count_runnable(&mut self, now: SimTime) {
        self.runnable = self.runnable(now);
        self.runnable_synced = now;
    }

    pub(super) fn start(&mut self, now: SimTime, thread: u32, left: Work) {
        self.count_runnable(now);
        either!(&mut self.threads, threads => threads.start(now, thread, left));
    }

    pub(super) fn stop(&mut self, now: SimTime, thread: u32) {
        self.count_runnable(now);
        either!(&mut self.threads, threads => threads.stop(now, thread));
    }

    pub(super) fn advance(&mut self, now: SimTime, mut finished: impl FnMut(u32)) {
        self.count_runnable(now);
        either!(&mut self.threads, threads => threads.advance(now, &mut finished));
    }

    /// A contender's speed.
    pub(super) fn set_rate(&mut self, now: SimTime, rate: u64) {
        either!(&mut self.threads, threads => threads.set_rate(now, rate));
    }

    pub(super) fn set_quota(&mut self, now: SimTime, quota: Option<Quota>, phases: Phases, cores: u32, kernel: Kernel) {
        match (&mut self.threads, quota) {
            (Threads::Limited(limited), Some(quota)) => limited.resize(now, quota),
            (Threads::Unlimited(_), None) => {}
            _ => {
                self.former_usage = self.usage(now);
                let rate = either!(&self.threads, threads => threads.rate());
                let runners = self.dissolve(now);
                self.threads = Threads::new(now, quota, phases, cores, kernel);
                either!(&mut self.threads, threads => threads.set_rate(now, rate));
                for (thread, left) in runners {
                    either!(&mut self.threads, threads => threads.start(now, thread, left));
                }
            }
        }
    }

    pub(super) fn stats(&self, now: SimTime) -> CpuStats {
        let usage = super::fixed::whole(self.usage(now));
        let mut stats = CpuStats {
            usage,
            runnable: self.threads(),
            waited: SimDuration(self.runnable(now)).saturating_sub(usage),
            ..CpuStats::default()
        };
        if let Threads::Limited(limited) = &self.threads {
            (stats.nr_periods, stats.nr_throttled) = limited.periods();
            stats.throttled = limited.throttled_time(now);
            stats.is_throttled = limited.is_throttled();
        }
        stats
    }
}
