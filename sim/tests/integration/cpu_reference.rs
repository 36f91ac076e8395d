//! The CPU model of a limited group beside a slow one.
//!
//! [`Queues`] moves a limited group, with or without a pod that has a quota too, in steps of 0.1 ms, looks at every
//! processor at every tick and keeps nothing but what the kernel keeps.

mod queue;
mod queues;

use proptest::prelude::*;
use sim::cpu::{GroupConfig, GroupIx, Kernel, NodeCpu, Phases, Quota, ThreadIx};
use sim::time::{SimDuration, SimTime};
use sim::units::Millicores;

use self::queues::Queues;

const STEP: i64 = 100_000;
const TICK: i64 = 4_000_000;
const CORES: usize = 3;
/// 0.7 ms times one plus the binary logarithm of three cores.
const SLICE: i64 = 1_400_000;
const MS: i64 = 1_000_000;

#[derive(Clone, Debug)]
enum Operation {
    /// A burst of so many steps.
    Start(i64),
    /// The thread that has been running longest is killed.
    Stop,
    /// So many steps pass.
    Wait(u32),
    /// A new limit in millicores.
    Resize(u64),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        6 => (1i64..120).prop_map(Operation::Start),
        1 => Just(Operation::Stop),
        8 => (1u32..400).prop_map(Operation::Wait),
        1 => (1u64..12).prop_map(|tenths| Operation::Resize(tenths * 100)),
    ];
    prop::collection::vec(operation, 1..120)
}

/// The fast model and the slow one, side by side.
struct Pair {
    fast: NodeCpu,
    group: GroupIx,
    slow: Queues,
    live: Vec<(u32, ThreadIx)>,
    next_id: u32,
    /// Which bursts are followed by another one at once: of every so many, one.
    goes_on: u32,
}

impl Pair {
    fn new(quota: u64, phase: i64, pod_phase: Option<i64>, goes_on: u32, is_guest: bool) -> Self {
        let kernel = Kernel { is_guest, ..Kernel::default_for(CORES as u32) };
        let mut fast = NodeCpu::with_kernel(CORES as u32, kernel);
        let runtime = Quota::from_limit(Millicores(quota));
        let (phase, pod_phase) = (phase * STEP, pod_phase.map(|phase| phase * STEP));
        let phases =
            Phases { container: SimDuration(phase as u64), pod: pod_phase.map(|phase| SimDuration(phase as u64)) };
        let group = fast.add_group(SimTime::ZERO, GroupConfig { quota: Some(runtime), weight: 1, phases });
        let levels = std::iter::once(phase).chain(pod_phase);
        let slow = Queues::new(runtime.runtime().0 as i64, levels, kernel);
        Self { fast, group, slow, live: Vec::new(), next_id: 0, goes_on }
    }

    fn now(&self) -> SimTime {
        SimTime(self.slow.now as u64)
    }

    fn start(&mut self, steps: i64) {
        let id = self.next_id;
        self.next_id += 1;
        let thread = self.fast.start(self.now(), self.group, SimDuration((steps * STEP) as u64), id);
        self.slow.start(id, steps * STEP);
        self.live.push((id, thread));
    }

    /// One step; whether nothing finished in it.
    fn step(&mut self) -> bool {
        let mut finished = Vec::new();
        while self.fast.next_event() <= self.now() {
            assert_eq!(self.fast.next_event(), self.now(), "an event was forgotten");
            self.fast.advance(self.now(), &mut finished);
        }
        assert!(finished.is_empty(), "what was due has been done");
        let mut expected = self.slow.step();
        let now = self.now();
        if self.fast.next_event() <= now {
            assert_eq!(self.fast.next_event(), now);
            self.fast.advance(now, &mut finished);
        }
        let mut sorted = finished.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "finished at {now}");
        self.live.retain(|(id, _)| !finished.contains(id));
        if finished.len() == 1 && finished[0] % self.goes_on == 0 {
            self.start(i64::from(finished[0] % 37) + 1);
        }
        self.slow.check(self.fast.group_stats(now, self.group));
        finished.is_empty()
    }

    fn apply(&mut self, operation: &Operation) {
        // At a moment when something finished it would be a matter of definition who goes on.
        while !self.step() {}
        match *operation {
            Operation::Start(steps) if self.live.len() < 8 => self.start(steps),
            Operation::Start(_) => {}
            Operation::Stop if self.live.is_empty() => {}
            Operation::Stop => {
                let (id, thread) = self.live.remove(0);
                self.fast.stop(self.now(), thread);
                self.slow.stop(id);
            }
            Operation::Wait(steps) => (0..steps).for_each(|_| {
                self.step();
            }),
            Operation::Resize(limit) => {
                let quota = Quota::from_limit(Millicores(limit));
                self.fast.set_quota(self.now(), self.group, Some(quota), Phases::default());
                self.slow.resize(quota.runtime().0 as i64);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limited_groups_agree_with_the_step_by_step_model(
        quota in 1u64..12,
        phase in 0i64..1000,
        pod_phase in prop::option::of(0i64..1000),
        goes_on in 1u32..4,
        is_guest: bool,
        operations in operations(),
    ) {
        let mut pair = Pair::new(quota * 100, phase, pod_phase, goes_on, is_guest);
        for operation in &operations {
            pair.apply(operation);
            pair.slow.check(pair.fast.group_stats(pair.now(), pair.group));
        }
    }
}
