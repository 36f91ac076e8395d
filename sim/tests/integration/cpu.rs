//! The CPU of a node: cases worked out by hand, and queueing theory.

use sim::cpu::{GroupConfig, GroupIx, NodeCpu, Phases, Quota};
use sim::time::{SimDuration, SimTime};
use sim::units::Millicores;

const MS: SimDuration = SimDuration::MILLISECOND;

pub(crate) fn at(ms: u64) -> SimTime {
    SimTime(ms * 1_000_000)
}

/// A group with a limit in millicores (none if zero) whose period timer fires at multiples of 100 ms.
pub(crate) fn group(limit: u64, weight: u32) -> GroupConfig {
    let quota = (limit > 0).then(|| Quota::from_limit(Millicores(limit)));
    GroupConfig { quota, weight, phases: Phases::default() }
}

/// Runs until nothing is due before `until` and returns what finished when, in microseconds.
pub(crate) fn run(cpu: &mut NodeCpu, until: SimTime) -> Vec<(u64, u32)> {
    let mut log = Vec::new();
    let mut finished = Vec::new();
    while cpu.next_event() <= until {
        let now = cpu.next_event();
        cpu.advance(now, &mut finished);
        log.extend(finished.drain(..).map(|tag| (now.0.div_ceil(1_000), tag)));
    }
    log
}

fn limited(cores: u32, limit: u64) -> (NodeCpu, GroupIx) {
    let mut cpu = NodeCpu::new(cores);
    let ix = cpu.add_group(SimTime::ZERO, group(limit, 1024));
    (cpu, ix)
}

#[test]
fn two_milliseconds_on_an_idle_pod_limited_to_200m_take_two() {
    let (mut cpu, ix) = limited(2, 200);
    cpu.start(at(7), ix, MS * 2, 1);
    assert_eq!(run(&mut cpu, at(1000)), [(9_000, 1)]);
    assert_eq!(cpu.next_event(), SimTime::NEVER, "the period timer stops while the pod is idle");
    // One tick after the use, one more before it stops (`do_sched_cfs_period_timer`).
    assert_eq!(cpu.group_stats(at(1000), ix).nr_periods, 2);
}

#[test]
fn busy_threads_spend_the_quota_together_and_then_freeze() {
    // Each processor looks at the ticks, every 4 ms, and then draws up to 5 ms beyond what it owes.
    // One thread draws 9 ms at 4, 8 ms at 12 and the last 3 ms at 20 ms, which is enough (by the
    // nanosecond with which a lane begins) to run on until 24 ms. Two threads draw 9 ms each at 4 ms; at
    // 12 ms both owe 3 ms and 2 are left.
    for (threads, frozen) in [(1, 24), (2, 12)] {
        let (mut cpu, ix) = limited(4, 200);
        for tag in 0..threads {
            cpu.start(at(0), ix, SimDuration::from_secs(3600), tag);
        }
        assert!(run(&mut cpu, at(99)).is_empty());
        let stats = cpu.group_stats(at(99), ix);
        assert!(stats.is_throttled);
        assert_eq!(stats.usage, MS * 24);
        assert_eq!(stats.throttled, MS * (99 - frozen) * u64::from(threads));
        // In the long run they get what the limit says, up to one overrun.
        run(&mut cpu, at(9_999));
        let stats = cpu.group_stats(at(9_999), ix);
        assert_eq!((stats.nr_periods, stats.nr_throttled), (99, 99));
        assert!(stats.usage >= MS * 2_000 && stats.usage <= MS * 2_008, "{stats:?}");
        assert_eq!(cpu.busy(at(9_999)), stats.usage);
        assert_eq!(stats.waited, MS * 9_999 * u64::from(threads) - stats.usage);
    }
}

#[test]
fn what_fits_the_containers_period_waits_for_its_pods() {
    // The first burst comes before the container's refill at 100 ms and after the pod's at 50. So the container has its
    // 10 ms again at 101 ms and the pod has one left: at the tick of 104 ms 3 ms are used, and what is left waits for
    // the pod's refill at 150 ms.
    for (pod, done) in [(None, 110_000), (Some(MS * 50), 156_000)] {
        let mut cpu = NodeCpu::new(1);
        let phases = Phases { container: SimDuration::ZERO, pod };
        let ix = cpu.add_group(SimTime::ZERO, GroupConfig { phases, ..group(100, 1024) });
        cpu.start(at(49), ix, MS * 9, 1);
        assert_eq!(run(&mut cpu, at(100)), [(58_000, 1)]);
        cpu.start(at(101), ix, MS * 9, 2);
        let mut log = run(&mut cpu, at(120));
        assert_eq!(cpu.group_stats(at(120), ix).is_throttled, pod.is_some());
        log.extend(run(&mut cpu, at(199)));
        assert_eq!(log, [(done, 2)]);
        // The container's own counters do not tell.
        let stats = cpu.group_stats(at(199), ix);
        assert_eq!((stats.nr_periods, stats.nr_throttled, stats.throttled), (1, 0, SimDuration::ZERO));
        assert_eq!(stats.waited, pod.map_or(SimDuration::ZERO, |_| MS * 46));
    }
}

#[test]
fn a_pods_quota_takes_nothing_from_a_hog_and_may_divide_its_freezes() {
    // A refill of the pod's that comes while everything is frozen changes nothing: the hog runs for 20 ms from each
    // refill of the container's. One that comes in the middle of its first run stays there: each quota holds the hog
    // once in a period, so that it is frozen twice, from 8 to 10 ms and from 24 to 100 ms of the last one here.
    for (pod, used) in [(50, [2_004, 2_014, 2_024]), (10, [2_002, 2_010, 2_024])] {
        let mut cpu = NodeCpu::new(1);
        let phases = Phases { container: SimDuration::ZERO, pod: Some(MS * pod) };
        let ix = cpu.add_group(SimTime::ZERO, GroupConfig { phases, ..group(200, 1024) });
        cpu.start(at(0), ix, SimDuration::from_secs(3600), 1);
        for (time, used) in [10_000, 10_010, 10_100].into_iter().zip(used) {
            assert!(run(&mut cpu, at(time)).is_empty());
            assert_eq!(cpu.group_stats(at(time), ix).usage, MS * used, "at {time} ms, the pod's refills at {pod} ms");
        }
        let stats = cpu.group_stats(at(10_100), ix);
        assert_eq!((stats.nr_periods, stats.nr_throttled), (101, 101));
    }
}

#[test]
fn weights_count_only_when_the_node_is_full() {
    let mut cpu = NodeCpu::new(2);
    let light = cpu.add_group(at(0), group(0, 100));
    let heavy = cpu.add_group(at(0), group(0, 300));
    cpu.start(at(0), light, MS * 10, 1);
    cpu.start(at(0), heavy, MS * 30, 2);
    assert_eq!(run(&mut cpu, at(5)), []);
    // Three threads on two cores: the heavy group's claim of 1.5 cores is cut to its one thread.
    cpu.start(at(5), light, MS * 10, 3);
    // Until 15 ms the light group's threads run at half speed: the first has done 10 ms then.
    assert_eq!(run(&mut cpu, at(15)), [(15_000, 1)]);
    assert_eq!(run(&mut cpu, at(100)), [(20_000, 3), (30_000, 2)]);

    let mut cpu = NodeCpu::new(1);
    let light = cpu.add_group(at(0), group(0, 100));
    let heavy = cpu.add_group(at(0), group(0, 300));
    cpu.start(at(0), light, MS * 10, 1);
    cpu.start(at(0), heavy, MS * 30, 2);
    assert_eq!(run(&mut cpu, at(100)), [(40_000, 1), (40_000, 2)]);
    cpu.start(at(100), light, MS * 10, 3);
    cpu.start(at(100), heavy, MS * 10, 4);
    cpu.set_weight(at(104), light, 900);
    // By 104 ms they have done 1 and 3 ms; from then on it is 0.75 to 0.25 of the core.
    assert_eq!(run(&mut cpu, at(200)), [(116_000, 3), (120_000, 4)]);
}

#[test]
fn a_resize_ends_the_freeze_and_a_removal_frees_the_cores() {
    let (mut cpu, ix) = limited(1, 100);
    cpu.start(at(0), ix, MS * 30, 1);
    assert_eq!(run(&mut cpu, at(50)), []);
    assert!(cpu.group_stats(at(50), ix).is_throttled);
    cpu.set_quota(at(50), ix, Some(Quota::from_limit(Millicores(500))), Phases::default());
    let other = cpu.add_group(at(50), group(0, 1024));
    cpu.start(at(50), other, MS * 100, 2);
    assert_eq!(run(&mut cpu, at(60)), []);
    cpu.remove_group(at(60), other);
    // It ran for 12 ms until the tick at which it froze and for 5 in the shared time.
    assert_eq!(run(&mut cpu, at(500)), [(73_000, 1)]);
    assert_eq!(cpu.busy(at(500)), MS * 35);
    assert_eq!(cpu.add_group(at(500), group(0, 1024)), other, "the slot is reused");
}

#[test]
fn a_stopped_thread_leaves_its_core_to_the_others() {
    let (mut cpu, ix) = limited(1, 0);
    let first = cpu.start(at(0), ix, MS * 10, 1);
    cpu.start(at(0), ix, MS * 10, 2);
    assert_eq!(run(&mut cpu, at(10)), []);
    cpu.stop(at(10), first);
    assert_eq!(run(&mut cpu, at(100)), [(15_000, 2)]);
    assert_eq!(cpu.next_event(), SimTime::NEVER);
}
