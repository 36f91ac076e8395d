use std::slice::from_ref;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn carts() -> ObjectId {
    ObjectId::namespaced::<Deployment>("sock-shop", "carts")
}

/// A Deployment as an API server shows it.
fn deployment(replicas: u32, image: &str) -> Value {
    json!({
        "metadata": { "name": "carts", "resourceVersion": "7" },
        "spec": {
            "replicas": replicas,
            "template": { "spec": { "containers": [{ "name": "carts", "image": image }] } },
        },
        "status": { "replicas": replicas },
    })
}

fn stamped(mut deployment: Value, stamp: &str) -> Value {
    deployment["spec"]["template"]["metadata"] = json!({ "annotations": { RESTARTED_AT: stamp } });
    deployment
}

/// An agent's change that is known to have been made.
fn change(number: u64, object: &ObjectId, before: Option<&Value>, after: Option<&Value>) -> Change {
    Change {
        id: ChangeId::Write(number),
        at: format!("{number:04}"),
        what: format!("change {number}"),
        kind: None,
        object: object.clone(),
        before: before.map(cleaned),
        deed: Deed::Effect(Effect::between(before, after)),
        certain: true,
        over: false,
        settled: BTreeSet::new(),
    }
}

/// The step of the one object that there is.
fn step(changes: &[Change], current: Option<&Value>) -> Option<Step> {
    let object = &changes[0].object;
    let current = current.map(|now| (object.clone(), now.clone())).into_iter().collect();
    let mut steps = plan_undo(changes, &current);
    assert!(steps.len() <= 1, "{steps:?}");
    steps.pop()
}

/// What is to be done, and each verdict by its kind: restored, conflict or left.
fn check(changes: &[Change], current: Option<&Value>, acts: &[Act], verdicts: &str) {
    let step = step(changes, current).unwrap();
    assert_eq!(step.acts, acts, "{changes:#?}");
    let letter = |finding: &Finding| match finding.verdict {
        Verdict::Restored(_) => 'r',
        Verdict::Conflict(_) => 'c',
        Verdict::Left(_) => 'l',
    };
    assert_eq!(step.findings.iter().map(letter).collect::<String>(), verdicts, "{:#?}", step.findings);
}

fn changed(from: &Value, to: &Value) -> Act {
    Act::Change { from: cleaned(from), to: cleaned(to) }
}

#[test]
fn what_still_holds_goes_back_and_what_somebody_changed_stays() {
    let (first, second) = (deployment(1, "c:1"), deployment(3, "c:2"));
    let made = [change(1, &carts(), Some(&first), Some(&second))];
    check(&made, Some(&second), &[changed(&second, &first)], "rr");
    let (scaled, half) = (deployment(5, "c:2"), deployment(5, "c:1"));
    check(&made, Some(&scaled), &[changed(&scaled, &half)], "cr");
    check(&made, Some(&first), &[], "");
    check(&made, None, &[], "cc");
}

#[test]
fn many_changes_of_one_object_are_one_step() {
    let states: Vec<_> = ["c:1", "c:2", "c:3", "c:1"].map(|image| deployment(1, image)).into();
    let made: Vec<_> =
        (1..).zip(states.windows(2)).map(|(n, pair)| change(n, &carts(), Some(&pair[0]), Some(&pair[1]))).collect();
    check(&made[..2], Some(&states[2]), &[changed(&states[2], &states[0])], "rr");
    // What would go back and forth is not said.
    check(&made, Some(&states[3]), &[], "");
}

#[test]
fn a_fault_that_was_mended_is_not_made_again() {
    let (good, fake) = (deployment(1, "c:1"), deployment(1, "fake"));
    let mut fault = change(1, &carts(), Some(&good), Some(&fake));
    fault.id = ChangeId::Fault(1);
    fault.certain = false;
    let mended = change(2, &carts(), Some(&fake), Some(&good));
    check(&[fault.clone(), mended], Some(&good), &[], "");
    let other = deployment(1, "c:3");
    let mended_otherwise = change(2, &carts(), Some(&fake), Some(&other));
    check(&[fault.clone(), mended_otherwise.clone()], Some(&other), &[changed(&other, &good)], "rr");
    // Nor once it is over; and what somebody made of it since is no conflict with it.
    fault.over = true;
    check(&[fault.clone(), mended_otherwise], Some(&other), &[changed(&other, &good)], "rr");
    check(&[fault], Some(&deployment(1, "c:9")), &[], "");
}

#[test]
fn what_was_created_goes_if_nobody_changed_it() {
    let object = ObjectId::namespaced::<HorizontalPodAutoscaler>("sock-shop", "carts");
    let autoscaler = |most: u32| json!({ "metadata": { "name": "carts" }, "spec": { "maxReplicas": most } });
    let created = change(1, &object, None, Some(&autoscaler(3)));
    check(from_ref(&created), Some(&autoscaler(3)), &[Act::Delete], "r");
    check(from_ref(&created), Some(&autoscaler(9)), &[], "c");
    check(from_ref(&created), None, &[], "");
    let raised = change(2, &object, Some(&autoscaler(3)), Some(&autoscaler(4)));
    check(&[created, raised], Some(&autoscaler(4)), &[Act::Delete], "rr");
}

#[test]
fn what_was_deleted_is_created_again() {
    let (first, second) = (deployment(1, "c:1"), deployment(1, "c:2"));
    let deleted = change(2, &carts(), Some(&second), None);
    check(from_ref(&deleted), None, &[Act::Create { object: cleaned(&second) }], "r");
    check(from_ref(&deleted), Some(&second), &[], "");
    check(from_ref(&deleted), Some(&deployment(1, "c:9")), &[], "c");
    let updated = change(1, &carts(), Some(&first), Some(&second));
    check(&[updated, deleted], None, &[Act::Create { object: cleaned(&first) }], "rr");
}

#[test]
fn a_change_of_unknown_outcome_is_looked_up() {
    let (first, second) = (deployment(1, "c:1"), deployment(3, "c:1"));
    let mut intent = change(1, &carts(), Some(&first), Some(&second));
    intent.certain = false;
    check(from_ref(&intent), Some(&second), &[changed(&second, &first)], "r");
    check(from_ref(&intent), Some(&first), &[], "");
    check(&[intent], Some(&deployment(2, "c:1")), &[], "c");
    let object = ObjectId::namespaced::<Service>("sock-shop", "carts");
    let service = |address: &str, port: u16| {
        json!({
            "metadata": { "name": "carts" },
            "spec": { "clusterIP": address, "clusterIPs": [address], "ports": [{ "port": port, "nodePort": 30000 + port }] },
        })
    };
    let mut intent = change(1, &object, None, Some(&service("10.0.0.1", 80)));
    check(from_ref(&intent), Some(&service("10.0.0.2", 80)), &[], "c");
    intent.certain = false;
    check(from_ref(&intent), Some(&service("10.0.0.2", 80)), &[Act::Delete], "r");
    check(&[intent], Some(&service("10.0.0.2", 81)), &[], "c");
}

#[test]
fn a_restart_starts_no_other_rollout() {
    let first = deployment(1, "c:1");
    let restarted = stamped(first.clone(), "t1");
    let mut restart = change(1, &carts(), Some(&first), Some(&restarted));
    restart.kind = Some(WriteKind::Restart);
    check(from_ref(&restart), Some(&restarted), &[], "l");
    // Again.
    let twice = stamped(first.clone(), "t2");
    let mut again = change(2, &carts(), Some(&restarted), Some(&twice));
    again.kind = Some(WriteKind::Restart);
    check(&[restart.clone(), again], Some(&twice), &[], "ll");
    // Replicas go back without a rollout.
    let scaled = stamped(deployment(3, "c:1"), "t1");
    let scale = change(2, &carts(), Some(&restarted), Some(&scaled));
    check(&[restart.clone(), scale], Some(&scaled), &[changed(&scaled, &restarted)], "rl");
    // With an image there is one anyway.
    let updated = stamped(deployment(1, "c:2"), "t1");
    let update = change(2, &carts(), Some(&restarted), Some(&updated));
    check(&[restart.clone(), update], Some(&updated), &[changed(&updated, &first)], "rr");
    // What was created is deleted, restarted or not.
    let created = change(0, &carts(), None, Some(&first));
    check(&[created, restart], Some(&restarted), &[Act::Delete], "rr");
}

#[test]
fn pods_are_not_made_again() {
    let object = ObjectId::namespaced::<Pod>("sock-shop", "carts-1-a");
    let pod = |image: &str| json!({ "metadata": { "name": "carts-1-a" }, "spec": { "containers": [{ "name": "carts", "image": image }] } });
    check(&[change(1, &object, Some(&pod("c:1")), None)], None, &[], "l");
    // What a fault did to a pod went with it.
    let fault = change(1, &object, Some(&pod("c:1")), Some(&pod("pause")));
    check(from_ref(&fault), Some(&pod("pause")), &[changed(&pod("pause"), &pod("c:1"))], "r");
    check(&[fault], None, &[], "");
}

#[test]
fn nodes_are_uncordoned() {
    let node = ObjectId::of_cluster::<Node>("node-1");
    let open = json!({ "metadata": { "name": "node-1" }, "spec": { "podCIDR": "10.244.1.0/24" } });
    let mut cordoned = open.clone();
    cordoned["spec"]["unschedulable"] = json!(true);
    check(&[change(1, &node, Some(&open), Some(&cordoned))], Some(&cordoned), &[changed(&cordoned, &open)], "r");
    check(&[change(1, &node, Some(&cordoned), Some(&open))], Some(&open), &[changed(&open, &cordoned)], "r");
    let mut drained = change(1, &node, Some(&open), Some(&cordoned));
    drained.kind = Some(WriteKind::Drain);
    check(&[drained], Some(&cordoned), &[changed(&cordoned, &open)], "lr");
}

#[test]
fn what_a_fault_imposed_goes_and_what_it_started_ends() {
    let mut imposed = change(1, &carts(), None, None);
    imposed.deed = Deed::Imposed;
    check(from_ref(&imposed), Some(&deployment(1, "whatever")), &[Act::Delete], "r");
    check(from_ref(&imposed), None, &[], "");
    // What an agent has deleted of it does not come back, nor once the fault is over.
    let deleted = change(2, &carts(), Some(&deployment(1, "whatever")), None);
    check(&[imposed.clone(), deleted.clone()], None, &[], "");
    imposed.over = true;
    check(&[imposed.clone(), deleted], None, &[], "");
    check(&[imposed], Some(&deployment(1, "somebody's")), &[], "");
    let ends = vec!["/bin/burn".to_owned(), "--end".to_owned()];
    let mut started = change(1, &ObjectId::namespaced::<Pod>("sock-shop", "carts-1-a"), None, None);
    started.deed = Deed::Started { container: "carts".to_owned(), ends: ends.clone() };
    let run = Act::Run { container: "carts".to_owned(), command: ends };
    check(from_ref(&started), Some(&json!({ "metadata": { "name": "carts-1-a" } })), &[run], "r");
    check(&[started], None, &[], "");
}

#[test]
fn what_was_changed_last_comes_first() {
    let autoscaler = ObjectId::namespaced::<HorizontalPodAutoscaler>("sock-shop", "carts");
    let made = [
        change(1, &carts(), Some(&deployment(1, "c:1")), Some(&deployment(2, "c:1"))),
        change(2, &autoscaler, None, Some(&json!({ "spec": {} }))),
    ];
    let current = [(carts(), deployment(2, "c:1")), (autoscaler.clone(), json!({ "spec": {} }))].into();
    let objects: Vec<_> = plan_undo(&made, &current).into_iter().map(|step| step.object).collect();
    assert_eq!(objects, [autoscaler, carts()]);
}

/// Something that is done to the Deployment.
#[derive(Clone, Debug)]
enum Op {
    Scale(u32),
    Image(u32),
    Env(u8, Option<u32>),
    Label(Option<u32>),
    Restart,
    Delete,
    Create(u32),
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Seen,
    /// It was made, and nobody saw it.
    Unseen,
    /// It was never made, and nobody knows.
    Lost,
}

fn apply(op: &Op, state: Option<&Value>, tick: usize) -> Option<Value> {
    let Some(state) = state else {
        return match op {
            Op::Create(image) => Some(deployment(1, &format!("c:{image}"))),
            _ => None,
        };
    };
    let mut state = state.clone();
    match op {
        Op::Scale(replicas) => state["spec"]["replicas"] = json!(replicas),
        Op::Image(image) => {
            state["spec"]["template"]["spec"]["containers"][0]["image"] = json!(format!("c:{image}"));
        }
        Op::Env(name, value) => {
            set_env(&mut state["spec"]["template"]["spec"]["containers"][0], &format!("V{name}"), *value);
        }
        Op::Label(Some(value)) => state["metadata"]["labels"] = json!({ "mine": value.to_string() }),
        Op::Label(None) => {
            state["metadata"].as_object_mut().unwrap().remove("labels");
        }
        Op::Restart => return Some(stamped(state, &format!("t{tick}"))),
        Op::Delete => return None,
        Op::Create(_) => {}
    }
    Some(state)
}

fn set_env(container: &mut Value, name: &str, value: Option<u32>) {
    let container = container.as_object_mut().unwrap();
    let mut env = container.remove("env").and_then(|env| env.as_array().cloned()).unwrap_or_default();
    let index = env.iter().position(|variable| variable["name"] == name);
    match (index, value) {
        (Some(index), Some(value)) => env[index]["value"] = json!(value.to_string()),
        (None, Some(value)) => env.push(json!({ "name": name, "value": value.to_string() })),
        (Some(index), None) => {
            env.remove(index);
        }
        (None, None) => {}
    }
    if !env.is_empty() {
        container.insert("env".to_owned(), json!(env));
    }
}

/// Plays what sockpit does: its changes, and the object in the end.
fn play(first: Option<&Value>, ops: &[(Op, Fate)]) -> (Vec<Change>, Option<Value>) {
    let (mut changes, mut state) = (Vec::new(), first.cloned());
    for (tick, (op, fate)) in ops.iter().enumerate() {
        let after = apply(op, state.as_ref(), tick);
        if state == after {
            continue;
        }
        let mut change = change(tick as u64, &carts(), state.as_ref(), after.as_ref());
        change.certain = *fate == Fate::Seen;
        change.kind = matches!(op, Op::Restart).then_some(WriteKind::Restart);
        changes.push(change);
        if *fate != Fate::Lost {
            state = after;
        }
    }
    (changes, state)
}

/// The object after a step.
fn done(step: Option<&Step>, state: Option<&Value>) -> Option<Value> {
    match step.and_then(|step| step.acts.last()) {
        None => state.map(cleaned),
        Some(Act::Create { object } | Act::Change { to: object, .. }) => Some(object.clone()),
        Some(Act::Delete) => None,
        Some(Act::Run { .. }) => panic!("{step:?}"),
    }
}

/// The object without stamps of restarts.
fn bare(object: Option<Value>) -> Option<Value> {
    object.map(|mut object| {
        object["spec"]["template"] = unstamped(object["spec"]["template"].clone());
        object
    })
}

fn template(object: Option<&Value>) -> Option<Value> {
    object.map(|object| object["spec"]["template"].clone())
}

fn settle(changes: &mut [Change], step: Option<&Step>) {
    for settled in step.into_iter().flat_map(|step| &step.settled) {
        let change = changes.iter_mut().find(|change| change.id == settled.change).unwrap();
        change.settled.insert(settled.field);
    }
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..4_u32).prop_map(Op::Scale),
        (0..4_u32).prop_map(Op::Image),
        (0..4_u8, proptest::option::of(0..3_u32)).prop_map(|(name, value)| Op::Env(name, value)),
        proptest::option::of(0..3_u32).prop_map(Op::Label),
        Just(Op::Restart),
        Just(Op::Delete),
        (0..3_u32).prop_map(Op::Create),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![6 => Just(Fate::Seen), 1 => Just(Fate::Unseen), 1 => Just(Fate::Lost)]
}

proptest! {
    /// Where nobody else changes anything, all is as it was, but for the stamps of restarts where there is no rollout.
    #[test]
    fn undo_restores_exactly(
        before in vec(op(), 0..6),
        is_there in any::<bool>(),
        ops in vec((op(), fate()), 0..14),
    ) {
        let seed = is_there.then(|| deployment(1, "c:0"));
        let first = before.iter().enumerate().fold(seed, |state, (tick, op)| apply(op, state.as_ref(), 1000 + tick));
        let (mut changes, last) = play(first.as_ref(), &ops);
        prop_assume!(!changes.is_empty());
        let planned = step(&changes, last.as_ref());
        let restored = done(planned.as_ref(), last.as_ref());
        prop_assert_eq!(bare(restored.clone()), bare(first.as_ref().map(cleaned)));
        let is_whole = restored == first.as_ref().map(cleaned);
        prop_assert!(is_whole || template(restored.as_ref()) == template(last.as_ref()));
        let has_conflict = planned.iter().flat_map(|step| &step.findings)
            .any(|finding| matches!(finding.verdict, Verdict::Conflict(_)));
        prop_assert!(!has_conflict, "{:#?}", planned);
        // Once more does nothing, and says nothing.
        settle(&mut changes, planned.as_ref());
        prop_assert_eq!(step(&changes, restored.as_ref()), None);
    }

    /// Each field is what the last stranger made it, or what it was at first; and a stranger on top of a change is said.
    #[test]
    fn what_strangers_wrote_stays(ops in vec((any::<bool>(), any::<bool>(), 0..4_u32), 1..14)) {
        let first = deployment(0, "c:0");
        let (mut changes, mut state, mut expected) = (Vec::new(), first.clone(), first);
        let (mut touched, mut conflicts) = ([false; 2], [false; 2]);
        for (tick, (is_stranger, is_scale, value)) in ops.iter().enumerate() {
            let value = if *is_stranger { 100 + u32::try_from(tick).unwrap() } else { *value };
            let op = if *is_scale { Op::Scale(value) } else { Op::Image(value) };
            let after = apply(&op, Some(&state), tick).unwrap();
            if *is_stranger {
                expected = apply(&op, Some(&expected), tick).unwrap();
                conflicts[usize::from(*is_scale)] |= touched[usize::from(*is_scale)];
            } else if after != state {
                touched[usize::from(*is_scale)] = true;
                changes.push(change(tick as u64, &carts(), Some(&state), Some(&after)));
            }
            state = after;
        }
        prop_assume!(!changes.is_empty());
        let planned = step(&changes, Some(&state));
        prop_assert_eq!(done(planned.as_ref(), Some(&state)), Some(cleaned(&expected)));
        let has_conflict = planned.iter().flat_map(|step| &step.findings)
            .any(|finding| matches!(finding.verdict, Verdict::Conflict(_)));
        prop_assert_eq!(has_conflict, conflicts.contains(&true));
    }
}
