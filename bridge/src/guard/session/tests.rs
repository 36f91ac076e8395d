use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;
use sim::environment::Write;

use super::*;
use crate::guard::policy::Guards;

fn carts() -> ObjectId {
    ObjectId::namespaced::<Deployment>("sock-shop", "carts")
}

fn object(replicas: u32) -> Value {
    json!({ "spec": { "replicas": replicas } })
}

fn scale() -> Write {
    Write::Scale { component: "carts".to_owned(), replicas: 2 }
}

fn opened(namespace: &str) -> AuditEntry {
    AuditEntry::Opened { schema: AUDIT_SCHEMA, namespace: namespace.to_owned(), guards: Guards::default() }
}

fn intent(number: u64) -> AuditEntry {
    AuditEntry::Intent { write: scale(), snapshot: number }
}

fn outcome(number: u64, outcome: Outcome) -> AuditEntry {
    AuditEntry::Outcome { snapshot: number, outcome }
}

/// Reads a log whose snapshots are all of a scale from 1 to 2.
fn session(entries: Vec<AuditEntry>, recoveries: Vec<RecoveryEntry>) -> Result<Session, Error> {
    let at = |seq: u64| format!("{seq:04}");
    let lines = (1..).zip(entries).map(|(seq, entry)| AuditLine { seq, at: at(seq), entry }).collect();
    let recoveries = (1..).zip(recoveries).map(|(seq, entry)| RecoveryLine { at: at(seq), entry }).collect();
    let expected = Effect::between(Some(&object(1)), Some(&object(2)));
    Session::of(lines, recoveries, |_| {
        let (before, expected) = (Some(object(1)), expected.clone());
        Ok(Snapshot { schema: AUDIT_SCHEMA, write: scale(), object: carts(), before, expected })
    })
}

/// The changes that have to be looked at, and whether each is known to have been made.
fn check(entries: Vec<AuditEntry>, expected: &[(u64, bool)]) {
    let session = session(entries, Vec::new()).unwrap();
    let known: Vec<_> = session.changes.iter().map(|change| (change.id, change.certain)).collect();
    let expected: Vec<_> = expected.iter().map(|(number, certain)| (ChangeId::Write(*number), *certain)).collect();
    assert_eq!(known, expected);
}

#[test]
fn an_outcome_says_whether_there_is_something_to_undo() {
    let done = |effect| Outcome::Done { answer: String::new(), effect };
    check(vec![opened("a"), intent(2), outcome(2, done(None))], &[(2, true)]);
    check(vec![opened("a"), intent(2)], &[(2, false)]);
    check(vec![opened("a"), intent(2), outcome(2, Outcome::Failed { why: String::new() })], &[(2, false)]);
    check(vec![opened("a"), intent(2), outcome(2, Outcome::Rejected { why: String::new() }), intent(4)], &[(4, false)]);
    let refused = AuditEntry::Refused { write: scale(), why: String::new() };
    let proposed = AuditEntry::Proposed { write: scale(), answer: String::new() };
    check(vec![opened("a"), refused, proposed], &[]);
    let seen = Effect::between(Some(&object(1)), Some(&object(3)));
    let session = session(vec![opened("a"), intent(2), outcome(2, done(Some(seen.clone())))], Vec::new()).unwrap();
    assert_eq!(session.changes[0].deed, Deed::Effect(seen));
    assert_eq!(session.changes[0].what, "scale carts to 2");
}

#[test]
fn what_was_undone_is_settled() {
    let settled = vec![Settled { change: ChangeId::Write(2), field: 0 }];
    let undone = AuditEntry::Undone { object: carts(), settled: settled.clone() };
    let whole = session(vec![opened("a"), intent(2), undone], Vec::new()).unwrap();
    assert_eq!(whole.changes[0].settled, [0].into());
    // Killed in between: the object tells.
    let undoing = AuditEntry::Undoing { object: carts(), state: Some(object(1)), settled };
    for (replicas, is_settled) in [(1, true), (2, false)] {
        let mut cut = session(vec![opened("a"), intent(2), undoing.clone()], Vec::new()).unwrap();
        assert!(cut.changes[0].settled.is_empty());
        cut.settle_unfinished(&[(carts(), object(replicas))].into());
        assert_eq!(cut.changes[0].settled.contains(&0), is_settled, "{replicas}");
    }
}

#[test]
fn recoveries_that_were_done_are_not_done_again() {
    let recovery = |how| Recovery { what: "a fault".to_owned(), how };
    let planned = |id, how| RecoveryEntry::Planned { id, recovery: recovery(how) };
    let fields = crate::guard::difference(&object(1), &object(2));
    let exec = Cure::Exec { pod: "p".to_owned(), container: "c".to_owned(), command: vec!["/end".to_owned()] };
    let session = session(
        vec![opened("sock-shop")],
        vec![
            planned(1, Cure::Delete { object: carts() }),
            planned(2, exec.clone()),
            planned(3, Cure::Restore { object: carts(), before: object(1), fields }),
            planned(4, exec),
            RecoveryEntry::Done { id: 1 },
            RecoveryEntry::Done { id: 2 },
            RecoveryEntry::Done { id: 3 },
        ],
    )
    .unwrap();
    let left: Vec<_> = session.changes.iter().map(|change| (change.id, change.object.to_string())).collect();
    let expected = [(1, "deployment/carts"), (3, "deployment/carts"), (4, "pod/p")];
    assert_eq!(left, expected.map(|(id, name)| (ChangeId::Fault(id), name.to_owned())));
    assert_eq!(session.changes.iter().map(|change| change.over).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(session.changes[2].object.namespace.as_deref(), Some("sock-shop"));
}

#[test]
fn a_log_that_makes_no_sense_is_refused() {
    let why = session(vec![opened("a"), opened("b")], Vec::new()).unwrap_err().to_string();
    assert!(why.contains("it is of two namespaces, a and b"), "{why}");
    let newer = AuditEntry::Opened { schema: 99, namespace: "a".to_owned(), guards: Guards::default() };
    let why = session(vec![newer], Vec::new()).unwrap_err().to_string();
    assert!(why.contains("it has version 99"), "{why}");
    let folder = tempfile::tempdir().unwrap();
    let why = Session::read(folder.path()).unwrap_err().to_string();
    assert!(why.contains("holds no session"), "{why}");
}
