//! How many requests go out at once, and how fast.

use std::sync::{Mutex, PoisonError};

use sim::time::SimDuration;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::model::clock::Clock;
use crate::model::config::ModelConfig;

/// Lets requests out: so many at once, and evenly spaced.
pub(super) struct Gate {
    places: Semaphore,
    spacing: SimDuration,
    /// When the next request may begin.
    next: Mutex<SimDuration>,
}

impl Gate {
    pub(super) fn new(config: &ModelConfig) -> Self {
        let spacing = config.requests_per_minute.map(|n| SimDuration::from_secs(60) / u64::from(n.max(1)));
        Self {
            places: Semaphore::new(config.max_concurrent.max(1) as usize),
            spacing: spacing.unwrap_or_default(),
            next: Mutex::new(SimDuration::ZERO),
        }
    }

    /// Waits for a place, first come, first served. `None` would mean that the gate is closed, which it never is.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }

    /// Waits until the rate allows another request.
    pub(super) async fn turn(&self, clock: &dyn Clock) {
        let wait = {
            let now = clock.now();
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = now.max(*next);
            *next = begin + self.spacing;
            begin - now
        };
        if wait > SimDuration::ZERO {
            clock.pause(wait).await;
        }
    }
}
