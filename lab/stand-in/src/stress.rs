//! `burn`: CPU time or memory used up beside a service, in its container (`exec`) or its pod (an ephemeral
//! container), as Chaos Mesh's `StressChaos` does.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use crate::burn::Burner;

/// CPU time between two sleeps (as the twin's stress workers).
const SLICE_NS: u64 = 20_000_000;

/// What to use up, and how long.
#[derive(Args)]
pub(crate) struct Burn {
    /// Thousandths of a core, spread over as few threads as can do it.
    #[arg(long, value_name = "MILLICORES", conflicts_with = "threads")]
    cpu: Option<u32>,
    /// Threads that never sleep.
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// Mebibytes to touch and keep.
    #[arg(long, value_name = "MIB", required_unless_present_any = ["cpu", "threads", "stop"])]
    memory: Option<usize>,
    /// For how long. Default: until it is killed.
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
    /// Ends every other `burn` in this container instead.
    #[arg(long, conflicts_with_all = ["cpu", "threads", "memory", "seconds"])]
    stop: bool,
}

impl Burn {
    /// Uses it up.
    pub(crate) fn run(&self) {
        if self.stop {
            return stop_all();
        }
        let end = self.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let memory = vec![1_u8; self.memory.unwrap_or_default() << 20];
        let burner = Burner::calibrated(false);
        let (whole, part) = match self.cpu {
            Some(millicores) => (millicores / 1000, millicores % 1000),
            None => (self.threads.unwrap_or_default(), 0),
        };
        let loads = std::iter::repeat_n(1000, whole as usize).chain((part > 0).then_some(part));
        thread::scope(|scope| {
            for load in loads {
                let burner = &burner;
                scope.spawn(move || work(burner, load, end));
            }
            while end.is_none_or(|end| Instant::now() < end) {
                let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
                thread::sleep(left.min(Duration::from_hours(1)));
            }
        });
        drop(std::hint::black_box(memory));
    }
}

/// Kills the processes of this container that were started as `burn`.
fn stop_all() {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
    for number in numbers.filter(|number| *number != std::process::id()) {
        let command = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| command.split(|byte| *byte == 0).nth(1) == Some(&b"burn"[..])) {
            // Who has ended meanwhile has done what was wanted.
            kill_process(pid, Signal::KILL).ok();
        }
    }
}

/// Computes for a slice, then sleeps in proportion to the time that it took (`stress_cpu` in stress-ng).
fn work(burner: &Burner, load: u32, end: Option<Instant>) {
    while end.is_none_or(|end| Instant::now() < end) {
        let began = Instant::now();
        burner.burst(SLICE_NS);
        thread::sleep(began.elapsed() * (1000 - load) / load);
    }
}
