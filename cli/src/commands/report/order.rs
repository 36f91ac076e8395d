//! Whether both worlds order the contenders of a scenario in the same way, by reward.

use serde::Serialize;
use sim::score::statistics::{Concordance, Mean, are_apart, kendall_tau_b};

use super::Compared;

/// The order of contenders in two worlds, over pairs within a scenario, all scenarios together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Order {
    /// Over the pairs whose 95 % intervals have nothing in common, in either world.
    pub(super) apart: Concordance,
    /// Over all pairs.
    pub(super) all: Concordance,
    /// Pairs whose intervals overlap in the twin.
    pub(super) overlap_in_twin: u32,
    /// Pairs whose intervals overlap live.
    pub(super) overlap_live: u32,
    /// Pairs one of which has no interval in a world, since it played a single episode there.
    pub(super) without_interval: u32,
    /// The pairs apart that the worlds order in opposite ways: scenario and contenders.
    pub(super) opposite: Vec<String>,
}

impl Order {
    pub(super) fn of(compared: &[Compared]) -> Self {
        let mut order = Self::default();
        let (mut all, mut apart) = (Vec::new(), Vec::new());
        for of_scenario in compared.chunk_by(|a, b| a.scenario == b.scenario) {
            for (i, a) in of_scenario.iter().enumerate() {
                for b in &of_scenario[..i] {
                    let Some([a_twin, b_twin, a_live, b_live]) = rewards(a, b) else { continue };
                    let pair = (a_twin.mean - b_twin.mean, a_live.mean - b_live.mean);
                    all.push(pair);
                    let Some((in_twin, live)) = are_apart(&a_twin, &b_twin).zip(are_apart(&a_live, &b_live)) else {
                        order.without_interval += 1;
                        continue;
                    };
                    order.overlap_in_twin += u32::from(!in_twin);
                    order.overlap_live += u32::from(!live);
                    if in_twin && live {
                        apart.push(pair);
                        if pair.0 * pair.1 < 0.0 {
                            order.opposite.push(format!("{}: {} and {}", a.scenario, b.contender, a.contender));
                        }
                    }
                }
            }
        }
        Self { all: kendall_tau_b(all), apart: kendall_tau_b(apart), ..order }
    }
}

/// Of both contenders in the twin, and live.
fn rewards(a: &Compared, b: &Compared) -> Option<[Mean; 4]> {
    Some([a.twin.summary.reward?, b.twin.summary.reward?, a.live.summary.reward?, b.live.summary.reward?])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sim::score::{Trials, summarize_figures};

    use super::super::side::Side;
    use super::*;

    fn side(reward: Option<(f64, f64)>) -> Side {
        let trials = Trials { scenario: "s", model: "m", seed: 1, void: 0, unplayed: 0, wall_s: None };
        let mean = |low: f64, high: f64| Mean { mean: f64::midpoint(low, high), low: Some(low), high: Some(high) };
        let mut summary = summarize_figures(&trials, &[]);
        summary.reward = reward.map(|(low, high)| mean(low, high));
        Side { summary, ready_after_s: None, green: Vec::new(), components: Vec::new(), actions: BTreeMap::new() }
    }

    fn compared(scenario: &str, contender: &str, twin: (f64, f64), live: (f64, f64)) -> Compared {
        Compared::new(scenario.to_owned(), contender.to_owned(), side(Some(twin)), side(Some(live)))
    }

    #[test]
    fn only_pairs_that_both_worlds_tell_apart_are_ordered() {
        let found = Order::of(&[
            compared("a", "noop", (-90.0, -80.0), (-99.0, -85.0)),
            compared("a", "restart", (-50.0, -45.0), (-60.0, -50.0)),
            compared("a", "runbook", (-48.0, -20.0), (-30.0, -10.0)),
            compared("b", "noop", (-10.0, -9.0), (-5.0, -4.0)),
            compared("b", "restart", (-8.0, -7.0), (-7.0, -6.0)),
        ]);
        // In a noop lies below both others in both worlds; restart and runbook overlap in the twin. In b the order is
        // turned round.
        assert_eq!((found.apart.concordant, found.apart.discordant), (2, 1));
        assert_eq!((found.all.concordant, found.all.discordant), (3, 1));
        assert_eq!((found.overlap_in_twin, found.overlap_live, found.without_interval), (1, 0, 0));
        assert_eq!(found.opposite, ["b: noop and restart"]);
        assert!(found.apart.tau_b.is_some_and(|tau| (tau - 1.0 / 3.0).abs() < 1e-9), "{found:?}");
    }
}
