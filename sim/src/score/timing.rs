//! How long it took: to detect (TTD) and to mitigate (TTM), in virtual time.

use serde::{Deserialize, Serialize};

use super::statistics::Waited;
use super::{Judge, Reading};
use crate::slo;
use crate::time::SimTime;

/// Times from the first injection. Missing where nothing was injected or nothing was violated; censored at
/// the end of the episode where it never came to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// To the first right declaration that something is wrong.
    pub detect: Option<Waited>,
    /// To the beginning of the first green stretch, after a violation, that lasted for the hold time.
    pub mitigate: Option<Waited>,
}

pub(super) fn times(judge: &Judge<'_>, reading: &Reading<'_>) -> Times {
    let Some(injected) = judge.scenario.first_fault_at() else { return Times::default() };
    if injected >= reading.end {
        return Times::default();
    }
    let waited = |until: Option<SimTime>| Waited {
        seconds: until.unwrap_or(reading.end).since(injected).as_secs_f64(),
        censored: until.is_none(),
    };
    let mitigation = mitigated(judge, reading, injected);
    Times { detect: Some(waited(detected(judge, reading, injected))), mitigate: mitigation.map(waited) }
}

fn detected(judge: &Judge<'_>, reading: &Reading<'_>, injected: SimTime) -> Option<SimTime> {
    let right = |at: SimTime| {
        slo::judge(&judge.scenario.slos, &reading.truths, reading.fault_free_per_s, at)
            .is_some_and(|truth| truth.accepts(false))
    };
    let alarms = reading.declarations.iter().filter(|(at, said)| *at >= injected && !said.healthy);
    alarms.map(|(at, _)| *at).find(|at| right(*at))
}

/// Nothing to mitigate (none), never mitigated (some none), or when.
fn mitigated(judge: &Judge<'_>, reading: &Reading<'_>, injected: SimTime) -> Option<Option<SimTime>> {
    let after = reading.truths.iter().filter(|truth| truth.to > injected);
    let mut seen = after.map(|truth| (*truth, judge.is_green(truth, reading.fault_free_per_s)));
    seen.find(|(_, green)| !green)?;
    let mut begun = None;
    for (truth, green) in seen {
        if !green {
            begun = None;
            continue;
        }
        let from = *begun.get_or_insert(truth.from);
        if truth.to.since(from) >= judge.scenario.hold {
            return Some(Some(from));
        }
    }
    Some(None)
}
