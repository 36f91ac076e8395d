//! CPU time, used up.
//!
//! A burst is CPU time of the calling thread. It spins in quanta of about a microsecond and looks at the monotonic
//! clock after each. Time between two looks is its own, unless it is so long that the thread may have been off the
//! CPU (preempted, frozen by a quota): then the thread's own clock says how much was used. That clock is asked at the
//! begin of a burst and after such a gap, when the kernel has accounted the thread not long ago, and not in between:
//! asking makes the kernel account the control group's runtime (`update_curr`), so that a quota would bite earlier
//! than it does for other programs.
//!
//! *Overhead* is what a thread uses outside its bursts: HTTP, waking up, this program itself. The costs of a
//! profile were measured at whole processes and contain all that, so overhead is a *debt* that the next bursts of
//! the process pay: they are shorter by as much.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::time::{ClockId, clock_gettime};

/// What a quantum takes: short beside the shortest burst, long beside a look at the clock (50 ns).
const QUANTUM_NS: u64 = 1_000;
/// Between two looks this much cannot be all spinning.
const GAP_NS: u64 = 10_000;
/// Most overhead that is remembered for later bursts. Where overhead exceeds the bursts for long, it is beyond repair.
const MOST_DEBT_NS: u64 = 5_000_000;
/// Every so many bursts one is checked against the thread's clock.
const CHECKED: u64 = 16;

thread_local! {
    /// CPU time of this thread that is accounted for, as burst or as overhead.
    static ACCOUNTED: Cell<u64> = const { Cell::new(0) };
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// Nanoseconds on the monotonic clock.
pub(crate) fn monotonic() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// CPU time of the calling thread in nanoseconds.
pub(crate) fn thread_cpu() -> u64 {
    nanoseconds(ClockId::ThreadCPUTime)
}

/// CPU time of the whole process in nanoseconds.
pub(crate) fn process_cpu() -> u64 {
    nanoseconds(ClockId::ProcessCPUTime)
}

/// Rounds of arithmetic that no compiler can leave out.
fn spin(rounds: u64) {
    let mut x = black_box(1_u64);
    for i in 0..rounds {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i));
    }
    black_box(x);
}

/// Uses up CPU time and keeps the books of it. All times are in nanoseconds.
#[derive(Debug)]
pub(crate) struct Burner {
    /// Rounds of [`spin`] in a quantum.
    rounds: u64,
    absorbs: bool,
    debt: AtomicU64,
    bursts: AtomicU64,
    asked: AtomicU64,
    burned: AtomicU64,
    absorbed: AtomicU64,
    checked_wanted: AtomicU64,
    checked_used: AtomicU64,
}

/// What the books say; seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Books {
    /// Number of bursts.
    pub(crate) bursts: u64,
    /// Asked for by programs.
    pub(crate) asked: f64,
    /// Burned for them.
    pub(crate) burned: f64,
    /// Asked for and covered by overhead.
    pub(crate) absorbed: f64,
    /// Of the bursts that were checked: what was to be burned.
    pub(crate) checked_wanted: f64,
    /// Of the bursts that were checked: what the thread's clock says that they used.
    pub(crate) checked_used: f64,
}

impl Burner {
    /// Calibrates the quantum on this machine.
    pub(crate) fn calibrated(absorbs: bool) -> Self {
        Self {
            rounds: rounds_per_quantum(),
            absorbs,
            debt: AtomicU64::new(0),
            bursts: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            burned: AtomicU64::new(0),
            absorbed: AtomicU64::new(0),
            checked_wanted: AtomicU64::new(0),
            checked_used: AtomicU64::new(0),
        }
    }

    /// Rounds of arithmetic per quantum of a microsecond.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds
    }

    /// A burst of this thread: `asked` nanoseconds of its CPU time, less the debt.
    pub(crate) fn burst(&self, asked: u64) {
        let begin = self.account();
        let absorbed = if self.absorbs { self.pay(asked) } else { 0 };
        let wanted = asked - absorbed;
        let used = self.burn(wanted, begin);
        self.asked.fetch_add(asked, Relaxed);
        self.absorbed.fetch_add(absorbed, Relaxed);
        self.burned.fetch_add(used, Relaxed);
        let number = self.bursts.fetch_add(1, Relaxed);
        if wanted > 0 && number.is_multiple_of(CHECKED) {
            self.checked_wanted.fetch_add(wanted, Relaxed);
            self.checked_used.fetch_add(thread_cpu() - begin, Relaxed);
        }
        ACCOUNTED.set(begin + used);
    }

    /// Books what this thread has used since its last burst as overhead; returns its clock.
    pub(crate) fn account(&self) -> u64 {
        let now = thread_cpu();
        let overhead = now.saturating_sub(ACCOUNTED.replace(now));
        self.debt.fetch_add(overhead, Relaxed);
        now
    }

    /// Pays debt with a burst; returns how much of the burst that takes.
    fn pay(&self, asked: u64) -> u64 {
        let debt = self.debt.swap(0, Relaxed);
        let paid = debt.min(asked);
        if debt > paid {
            self.debt.fetch_add((debt - paid).min(MOST_DEBT_NS), Relaxed);
        }
        paid
    }

    /// Spins until the calling thread, whose clock stood at `begin`, has used `wanted` more; returns what it used.
    fn burn(&self, wanted: u64, begin: u64) -> u64 {
        let mut burned = 0;
        let mut last = monotonic();
        while burned < wanted {
            let left = (wanted - burned).min(QUANTUM_NS);
            spin(self.rounds * left / QUANTUM_NS);
            let now = monotonic();
            let passed = now - last;
            last = now;
            burned = if passed < GAP_NS { burned + passed } else { thread_cpu() - begin };
        }
        burned
    }

    /// What the books say now.
    pub(crate) fn books(&self) -> Books {
        let seconds = |counter: &AtomicU64| counter.load(Relaxed) as f64 / 1e9;
        Books {
            bursts: self.bursts.load(Relaxed),
            asked: seconds(&self.asked),
            burned: seconds(&self.burned),
            absorbed: seconds(&self.absorbed),
            checked_wanted: seconds(&self.checked_wanted),
            checked_used: seconds(&self.checked_used),
        }
    }
}

/// The fastest of several tries is the one that nothing interrupted.
fn rounds_per_quantum() -> u64 {
    const TRY: u64 = 20_000;
    let fastest = (0..20).map(|_| {
        let begin = monotonic();
        spin(TRY);
        (monotonic() - begin).max(1)
    });
    let fastest = fastest.min().unwrap_or(1);
    (TRY * QUANTUM_NS / fastest).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a busy machine bursts take longer, but not more CPU time.
    #[test]
    fn a_burst_uses_the_cpu_time_that_it_was_asked_for() {
        let burner = Burner::calibrated(false);
        for asked in [20_000, 300_000, 5_000_000] {
            let begin = thread_cpu();
            for _ in 0..20 {
                burner.burst(asked);
            }
            let used = (thread_cpu() - begin) / 20;
            // Who is preempted for less than a gap does not notice.
            assert!(used >= asked - asked / 20, "{used} of {asked}");
            // A round of the loop too many, and an interrupt now and then.
            assert!(used < asked + asked / 5 + 10_000, "{used} of {asked}");
        }
        let books = burner.books();
        assert_eq!(books.bursts, 60);
        assert!((books.asked - 0.1064).abs() < 1e-9 && books.burned >= books.asked, "{books:?}");
    }

    #[test]
    fn overhead_is_paid_by_the_next_bursts() {
        let burner = Burner::calibrated(true);
        burner.account();
        burner.pay(u64::MAX);
        let before = thread_cpu();
        spin(burner.rounds * 3_000);
        let overhead = thread_cpu() - before;
        burner.burst(overhead * 2);
        let total = thread_cpu() - before;
        assert!(total.abs_diff(overhead * 2) < overhead / 5, "{total} with {overhead} of overhead");
        assert!(burner.books().absorbed * 1e9 >= overhead as f64);
    }
}
