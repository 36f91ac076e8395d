//! How far the twin is from the lab, figure by figure and in the median of all.

use agents::render::Table;
use serde::Serialize;

use crate::commands::lab::compare::quantity::{Quantity, Scale};
use crate::commands::lab::compare::side::Side;
use crate::commands::lab::compare::times::Time;

/// One figure of both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    what: Quantity,
    /// Of which request or component; empty if it is of the whole application.
    of: String,
    /// Null if this side alone has none.
    twin: Option<f64>,
    lab: Option<f64>,
    /// [`Quantity::off`]; null where only one side has the figure.
    off: f64,
    /// How far it may be off in the median case.
    aim: f64,
}

/// Times may be off by this share of the lab's time, or by [`Quantity::aim`] if that is more.
const SHARE_OF_TIME: f64 = 0.2;

impl Difference {
    /// None where there is nothing to compare.
    fn new(what: Quantity, of: &str, twin: Option<f64>, lab: Option<f64>) -> Option<Self> {
        let is_time = what.scale() == Scale::Seconds;
        let off = match (twin, lab) {
            (Some(twin), Some(lab)) if twin.max(lab) >= what.negligible() => what.off(twin, lab),
            // It happened on one side only.
            (Some(_), None) | (None, Some(_)) if is_time => f64::INFINITY,
            _ => return None,
        };
        let aim = if is_time { what.aim().max(SHARE_OF_TIME * lab.unwrap_or(0.0)) } else { what.aim() };
        Some(Self { what, of: of.to_owned(), twin, lab, off, aim })
    }

    /// As a multiple of what it may be.
    fn miss(&self) -> f64 {
        self.off.abs() / self.aim
    }
}

pub(super) fn differences(twin: &Side, lab: &Side, times: &[Time]) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut note = |what, of: &str, twin, lab| all.extend(Difference::new(what, of, twin, lab));
    for (name, lab) in &lab.requests {
        let Some(twin) = twin.requests.get(name) else { continue };
        note(Quantity::Rate, name, Some(twin.rps), Some(lab.rps));
        note(Quantity::Errors, name, Some(twin.error_rate), Some(lab.error_rate));
        note(Quantity::Mean, name, twin.mean_ms, lab.mean_ms);
        note(Quantity::P99, name, twin.p99_ms, lab.p99_ms);
    }
    for (name, lab) in &lab.components {
        let Some(twin) = twin.components.get(name) else { continue };
        note(Quantity::Cpu, name, Some(twin.cpu_m), Some(lab.cpu_m));
        if twin.throttled_ratio.max(lab.throttled_ratio) > 0.0 {
            note(Quantity::Throttled, name, Some(twin.throttled_ratio), Some(lab.throttled_ratio));
        }
        note(Quantity::Memory, name, Some(twin.memory_mib), Some(lab.memory_mib));
    }
    for time in times {
        // Where the lab's time may be chance, it is off only as far as no play of the twin comes.
        note(time.what, "", time.nearest().or(time.middle().seconds), time.lab.seconds);
    }
    all
}

/// By quantity, of differences with the names of their cases: how far off in the median, and where at worst.
pub(super) fn verdicts(differences: &[(&str, &Difference)]) -> Table {
    let mut table = Table::new(["QUANTITY", "FIGURES", "MEDIAN OFF", "AIM", "WORST OFF", "WHERE"]).numbers_from(1);
    for what in Quantity::ALL {
        let comparable = |d: &Difference| d.what == what && (d.off.is_finite() || what.scale() == Scale::Seconds);
        let mut found: Vec<_> = differences.iter().filter(|(_, d)| comparable(d)).collect();
        found.sort_by(|a, b| a.1.miss().total_cmp(&b.1.miss()));
        let (Some((case, worst)), Some((_, median))) = (found.last(), found.get(found.len() / 2)) else { continue };
        let place = if worst.of.is_empty() { (*case).to_owned() } else { format!("{case}: {}", worst.of) };
        table.row([
            what.name().to_owned(),
            found.len().to_string(),
            show(what, median.off.abs()),
            aim(what),
            show(what, worst.off),
            place,
        ]);
    }
    table
}

fn show(what: Quantity, off: f64) -> String {
    match what.scale() {
        _ if off.is_infinite() => "one side only".to_owned(),
        Scale::Ratio => format!("{:+.1} %", off * 100.0),
        Scale::Share => format!("{off:+.3}"),
        Scale::Seconds => format!("{off:+.2} s"),
    }
}

fn aim(what: Quantity) -> String {
    match what.scale() {
        Scale::Ratio => format!("{:.0} %", what.aim() * 100.0),
        Scale::Share => format!("{:.2}", what.aim()),
        Scale::Seconds => format!("{:.0} % or {:.0} s", SHARE_OF_TIME * 100.0, what.aim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(what: Quantity, twin: Option<f64>, lab: Option<f64>) -> Option<(f64, f64)> {
        Difference::new(what, "", twin, lab).map(|d| (d.off, d.aim))
    }

    #[test]
    fn a_time_may_be_off_by_a_fifth_or_a_second() {
        assert_eq!(difference(Quantity::ToReady, Some(3.5), Some(3.0)), Some((0.5, 1.0)));
        assert_eq!(difference(Quantity::ToReady, Some(23.0), Some(20.0)), Some((3.0, 4.0)));
        assert_eq!(difference(Quantity::ToReady, Some(0.0), Some(0.0)), Some((0.0, 1.0)));
        assert_eq!(difference(Quantity::ToRecover, None, Some(20.0)), Some((f64::INFINITY, 4.0)));
        assert_eq!(difference(Quantity::ToRecover, None, None), None);
    }

    #[test]
    fn figures_of_one_side_or_next_to_nothing_are_not_compared() {
        assert_eq!(difference(Quantity::Cpu, Some(4.0), Some(1.0)), None);
        assert_eq!(difference(Quantity::Cpu, Some(12.0), Some(10.0)).map(|(off, _)| (off * 10.0).round()), Some(2.0));
        assert_eq!(difference(Quantity::P99, None, Some(1.0)), None);
        assert_eq!(difference(Quantity::Errors, Some(0.25), Some(0.5)), Some((-0.25, 0.05)));
    }

    #[test]
    fn the_worst_time_is_the_one_that_misses_its_own_aim_by_most() {
        let each = [(Some(33.0), Some(30.0)), (Some(3.0), Some(1.0)), (Some(5.0), Some(5.0))];
        let each = each.map(|(twin, lab)| Difference::new(Quantity::ToReady, "", twin, lab).unwrap());
        let named: Vec<_> = ["slow", "fast", "same"].into_iter().zip(&each).collect();
        let text = verdicts(&named).text("nothing");
        let row = text.lines().last().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(row, "to Ready 3 +3.00 s 20 % or 1 s +2.00 s fast");
        let never = Difference::new(Quantity::ToReady, "", None, Some(1.0)).unwrap();
        let text = verdicts(&[("never", &never)]).text("nothing");
        assert!(text.contains("one side only") && text.contains("never"), "{text}");
    }
}
