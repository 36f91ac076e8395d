//! The processors of one node as Linux schedules them.
//!
//! A *group* is a container's control group, a *thread* something in it that has a *burst* of CPU
//! work to do. While the node has a core for everybody who wants one, everybody runs at full speed;
//! otherwise the cores are shared among the groups by weight (max-min fair: no group gets more than it
//! can use).
//!
//! A *quota* is CFS bandwidth control: a pool of runtime per 100 ms period that all threads of the
//! group spend together, each at its full speed, and that freezes them until the refill when it is
//! spent. This is not fluid sharing at the rate of the limit: 2 ms of work on an idle container limited
//! to 200m take 2 ms. What a limited group does within its periods depends on details, which `limited`,
//! `lane` and `pool` take from the kernel: each processor draws 5 ms at a time and notices its end at
//! the next timer tick only, what it overran is paid back, and threads on one processor take turns
//! tick by tick. In an unlimited group such turns are too short to matter (`fluid`).
//!
//! A container's group lies in its pod's, and the kubelet gives that a quota too: the sum of the limits, if all
//! containers have one (`ResourceConfigForPod` in `pkg/kubelet/cm/helpers_linux.go`). The two have the same
//! length of period and not the same beginning, and what is used must fit into both ([`Phases`]).
//!
//! [`NodeCpu`] has no queue inside. The event loop asks [`NodeCpu::next_event`] and must call
//! [`NodeCpu::advance`] then, possibly more than once at the same moment. Time is in whole nanoseconds,
//! rates have 32 binary places and are rounded down: work is never done twice, a burst never ends early
//! and at most 2⁻³² of a core per runner goes unused.

mod dues;
mod fixed;
mod fluid;
mod group;
mod lane;
mod limited;
mod newly_idle;
mod pool;
mod share;

use self::dues::Dues;
use self::fixed::{FULL_SPEED, Work, whole, work};
use self::group::Group;
pub use self::pool::PERIOD;
use self::share::{Claim, water_fill};
use crate::chance::Key;
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

/// The kernel's highest `cpu.shares` (`MAX_SHARES`).
pub const MOST_WEIGHT: u32 = 1 << 18;

/// The weight of a CPU request: `cpu.shares`, 1024 for a core and at least 2
/// (`MilliCPUToShares` in `pkg/kubelet/cm/helpers_linux.go`).
pub fn weight_of_request(request: Millicores) -> u32 {
    (request.0 * 1024 / 1000).clamp(2, u64::from(MOST_WEIGHT)) as u32
}

/// Where in their periods the timers of a limited group fire: `init_cfs_bandwidth` draws it at random for each control
/// group, the caller keys it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Of the container's own quota.
    pub container: SimDuration,
    /// Of its pod's quota, which is as large if the pod has no other container; none if the pod has no quota. That of a
    /// pod of several limited containers is not modelled: it is the sum of theirs, and binds them seldom.
    pub pod: Option<SimDuration>,
}

/// What a container's manifest says about its CPU.
#[derive(Clone, Copy, Debug)]
pub struct GroupConfig {
    /// The limit, if there is one.
    pub quota: Option<Quota>,
    /// Share of a full node, see [`weight_of_request`]; from 1 to [`MOST_WEIGHT`].
    pub weight: u32,
    /// When its quota is filled up, if it has one.
    pub phases: Phases,
}

/// What the node's kernel was built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Time between timer ticks, `1 / CONFIG_HZ`. Ticks fall on multiples of it, on all processors.
    pub tick: SimDuration,
    /// For how long a thread keeps the processor when others wait (`sysctl_sched_base_slice`).
    pub slice: SimDuration,
    /// All processors tick at the same moment and whoever is first draws first: chance decides these
    /// races. Another key is another machine, on which they end otherwise.
    pub races: Key,
    /// It runs in a virtual machine whose host says which virtual processors it has descheduled (KVM's steal time:
    /// the clouds). A halted one counts as descheduled, so a waking thread does not look for an idle
    /// processor (`available_idle_cpu`, `kvm_steal_time_set_preempted`).
    pub is_guest: bool,
}

impl Kernel {
    /// A guest with Linux since 6.12 and the default `CONFIG_HZ=250`: 0.7 ms × (1 + log2 of the cores, of which at
    /// most 8 count) (`get_update_sysctl_factor`).
    pub fn default_for(cores: u32) -> Self {
        let factor = 1 + cores.clamp(1, 8).ilog2();
        let slice = SimDuration::from_micros(700) * u64::from(factor);
        Self { tick: SimDuration::from_millis(4), slice, races: Key::root(0), is_guest: true }
    }

    fn last_tick(&self, now: SimTime) -> SimTime {
        SimTime(now.0 / self.tick.0 * self.tick.0)
    }

    /// Who wins the race of the tick at `now`.
    fn first_to_tick(&self, now: SimTime, processors: usize) -> usize {
        let tick = now.0 / self.tick.0;
        self.races.with(tick).draw().below(processors as u64) as usize
    }

    /// The first tick that is after `now` and not before `time`.
    fn tick_after(&self, now: SimTime, time: SimTime) -> SimTime {
        let earliest = time.max(SimTime(now.0 + 1));
        SimTime(earliest.0.div_ceil(self.tick.0).saturating_mul(self.tick.0))
    }
}

/// What `cpu.stat` tells about a container's group, and a little more. Freezes by the quota of its pod are counted in
/// that one's own group, which those who look at containers do not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// CPU time used, rounded down to a nanosecond.
    pub usage: SimDuration,
    /// Ticks of the period timer; none while the group is idle.
    pub nr_periods: u64,
    /// Of those, the ones that found a processor of the group frozen by its own quota.
    pub nr_throttled: u64,
    /// How long it was frozen by its own quota, summed over processors as the kernel does: two frozen
    /// processors count twice.
    pub throttled: SimDuration,
    /// Threads with work to do, frozen or not.
    pub runnable: u32,
    /// Threads are frozen now, on at least one processor, by whichever quota.
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
    kernel: Kernel,
    groups: Vec<Option<Group>>,
    /// When something happens next in each group.
    dues: Dues,
    /// What each group asks of the cores, and gets. Beside the groups, since all of them are looked at.
    claims: Vec<Claim>,
    threads: Vec<Thread>,
    free_threads: Vec<u32>,
    /// Who of all groups asks for a core now.
    contenders: u32,
    /// Cores are shared: somebody runs at less than full speed.
    is_full: bool,
    /// Something has changed at this moment, and what follows for the others has not been worked out yet: more
    /// may change before time goes on.
    changed: Option<SimTime>,
    /// CPU time used by groups that are gone, in fixed point.
    retired: Work,
}

impl NodeCpu {
    /// A node with `cores` processors and nothing on it.
    pub fn new(cores: u32) -> Self {
        Self::with_kernel(cores, Kernel::default_for(cores))
    }

    /// The same with other kernel settings.
    pub fn with_kernel(cores: u32, kernel: Kernel) -> Self {
        Self {
            cores,
            kernel,
            groups: Vec::new(),
            dues: Dues::new(),
            claims: Vec::new(),
            threads: Vec::new(),
            free_threads: Vec::new(),
            contenders: 0,
            is_full: false,
            changed: None,
            retired: 0,
        }
    }

    /// Number of processors.
    pub fn cores(&self) -> u32 {
        self.cores
    }

    /// A container starts, idle.
    pub fn add_group(&mut self, now: SimTime, config: GroupConfig) -> GroupIx {
        let GroupConfig { quota, weight, phases } = config;
        let group = Some(Group::new(now, quota, phases, self.cores, self.kernel));
        let ix = self.groups.iter().position(Option::is_none).unwrap_or(self.groups.len());
        if ix == self.groups.len() {
            self.groups.push(None);
            self.claims.push(Claim::NONE);
            self.dues.make_room(self.groups.len());
        }
        self.groups[ix] = group;
        self.claims[ix].weight = weight.clamp(1, MOST_WEIGHT);
        GroupIx(ix as u32)
    }

    /// A container is gone, and its threads with it, unfinished.
    pub fn remove_group(&mut self, now: SimTime, ix: GroupIx) {
        self.begin_change(now);
        let mut group = self.groups[ix.0 as usize].take().expect("the group exists");
        self.retired += group.usage(now);
        self.free_threads.extend(group.dissolve(now).into_iter().map(|(thread, _)| thread));
        let claim = std::mem::replace(&mut self.claims[ix.0 as usize], Claim::NONE);
        self.contenders -= claim.runners;
        self.dues.set(ix.0 as usize, SimTime::NEVER);
    }

    /// An in-place resize of the limit. A frozen group runs again at once (`tg_set_cfs_bandwidth`).
    /// `phases` count if there was no limit before.
    pub fn set_quota(&mut self, now: SimTime, ix: GroupIx, quota: Option<Quota>, phases: Phases) {
        let (cores, kernel) = (self.cores, self.kernel);
        self.change(now, ix, |group| group.set_quota(now, quota, phases, cores, kernel));
    }

    /// An in-place resize of the request.
    pub fn set_weight(&mut self, now: SimTime, ix: GroupIx, weight: u32) {
        self.begin_change(now);
        self.claims[ix.0 as usize].weight = weight.clamp(1, MOST_WEIGHT);
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
        self.change(now, ix, |group| group.start(now, id, self::work(work)));
        ThreadIx(id)
    }

    /// A thread is killed, or its request abandoned, before its burst is done.
    pub fn stop(&mut self, now: SimTime, id: ThreadIx) {
        let ix = GroupIx(self.threads[id.0 as usize].group);
        self.free_threads.push(id.0);
        self.change(now, ix, |group| group.stop(now, id.0));
    }

    /// When [`Self::advance`] must be called; [`SimTime::NEVER`] if nothing will happen by itself.
    pub fn next_event(&mut self) -> SimTime {
        if let Some(now) = self.changed.take() {
            self.settle(now);
        }
        self.dues.earliest()
    }

    /// Brings the node to `now`, which must not lie beyond [`Self::next_event`], and appends the tags of
    /// the bursts that are done: by group, then processor.
    ///
    /// Where it matters whether a thread goes on with another burst at once (somebody waits for its
    /// processor) the next event is again `now`, after the caller had the chance to start it.
    pub fn advance(&mut self, now: SimTime, finished: &mut Vec<u32>) {
        let due = self.next_event();
        debug_assert!(now <= due, "an event was skipped");
        if now < due {
            return;
        }
        let earlier = finished.len();
        let (first, is_tied) = self.dues.first();
        self.change(now, GroupIx(first as u32), |group| group.advance(now, |id| finished.push(id)));
        let others = if is_tied { first + 1..self.groups.len() } else { 0..0 };
        for ix in others {
            if self.dues.of(ix) <= now {
                self.change(now, GroupIx(ix as u32), |group| group.advance(now, |id| finished.push(id)));
            }
        }
        for id in &mut finished[earlier..] {
            self.free_threads.push(*id);
            *id = self.threads[*id as usize].tag;
        }
    }

    /// Something changes now. What changed before, if time has gone on since, comes first.
    #[inline]
    fn begin_change(&mut self, now: SimTime) {
        if let Some(before) = self.changed.replace(now)
            && before < now
        {
            self.settle(before);
        }
    }

    /// Changes a group now: what it asks for follows, and when it is due.
    #[inline]
    fn change(&mut self, now: SimTime, GroupIx(ix): GroupIx, change: impl FnOnce(&mut Group)) {
        self.begin_change(now);
        let ix = ix as usize;
        let group = self.groups[ix].as_mut().expect("a group that changes exists");
        change(group);
        let claim = &mut self.claims[ix];
        let runners = group.contenders();
        self.contenders = self.contenders + runners - claim.runners;
        claim.runners = runners;
        self.dues.set(ix, group.due());
    }

    /// After changes: how fast everybody runs.
    fn settle(&mut self, now: SimTime) {
        if self.is_full || self.contenders > self.cores {
            self.share(now);
        }
    }

    /// Gives every group its rate.
    fn share(&mut self, now: SimTime) {
        self.is_full = self.contenders > self.cores;
        if self.is_full {
            water_fill(self.cores, &mut self.claims);
        } else {
            self.claims.iter_mut().for_each(|claim| claim.rate = FULL_SPEED);
        }
        for (ix, claim) in self.claims.iter_mut().enumerate() {
            if claim.rate != claim.has {
                claim.has = claim.rate;
                let group = self.groups[ix].as_mut().expect("only a group that exists asks for something");
                group.set_rate(now, claim.rate);
                self.dues.set(ix, group.due());
            }
        }
    }

    /// The counters of a group at `now`.
    pub fn group_stats(&self, now: SimTime, ix: GroupIx) -> CpuStats {
        self.groups[ix.0 as usize].as_ref().expect("the group exists").stats(now)
    }

    /// Core time that the node has spent working since it was made. Against
    /// `cores * time` it tells whether the machine is the bottleneck.
    pub fn busy(&self, now: SimTime) -> SimDuration {
        let live: Work = self.groups.iter().flatten().map(|group| group.usage(now)).sum();
        whole(self.retired + live)
    }
}
