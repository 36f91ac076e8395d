//! What handlers run on: tasks of an event loop, tasks on as many threads as the machine has cores, or a thread
//! each.
//!
//! A burst runs where its handler runs and blocks that thread, as computing does in the runtimes that are played:
//!
//! | model | runtime | handler | while a burst runs |
//! | --- | --- | --- | --- |
//! | event loop | one thread | a task | nothing else of the process runs, not even accepting |
//! | goroutines | a thread per core | a task | the other threads take over its queue |
//! | threads | one thread for HTTP | a thread of a pool | the others go on |

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use sim::profile::{Concurrency, Runtime as Settings};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::client::Way;
use crate::cost::Costs;

/// The work of a handler or of a branch, and the status with which it ends.
pub(crate) type Work = Pin<Box<dyn Future<Output = Option<u16>> + Send>>;

/// More threads than any service has requests: the limit is [`Stage::Threads`]'s own.
const MOST_THREADS: usize = 20_000;

/// Where handlers run.
#[derive(Debug)]
pub(crate) enum Stage {
    /// As tasks of the runtime.
    Tasks,
    /// On threads of their own.
    Threads {
        runtime: Handle,
        /// As many permits as requests may be worked on at once.
        free: Option<Arc<Semaphore>>,
    },
}

/// The runtime of a model.
///
/// # Errors
/// The system has no threads or no epoll to give.
pub(crate) fn runtime(settings: &Settings, costs: &Arc<Costs>) -> io::Result<Runtime> {
    let mut builder = match settings.model {
        Concurrency::EventLoop | Concurrency::Threads => Builder::new_current_thread(),
        Concurrency::Goroutines => Builder::new_multi_thread(),
    };
    builder.enable_all().max_blocking_threads(MOST_THREADS);
    if settings.model == Concurrency::EventLoop {
        // What has arrived meanwhile queues up behind what was there, as it does in an event loop.
        builder.event_interval(1);
    } else {
        builder.worker_threads(cores());
        // Another thread must pay for what this one did if it has no burst to do.
        let costs = costs.clone();
        builder.on_thread_park(move || {
            costs.burner().account();
        });
    }
    builder.build()
}

/// Processors that this process may run on, whatever its quota: Go's `GOMAXPROCS` before 1.25.
fn cores() -> usize {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count() as usize).max(1)
}

impl Stage {
    /// The stage of a model, for the current runtime.
    pub(crate) fn new(settings: &Settings) -> Self {
        match settings.model {
            Concurrency::EventLoop | Concurrency::Goroutines => Self::Tasks,
            Concurrency::Threads => {
                let free = settings.max_threads.map(|n| Arc::new(Semaphore::new(n as usize)));
                Self::Threads { runtime: Handle::current(), free }
            }
        }
    }

    /// How handlers wait for the network.
    pub(crate) fn way(&self) -> Way {
        match self {
            Self::Tasks => Way::Task,
            Self::Threads { .. } => Way::Thread,
        }
    }

    /// Waits until a request could be handled at once. Connections that nobody could serve stay in the backlog.
    pub(crate) async fn room(&self) {
        if let Self::Threads { free: Some(free), .. } = self {
            drop(free.acquire().await.expect(NEVER_CLOSED));
        }
    }

    /// Runs a handler to its end, even if its caller goes away meanwhile.
    pub(crate) async fn handler(&self, work: Work) -> Option<u16> {
        let permit = match self {
            Self::Threads { free: Some(free), .. } => Some(free.clone().acquire_owned().await.expect(NEVER_CLOSED)),
            _ => None,
        };
        let played = self.part(Box::pin(async move {
            let status = work.await;
            drop(permit);
            status
        }));
        played.await.expect(NO_PANIC)
    }

    /// Starts a part beside others: a branch, or a message.
    pub(crate) fn part(&self, work: Work) -> JoinHandle<Option<u16>> {
        match self {
            Self::Tasks => tokio::spawn(work),
            Self::Threads { runtime, .. } => {
                let driver = runtime.clone();
                runtime.spawn_blocking(move || driver.block_on(work))
            }
        }
    }
}

const NEVER_CLOSED: &str = "nobody closes the semaphore";
/// Of handlers and branches.
pub(crate) const NO_PANIC: &str = "programs do not panic";
