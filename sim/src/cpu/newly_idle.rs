//! How often a processor that runs out of work looks for some on the others.

/// What looking was worth so far (`update_newidle_stats`, `NI_RANDOM` in `kernel/sched/fair.c`: Linux 7.0,
/// 6.18.5 and 6.12.65).
#[derive(Clone, Copy, Debug)]
pub(super) struct NewlyIdle {
    calls: u32,
    successes: u32,
    /// Successes per [`Self::SIDES`] calls, as last reckoned.
    ratio: u32,
}

impl NewlyIdle {
    /// Sides of the dice that decides whether to look.
    pub(super) const SIDES: u64 = 1024;

    /// A machine that has been up for a while with little to do has found nothing.
    pub(super) const fn new() -> Self {
        Self { calls: Self::SIDES as u32 / 2, successes: 0, ratio: 0 }
    }

    /// Whether to look now, where the dice shows `dice`; what finding something will count, so that the ratio
    /// stays right although it looks seldom.
    pub(super) fn tries(&mut self, dice: u64) -> Option<u32> {
        let weight = 1 + self.ratio;
        if dice > u64::from(weight) {
            self.count(0);
            return None;
        }
        Some((Self::SIDES as u32 + weight / 2) / weight)
    }

    /// Another time of running out of work.
    pub(super) fn count(&mut self, successes: u32) {
        self.calls += 1;
        self.successes += successes;
        if self.calls >= Self::SIDES as u32 {
            self.ratio = self.successes;
            self.calls /= 2;
            self.successes /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Key;

    /// How often it looks if looking helps in this share of the cases.
    fn looks(success: f64) -> f64 {
        let mut newly_idle = NewlyIdle::new();
        let times = 200_000;
        let mut looked = 0;
        for i in 0..times {
            let mut draw = Key::root(1).with(i).draw();
            if let Some(weight) = newly_idle.tries(draw.below(NewlyIdle::SIDES)) {
                looked += 1;
                newly_idle.count(if draw.bernoulli(success) { weight } else { 0 });
            }
        }
        f64::from(looked) / times as f64
    }

    #[test]
    fn it_looks_the_more_often_the_more_it_finds() {
        let looks = [0.0, 0.3, 0.9].map(looks);
        assert!(looks[0] < 0.003 && looks[0] > 0.0, "once in a while it looks all the same: {looks:?}");
        assert!((0.15..0.6).contains(&looks[1]) && looks[2] > 0.6, "{looks:?}");
    }
}
