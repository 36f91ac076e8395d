//! One cell of the grid: what it is, and running it on this machine.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cgroup::{Cgroup, Counters, Layout};
use crate::server::Observation;
use crate::stream::Stream;

/// The grid of design section 4.3.
const QUOTAS: [u64; 3] = [100, 200, 500];
const LOADS: [f64; 3] = [0.3, 0.8, 1.1];
const THREADS: [usize; 2] = [1, 2];
const HOGS: [usize; 3] = [0, 1, 2];

/// A cell of the grid.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Cell {
    /// Millicores.
    pub(crate) quota: u64,
    /// Worker threads.
    pub(crate) threads: usize,
    /// Demand of the stream over the quota.
    pub(crate) load: f64,
    /// Threads that burn all the time in the same group.
    pub(crate) hogs: usize,
}

/// A cell as Linux played it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Recording {
    pub(crate) cell: Cell,
    pub(crate) layout: Layout,
    pub(crate) kernel: String,
    pub(crate) cores: u32,
    pub(crate) stream: Stream,
    pub(crate) observation: Observation,
    pub(crate) counters: Counters,
    /// Part of the machine's time that nobody used.
    pub(crate) idle: f64,
    /// Mean lateness of a thread outside the group that sleeps 5 ms again and again, in milliseconds:
    /// how long the machine keeps somebody waiting who has a right to run.
    pub(crate) lateness_ms: f64,
}

impl Cell {
    pub(crate) fn grid() -> Vec<Self> {
        let mut cells = Vec::new();
        for quota in QUOTAS {
            for threads in THREADS {
                for load in LOADS {
                    cells.extend(HOGS.map(|hogs| Self { quota, threads, load, hogs }));
                }
            }
        }
        cells
    }

    /// Such as `100m/1t/0.3/0h`.
    pub(crate) fn name(&self) -> String {
        format!("{}m/{}t/{}/{}h", self.quota, self.threads, self.load, self.hogs)
    }

    /// Runs it for real.
    pub(crate) fn record(&self, layout: Layout, seconds: u64, demand_us: f64, seed: u64) -> Result<Recording> {
        let cgroup = Cgroup::new(layout, self.quota * 100)?;
        let rate = self.load * self.quota as f64 * 1e3 / demand_us;
        let stream = Stream { rate, demand_us, seconds, seed };
        let mut child = Command::new(std::env::current_exe()?)
            .args(self.server_arguments(&stream))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        cgroup.adopt(child.id())?;
        let stop = AtomicBool::new(false);
        let (output, before, after, lateness_ms, counters) = std::thread::scope(|scope| -> Result<_> {
            let probe = scope.spawn(|| lateness(&stop));
            let before = machine_time()?;
            child.stdin.take().context("stdin is piped")?.write_all(b"\n")?;
            let reader = scope.spawn(|| child.wait_with_output());
            std::thread::sleep(Duration::from_millis(seconds * 1000 + 400));
            let after = machine_time()?;
            let counters = cgroup.counters()?;
            cgroup.unlimit()?;
            let output = reader.join().expect("the reader does not panic")?;
            stop.store(true, Ordering::Relaxed);
            Ok((output, before, after, probe.join().expect("the probe does not panic"), counters))
        })?;
        ensure!(output.status.success(), "the server failed in cell {}", self.name());
        Ok(Recording {
            cell: self.clone(),
            layout,
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            cores: std::thread::available_parallelism()?.get() as u32,
            stream,
            observation: serde_json::from_slice(&output.stdout)?,
            counters,
            idle: after.idle_since(&before),
            lateness_ms,
        })
    }

    fn server_arguments(&self, stream: &Stream) -> Vec<String> {
        format!(
            "serve --rate {} --demand-us {} --seconds {} --seed {} --threads {} --hogs {}",
            stream.rate, stream.demand_us, stream.seconds, stream.seed, self.threads, self.hogs
        )
        .split(' ')
        .map(str::to_owned)
        .collect()
    }
}

/// Part of the machine's time that nobody uses in the next two seconds.
pub(crate) fn idle_now() -> Result<f64> {
    let before = machine_time()?;
    std::thread::sleep(Duration::from_secs(2));
    Ok(machine_time()?.idle_since(&before))
}

/// A cell is void if less than this part of the machine was idle.
const LEAST_IDLE: f64 = 0.15;

impl Recording {
    /// The machine was the bottleneck. (Work under `SCHED_IDLE` gives way at once, but processors that do
    /// it do not look idle to the scheduler, which then places threads otherwise.)
    pub(crate) fn is_void(&self) -> bool {
        self.idle < LEAST_IDLE
    }

    /// Mean CPU time of a request, in milliseconds.
    pub(crate) fn demand_ms(&self) -> f64 {
        let served = &self.observation.served;
        served.iter().map(|request| request.cpu as f64 / 1e6).sum::<f64>() / served.len() as f64
    }
}

/// Mean lateness of a 5 ms sleep, in milliseconds.
fn lateness(stop: &AtomicBool) -> f64 {
    let (mut late, mut sleeps) = (Duration::ZERO, 0u32);
    while !stop.load(Ordering::Relaxed) {
        let asked = Duration::from_millis(5);
        let begin = Instant::now();
        std::thread::sleep(asked);
        late += begin.elapsed().saturating_sub(asked);
        sleeps += 1;
    }
    late.as_secs_f64() * 1e3 / f64::from(sleeps.max(1))
}

struct MachineTime {
    idle: u64,
    total: u64,
}

impl MachineTime {
    fn idle_since(&self, before: &Self) -> f64 {
        (self.idle - before.idle) as f64 / (self.total - before.total).max(1) as f64
    }
}

/// Idle and total time of all processors in clock ticks, from `/proc/stat`.
fn machine_time() -> Result<MachineTime> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    let fields: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    ensure!(fields.len() >= 8, "/proc/stat: {line}");
    Ok(MachineTime { idle: fields[3] + fields[4], total: fields[..8].iter().sum() })
}
