//! A limit on what a run may spend, shared by all its models.
//!
//! The limit is looked at before a call and the cost is known after it, so that calls that are under way when it is
//! reached still count: the total passes the limit by at most as many calls as are made at once. A model whose price
//! is not known costs nothing here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{ChatModel, ChatRequest, Completing, ModelFailure};

/// Money that may be spent, and money that is: in millionths of a US dollar.
#[derive(Debug)]
pub struct SpendingLimit {
    limit: u64,
    spent: AtomicU64,
}

impl SpendingLimit {
    /// A limit of which nothing is spent yet.
    pub const fn new(micro_usd: u64) -> Self {
        Self { limit: micro_usd, spent: AtomicU64::new(0) }
    }

    /// What may be spent in all.
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// What is spent.
    pub fn spent(&self) -> u64 {
        self.spent.load(Ordering::Relaxed)
    }

    /// Whether no further call may be made. Spending exactly the limit reaches it; a limit of zero is reached at once.
    pub fn is_reached(&self) -> bool {
        self.spent() >= self.limit
    }

    /// Counts a cost, such as that of a run that is resumed.
    pub fn add(&self, micro_usd: u64) {
        // The closure always returns a value, so that the update cannot fail.
        self.spent
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spent| Some(spent.saturating_add(micro_usd)))
            .ok();
    }
}

/// A model that answers only while there is money left.
#[derive(Clone, Debug)]
pub struct Capped<M> {
    model: M,
    limit: Arc<SpendingLimit>,
}

impl<M: ChatModel> Capped<M> {
    /// A model under a limit.
    pub const fn new(model: M, limit: Arc<SpendingLimit>) -> Self {
        Self { model, limit }
    }
}

impl<M: ChatModel> ChatModel for Capped<M> {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn complete<'a>(&'a self, request: &'a ChatRequest) -> Completing<'a> {
        Box::pin(async move {
            if self.limit.is_reached() {
                return Err(ModelFailure::Spent(format!(
                    "{} of {} USD are spent",
                    usd(self.limit.spent()),
                    usd(self.limit.limit())
                )));
            }
            let completion = self.model.complete(request).await?;
            self.limit.add(completion.usage.cost_micro_usd);
            Ok(completion)
        })
    }
}

/// Millionths of a dollar as dollars, such as `1.250000`.
fn usd(micro: u64) -> String {
    format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}
