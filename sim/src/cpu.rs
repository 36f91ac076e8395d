//! The processors of one node as Linux schedules them.
//!
//! A *group* is a container's control group, a *thread* something in it that has a *burst* of CPU
//! work to do, a *core* runs one thread at a time at full speed. While the node has at least as many
//! cores as runnable threads, every thread runs at full speed; otherwise the cores are shared among
//! the groups by weight (max-min fair, a group never getting more than one core per thread) and
//! within a group equally.
//!
//! A *quota* is CFS bandwidth control: a pool of runtime per 100 ms period that all threads of the
//! group spend together, each at its full speed. When it is spent the whole group freezes until the
//! refill. This is not fluid sharing at the rate of the limit: 2 ms of work on an idle container
//! limited to 200m take 2 ms.
//!
//! [`NodeCpu`] has no queue inside. The event loop asks [`NodeCpu::next_event`] and must call
//! [`NodeCpu::advance`] then. Time is in whole nanoseconds, rates have 32 binary places and are
//! rounded down: work is never done twice, a burst never ends early and at most 2⁻³² of a core per
//! thread goes unused.

mod bandwidth;
mod group;
mod share;

use self::bandwidth::Bandwidth;
pub use self::bandwidth::PERIOD;
use self::group::Group;
use self::share::{Claim, FRACTION_BITS, FULL_SPEED, water_fill};
use crate::time::{SimDuration, SimTime};
use crate::units::Millicores;

/// A group of one node. Reused after [`NodeCpu::remove_group`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupIx(pub u32);

/// A thread of one node. Reused once its burst has finished or was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadIx(pub u32);

/// A CPU limit: the CPU time that a group may use in each [`PERIOD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota(SimDuration);

impl Quota {
    /// The quota of a Kubernetes CPU limit; at least 1 ms, which is the kernel's and the kubelet's
    /// minimum (`MilliCPUToQuota` in `pkg/kubelet/cm/helpers_linux.go`).
    pub fn from_limit(limit: Millicores) -> Self {
        Self(SimDuration(limit.0 * (PERIOD.0 / 1_000)).max(SimDuration::MILLISECOND))
    }

    /// CPU time per period.
    pub fn runtime(self) -> SimDuration {
        self.0
    }
}

/// The weight of a CPU request: `cpu.shares`, 1024 for a core and at least 2
/// (`MilliCPUToShares` in `pkg/kubelet/cm/helpers_linux.go`).
pub fn weight_of_request(request: Millicores) -> u32 {
    (request.0 * 1024 / 1000).clamp(2, 262_144) as u32
}

/// What a container's manifest says about its CPU.
#[derive(Clone, Copy, Debug)]
pub struct GroupConfig {
    /// The limit, if there is one.
    pub quota: Option<Quota>,
    /// Share of a full node, see [`weight_of_request`]; at least 1.
    pub weight: u32,
    /// Where in the period its timer fires: `init_cfs_bandwidth` draws it at random, the caller keys it.
    pub phase: SimDuration,
}

/// What `cpu.stat` tells about a group, and a little more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// CPU time used, rounded down to a nanosecond.
    pub usage: SimDuration,
    /// Ticks of the period timer; none while the group is idle.
    pub nr_periods: u64,
    /// Of those, the ones that found the group frozen.
    pub nr_throttled: u64,
    /// How long it was frozen.
    pub throttled: SimDuration,
    /// Threads with work to do, frozen or not.
    pub runnable: u32,
    /// Frozen now.
    pub is_throttled: bool,
    /// Thread time spent runnable without a core (`run_delay` of `schedstat`, and the freezes).
    pub waited: SimDuration,
}

#[derive(Clone, Copy, Debug)]
struct Thread {
    group: u32,
    tag: u32,
}

/// The processors of one node, its groups and their threads.
#[derive(Clone, Debug)]
pub struct NodeCpu {
    cores: u32,
    groups: Vec<Option<Group>>,
    /// Groups that are not dormant, by index.
    active: Vec<u32>,
    threads: Vec<Thread>,
    free_threads: Vec<u32>,
    /// Threads of all groups that ask for a core now.
    contenders: u32,
    /// Cores are shared: some threads run at less than full speed.
    is_full: bool,
    /// Earliest due time of the active groups.
    due: SimTime,
    /// CPU time used by groups that are gone, in fixed point.
    retired: u128,
    /// Scratch of [`Self::share`], kept to spare the allocation.
    claims: Vec<Claim>,
}

impl NodeCpu {
    /// A node with `cores` processors and nothing on it.
    pub fn new(cores: u32) -> Self {
        Self {
            cores,
            groups: Vec::new(),
            active: Vec::new(),
            threads: Vec::new(),
            free_threads: Vec::new(),
            contenders: 0,
            is_full: false,
            due: SimTime::NEVER,
            retired: 0,
            claims: Vec::new(),
        }
    }

    /// Number of processors.
    pub fn cores(&self) -> u32 {
        self.cores
    }

    /// A container starts, idle.
    pub fn add_group(&mut self, now: SimTime, config: GroupConfig) -> GroupIx {
        let bandwidth = config.quota.map(|quota| Bandwidth::new(quota, config.phase));
        let group = Some(Group::new(now, config.weight.max(1), bandwidth));
        let ix = if let Some(free) = self.groups.iter().position(Option::is_none) {
            self.groups[free] = group;
            free
        } else {
            self.groups.push(group);
            self.groups.len() - 1
        };
        GroupIx(ix as u32)
    }

    /// A container is gone, and its threads with it, unfinished.
    pub fn remove_group(&mut self, now: SimTime, ix: GroupIx) {
        let mut group = self.groups[ix.0 as usize].take().expect("the group exists");
        group.sync(now);
        self.retired += group.totals(now).0;
        self.contenders -= group.contenders();
        self.free_threads.extend(group.thread_ids());
        self.active.retain(|&other| other != ix.0);
        self.settle(now);
    }

    /// An in-place resize of the limit. A frozen group runs again at once (`tg_set_cfs_bandwidth`).
    pub fn set_quota(&mut self, now: SimTime, ix: GroupIx, quota: Option<Quota>, phase: SimDuration) {
        let contenders = self.contenders;
        let group = self.group_mut(ix);
        group.sync(now);
        let before = group.contenders();
        match (&mut group.bandwidth, quota) {
            (Some(bandwidth), Some(quota)) => bandwidth.resize(now, quota),
            (bandwidth, quota) => {
                *bandwidth = quota.map(|quota| Bandwidth::new(quota, phase));
                if let Some(bandwidth) = bandwidth
                    && before > 0
                {
                    bandwidth.wake(now);
                }
            }
        }
        let after = group.contenders();
        group.reschedule();
        self.contenders = contenders - before + after;
        self.settle(now);
    }

    /// An in-place resize of the request.
    pub fn set_weight(&mut self, now: SimTime, ix: GroupIx, weight: u32) {
        self.group_mut(ix).weight = weight.max(1);
        self.settle(now);
    }

    /// A thread of the group becomes runnable with `work` to do: CPU time at full speed of one core.
    /// `tag` comes back from [`Self::advance`] when it is done.
    pub fn start(&mut self, now: SimTime, ix: GroupIx, work: SimDuration, tag: u32) -> ThreadIx {
        let thread = Thread { group: ix.0, tag };
        let id = if let Some(id) = self.free_threads.pop() {
            self.threads[id as usize] = thread;
            id
        } else {
            self.threads.push(thread);
            (self.threads.len() - 1) as u32
        };
        let group = self.groups[ix.0 as usize].as_mut().expect("the group exists");
        let was_dormant = group.is_dormant();
        let before = group.contenders();
        group.sync(now);
        group.push(now, work, id);
        group.reschedule();
        let after = group.contenders();
        let due = group.due();
        if was_dormant {
            let at = self.active.partition_point(|&other| other < ix.0);
            self.active.insert(at, ix.0);
        }
        self.contenders = self.contenders - before + after;
        if self.is_full || self.contenders > self.cores {
            self.settle(now);
        } else {
            // Another thread can only bring the group's next event forward.
            self.due = self.due.min(due);
        }
        ThreadIx(id)
    }

    /// A thread is killed, or its request abandoned, before its burst is done.
    pub fn stop(&mut self, now: SimTime, id: ThreadIx) {
        let ix = GroupIx(self.threads[id.0 as usize].group);
        let contenders = self.contenders;
        let group = self.group_mut(ix);
        group.sync(now);
        let before = group.contenders();
        group.remove(id.0);
        group.reschedule();
        let after = group.contenders();
        self.contenders = contenders - before + after;
        self.free_threads.push(id.0);
        self.settle(now);
    }

    /// When [`Self::advance`] must be called; [`SimTime::NEVER`] if nothing will happen by itself.
    pub fn next_event(&self) -> SimTime {
        self.due
    }

    /// Brings the node to `now` and appends the tags of the bursts that are done: by time, then
    /// group, then start.
    pub fn advance(&mut self, now: SimTime, finished: &mut Vec<u32>) {
        while self.due <= now {
            self.step(finished);
        }
    }

    /// What happens at the moment [`Self::due`].
    fn step(&mut self, finished: &mut Vec<u32>) {
        let now = self.due;
        let mut next = SimTime::NEVER;
        let mut a_group_sleeps = false;
        for &ix in &self.active {
            let group = self.groups[ix as usize].as_mut().expect("active groups exist");
            if group.due() <= now {
                let before = group.contenders();
                group.sync(now);
                while let Some(id) = group.pop_finished() {
                    finished.push(self.threads[id as usize].tag);
                    self.free_threads.push(id);
                }
                group.run_bandwidth(now);
                group.reschedule();
                self.contenders = self.contenders - before + group.contenders();
                a_group_sleeps |= group.is_dormant();
            }
            next = next.min(group.due());
        }
        self.due = next;
        if a_group_sleeps || self.is_full || self.contenders > self.cores {
            self.settle(now);
        }
    }

    /// After a change: who is active, how fast everybody runs, what is due next.
    fn settle(&mut self, now: SimTime) {
        let groups = &self.groups;
        self.active.retain(|&ix| groups[ix as usize].as_ref().is_some_and(|group| !group.is_dormant()));
        if self.is_full || self.contenders > self.cores {
            self.share(now);
        }
        let dues = self.active.iter().filter_map(|&ix| self.groups[ix as usize].as_ref());
        self.due = dues.map(Group::due).min().unwrap_or(SimTime::NEVER);
    }

    /// Gives every active group its rate.
    fn share(&mut self, now: SimTime) {
        self.is_full = self.contenders > self.cores;
        let mut claims = std::mem::take(&mut self.claims);
        claims.clear();
        claims.extend(self.active.iter().map(|&ix| {
            let group = self.groups[ix as usize].as_ref().expect("active groups exist");
            let (weight, threads) = (u64::from(group.weight), u64::from(group.contenders()));
            Claim { weight, threads, rate: FULL_SPEED }
        }));
        if self.is_full {
            water_fill(u64::from(self.cores), &mut claims);
        }
        for (&ix, claim) in self.active.iter().zip(&claims) {
            let group = self.groups[ix as usize].as_mut().expect("active groups exist");
            if claim.threads > 0 && claim.rate != group.rate() {
                group.sync(now);
                group.set_rate(claim.rate);
                group.reschedule();
            }
        }
        self.claims = claims;
    }

    /// The counters of a group at `now`.
    pub fn group_stats(&self, now: SimTime, ix: GroupIx) -> CpuStats {
        let group = self.groups[ix.0 as usize].as_ref().expect("the group exists");
        let (usage, runnable) = group.totals(now);
        let usage = SimDuration((usage >> FRACTION_BITS) as u64);
        let bandwidth = group.bandwidth.as_ref();
        let (nr_periods, nr_throttled) = bandwidth.map_or((0, 0), Bandwidth::periods);
        CpuStats {
            usage,
            nr_periods,
            nr_throttled,
            throttled: bandwidth.map_or(SimDuration::ZERO, |b| b.throttled(now)),
            runnable: group.threads(),
            is_throttled: group.is_throttled(),
            waited: runnable.saturating_sub(usage),
        }
    }

    /// Core time that the node has spent working since it was made. Against
    /// `cores * time` it tells whether the machine is the bottleneck.
    pub fn busy(&self, now: SimTime) -> SimDuration {
        let live: u128 = self.groups.iter().flatten().map(|group| group.totals(now).0).sum();
        SimDuration(((self.retired + live) >> FRACTION_BITS) as u64)
    }

    fn group_mut(&mut self, ix: GroupIx) -> &mut Group {
        self.groups[ix.0 as usize].as_mut().expect("the group exists")
    }
}
