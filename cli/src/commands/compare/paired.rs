//! Every contender against one of them, pair by pair.

use agents::render::Table;
use datasets::analysis::{Difference, LevelDifference};
use sim::scenario::Level;
use sim::score::statistics::Mean;

pub(super) fn legend(reference: &str) -> String {
    format!(
        "Against {reference}, paired by scenario and seed: how much more often each passes, in percentage points with the \
         95 %\ninterval of Newcombe (1998, method 10); P is McNemar's, exact, after Holm over the contenders. Reward: the \
         difference\nwith its bootstrap interval, each scenario as heavy as the others."
    )
}

pub(super) fn table(differences: &[Difference]) -> Table {
    let is_asked = |level: &Level| differences.iter().any(|difference| difference.levels[*level as usize].is_some());
    let levels: Vec<Level> = Level::ALL.into_iter().filter(is_asked).collect();
    let mut header = vec!["CONTENDER".to_owned(), "PAIRS".to_owned()];
    header.extend(levels.iter().flat_map(|level| [format!("{level:?}"), "P".to_owned()]));
    header.push("REWARD".to_owned());
    let mut table = Table::new(header).numbers_from(1);
    for difference in differences {
        let mut row = vec![difference.contender.clone(), difference.pairs.to_string()];
        row.extend(levels.iter().flat_map(|level| cells(difference.levels[*level as usize].as_ref())));
        row.push(difference.reward.map_or(String::new(), |reward| interval(&reward, 1.0)));
        table.row(row);
    }
    table
}

/// The difference of a level, and its P value.
fn cells(level: Option<&LevelDifference>) -> [String; 2] {
    let Some(level) = level else { return [String::new(), String::new()] };
    [interval(&level.difference, 100.0), p_value(level.p_adjusted)]
}

fn interval(difference: &Mean, scale: f64) -> String {
    let show = |value: f64| {
        let text = format!("{:+.0}", value * scale);
        // What rounds to nothing has no sign.
        if matches!(text.as_str(), "+0" | "-0") { "0".to_owned() } else { text }
    };
    match difference.low.zip(difference.high) {
        Some((low, high)) => format!("{} ({} to {})", show(difference.mean), show(low), show(high)),
        None => show(difference.mean),
    }
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_a_sign_and_small_p_values_no_false_digits() {
        let mean = Mean { mean: 0.256, low: Some(-0.004), high: Some(0.5) };
        assert_eq!(interval(&mean, 100.0), "+26 (0 to +50)");
        assert_eq!(interval(&Mean { mean: -12.4, low: None, high: None }, 1.0), "-12");
        assert_eq!(p_value(0.000_4), "<0.001");
        assert_eq!(p_value(0.07), "0.070");
    }
}
