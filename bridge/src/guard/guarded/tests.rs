use std::collections::BTreeMap;
use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;

use super::*;
use crate::guard::audit::snapshot;
use crate::guard::session::Session as Read;
use crate::guard::{ChangeId, plan_undo};

/// A namespace in memory that scales, deletes and creates Deployments.
#[derive(Default)]
struct Store {
    objects: Lock<BTreeMap<ObjectId, Value>>,
    /// Changes fail before they are made.
    is_broken: bool,
}

impl Store {
    fn with(name: &str) -> Self {
        let object = json!({ "metadata": { "name": name }, "spec": { "replicas": 1 } });
        Self { objects: Lock::new([(id(name), object)].into()), is_broken: false }
    }

    fn replicas(&self, name: &str) -> Value {
        self.objects.lock().unwrap()[&id(name)]["spec"]["replicas"].clone()
    }
}

fn id(name: &str) -> ObjectId {
    ObjectId::namespaced::<Deployment>("sock-shop", name)
}

fn scale(name: &str, replicas: u32) -> Write {
    Write::Scale { component: name.to_owned(), replicas }
}

impl Changes for Store {
    async fn change(&self, write: &Write) -> Result<String, Failure> {
        if self.is_broken {
            return Err(Failure::Unavailable(Unavailable("the server is gone".to_owned())));
        }
        let preview = self.preview(write).await?;
        let mut objects = self.objects.lock().unwrap();
        match preview.after {
            Some(after) => objects.insert(preview.object, after),
            None => objects.remove(&preview.object),
        };
        Ok(preview.answer)
    }
}

impl Previews for Store {
    fn namespace(&self) -> &'static str {
        "sock-shop"
    }

    async fn preview(&self, write: &Write) -> Result<Preview, Failure> {
        let object = id(write.component().unwrap_or_default());
        let before = self.objects.lock().unwrap().get(&object).cloned();
        let Some(mut after) = before.clone() else {
            return Err(Failure::Rejected(Rejected(format!("deployments.apps \"{}\" not found", object.name))));
        };
        let after = match write {
            Write::Scale { replicas, .. } => {
                after["spec"]["replicas"] = json!(replicas);
                Some(after)
            }
            Write::DeleteDeployment { .. } => None,
            other => panic!("{other:?}"),
        };
        Ok(Preview { object, before, after, component: None, answer: "done".to_owned() })
    }

    async fn look(&self, object: &ObjectId) -> Result<Option<Value>, Failure> {
        Ok(self.objects.lock().unwrap().get(object).cloned())
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn guards(mode: Mode) -> Guards {
    Guards { mode, ..Guards::default() }
}

fn open(mode: Mode, folder: &Path) -> Guarded<Store> {
    Guarded::open(Store::with("carts"), guards(mode), folder).unwrap()
}

fn change(guarded: &Guarded<Store>, write: &Write) -> Result<String, Failure> {
    block_on(guarded.change(write))
}

fn entries(folder: &Path) -> Vec<AuditEntry> {
    read(folder).unwrap().into_iter().map(|line| line.entry).collect()
}

fn why(failure: Result<String, Failure>) -> String {
    match failure {
        Err(Failure::Rejected(Rejected(why))) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn advice_changes_nothing_and_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let guarded = open(Mode::default(), folder.path());
    assert_eq!(change(&guarded, &scale("carts", 3)), Ok("accepted, not applied (advisory)".to_owned()));
    assert_eq!(guarded.inner().replicas("carts"), 1);
    assert_eq!(why(change(&guarded, &scale("nobody", 3))), "deployments.apps \"nobody\" not found");
    let [_, proposed, refused] = <[_; 3]>::try_from(entries(folder.path())).unwrap();
    assert_eq!(proposed, AuditEntry::Proposed { write: scale("carts", 3), answer: "done".to_owned() });
    assert!(matches!(refused, AuditEntry::Refused { .. }), "{refused:?}");
}

#[test]
fn a_change_is_on_disk_before_it_is_made_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let guarded = open(Mode::Write, folder.path());
    assert_eq!(change(&guarded, &scale("carts", 3)), Ok("done".to_owned()));
    assert_eq!(guarded.inner().replicas("carts"), 3);
    let [_, intent, outcome] = <[_; 3]>::try_from(entries(folder.path())).unwrap();
    assert_eq!(intent, AuditEntry::Intent { write: scale("carts", 3), snapshot: 2 });
    let kept = snapshot(folder.path(), 2).unwrap();
    let before = json!({ "metadata": { "name": "carts" }, "spec": { "replicas": 1 } });
    assert_eq!((&kept.before, &kept.object), (&Some(before), &id("carts")));
    let done = Outcome::Done { answer: "done".to_owned(), effect: Some(kept.expected) };
    assert_eq!(outcome, AuditEntry::Outcome { snapshot: 2, outcome: done });
    // And what is on disk takes it back.
    let current = guarded.inner().objects.lock().unwrap().clone();
    let steps = plan_undo(&Read::read(folder.path()).unwrap().changes, &current);
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].findings[0].change, ChangeId::Write(2));
}

#[test]
fn what_cannot_be_written_down_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let guarded = open(Mode::Write, folder.path());
    std::fs::remove_dir_all(folder.path().join("snapshots")).unwrap();
    let failure = change(&guarded, &scale("carts", 3)).unwrap_err();
    assert!(matches!(failure, Failure::Unavailable(_)), "{failure}");
    assert_eq!(guarded.inner().replicas("carts"), 1);
}

#[test]
fn a_cluster_that_fails_leaves_an_open_question() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store { is_broken: true, ..Store::with("carts") };
    let guarded = Guarded::open(store, guards(Mode::Write), folder.path()).unwrap();
    let failure = change(&guarded, &scale("carts", 3)).unwrap_err();
    assert!(matches!(failure, Failure::Unavailable(_)), "{failure}");
    let last = entries(folder.path()).pop().unwrap();
    assert!(matches!(last, AuditEntry::Outcome { outcome: Outcome::Failed { .. }, .. }), "{last:?}");
    assert!(!Read::read(folder.path()).unwrap().changes[0].certain);
}

#[test]
fn a_person_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let ask: Ask = Arc::new(move |proposal: &Proposal| {
        counter.fetch_add(1, Ordering::Relaxed);
        proposal.write == scale("carts", 2)
    });
    let guarded = open(Mode::Approve, folder.path()).with_person(ask);
    assert_eq!(change(&guarded, &scale("carts", 2)), Ok("done".to_owned()));
    assert_eq!(why(change(&guarded, &scale("carts", 9))), "declined by the person who watches");
    assert_eq!((asked.load(Ordering::Relaxed), guarded.inner().replicas("carts")), (2, json!(2)));
    drop(guarded);
    let alone = open(Mode::Approve, folder.path());
    assert!(why(change(&alone, &scale("carts", 2))).starts_with("declined: "));
}

#[test]
fn budgets_hold_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let two = || Guards { max_changes: 2, ..guards(Mode::Write) };
    let guarded = Guarded::open(Store::with("carts"), two(), folder.path()).unwrap();
    assert!(change(&guarded, &scale("carts", 2)).is_ok() && change(&guarded, &scale("carts", 3)).is_ok());
    assert!(why(change(&guarded, &scale("carts", 4))).starts_with("refused by the guard `max_changes`: "));
    assert_eq!(guarded.inner().replicas("carts"), 3);
    let locked = Guarded::open(Store::with("carts"), two(), folder.path()).unwrap_err();
    assert!(locked.to_string().contains("another sockpit works with it"), "{locked}");
    drop(guarded);
    let again = Guarded::open(Store::with("carts"), two(), folder.path()).unwrap();
    assert!(why(change(&again, &scale("carts", 2))).starts_with("refused by the guard `max_changes`: "));
}
