//! A run from outside its thread.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sim::time::SimDuration;
use tokio::sync::Notify;

use crate::interval::Interval;
use crate::plan::Plan;
use crate::report::Report;
use crate::worker;

/// How long, and what of it is measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Under load before the measurement.
    pub warm_up: SimDuration,
    /// Measured; none: until it is stopped.
    pub duration: Option<SimDuration>,
    /// Length of the windows that are reported one by one; none: no windows.
    pub every: Option<SimDuration>,
}

/// Counts that can be read while a run is under way.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) finished: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) users: AtomicU32,
    pub(crate) stop: Notify,
    interval: Mutex<Interval>,
}

impl Live {
    /// What was counted since it was taken last. Held for moments only.
    pub(crate) fn interval(&self) -> MutexGuard<'_, Interval> {
        self.interval.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Since it was started.
    pub elapsed: Duration,
    /// Requests over so far, the warm-up's among them.
    pub finished: u64,
    /// Of those, the ones with 5xx or no answer.
    pub failed: u64,
    /// Users of closed loads.
    pub users: u32,
}

/// A run under way. Dropped, it stops.
#[derive(Debug)]
pub struct Running {
    began: Instant,
    live: Arc<Live>,
    thread: Option<JoinHandle<io::Result<Report>>>,
}

/// Starts the loads of a plan on a thread of their own.
///
/// # Errors
/// The system has no thread for it.
pub fn start(plan: Plan, options: Options) -> io::Result<Running> {
    let live = Arc::new(Live::default());
    let theirs = live.clone();
    let thread = std::thread::Builder::new().name("load".into());
    let thread = thread.spawn(move || worker::run(plan, options, theirs))?;
    Ok(Running { began: Instant::now(), live, thread: Some(thread) })
}

impl Running {
    /// How it stands.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            elapsed: self.began.elapsed(),
            finished: self.live.finished.load(Ordering::Relaxed),
            failed: self.live.failed.load(Ordering::Relaxed),
            users: self.live.users.load(Ordering::Relaxed),
        }
    }

    /// What was sent and answered since the last call, or the start; warm-up or not.
    pub fn interval(&self) -> Interval {
        self.live.interval().take()
    }

    /// Whether [`Self::wait`] would return at once.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends the run now; what was measured so far is reported.
    pub fn stop(&self) {
        self.live.stop.notify_one();
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The system took away what the generator needs, such as its timer.
    pub fn wait(mut self) -> io::Result<Report> {
        let thread = self.thread.take().expect("it is taken here only");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
