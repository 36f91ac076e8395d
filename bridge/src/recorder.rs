//! Records what happens in the namespace, by watches.
//!
//! A watch brings each state of an object that the API server stored, in order. Times are those at which it came here,
//! some milliseconds after it was stored: the API's own times have whole seconds only. After a lost connection the
//! objects are listed again, and what changed meanwhile counts as of then; such gaps are kept beside the recording.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use sim::environment::Component;
use sim::time::SimDuration;
use sim::transition::{ObjectRef, Observer, ReplicaCounts, Transition};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::error::{Error, chain};
use crate::pods::{deployment_state, pod_state, replica_set_state};

/// How long the first lists may take.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(30);

/// A recording that goes on in the background; dropped, it ends.
#[derive(Debug)]
pub struct Recorder {
    notes: Arc<Mutex<Notes>>,
    /// Aborted when dropped.
    watches: JoinSet<()>,
}

/// A finished recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// The pods of each Deployment when the recording began.
    pub before: BTreeMap<Component, ReplicaCounts>,
    /// What happened, in order.
    pub transitions: Vec<Transition>,
    /// When a watch was lost, and so when times are too late or changes may have passed unseen.
    pub interruptions: Vec<Interruption>,
}

/// A watch was lost, and is taken up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interruption {
    /// When, since the recording began.
    pub at: SimDuration,
    /// What was seen.
    pub reason: String,
}

#[derive(Debug)]
struct Notes {
    began: Instant,
    before: BTreeMap<Component, ReplicaCounts>,
    observer: Observer,
    interruptions: Vec<Interruption>,
}

impl Notes {
    fn now(&self) -> SimDuration {
        SimDuration(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Cluster {
    /// Begins to record. What is there when this returns is known, and no transition.
    pub async fn record(&self) -> Result<Recorder, Error> {
        let (before, observer, interruptions) = (BTreeMap::new(), Observer::default(), Vec::new());
        let notes = Notes { began: Instant::now(), before, observer, interruptions };
        let mut recorder = Recorder { notes: Arc::new(Mutex::new(notes)), watches: JoinSet::new() };
        let listed = [
            recorder.watch(self.all(), Objects::new(deployment_state, Observer::deployment, Observer::all_deployments)),
            recorder
                .watch(self.all(), Objects::new(replica_set_state, Observer::replica_set, Observer::all_replica_sets)),
            recorder.watch(self.all(), Objects::new(pod_state, Observer::pod, Observer::all_pods)),
            recorder.watch(self.all(), Events::default()),
        ];
        for listed in listed {
            match tokio::time::timeout(BEGIN_TIMEOUT, listed).await {
                Ok(Ok(listed)) => listed?,
                Ok(Err(_)) => return Err(Error::Server("a watch ended before it had begun".to_owned())),
                Err(_) => {
                    return Err(Error::TimedOut { what: "list all objects".to_owned(), after: BEGIN_TIMEOUT });
                }
            }
        }
        let mut notes = lock(&recorder.notes);
        notes.began = Instant::now();
        notes.before = notes.observer.replicas();
        notes.observer.begin();
        drop(notes);
        Ok(recorder)
    }

    fn all<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

impl Recorder {
    /// How long it has been recording.
    pub fn elapsed(&self) -> SimDuration {
        lock(&self.notes).now()
    }

    /// What happened, and which watches were lost, since the last call or the beginning.
    pub fn drain(&self) -> (Vec<Transition>, Vec<Interruption>) {
        let mut notes = lock(&self.notes);
        (notes.observer.drain(), std::mem::take(&mut notes.interruptions))
    }

    /// Ends the recording.
    pub async fn finish(mut self) -> Recording {
        self.watches.shutdown().await;
        let mut notes = lock(&self.notes);
        let Notes { before, observer, interruptions, .. } = &mut *notes;
        Recording {
            before: std::mem::take(before),
            transitions: std::mem::take(observer).finish(),
            interruptions: std::mem::take(interruptions),
        }
    }

    /// Watches one kind of object. What is returned says that all of them have been listed, or why not.
    fn watch<K>(&mut self, api: Api<K>, mut sink: impl Sink<K>) -> oneshot::Receiver<Result<(), Error>>
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let notes = Arc::clone(&self.notes);
        self.watches.spawn(async move {
            let mut tell = Some(tell);
            let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
            while let Some(event) = events.next().await {
                let has_listed = match event {
                    Ok(event) => {
                        let is_listed = matches!(event, watcher::Event::InitDone);
                        sink.see(&mut lock(&notes), event);
                        is_listed.then_some(Ok(()))
                    }
                    Err(error) if tell.is_some() => Some(Err(reason(error))),
                    Err(error) => {
                        let mut notes = lock(&notes);
                        let interruption = Interruption { at: notes.now(), reason: chain(&error) };
                        notes.interruptions.push(interruption);
                        None
                    }
                };
                if let Some(result) = has_listed
                    && let Some(tell) = tell.take()
                {
                    // Nobody listens any more when another watch could not begin.
                    tell.send(result).ok();
                }
            }
        });
        told
    }
}

/// The lock is held for moments only, and what it guards is whole after each.
fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why the first list or watch failed.
fn reason(error: watcher::Error) -> Error {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => error.into(),
        other => Error::Server(chain(&other)),
    }
}

/// What is done with what a watch brings.
trait Sink<K>: Send + 'static {
    fn see(&mut self, notes: &mut Notes, event: watcher::Event<K>);
}

/// Shows objects to the observer.
struct Objects<K, S> {
    /// Those that a list has brought so far.
    listed: BTreeMap<String, S>,
    look: fn(&K) -> S,
    one: fn(&mut Observer, SimDuration, &str, Option<S>),
    all: fn(&mut Observer, SimDuration, BTreeMap<String, S>),
}

impl<K, S> Objects<K, S> {
    fn new(
        look: fn(&K) -> S,
        one: fn(&mut Observer, SimDuration, &str, Option<S>),
        all: fn(&mut Observer, SimDuration, BTreeMap<String, S>),
    ) -> Self {
        Self { listed: BTreeMap::new(), look, one, all }
    }
}

impl<K: Resource + 'static, S: Send + 'static> Sink<K> for Objects<K, S> {
    fn see(&mut self, notes: &mut Notes, event: watcher::Event<K>) {
        let at = notes.now();
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(object) => {
                self.listed.insert(object.name_any(), (self.look)(&object));
            }
            watcher::Event::InitDone => (self.all)(&mut notes.observer, at, std::mem::take(&mut self.listed)),
            watcher::Event::Apply(object) => {
                (self.one)(&mut notes.observer, at, &object.name_any(), Some((self.look)(&object)));
            }
            watcher::Event::Delete(object) => (self.one)(&mut notes.observer, at, &object.name_any(), None),
        }
    }
}

/// Tells the observer of Kubernetes Events. Each update of one is another occurrence.
#[derive(Default)]
struct Events {
    /// By uid: the version that was seen last.
    seen: BTreeMap<String, String>,
}

impl Sink<Event> for Events {
    fn see(&mut self, notes: &mut Notes, event: watcher::Event<Event>) {
        let event = match event {
            watcher::Event::InitApply(event) | watcher::Event::Apply(event) => event,
            // They are deleted when they are old.
            watcher::Event::Init | watcher::Event::InitDone | watcher::Event::Delete(_) => return,
        };
        let (uid, version) = (event.uid().unwrap_or_default(), event.resource_version().unwrap_or_default());
        if self.seen.insert(uid, version.clone()) == Some(version) {
            return;
        }
        let about = event.involved_object;
        let object =
            ObjectRef { kind: about.kind.unwrap_or_default().to_lowercase(), name: about.name.unwrap_or_default() };
        let [severity, reason, message] = [event.type_, event.reason, event.message].map(Option::unwrap_or_default);
        let at = notes.now();
        notes.observer.event(at, object, severity, reason, message);
    }
}
