//! Playing a recording.

use std::fmt::Write;
use std::future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::format::{Cassette, Ordinals, Summary, Take};
use crate::model::{ChatModel, ChatRequest, Completing, Completion, ModelFailure};

/// Digits of a digest that are shown.
const SHOWN: usize = 12;

/// A model that answers what it answered before.
///
/// A request that was not recorded diverges: the world, a prompt or the code is another. It is a
/// [`ModelFailure::Diverged`], which is final, or goes to a live model. All that follows from a live answer diverges, too.
pub struct Replayer {
    cassette: Cassette,
    fallback: Option<Box<dyn ChatModel>>,
    played: Mutex<Played>,
}

#[derive(Debug, Default)]
struct Played {
    calls: u64,
    ordinals: Ordinals,
    divergences: Vec<String>,
}

impl Replayer {
    /// Plays a cassette, and stops where it diverges.
    pub fn new(cassette: Cassette) -> Self {
        Self { cassette, fallback: None, played: Mutex::new(Played::default()) }
    }

    /// Asks a live model where the cassette diverges.
    #[must_use]
    pub fn with_fallback(mut self, model: Box<dyn ChatModel>) -> Self {
        self.fallback = Some(model);
        self
    }

    /// Where it has diverged until now, in the order of the calls.
    pub fn divergences(&self) -> Vec<String> {
        self.played().divergences.clone()
    }

    fn played(&self) -> MutexGuard<'_, Played> {
        self.played.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The take of a request, or where it diverges. It counts the call.
    fn take(&self, summary: &Summary) -> Result<&Take, String> {
        let mut played = self.played();
        played.calls += 1;
        let ordinal = played.ordinals.next(&summary.request);
        if let Some(take) = self.cassette.takes.get(&(summary.request.clone(), ordinal)) {
            return Ok(take);
        }
        let mut why = format!("call {} (request {})", played.calls, shown(&summary.request));
        // Writing to a String cannot fail.
        write!(why, " was not recorded: {}", difference(&self.cassette, summary, ordinal)).ok();
        if self.cassette.is_torn {
            why.push_str("; the recording breaks off before its end");
        }
        played.divergences.push(why.clone());
        Err(why)
    }
}

impl ChatModel for Replayer {
    fn name(&self) -> &str {
        &self.cassette.model
    }

    /// Calls are counted here, before anything is waited for, as they were when they were recorded.
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> Completing<'a> {
        match (self.take(&Summary::of(request)), &self.fallback) {
            (Ok(take), _) => {
                let answer: Result<Completion, ModelFailure> = take.answer.clone().into();
                Box::pin(future::ready(answer))
            }
            (Err(_), Some(model)) => model.complete(request),
            (Err(why), None) => Box::pin(future::ready(Err(ModelFailure::Diverged(why)))),
        }
    }
}

/// What a request has otherwise than the recorded one that is nearest to it: the one that has most of its first messages.
fn difference(cassette: &Cassette, summary: &Summary, ordinal: u32) -> String {
    if ordinal > 0 && cassette.takes.contains_key(&(summary.request.clone(), 0)) {
        return format!("it is asked {} times, which is more often than then", ordinal + 1);
    }
    let common = |take: &Take| take.messages.iter().zip(&summary.messages).take_while(|(a, b)| a == b).count();
    // Of equally near ones the one whose length is nearest; of those, any, but always the same.
    let nearest = cassette.takes.values().max_by_key(|take| {
        let lengths = take.messages.len().abs_diff(summary.messages.len());
        (common(take), std::cmp::Reverse(lengths))
    });
    let Some(nearest) = nearest else {
        return "the cassette is empty".to_owned();
    };
    let at = common(nearest);
    match (nearest.messages.get(at), summary.messages.get(at)) {
        (Some(then), Some(now)) => {
            let (then, now) = (role(then), role(now));
            let role = if then == now { then.to_owned() } else { format!("{now}, and {then} then") };
            format!("message {} ({role}) differs", at + 1)
        }
        (None, Some(now)) => format!("message {} ({}) is new", at + 1, role(now)),
        (Some(then), None) => format!("message {} ({}) is missing", at + 1, role(then)),
        (None, None) if nearest.tools != summary.tools => "the tools differ".to_owned(),
        // Equal messages and tools make equal requests.
        (None, None) => "the digest differs, though messages and tools do not".to_owned(),
    }
}

/// The role of a message's summary.
fn role(summary: &str) -> &str {
    summary.split(' ').next().unwrap_or(summary)
}

fn shown(digest: &str) -> &str {
    digest.get(..SHOWN).unwrap_or(digest)
}
