//! What differs between two worlds, by how much.

use serde::Serialize;
use sim::score::LevelRates;
use sim::score::statistics::{MedianTime, Rate};

use super::side::{ComponentSide, Side};

/// What is smaller is not named.
const SMALLEST: f64 = 0.05;
/// Below this share of periods nothing is throttled to speak of.
const THROTTLED_AT_ALL: f64 = 0.01;
/// Fewer cores than these are told by what a scrape rounds.
pub(super) const CORES_AT_ALL: f64 = 0.005;

/// Something that is not the same in both worlds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    pub(super) what: String,
    /// As a text with its unit.
    pub(super) twin: String,
    pub(super) live: String,
    /// From 0 to 1: of shares the difference, of all else the difference over the larger one.
    pub(super) size: f64,
}

/// The difference of two figures over the larger one; zero where both are.
pub(super) fn relative(a: f64, b: f64) -> f64 {
    let larger = a.abs().max(b.abs());
    if larger > 0.0 { ((a - b).abs() / larger).min(1.0) } else { 0.0 }
}

/// Everything that differs, the largest first.
pub(super) fn of(twin: &Side, live: &Side) -> Vec<Difference> {
    let mut found = levels(&twin.summary.levels, &live.summary.levels);
    let rewards = twin.summary.reward.zip(live.summary.reward);
    found.extend(rewards.map(|(a, b)| number("reward", a.mean, b.mean, 0, "")));
    found.extend(medians("time to detect", &twin.summary.ttd_s, &live.summary.ttd_s));
    found.extend(medians("time to mitigate", &twin.summary.ttm_s, &live.summary.ttm_s));
    found.extend(times("time to Ready", twin.ready_after_s, live.ready_after_s));
    found.extend(status(twin, live));
    for (a, b) in both(twin, live) {
        found.extend(component(a, b));
    }
    let names = twin.actions.keys().chain(live.actions.keys().filter(|name| !twin.actions.contains_key(*name)));
    for name in names {
        let of = |side: &Side| side.actions.get(name).copied().unwrap_or(0.0);
        found.push(number(name, of(twin), of(live), 1, " times"));
    }
    found.retain(|difference| difference.size >= SMALLEST);
    found.sort_by(|a, b| b.size.total_cmp(&a.size).then_with(|| a.what.cmp(&b.what)));
    found
}

/// The times to Ready and throttled ratios that both worlds have: what, the twin's, live. Components of which nothing was
/// throttled in either are left out.
pub(super) fn held_figures(twin: &Side, live: &Side) -> Vec<(String, f64, f64)> {
    let mut figures = Vec::new();
    figures.extend(twin.ready_after_s.zip(live.ready_after_s).map(|(a, b)| ("time to Ready in s".to_owned(), a, b)));
    for (a, b) in both(twin, live).filter(|(a, _)| a.is_under_test) {
        if let Some((of_twin, of_live)) = a.throttled.zip(b.throttled)
            && of_twin.max(of_live) >= THROTTLED_AT_ALL
        {
            figures.push((format!("throttled ratio of {}", a.component), of_twin, of_live));
        }
    }
    figures
}

/// The components that both worlds have.
fn both<'s>(twin: &'s Side, live: &'s Side) -> impl Iterator<Item = (&'s ComponentSide, &'s ComponentSide)> {
    let same = move |a: &'s ComponentSide| live.components.iter().find(|b| b.component == a.component);
    twin.components.iter().filter_map(move |a| Some((a, same(a)?)))
}

fn number(what: &str, twin: f64, live: f64, digits: usize, unit: &str) -> Difference {
    let show = |value: f64| format!("{value:.digits$}{unit}");
    Difference { what: what.to_owned(), twin: show(twin), live: show(live), size: relative(twin, live) }
}

/// Of shares the difference itself counts: 1 and 2 per cent are not far from each other.
fn share(what: String, twin: f64, live: f64) -> Difference {
    let show = |value: f64| format!("{:.0} %", 100.0 * value);
    Difference { what, twin: show(twin), live: show(live), size: (twin - live).abs().min(1.0) }
}

fn levels(twin: &LevelRates, live: &LevelRates) -> Vec<Difference> {
    let rate = |rate: Rate| f64::from(rate.passed) / f64::from(rate.of.max(1));
    let levels = [
        ("L1", twin.l1, live.l1),
        ("L2", twin.l2, live.l2),
        ("L3", twin.l3, live.l3),
        ("L4", twin.l4, live.l4),
        ("L5", twin.l5, live.l5),
    ];
    let differences = levels.into_iter().filter_map(|(name, a, b)| {
        let (a, b) = a.zip(b)?;
        Some(share(format!("{name} passed"), rate(a), rate(b)))
    });
    differences.collect()
}

fn medians(what: &str, twin: &MedianTime, live: &MedianTime) -> Option<Difference> {
    let is_there = |time: &MedianTime| time.median.is_some() || time.censored > 0;
    if is_there(twin) && is_there(live) { times(what, twin.median, live.median) } else { None }
}

/// Times in seconds; what never came differs wholly from what did.
fn times(what: &str, twin: Option<f64>, live: Option<f64>) -> Option<Difference> {
    let show = |time: Option<f64>| time.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds:.1} s"));
    let size = match (twin, live) {
        (None, None) => return None,
        (Some(a), Some(b)) => relative(a, b),
        _ => 1.0,
    };
    Some(Difference { what: what.to_owned(), twin: show(twin), live: show(live), size })
}

/// How far apart objectives held, over the time that both lasted.
fn status(twin: &Side, live: &Side) -> Option<Difference> {
    let stretches: Vec<(f64, f64)> = twin.green.iter().zip(&live.green).filter_map(|(a, b)| a.zip(*b)).collect();
    let n = stretches.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| stretches.iter().map(of).sum::<f64>() / n;
    (n > 0.0).then(|| Difference {
        size: mean(|(a, b)| (a - b).abs()),
        ..share("time in which all objectives held".to_owned(), mean(|(a, _)| *a), mean(|(_, b)| *b))
    })
}

fn component(twin: &ComponentSide, live: &ComponentSide) -> Vec<Difference> {
    let name = &twin.component;
    let mut found = Vec::new();
    if twin.cpu.max(live.cpu) >= CORES_AT_ALL {
        found.push(number(&format!("CPU of {name}"), twin.cpu, live.cpu, 3, " cores"));
    }
    if let Some((a, b)) = twin.throttled.zip(live.throttled)
        && a.max(b) >= THROTTLED_AT_ALL
    {
        found.push(Difference { size: relative(a, b), ..share(format!("throttled ratio of {name}"), a, b) });
    }
    let pods: Vec<_> = twin.replicas.iter().zip(&live.replicas).filter_map(|(a, b)| a.zip(*b)).collect();
    if !pods.is_empty() {
        let n = pods.len() as f64;
        // Ready pods at each time, in the twin and live.
        let ready: Vec<(f64, f64)> = pods.iter().map(|(a, b)| (a.1, b.1)).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| ready.iter().map(of).sum::<f64>() / n;
        let apart = mean(|(a, b)| relative(*a, *b));
        let shown = number(&format!("Ready pods of {name}"), mean(|(a, _)| *a), mean(|(_, b)| *b), 2, "");
        found.push(Difference { size: apart, ..shown });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_over_the_larger_figure_and_never_above_one() {
        let near = |found: f64, expected: f64| (found - expected).abs() < 1e-9;
        assert!(near(relative(8.0, 10.0), 0.2) && near(relative(10.0, 8.0), 0.2));
        assert!(near(relative(0.0, 0.0), 0.0) && near(relative(0.0, 3.0), 1.0) && near(relative(-5.0, 5.0), 1.0));
        let never = times("time to mitigate", Some(12.0), None).unwrap();
        assert_eq!((never.twin.as_str(), never.live.as_str()), ("12.0 s", "never"));
        assert!(near(never.size, 1.0));
        assert_eq!(times("time to mitigate", None, None), None);
        let shares = share("L5 passed".to_owned(), 0.5, 0.75);
        assert_eq!((shares.twin.as_str(), shares.live.as_str()), ("50 %", "75 %"));
        assert!(near(shares.size, 0.25));
    }
}
