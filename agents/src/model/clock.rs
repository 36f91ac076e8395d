//! The machine's clock, as far as calls of models need it: to say how long one took, to wait before the next try, and
//! to keep to a server's rate limit.
//!
//! It is the only place of this crate that reads a clock. Tests put a counter in its place, so that nothing sleeps.
//! The time limit of a request is not asked of it: that is a property of the socket (`tokio::time`).

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use sim::time::SimDuration;

/// A clock of the machine.
pub trait Clock: Send + Sync {
    /// Time since a moment that stays the same.
    fn now(&self) -> SimDuration;

    /// Is ready after this time.
    fn pause(&self, length: SimDuration) -> Pausing;
}

/// A pause that is going on.
pub type Pausing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The real one. Pauses need a tokio runtime whose time is enabled.
#[derive(Clone, Copy, Debug)]
pub struct MachineClock {
    started: Instant,
}

impl Default for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "how long a model's server takes is no matter of the world's clock")]
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for MachineClock {
    fn now(&self) -> SimDuration {
        SimDuration(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn pause(&self, length: SimDuration) -> Pausing {
        Box::pin(tokio::time::sleep(Duration::from_nanos(length.0)))
    }
}
