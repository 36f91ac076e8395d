//! `calibrate`: how true bursts are on this machine, and what a request costs the stand-in beside them.

mod hops;

use std::io::{self, Write};

use clap::Args;

use crate::burn::{Burner, monotonic, thread_cpu};
use crate::command::{Failure, system};

/// Bursts of these lengths are tried.
const LENGTHS_US: [u64; 5] = [20, 100, 500, 2_000, 20_000];
/// For each length, bursts of so much CPU time in all.
const TOTAL_US: u64 = 200_000;

/// How to calibrate.
#[derive(Args)]
pub(crate) struct Calibrate {
    /// Requests of each kind, for what one costs. 0: only bursts.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    requests: u32,
}

impl Calibrate {
    /// Measures and reports.
    ///
    /// # Errors
    /// Stand-ins cannot be started, or nobody reads the report.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written = bursts(&mut out);
        let written =
            written.and_then(|()| if self.requests > 0 { hops::report(&mut out, self.requests) } else { Ok(()) });
        written.map_err(|source| system("cannot calibrate", source))
    }
}

fn bursts(out: &mut impl Write) -> io::Result<()> {
    let burner = Burner::calibrated(false);
    writeln!(out, "rounds of arithmetic per microsecond   {}", burner.rounds())?;
    writeln!(out, "a look at the monotonic clock          {:.0} ns", each(monotonic))?;
    writeln!(out, "a look at the thread's clock           {:.0} ns", each(thread_cpu))?;
    writeln!(out, "\n   burst asked   thread CPU per burst    error     wall time per burst")?;
    for length in LENGTHS_US {
        let bursts = TOTAL_US / length;
        let (cpu, wall) = (thread_cpu(), monotonic());
        for _ in 0..bursts {
            burner.burst(length * 1000);
        }
        let per_burst = |passed: u64| passed as f64 / bursts as f64 / 1e3;
        let (cpu, wall) = (per_burst(thread_cpu() - cpu), per_burst(monotonic() - wall));
        let error = (cpu / length as f64 - 1.0) * 100.0;
        writeln!(out, "{length:>11} us {cpu:>19.1} us {error:>+7.2} % {wall:>20.1} us")?;
    }
    Ok(())
}

/// Mean time of a call in nanoseconds.
fn each(call: impl Fn() -> u64) -> f64 {
    const CALLS: u64 = 20_000;
    let begin = monotonic();
    for _ in 0..CALLS {
        std::hint::black_box(call());
    }
    (monotonic() - begin) as f64 / CALLS as f64
}
