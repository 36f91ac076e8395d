//! How long it took: to detect (TTD) and to mitigate (TTM), in virtual time.

use serde::{Deserialize, Serialize};

use super::statistics::Waited;
use super::{Judge, Look, Reading};
use crate::slo;
use crate::time::{SimDuration, SimTime};

/// Times from the first injection; both are missing where nothing was injected. What never came is censored at the
/// horizon ([`Scenario::horizon`](crate::scenario::Scenario::horizon)), which is the same for whoever gives up early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// To the first right declaration that something is wrong, also where nothing ever was: it is censored then.
    pub detect: Option<Waited>,
    /// To the beginning of the first green stretch, after a violation, that lasted for the hold time; missing where
    /// nothing was violated.
    pub mitigate: Option<Waited>,
}

pub(super) fn times(judge: &Judge<'_>, reading: &Reading<'_>) -> Times {
    let Some(injected) = judge.scenario.first_fault_at() else { return Times::default() };
    if injected >= reading.end {
        return Times::default();
    }
    let waited = |until: Option<SimTime>| Waited {
        seconds: until.unwrap_or(judge.scenario.horizon()).since(injected).as_secs_f64(),
        censored: until.is_none(),
    };
    let first = reading.truths.partition_point(|truth| truth.to <= injected);
    let looks: Vec<Look<'_>> = judge.looks(&reading.truths, reading.fault_free_per_s, first).collect();
    let mitigate = looks
        .iter()
        .position(|look| !look.is_green())
        .map(|violated| waited(held_from(&looks[violated..], judge.scenario.hold)));
    Times { detect: Some(waited(detected(judge, reading, injected))), mitigate }
}

fn detected(judge: &Judge<'_>, reading: &Reading<'_>, injected: SimTime) -> Option<SimTime> {
    let right = |at: SimTime| {
        slo::judge(&judge.scenario.slos, &reading.truths, reading.fault_free_per_s, at)
            .is_some_and(|truth| truth.accepts(false))
    };
    let alarms = reading.declarations.iter().filter(|(at, said)| *at >= injected && !said.healthy);
    alarms.map(|(at, _)| *at).find(|at| right(*at))
}

/// The beginning of the first green stretch that lasts for the hold time.
fn held_from(looks: &[Look<'_>], hold: SimDuration) -> Option<SimTime> {
    let mut begun = None;
    for look in looks {
        if !look.is_green() {
            begun = None;
            continue;
        }
        let from = *begun.get_or_insert(look.truth.from);
        if look.truth.to.since(from) >= hold {
            return Some(from);
        }
    }
    None
}
