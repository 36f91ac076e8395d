//! What a burst costs in this process now: colder after idleness, dearer while the runtime warms up.
//!
//! The formulas are those of `sim::profile` (`cools_in`, `WarmUp`); the twin has them in `sim::traffic`.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use sim::chance::Key;
use sim::profile::Runtime;
use sim::program::Burst;
use sim::time::SimDuration;

use crate::burn::{Burner, monotonic};

/// How warm a process is.
#[derive(Debug)]
pub(crate) struct Costs {
    burner: Burner,
    /// Bursts of the profile's machine take this many times as long.
    slowness: f64,
    cools_in: f64,
    /// The extra and its time constant in nanoseconds.
    warm_up: Option<(f64, f64)>,
    /// Bursts that are running.
    running: AtomicU32,
    /// When the last burst ended, on the monotonic clock.
    last_ran: AtomicU64,
    /// When the process began to listen.
    listening_since: AtomicU64,
}

impl Costs {
    pub(crate) fn new(runtime: &Runtime, burner: Burner, speed: f64) -> Self {
        let now = monotonic();
        Self {
            burner,
            slowness: 1.0 / speed,
            cools_in: runtime.cools_in.0 as f64,
            warm_up: runtime.warm_up.as_ref().map(|w| (w.extra, w.time_constant.0 as f64)),
            running: AtomicU32::new(0),
            last_ran: AtomicU64::new(now),
            listening_since: AtomicU64::new(now),
        }
    }

    /// The books and the debt of this process.
    pub(crate) fn burner(&self) -> &Burner {
        &self.burner
    }

    /// The process listens: from now on it warms up.
    pub(crate) fn listening(&self) {
        let now = monotonic();
        self.listening_since.store(now, Relaxed);
        self.last_ran.store(now, Relaxed);
    }

    /// Runs a burst of a program on the calling thread.
    pub(crate) fn burst(&self, burst: Burst, key: Key, extra: SimDuration) {
        let is_alone = self.running.fetch_add(1, Relaxed) == 0;
        let work = self.mean(burst, is_alone) * burst.law.sample(key.draw()) + extra.0 as f64;
        self.finish(work);
    }

    /// Runs a burst that is no program's: starting up, work in the background.
    pub(crate) fn plain(&self, work: SimDuration) {
        self.running.fetch_add(1, Relaxed);
        self.finish(work.0 as f64);
    }

    fn finish(&self, work: f64) {
        self.burner.burst((work * self.slowness + 0.5) as u64);
        self.last_ran.store(monotonic(), Relaxed);
        self.running.fetch_sub(1, Relaxed);
    }

    /// What a burst takes on average.
    fn mean(&self, burst: Burst, is_alone: bool) -> f64 {
        let now = monotonic();
        let since = |moment: &AtomicU64| now.saturating_sub(moment.load(Relaxed)) as f64;
        let mut mean = burst.mean;
        if burst.cold > 0.0 && is_alone {
            mean += burst.cold * (1.0 - (-since(&self.last_ran) / self.cools_in).exp());
        }
        if let Some((extra, time_constant)) = self.warm_up {
            mean *= 1.0 + extra * (-since(&self.listening_since) / time_constant).exp();
        }
        mean
    }
}

#[cfg(test)]
mod tests {
    use sim::program::Law;

    use super::*;

    fn costs(runtime: &str) -> Costs {
        let text = format!(
            "{{apiVersion: sockpit/v1alpha1, kind: Profile, images: [{{image: a, runs: [a]}}], \
             services: {{a: {{port: 1, memory: {{base: 1Mi}}, runtime: {{{runtime}}}}}}}}}"
        );
        let source = sim::diagnostic::Source { path: "profile.yaml".into(), text };
        let profile = sim::profile::Profile::load(&source).unwrap().0.value;
        Costs::new(&profile.services["a"].runtime, Burner::calibrated(false), 1.0)
    }

    #[test]
    fn idleness_and_youth_cost() {
        let burst = Burst { mean: 100.0, cold: 50.0, law: Law::Constant };
        // An hour of idleness is as cold as it gets; a moment of it costs nothing.
        let cold = costs("model: threads, cools_in: 1ns");
        assert!((cold.mean(burst, true) - 150.0).abs() < 1.0);
        assert!((cold.mean(burst, false) - 100.0).abs() < 1e-9, "who is not alone finds warm caches");
        let warm = costs("model: threads, cools_in: 10000h");
        assert!((warm.mean(burst, true) - 100.0).abs() < 1.0);
        let young = costs("model: threads, cools_in: 10000h, warm_up: {extra: 2, time_constant: 10000h}");
        assert!((young.mean(burst, true) - 300.0).abs() < 1.0);
        let old = costs("model: threads, cools_in: 10000h, warm_up: {extra: 2, time_constant: 1ns}");
        assert!((old.mean(burst, true) - 100.0).abs() < 1.0);
    }
}
