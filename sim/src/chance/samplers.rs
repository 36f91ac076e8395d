//! Distributions over the bits of a [`Draw`].
//!
//! They are our own because their results enter digests: `rand_distr` computes differently when
//! some other crate of the build enables `num-traits/std`. It is the reference in the tests.

use super::Draw;
use super::exp::exp;
use super::ziggurat;
use crate::time::SimDuration;

/// 2^-53, the distance of the numbers that [`Draw::uniform`] returns.
const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;

impl Draw {
    /// Uniform in [0, 1), a multiple of 2^-53.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * UNIT
    }

    /// Uniform in (0, 1]: what a logarithm can be taken of.
    #[inline]
    pub(super) fn uniform_above_zero(&mut self) -> f64 {
        1.0 - self.uniform()
    }

    /// Uniform among 0, 1, ... `n` - 1, without bias (Lemire, "Fast random integer generation in an
    /// interval", 2019). `n` must not be zero.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        debug_assert!(n > 0, "nothing lies below zero");
        let mut product = u128::from(self.bits()) * u128::from(n);
        if (product as u64) < n {
            let short = n.wrapping_neg() % n.max(1);
            while (product as u64) < short {
                product = u128::from(self.bits()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// True with probability `p`; never if `p` is zero or less, always if it is one or more.
    #[inline]
    pub fn bernoulli(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Uniform in [`low`, `high`).
    #[inline]
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Exponential with mean 1.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        ziggurat::exponential(self)
    }

    /// Exponential with the given mean, rounded to the nanosecond.
    #[inline]
    pub fn exponential_duration(&mut self, mean: SimDuration) -> SimDuration {
        mean.scaled(self.exponential())
    }

    /// Normal with mean 0 and standard deviation 1.
    #[inline]
    pub fn normal(&mut self) -> f64 {
        ziggurat::normal(self)
    }
}

/// The log-normal distribution, given by its own mean and coefficient of variation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogNormal {
    /// Mean and standard deviation of the logarithm.
    mu: f64,
    sigma: f64,
}

impl LogNormal {
    /// With mean `mean` > 0 and standard deviation `cv` * `mean`, `cv` >= 0.
    pub fn from_mean_cv(mean: f64, cv: f64) -> Self {
        debug_assert!(mean > 0.0 && cv >= 0.0, "log-normal with mean {mean}, cv {cv}");
        let variance = libm::log1p(cv * cv);
        Self { mu: libm::log(mean) - variance / 2.0, sigma: variance.sqrt() }
    }

    /// One value.
    #[inline]
    pub fn sample(self, draw: &mut Draw) -> f64 {
        exp(self.mu + self.sigma * draw.normal())
    }
}

/// The gamma distribution; with a whole `shape` k it is Erlang's, the sum of k exponentials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gamma {
    shape: f64,
    scale: f64,
    /// Marsaglia and Tsang's d and c.
    d: f64,
    c: f64,
}

impl Gamma {
    /// With the given `shape` > 0 and `mean` > 0; the coefficient of variation is 1/sqrt(`shape`).
    pub fn from_shape_mean(shape: f64, mean: f64) -> Self {
        debug_assert!(shape > 0.0 && mean > 0.0, "gamma with shape {shape}, mean {mean}");
        let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
        Self { shape, scale: mean / shape, d, c: 1.0 / (9.0 * d).sqrt() }
    }

    /// One value (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000).
    pub fn sample(self, draw: &mut Draw) -> f64 {
        // Their section 6: below shape 1, a value of shape + 1 times the shape-th root of a uniform.
        let boost = if self.shape < 1.0 { libm::pow(draw.uniform_above_zero(), 1.0 / self.shape) } else { 1.0 };
        loop {
            let x = draw.normal();
            let root = 1.0 + self.c * x;
            if root <= 0.0 {
                continue;
            }
            let v = root * root * root;
            let u = draw.uniform_above_zero();
            if libm::log(u) < 0.5 * x * x + self.d * (1.0 - v + libm::log(v)) {
                return self.d * v * self.scale * boost;
            }
        }
    }
}

/// A choice among a few with given weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted {
    /// Sums of the weights so far.
    cumulative: Vec<f64>,
}

impl Weighted {
    /// `None` unless all weights are finite and not negative and one is positive.
    pub fn new(weights: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sum = 0.0;
        let mut cumulative = Vec::new();
        for weight in weights {
            if weight.is_nan() || weight < 0.0 {
                return None;
            }
            sum += weight;
            cumulative.push(sum);
        }
        (sum > 0.0 && sum.is_finite()).then_some(Self { cumulative })
    }

    /// Number of choices.
    pub fn len(&self) -> usize {
        self.cumulative.len()
    }

    /// Never: there is always a choice.
    pub fn is_empty(&self) -> bool {
        self.cumulative.is_empty()
    }

    /// An index, with the probability of its share of the weights.
    #[inline]
    pub fn choose(&self, draw: &mut Draw) -> usize {
        let total = self.cumulative.last().copied().unwrap_or_default();
        // Less than `total`, also as rounded: the largest uniform is half a unit in the last place
        // below one.
        let at = draw.uniform() * total;
        self.cumulative.iter().map(|&sum| usize::from(sum <= at)).sum()
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Exp1, LogNormal as ReferenceLogNormal, StandardNormal};

    use super::*;
    use crate::chance::Key;

    const N: usize = 200_000;

    /// One value from each of N sequential keys, as the twin draws, in ascending order.
    fn sorted(seed: u64, mut sample: impl FnMut(&mut Draw) -> f64) -> Vec<f64> {
        let purpose = Key::root(seed).with_str("test");
        let mut values: Vec<_> = (0..N as u64).map(|i| sample(&mut purpose.with(i).draw())).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// Kolmogorov and Smirnov's statistic against a distribution function, times sqrt(n). It exceeds
    /// 1.95 with probability 0.001.
    fn against_function(sorted: &[f64], cdf: impl Fn(f64) -> f64) -> f64 {
        let n = sorted.len() as f64;
        let largest = sorted.iter().enumerate().fold(0.0_f64, |largest, (i, &x)| {
            let f = cdf(x);
            largest.max((f - i as f64 / n).abs()).max(((i + 1) as f64 / n - f).abs())
        });
        largest * n.sqrt()
    }

    /// The same between two samples of equal size.
    fn against_sample(ours: &[f64], theirs: &[f64]) -> f64 {
        let mut largest = 0;
        for (rank, &x) in ours.iter().enumerate() {
            let rank_of_theirs = theirs.partition_point(|&y| y < x);
            largest = largest.max(rank.abs_diff(rank_of_theirs));
        }
        largest as f64 / (2.0 * ours.len() as f64).sqrt()
    }

    fn normal_cdf(x: f64) -> f64 {
        0.5 * libm::erfc(-x / 2.0_f64.sqrt())
    }

    /// Against the exact function and against `rand_distr`, with three seeds.
    fn check(
        name: &str,
        sample: impl Fn(&mut Draw) -> f64,
        cdf: impl Fn(f64) -> f64,
        reference: impl Fn(&mut Draw) -> f64,
    ) {
        for seed in 1..=3 {
            let ours = sorted(seed, &sample);
            let exact = against_function(&ours, &cdf);
            assert!(exact < 1.95, "{name}, seed {seed}: {exact} from the exact distribution");
            let theirs = against_sample(&ours, &sorted(seed + 100, &reference));
            assert!(theirs < 1.95, "{name}, seed {seed}: {theirs} from rand_distr");
        }
    }

    #[test]
    fn uniform_is_uniform() {
        check("uniform", Draw::uniform, |x| x, rand::RngExt::random);
        check("between", |d| d.between(2.0, 6.0), |x| (x - 2.0) / 4.0, |d| d.uniform() * 4.0 + 2.0);
    }

    #[test]
    fn exponential_is_exponential() {
        check("exponential", Draw::exponential, |x| -libm::expm1(-x), |d| Exp1.sample(d));
    }

    #[test]
    fn normal_is_normal() {
        check("normal", Draw::normal, normal_cdf, |d| StandardNormal.sample(d));
    }

    #[test]
    fn log_normal_has_its_mean_and_variation() {
        let ours = LogNormal::from_mean_cv(3.0, 0.5);
        let theirs = ReferenceLogNormal::from_mean_cv(3.0, 0.5).unwrap();
        let cdf = |x| normal_cdf((libm::log(x) - ours.mu) / ours.sigma);
        check("log-normal", |d| ours.sample(d), cdf, |d| theirs.sample(d));
        let constant = LogNormal::from_mean_cv(3.0, 0.0).sample(&mut Key::root(1).draw());
        assert!((constant - 3.0).abs() < 1e-15);
    }

    #[test]
    fn gamma_is_a_sum_of_exponentials() {
        let erlang = Gamma::from_shape_mean(3.0, 1.5);
        let cdf = |x: f64| {
            let y = 2.0 * x;
            1.0 - libm::exp(-y) * (1.0 + y + y * y / 2.0)
        };
        let theirs = rand_distr::Gamma::new(3.0, 0.5).unwrap();
        check("Erlang", |d| erlang.sample(d), cdf, |d| theirs.sample(d));
        // Shape 1/2 and scale 2 is the square of a normal.
        let half = Gamma::from_shape_mean(0.5, 1.0);
        let theirs = rand_distr::Gamma::new(0.5, 2.0).unwrap();
        let cdf = |x: f64| libm::erf((x / 2.0).sqrt());
        check("chi-square", |d| half.sample(d), cdf, |d| theirs.sample(d));
    }

    /// The far tail is drawn by a path of its own in each ziggurat.
    #[test]
    fn tails_have_their_weight() {
        let beyond = |values: &[f64], x: f64| values.iter().filter(|&&v| v.abs() > x).count();
        let (mut exponential, mut normal) = (0, 0);
        for seed in 1..=20 {
            exponential += beyond(&sorted(seed, Draw::exponential), 8.5);
            normal += beyond(&sorted(seed, Draw::normal), 3.7);
        }
        for (name, count, p) in
            [("exponential", exponential, libm::exp(-8.5)), ("normal", normal, 2.0 * normal_cdf(-3.7))]
        {
            let expected = 20.0 * N as f64 * p;
            let z = (count as f64 - expected) / expected.sqrt();
            assert!(z.abs() < 4.0, "{name}: {count} beyond, {expected} expected");
        }
    }

    #[test]
    fn below_has_no_bias() {
        // Two thirds of the range: without rejection, every second value would come up twice as often.
        let n = (1_u64 << 63) + (1 << 61);
        let ours = sorted(1, |d| d.below(n) as f64 / n as f64);
        assert!(against_function(&ours, |x| x) < 1.95);
        let mut counts = [0_u32; 6];
        let purpose = Key::root(5);
        for i in 0..60_000 {
            counts[purpose.with(i).draw().below(6) as usize] += 1;
        }
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 400), "{counts:?}");
        assert_eq!(Key::root(0).draw().below(1), 0);
    }

    #[test]
    fn bernoulli_and_weights_have_their_shares() {
        let purpose = Key::root(9);
        let hits = (0..N as u64).filter(|&i| purpose.with(i).draw().bernoulli(0.3)).count();
        assert!((hits as f64 / N as f64 - 0.3).abs() < 0.004, "{hits}");
        assert!(!Key::root(0).draw().bernoulli(0.0) && Key::root(0).draw().bernoulli(1.0));

        let weighted = Weighted::new([0.0, 1.0, 0.0, 3.0, 0.0]).unwrap();
        let mut counts = [0_usize; 5];
        for i in 0..N as u64 {
            counts[weighted.choose(&mut purpose.with(i).draw())] += 1;
        }
        assert_eq!(counts[0] + counts[2] + counts[4], 0);
        assert!((counts[1] as f64 / N as f64 - 0.25).abs() < 0.004, "{counts:?}");
        for bad in [vec![], vec![0.0], vec![-1.0, 2.0], vec![f64::NAN], vec![f64::INFINITY]] {
            assert_eq!(Weighted::new(bad), None);
        }
    }

    /// Results enter digests: a change here changes every recorded episode.
    #[test]
    fn samples_are_pinned() {
        let mut draw = Key::root(1).draw();
        let values = [
            draw.uniform(),
            draw.exponential(),
            draw.normal(),
            LogNormal::from_mean_cv(1.0, 1.0).sample(&mut draw),
            Gamma::from_shape_mean(2.0, 1.0).sample(&mut draw),
        ];
        assert_eq!(
            values.map(f64::to_bits),
            [
                4_600_304_332_579_868_248,
                4_600_734_422_600_903_726,
                13_813_221_557_360_693_144,
                4_599_308_690_406_349_105,
                4_607_759_811_044_017_748,
            ]
        );
    }
}
