//! What can be said from few trials: rates, means, times and their 95 % intervals.
//!
//! Everything is deterministic to the bit: resampling is keyed, transcendental functions are `libm`'s.

mod agreement;

use serde::{Deserialize, Serialize};

pub use agreement::{Concordance, are_apart, kendall_tau_b};

use crate::chance::Key;

/// 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Resamples of a bootstrap: the 2.5 % tail then holds 50 of them.
const RESAMPLES: u64 = 2_000;

/// Successes among trials, with Wilson's interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Successes.
    pub passed: u32,
    /// Trials.
    pub of: u32,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// A mean with its interval, which is missing where there is a single value: it says nothing of how others would be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
}

impl Mean {
    fn new(mean: f64, low: f64, high: f64) -> Self {
        Self { mean, low: Some(low), high: Some(high) }
    }
}

/// A time until something happened, or until one stopped looking.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waited {
    /// How long, in seconds.
    pub seconds: f64,
    /// Whether it had not happened by then.
    pub censored: bool,
}

/// A median time with its interval; an end is missing where too few events were seen to tell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MedianTime {
    /// The median in seconds.
    pub median: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// Trials in which it never happened.
    pub censored: u32,
}

/// Two outcomes of the same trials, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paired {
    /// Both succeeded.
    pub both: u32,
    /// Only the first did.
    pub only_first: u32,
    /// Only the second did.
    pub only_second: u32,
    /// Neither did.
    pub neither: u32,
}

impl Paired {
    /// Counts pairs of outcomes, each of the first and of the second.
    pub fn count(outcomes: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut pairs = Self::default();
        for outcome in outcomes {
            let counted = match outcome {
                (true, true) => &mut pairs.both,
                (true, false) => &mut pairs.only_first,
                (false, true) => &mut pairs.only_second,
                (false, false) => &mut pairs.neither,
            };
            *counted += 1;
        }
        pairs
    }

    /// How many there are.
    pub const fn trials(self) -> u32 {
        self.both + self.only_first + self.only_second + self.neither
    }
}

/// A rate with Wilson's score interval (E. B. Wilson, JASA 22, 1927); the whole range without trials.
pub fn wilson(passed: u32, of: u32) -> Rate {
    if of == 0 {
        return Rate { passed, of, low: 0.0, high: 1.0 };
    }
    let (low, high) = score_interval(f64::from(passed), f64::from(of));
    Rate { passed, of, low, high }
}

fn score_interval(x: f64, n: f64) -> (f64, f64) {
    let p = x / n;
    let centre = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // At the ends of the range the formula is exact but for rounding.
    let low = if x <= 0.0 { 0.0 } else { ((centre - half) / scale).max(0.0) };
    let high = if x >= n { 1.0 } else { ((centre + half) / scale).min(1.0) };
    (low, high)
}

/// The difference of two rates over the same trials, first minus second: method 10 of R. G. Newcombe,
/// Statistics in Medicine 17, 1998, p. 2635. None without trials.
pub fn newcombe_paired(pairs: Paired) -> Option<Mean> {
    let trials = pairs.trials();
    if trials == 0 {
        return None;
    }
    let n = f64::from(trials);
    let [both, only_first, only_second, neither] =
        [pairs.both, pairs.only_first, pairs.only_second, pairs.neither].map(f64::from);
    let (firsts, seconds) = (both + only_first, both + only_second);
    let (first, second) = (firsts / n, seconds / n);
    let (low1, high1) = score_interval(firsts, n);
    let (low2, high2) = score_interval(seconds, n);
    let spread = firsts * (n - firsts) * seconds * (n - seconds);
    let agreement = both * neither - only_first * only_second;
    let corrected = if agreement > 0.0 { (agreement - n / 2.0).max(0.0) } else { agreement };
    let phi = if spread > 0.0 { corrected / spread.sqrt() } else { 0.0 };
    let joined = |below: f64, above: f64| (below * below - 2.0 * phi * below * above + above * above).max(0.0).sqrt();
    let difference = first - second;
    let (below, above) = (joined(first - low1, high2 - second), joined(high1 - first, second - low2));
    Some(Mean::new(difference, difference - below, difference + above))
}

/// Two-sided exact p-value that both succeed equally often: `McNemar`'s test on the discordant trials.
pub fn mcnemar_exact(pairs: Paired) -> f64 {
    let n = pairs.only_first + pairs.only_second;
    let fewer = pairs.only_first.min(pairs.only_second);
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 0..fewer {
        term *= f64::from(n - k) / f64::from(k + 1);
        sum += term;
    }
    (2.0 * sum * libm::exp2(-f64::from(n))).min(1.0)
}

/// P-values adjusted for being several, in the order given (S. Holm, Scandinavian Journal of Statistics 6, 1979).
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, &i) in order.iter().enumerate() {
        let stepped = p_values[i] * (p_values.len() - rank) as f64;
        largest = largest.max(stepped.min(1.0));
        adjusted[i] = largest;
    }
    adjusted
}

/// The mean of values with its bootstrap interval (percentiles of resampled means), which a single value has not. None
/// without values.
pub fn bootstrap_mean(values: &[f64], key: Key) -> Option<Mean> {
    bootstrap_stratified(&[values], key)
}

/// The mean over strata (scenarios) of their means, each as heavy as the others: within each stratum its
/// trials are resampled. Without interval where a stratum has a single trial, whose spread nobody knows. None without
/// strata or with an empty one.
pub fn bootstrap_stratified(strata: &[&[f64]], key: Key) -> Option<Mean> {
    if strata.is_empty() || strata.iter().any(|values| values.is_empty()) {
        return None;
    }
    let mean_of = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let of_strata = |mean: &dyn Fn(usize, &[f64]) -> f64| {
        strata.iter().enumerate().map(|(i, values)| mean(i, values)).sum::<f64>() / strata.len() as f64
    };
    let mean = of_strata(&|_, values| mean_of(values));
    if strata.iter().any(|values| values.len() == 1) {
        return Some(Mean { mean, low: None, high: None });
    }
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|resample| {
            of_strata(&|i, values| {
                let mut draw = key.with_str("bootstrap").with(resample).with(i as u64).draw();
                let n = values.len() as u64;
                // The bias of taking a remainder is n / 2^64.
                (0..n).map(|_| values[(draw.bits() % n) as usize]).sum::<f64>() / n as f64
            })
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Some(Mean::new(mean, quantile(&means, 0.025), quantile(&means, 0.975)))
}

/// A quantile of sorted values, interpolated between neighbours (type 7 of Hyndman and Fan).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let below = at as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (at - below as f64) * (sorted[above] - sorted[below])
}

/// The mean of few, roughly normal values with Student's interval, which a single value has not. None without values.
pub fn student_mean(values: &[f64]) -> Option<Mean> {
    let n = values.len() as f64;
    let freedom = values.len().checked_sub(1)?;
    let mean = values.iter().sum::<f64>() / n;
    if freedom == 0 {
        return Some(Mean { mean, low: None, high: None });
    }
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / freedom as f64;
    let half = student_quantile(freedom) * (variance / n).sqrt();
    Some(Mean::new(mean, mean - half, mean + half))
}

/// 97.5 % quantiles of Student's distribution with 1, 2, … degrees of freedom, from any table.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

fn student_quantile(freedom: usize) -> f64 {
    // Beyond the table the first term of the expansion in 1/freedom is right to three digits.
    STUDENT.get(freedom - 1).copied().unwrap_or_else(|| Z + (Z * Z * Z + Z) / (4.0 * freedom as f64))
}

/// The median time by Kaplan and Meier's estimate of the curve, its interval where the log-log
/// transformed band crosses one half (Brookmeyer and Crowley, Biometrics 38, 1982).
pub fn kaplan_meier_median(times: &[Waited]) -> MedianTime {
    let mut sorted = times.to_vec();
    // Of equal times events come first: who is censored then was still at risk.
    sorted.sort_by(|a, b| a.seconds.total_cmp(&b.seconds).then(a.censored.cmp(&b.censored)));
    let mut result = MedianTime {
        median: None,
        low: None,
        high: None,
        censored: times.iter().filter(|time| time.censored).count() as u32,
    };
    let (mut survival, mut greenwood) = (1.0, 0.0);
    let mut i = 0;
    while i < sorted.len() {
        let at = sorted[i].seconds;
        let at_risk = (sorted.len() - i) as f64;
        let tied = sorted[i..].iter().take_while(|time| time.seconds.total_cmp(&at).is_eq());
        let events = tied.clone().filter(|time| !time.censored).count() as f64;
        i += tied.count();
        if events == 0.0 {
            continue;
        }
        survival *= 1.0 - events / at_risk;
        if events < at_risk {
            greenwood += events / (at_risk * (at_risk - events));
        }
        let (lower, upper) = log_log_band(survival, greenwood);
        let crossed = |value: f64| value <= 0.5 + 1e-12;
        result.median = result.median.or_else(|| crossed(survival).then_some(at));
        result.low = result.low.or_else(|| crossed(lower).then_some(at));
        result.high = result.high.or_else(|| crossed(upper).then_some(at));
    }
    result
}

/// 95 % band of a survival probability, from Greenwood's sum.
fn log_log_band(survival: f64, greenwood: f64) -> (f64, f64) {
    if survival <= 0.0 {
        return (0.0, 0.0);
    }
    let reach = libm::exp(Z * greenwood.sqrt() / libm::log(survival).abs());
    (libm::pow(survival, reach), libm::pow(survival, 1.0 / reach))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "figures that are exact by construction")]

    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 5e-5
    }

    fn ends(mean: Mean) -> (f64, f64) {
        (mean.low.unwrap(), mean.high.unwrap())
    }

    /// Table I, method 3, of R. G. Newcombe, Statistics in Medicine 17, 1998, p. 857.
    #[test]
    fn wilson_agrees_with_newcombes_table() {
        for (passed, of, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let rate = wilson(passed, of);
            assert!(near(rate.low, low) && near(rate.high, high), "{rate:?}");
        }
        assert_eq!(wilson(0, 0), Rate { passed: 0, of: 0, low: 0.0, high: 1.0 });
        assert_eq!(wilson(20, 20).high, 1.0);
    }

    /// The second and third table are those of Bentur et al. 2009 and Cavo et al. 2012, as Fagerland, Lydersen and
    /// Laake (Statistical Analysis of Contingency Tables, 2017, chapter 8) work them out; the first is
    /// from Altman et al. (Statistics with Confidence, 2000, table 6.2).
    #[test]
    fn newcombes_paired_interval_agrees_with_textbooks() {
        for ([both, only_first, only_second, neither], low, high) in
            [([14, 5, 0, 22], 0.0115, 0.2265), ([1, 1, 7, 12], -0.5069, -0.0256), ([59, 6, 16, 80], -0.1186, -0.0046)]
        {
            let interval = newcombe_paired(Paired { both, only_first, only_second, neither }).unwrap();
            assert!(near(ends(interval).0, low) && near(ends(interval).1, high), "{interval:?}");
        }
        assert_eq!(newcombe_paired(Paired::default()), None);
    }

    #[test]
    fn pairs_are_counted_by_who_succeeded() {
        let outcomes = [(true, true), (true, false), (true, false), (false, true), (false, false), (false, false)];
        let pairs = Paired::count(outcomes);
        assert_eq!(pairs, Paired { both: 1, only_first: 2, only_second: 1, neither: 2 });
        assert_eq!(pairs.trials(), 6);
    }

    #[test]
    fn mcnemar_and_holm_agree_with_hand_calculation() {
        let pairs = |only_first, only_second| Paired { only_first, only_second, ..Paired::default() };
        assert!(near(mcnemar_exact(pairs(5, 0)), 0.0625));
        assert!(near(mcnemar_exact(pairs(1, 7)), 2.0 * 9.0 / 256.0));
        assert_eq!(mcnemar_exact(pairs(3, 3)), 1.0);
        assert_eq!(mcnemar_exact(pairs(0, 0)), 1.0);
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        assert!(adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]).all(|(a, b)| near(*a, b)), "{adjusted:?}");
        assert_eq!(holm(&[]), Vec::<f64>::new());
    }

    /// Remission of leukaemia, Freireich et al., Blood 21, 1963, p. 699, in weeks: medians and log-log
    /// intervals as in Collett, Modelling Survival Data, and SAS' documentation of LIFETEST.
    #[test]
    fn kaplan_meier_agrees_with_the_leukaemia_trial() {
        let placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23];
        let relapsed = [6, 6, 6, 7, 10, 13, 16, 22, 23];
        let remained = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35];
        let waited = |weeks: &[i32], censored| -> Vec<Waited> {
            weeks.iter().map(|&w| Waited { seconds: f64::from(w), censored }).collect()
        };
        assert_eq!(
            kaplan_meier_median(&waited(&placebo, false)),
            MedianTime { median: Some(8.0), low: Some(4.0), high: Some(11.0), censored: 0 }
        );
        assert_eq!(
            kaplan_meier_median(&[waited(&remained, true), waited(&relapsed, false)].concat()),
            MedianTime { median: Some(23.0), low: Some(13.0), high: None, censored: 12 }
        );
        assert_eq!(kaplan_meier_median(&waited(&[5, 5], true)).median, None);
    }

    #[test]
    fn the_bootstrap_is_keyed_and_covers_as_the_normal_interval_does() {
        let values: Vec<f64> = (0..100_u64).map(|i| Key::root(5).with(i).draw().exponential()).collect();
        let boot = bootstrap_mean(&values, Key::root(1)).unwrap();
        assert_eq!(boot, bootstrap_mean(&values, Key::root(1)).unwrap());
        assert_ne!(boot, bootstrap_mean(&values, Key::root(2)).unwrap());
        let normal = student_mean(&values).unwrap();
        let width = |mean| ends(mean).1 - ends(mean).0;
        assert!((0.85..1.15).contains(&(width(boot) / width(normal))), "{boot:?} {normal:?}");
        assert_eq!(bootstrap_mean(&[], Key::root(1)), None);
        assert_eq!(bootstrap_mean(&[3.0; 8], Key::root(1)), Some(Mean::new(3.0, 3.0, 3.0)));
    }

    #[test]
    fn strata_weigh_alike_whatever_their_trials() {
        let many = [1.0; 30];
        let few = [3.0; 2];
        let mean = bootstrap_stratified(&[&many, &few], Key::root(1)).unwrap();
        assert_eq!(mean, Mean::new(2.0, 2.0, 2.0));
    }

    #[test]
    fn a_single_value_has_no_interval() {
        let alone = Some(Mean { mean: 3.0, low: None, high: None });
        assert_eq!(bootstrap_mean(&[3.0], Key::root(1)), alone);
        assert_eq!(bootstrap_stratified(&[&[2.0], &[4.0, 4.0]], Key::root(1)), alone);
        assert_eq!(student_mean(&[3.0]), alone);
    }

    #[test]
    fn students_interval_agrees_with_a_table() {
        let mean = student_mean(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!(near(ends(mean).0, 3.0 - 1.96293) && near(ends(mean).1, 3.0 + 1.96293), "{mean:?}");
        assert!((student_quantile(60) - 2.0003).abs() < 1e-3, "{}", student_quantile(60));
        assert_eq!(student_mean(&[]), None);
    }
}
