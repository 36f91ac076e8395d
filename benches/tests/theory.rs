//! The engine against queueing theory: simulated waiting times of M/M/1, M/M/4 and a Jackson network
//! agree with the exact long-run values.
//!
//! Each case runs with seeds 1 to 10. Standard errors come from batch means: a run is cut into
//! [`BATCHES`] pieces much longer than the queue's memory, whose means are all but independent.
//! `cargo test -p sockpit-benches --test theory -- --nocapture` prints every comparison.
#![expect(clippy::print_stdout, reason = "the comparisons are worth seeing when a test passes too")]

use benches::queueing::{Network, Record, Running, theory};
use sim::engine::run_until;
use sim::time::{SimDuration, SimTime};

/// Batches that count, per seed; one more at the start is left out, since the network starts empty.
const BATCHES: usize = 20;
const SEEDS: u64 = 10;
/// In mean service times of M/M/1: where its distribution is compared.
const THRESHOLDS: [f64; 5] = [0.0, 1.0, 3.0, 10.0, 30.0];

/// Sums over the visits of one batch.
#[derive(Clone, Debug)]
struct Batch {
    /// By station: visits, and seconds waited.
    stations: Vec<(u64, f64)>,
    /// By threshold: visits that waited longer.
    longer: [u64; THRESHOLDS.len()],
}

impl Record for Batch {
    #[inline]
    fn waited(&mut self, station: usize, waiting: SimDuration) {
        let seconds = waiting.as_secs_f64();
        self.stations[station].0 += 1;
        self.stations[station].1 += seconds;
        for (threshold, count) in THRESHOLDS.iter().zip(&mut self.longer) {
            *count += u64::from(seconds > *threshold);
        }
    }
}

impl Batch {
    fn visits(&self) -> f64 {
        self.stations.iter().map(|&(visits, _)| visits as f64).sum()
    }

    fn mean_wait(&self) -> f64 {
        self.stations.iter().map(|&(_, waited)| waited).sum::<f64>() / self.visits()
    }
}

/// The batches of all seeds, `seconds` of simulated time each.
fn simulate(network: &Network, seconds: u64) -> Vec<Batch> {
    let run = |seed| {
        let empty = Batch { stations: vec![(0, 0.0); network.stations.len()], longer: [0; THRESHOLDS.len()] };
        let (mut model, mut queue) = Running::start(network, seed, empty.clone());
        let batches = (1..=1 + BATCHES as u64).map(|batch| {
            model.record.clone_from(&empty);
            let until = SimTime::ZERO + SimDuration::from_secs(batch * seconds);
            run_until(&mut model, &mut queue, until);
            model.record.clone()
        });
        batches.skip(1).collect::<Vec<_>>()
    };
    (1..=SEEDS).flat_map(run).collect()
}

/// An estimate beside the exact value.
struct Comparison {
    exact: f64,
    mean: f64,
    standard_error: f64,
}

impl Comparison {
    fn of(batches: &[Batch], exact: f64, value: impl Fn(&Batch) -> f64) -> Self {
        let values: Vec<_> = batches.iter().map(value).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { exact, mean, standard_error: (squares / (n - 1.0) / n).sqrt() }
    }

    fn standard_errors_off(&self) -> f64 {
        (self.mean - self.exact).abs() / self.standard_error
    }
}

/// The pooled mean must lie within 3 standard errors and 1 % of the exact one.
fn check_mean(name: &str, network: &Network, batches: &[Batch]) {
    let exact = theory::mean_wait_per_visit(network);
    let all = Comparison::of(batches, exact, Batch::mean_wait);
    let (off, share) = (all.standard_errors_off(), (all.mean / exact - 1.0).abs());
    println!(
        "{name}: mean wait {:.4} ± {:.4} s, exact {exact:.4} s, {:+.2} %",
        all.mean,
        all.standard_error,
        (all.mean / exact - 1.0) * 100.0
    );
    let seeds = batches.chunks(BATCHES).map(|seed| Comparison::of(seed, exact, Batch::mean_wait).mean);
    println!("  by seed: {:.3?}", seeds.collect::<Vec<_>>());
    assert!(
        off < 3.0 && share < 0.01,
        "{name}: {} instead of {exact}: {off:.1} standard errors, {:.2} %",
        all.mean,
        share * 100.0
    );
}

#[test]
fn mm1_has_the_exact_mean_and_distribution() {
    for (load, seconds) in [(0.5, 50_000), (0.7, 60_000), (0.9, 150_000)] {
        let network = Network::single(1, load);
        let batches = simulate(&network, seconds);
        check_mean(&format!("M/M/1 at {load}"), &network, &batches);
        for (i, t) in THRESHOLDS.into_iter().enumerate() {
            let exact = theory::mm1_wait_exceeds(load, t);
            // Too rare to count otherwise.
            if exact * batches[0].visits() > 10.0 {
                let longer = |batch: &Batch| batch.longer[i] as f64 / batch.visits();
                let share = Comparison::of(&batches, exact, longer);
                let off = share.standard_errors_off();
                println!("  P(wait > {t}): {:.6}, exact {exact:.6}", share.mean);
                assert!(off < 3.5, "P(wait > {t}) at {load}: {off:.1} standard errors");
            }
        }
    }
}

#[test]
fn mm4_has_the_exact_mean() {
    for (load, seconds) in [(0.5, 25_000), (0.7, 25_000), (0.9, 35_000)] {
        let network = Network::single(4, load);
        check_mean(&format!("M/M/4 at {load}"), &network, &simulate(&network, seconds));
    }
}

#[test]
fn jackson_network_has_the_exact_means() {
    for (load, seconds) in [(0.5, 4_000), (0.7, 4_000), (0.9, 10_000)] {
        let network = Network::twelve(load);
        let batches = simulate(&network, seconds);
        check_mean(&format!("Jackson network at {load}"), &network, &batches);
        for (station, exact) in theory::mean_waits(&network).into_iter().enumerate() {
            let mean = |batch: &Batch| batch.stations[station].1 / batch.stations[station].0 as f64;
            let off = Comparison::of(&batches, exact, mean).standard_errors_off();
            // One of 36 comparisons exceeds 3.5 by chance once in 60 such tests.
            assert!(off < 3.5, "station {station} at {load}: {off:.1} standard errors");
        }
    }
}
