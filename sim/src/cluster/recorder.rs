//! Kubernetes Events: what the components of the control plane say about objects.
//!
//! As client-go's event correlator does, an event like an earlier one raises that one's count, ten that differ only in their
//! message are combined, and
//! each source may say only so much about one object (`tools/record/events_cache.go`: a burst of
//! 25, then one in 300 s). Events are forgotten an hour after they were last seen (the API server's
//! `--event-ttl`).

use std::collections::{BTreeMap, BTreeSet};

use crate::chance::Key;
use crate::environment::EventView;
use crate::episode::WorldEvent;
use crate::time::{SimDuration, SimTime};

/// How long an event is kept.
const TIME_TO_LIVE: SimDuration = SimDuration::from_secs(3600);
/// Events that a source may record about one object at once.
const BURST: u64 = 25;
/// In what time it may record one more.
const REFILL: SimDuration = SimDuration::from_secs(300);

/// From how many different messages for one reason on they are combined (`defaultAggregateMaxEvents`).
const COMBINED: usize = 10;
/// How long they count (`defaultAggregateIntervalInSeconds`).
const COMBINED_WITHIN: SimDuration = SimDuration::from_secs(600);

/// Whether an event is good or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Normal,
    Warning,
}

/// Who records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    DeploymentController,
    ReplicaSetController,
    Scheduler,
    Kubelet,
    Autoscaler,
    NodeController,
    TaintEviction,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// Such as `pod/catalogue-7d4b9c-x2x4z`.
    pub(super) object: String,
    /// The Deployment it belongs to.
    pub(super) component: Option<String>,
}

impl Source {
    /// As the component calls itself.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DeploymentController => "deployment-controller",
            Self::ReplicaSetController => "replicaset-controller",
            Self::Scheduler => "default-scheduler",
            Self::Kubelet => "kubelet",
            Self::Autoscaler => "horizontal-pod-autoscaler",
            Self::NodeController => "node-controller",
            Self::TaintEviction => "taint-eviction-controller",
        }
    }
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// All events of the cluster, and those that the world has not yet taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder {
    events: Vec<EventView>,
    /// Who recorded each of them.
    sources: Vec<Source>,
    /// Index into `events` by what makes events alike.
    like: BTreeMap<Key, usize>,
    /// Different messages by source, object and reason, and when there was the last.
    similar: BTreeMap<Key, (SimTime, BTreeSet<Key>)>,
    /// Per source, object and severity: since when its bucket fills, in units of [`REFILL`].
    buckets: BTreeMap<Key, Bucket>,
    /// Occurrences since they were last drained.
    pub(super) journal: Vec<WorldEvent>,
}

/// A token bucket.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u64,
    filled: SimTime,
}

impl Recorder {
    /// Records an event, unless its source has said too much about the object. Returns whether it did.
    pub(super) fn record(
        &mut self,
        now: SimTime,
        source: Source,
        about: &Subject,
        severity: Severity,
        reason: &str,
        mut message: String,
    ) -> bool {
        let object = Key::root(source as u64).with_str(&about.object);
        // Normal events and warnings do not use up each other's (`getSpamKey` has the type in it).
        let bucket =
            self.buckets.entry(object.with_str(severity.name())).or_insert(Bucket { tokens: BURST, filled: now });
        let refills = now.since(bucket.filled).0 / REFILL.0;
        bucket.tokens = (bucket.tokens + refills).min(BURST);
        bucket.filled += REFILL * refills;
        if bucket.tokens == 0 {
            return false;
        }
        bucket.tokens -= 1;
        let mut like = object.with_str(reason).with_str(&message);
        if self.combines(object.with_str(reason), like, now) {
            like = object.with_str(reason);
            message = format!("(combined from similar events): {message}");
        }
        self.journal.push(WorldEvent::Kubernetes {
            at: now,
            severity: severity.name().to_owned(),
            reason: reason.to_owned(),
            object: about.object.clone(),
            message: message.clone(),
        });
        if let Some(&index) = self.like.get(&like)
            && now.since(self.events[index].last_seen) < TIME_TO_LIVE
        {
            let event = &mut self.events[index];
            event.count += 1;
            event.last_seen = now;
            event.message = message;
            return true;
        }
        self.like.insert(like, self.events.len());
        self.sources.push(source);
        self.events.push(EventView {
            last_seen: now,
            count: 1,
            severity: severity.name().to_owned(),
            reason: reason.to_owned(),
            object: about.object.clone(),
            component: about.component.clone(),
            message,
        });
        true
    }

    /// Whether a message is one of too many for its reason (`EventAggregate`).
    fn combines(&mut self, reason: Key, message: Key, now: SimTime) -> bool {
        let (last, messages) = self.similar.entry(reason).or_default();
        if now.since(*last) > COMBINED_WITHIN {
            messages.clear();
        }
        *last = now;
        messages.insert(message);
        if messages.len() < COMBINED {
            return false;
        }
        messages.pop_first();
        true
    }

    /// All that are kept, with who recorded them, in the order in which they were first seen.
    pub(super) fn all(&self) -> impl Iterator<Item = (Source, &EventView)> {
        self.sources.iter().copied().zip(&self.events)
    }

    /// What `kubectl get events --sort-by=.lastTimestamp` shows, oldest first.
    pub(super) fn list(&self, now: SimTime, component: Option<&str>) -> Vec<EventView> {
        let mut events: Vec<_> = self
            .events
            .iter()
            .filter(|event| now.since(event.last_seen) < TIME_TO_LIVE)
            .filter(|event| component.is_none() || event.component.as_deref() == component)
            .cloned()
            .collect();
        events.sort_by_key(|event| event.last_seen);
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_events_count_and_floods_are_cut() {
        let mut recorder = Recorder::default();
        let about = Subject { object: "pod/a".into(), component: Some("a".into()) };
        for second in 0..100 {
            let now = SimTime::ZERO + SimDuration::from_secs(second * 10);
            recorder.record(now, Source::Kubelet, &about, Severity::Warning, "Unhealthy", "no".into());
        }
        let now = SimTime::ZERO + SimDuration::from_secs(1000);
        let events = recorder.list(now, Some("a"));
        assert_eq!(events.len(), 1);
        // The burst, and one more at 300, 600 and 900 s.
        assert_eq!(events[0].count, 28);
        assert_eq!(recorder.journal.len(), 28);
        assert!(recorder.list(now, Some("b")).is_empty());
        assert!(recorder.list(now + TIME_TO_LIVE, None).is_empty());
    }
}
