//! The process inside the control group: worker threads that serve a stream of requests whose CPU
//! demands are known, and hogs beside them.
//!
//! A free worker takes the next request of the stream and sleeps until it arrives, which is a FIFO
//! queue in front of the workers. Nobody else is needed to send the requests, so nothing outside
//! the group can be late.
//!
//! A worker burns by watching the clock: time between two looks counts as its own unless it is so
//! long that it must have been off the CPU. It never asks for its thread's CPU time while it has work:
//! that call accounts the group's runtime (`update_curr`), which otherwise waits for the tick, so a
//! worker that asked after each request would draw before its competitors do, and what is measured
//! would be another thing. It asks before it sleeps, which accounts anyway; what going to sleep and
//! waking up cost, which the group pays for too, counts as part of the next request.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::stream::{Arrival, Stream};

/// A look at the clock takes 50 ns and an interrupt some microseconds; a longer gap is time off the CPU.
const OFF_CPU_NS: u64 = 100_000;
/// Gaps worth remembering: they show when the group was frozen.
const GAP_NS: u64 = 2_000_000;

/// What one cell runs.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct ServerConfig {
    #[command(flatten)]
    pub(crate) stream: Stream,
    /// Worker threads.
    #[arg(long)]
    pub(crate) threads: usize,
    /// Threads that burn all the time.
    #[arg(long)]
    pub(crate) hogs: usize,
}

/// One served request; times in nanoseconds since the start of the stream.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Served {
    pub(crate) arrival: u64,
    pub(crate) start: u64,
    pub(crate) finish: u64,
    /// CPU time that the thread really used for it, waking up included.
    pub(crate) cpu: u64,
    /// Who served it, the hogs being counted first, and the processor on which it started.
    pub(crate) thread: usize,
    pub(crate) core: usize,
}

/// A time during which a thread that wanted to run did not.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Gap {
    /// The hogs come first.
    pub(crate) thread: usize,
    /// The processor it runs on afterwards.
    pub(crate) core: usize,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// What the process saw.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Observation {
    /// The start of the stream on the kernel's monotonic clock, where ticks are multiples of `1/HZ`.
    pub(crate) epoch: u64,
    pub(crate) served: Vec<Served>,
    pub(crate) gaps: Vec<Gap>,
    /// CPU time of the hogs.
    pub(crate) hog_cpu: u64,
}

fn now(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

fn monotonic() -> u64 {
    now(ClockId::Monotonic)
}

fn thread_cpu() -> u64 {
    now(ClockId::ThreadCPUTime)
}

fn sleep_until(time: u64) {
    let left = time.saturating_sub(monotonic());
    if left > 0 {
        thread::sleep(std::time::Duration::from_nanos(left));
    }
}

/// Puts the calling thread on a processor once, without binding it: where a thread has run last decides
/// for a long time where it goes on (`select_idle_sibling`), so a cell must not begin with a lottery.
fn begin_on(thread: usize) -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).cycle();
    let mut only = CpuSet::new();
    only.set(cores.nth(thread).context("no processor to run on")?);
    sched_setaffinity(None, &only)?;
    Ok(sched_setaffinity(None, &allowed)?)
}

/// Uses `demand` of CPU time, or less if told to stop; how much it was.
fn burn(demand: u64, thread: usize, epoch: u64, gaps: &mut Vec<Gap>, stop: &AtomicBool) -> u64 {
    let mut last = monotonic();
    let mut burned = 0;
    while burned < demand && !stop.load(Ordering::Relaxed) {
        let time = monotonic();
        let passed = time - last;
        if passed < OFF_CPU_NS {
            burned += passed;
        } else if passed > GAP_NS {
            let (from, to) = (last.saturating_sub(epoch), time.saturating_sub(epoch));
            gaps.push(Gap { thread, core: sched_getcpu(), from, to });
        }
        last = time;
    }
    burned
}

fn work(thread: usize, epoch: u64, end: u64, arrivals: &[Arrival], next: &AtomicUsize) -> (Vec<Served>, Vec<Gap>) {
    begin_on(thread).expect("a thread may choose among its own processors");
    let never = AtomicBool::new(false);
    let mut accounted = thread_cpu();
    // Burned since then, and what came on top before.
    let (mut burned, mut overhead) = (0, 0);
    let (mut served, mut gaps) = (Vec::with_capacity(arrivals.len()), Vec::with_capacity(4096));
    while let Some(request) = arrivals.get(next.fetch_add(1, Ordering::Relaxed)) {
        if epoch + request.at > monotonic() {
            let cpu = thread_cpu();
            overhead += (cpu - accounted).saturating_sub(burned);
            (accounted, burned) = (cpu, 0);
            sleep_until(epoch + request.at);
        }
        let start = monotonic();
        if start >= epoch + end {
            break;
        }
        let core = sched_getcpu();
        let own = burn(request.demand, thread, epoch, &mut gaps, &never);
        burned += own;
        let cpu = own + std::mem::take(&mut overhead);
        let (start, finish) = (start - epoch, monotonic() - epoch);
        served.push(Served { arrival: request.at, start, finish, cpu, thread, core });
    }
    (served, gaps)
}

fn hog(thread: usize, epoch: u64, stop: &AtomicBool) -> (u64, Vec<Gap>) {
    begin_on(thread).expect("a thread may choose among its own processors");
    let mut gaps = Vec::with_capacity(4096);
    sleep_until(epoch);
    let before = thread_cpu();
    burn(u64::MAX, thread, epoch, &mut gaps, stop);
    (thread_cpu() - before, gaps)
}

/// Waits until it has been put into its group, serves, and writes what it saw to standard output.
pub(crate) fn serve(config: ServerConfig) -> Result<()> {
    let arrivals = config.stream.arrivals();
    let end = config.stream.seconds * 1_000_000_000;
    std::io::stdin().read_exact(&mut [0])?;
    let epoch = monotonic() + 300_000_000;
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let mut seen = Observation { epoch, ..Observation::default() };
    thread::scope(|scope| {
        let hogs: Vec<_> = (0..config.hogs)
            .map(|i| {
                scope.spawn({
                    let stop = &stop;
                    move || hog(i, epoch, stop)
                })
            })
            .collect();
        let workers: Vec<_> = (0..config.threads)
            .map(|i| {
                scope.spawn({
                    let (arrivals, next) = (&arrivals, &next);
                    move || work(config.hogs + i, epoch, end, arrivals, next)
                })
            })
            .collect();
        sleep_until(epoch + end);
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            let (served, gaps) = worker.join().expect("a worker does not panic");
            seen.served.extend(served);
            seen.gaps.extend(gaps);
        }
        for hog in hogs {
            let (cpu, gaps) = hog.join().expect("a hog does not panic");
            seen.hog_cpu += cpu;
            seen.gaps.extend(gaps);
        }
    });
    seen.served.sort_by_key(|request| request.arrival);
    seen.gaps.sort_by_key(|gap| gap.from);
    std::io::stdout().write_all(&serde_json::to_vec(&seen)?)?;
    Ok(())
}
