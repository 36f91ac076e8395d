use sim::environment::{AppliedObject, AutoscalerSpec};

use super::*;

fn guards(yaml: &str) -> Guards {
    Guards::read(yaml).unwrap()
}

fn scale(component: &str) -> Write {
    Write::Scale { component: component.to_owned(), replicas: 2 }
}

fn applied(kind: &str, name: &str, namespace: &str) -> Write {
    let (version, spec) = match kind {
        "Service" => ("v1", "ports: [{ port: 80 }]"),
        "ResourceQuota" => ("v1", "hard: { pods: 5 }"),
        "PodDisruptionBudget" => ("policy/v1", "minAvailable: 1\n  selector: { matchLabels: { name: carts } }"),
        _ => (
            "autoscaling/v2",
            "scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: user }\n  maxReplicas: 3\n  metrics: [{ type: \
             Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 50 } } }]",
        ),
    };
    let manifest = format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{ name: {name}, namespace: {namespace} }}\nspec:\n  {spec}\n"
    );
    Write::Apply(AppliedObject { manifest })
}

/// Whether a change in `sock-shop` passes; if not, the guard that refuses it.
fn check(guards: &Guards, write: &Write, refused_by: Option<&str>) {
    let said = guards.check(write, "sock-shop").map_err(|Rejected(why)| why);
    match (said, refused_by) {
        (Ok(()), None) => {}
        (Err(why), Some(guard)) => {
            assert!(why.starts_with(&format!("refused by the guard `{guard}`: ")), "{write:?}: {why}");
            assert!(why.contains("A person may "), "{write:?}: {why}");
        }
        (said, _) => panic!("{write:?}: {said:?}, expected {refused_by:?}"),
    }
}

#[test]
fn a_file_says_what_is_not_the_default() {
    assert_eq!(guards("# nothing\n"), Guards::default());
    assert_eq!(guards("{}"), Guards::default());
    let written =
        guards("mode: approve\nactions: [scale, set_image]\ncomponents: [carts]\nmax_changes: 3\nnodes: true\n");
    let expected = Guards {
        mode: Mode::Approve,
        actions: Some([WriteKind::Scale, WriteKind::SetImage].into()),
        components: Some(["carts".to_owned()].into()),
        max_changes: 3,
        nodes: true,
        ..Guards::default()
    };
    assert_eq!(written, expected);
    for wrong in ["mode: yes\n", "component: [carts]\n", "actions: [fly]\n", "max_changes: -1\n"] {
        let why = Guards::read(wrong).unwrap_err().to_string();
        assert!(why.starts_with("the guards file cannot be understood: "), "{wrong}: {why}");
    }
}

#[test]
fn nothing_but_nodes_is_refused_by_default() {
    let guards = Guards::default();
    check(&guards, &scale("carts"), None);
    check(&guards, &applied("Service", "carts", "sock-shop"), None);
    check(&guards, &Write::DeletePod { pod: "x".to_owned() }, None);
    let node = || "node-1".to_owned();
    for write in [Write::Cordon { node: node() }, Write::Uncordon { node: node() }, Write::Drain { node: node() }] {
        check(&guards, &write, Some("nodes"));
        check(&Guards { nodes: true, ..Guards::default() }, &write, None);
    }
}

#[test]
fn another_namespace_is_refused() {
    check(&Guards::default(), &applied("Service", "carts", "kube-system"), Some("namespace"));
    check(&Guards::default(), &applied("Service", "carts", "default"), None);
    check(&guards("namespace: prod\n"), &scale("carts"), Some("namespace"));
    check(&guards("namespace: sock-shop\n"), &scale("carts"), None);
}

#[test]
fn actions_and_components_have_lists() {
    let some = guards("actions: [scale, apply, delete]\ncomponents: [carts, user]\n");
    check(&some, &scale("carts"), None);
    check(&some, &scale("carts-db"), Some("components"));
    check(&some, &scale("catalogue"), Some("components"));
    check(&some, &Write::Restart { component: "carts".to_owned() }, Some("actions"));
    check(&some, &applied("HorizontalPodAutoscaler", "anything", "sock-shop"), None);
    check(&some, &applied("Service", "carts", "sock-shop"), None);
    check(&some, &applied("PodDisruptionBudget", "carts-budget", "sock-shop"), None);
    check(&some, &applied("PodDisruptionBudget", "cartsbudget", "sock-shop"), Some("components"));
    check(&some, &applied("ResourceQuota", "carts-quota", "sock-shop"), Some("components"));
    let delete = |kind, name: &str| Write::Delete { kind, name: name.to_owned() };
    check(&some, &delete(DeletableKind::NetworkPolicy, "user-in"), None);
    check(&some, &delete(DeletableKind::ResourceQuota, "user-quota"), Some("components"));
    let spec = AutoscalerSpec { component: "catalogue".to_owned(), min_replicas: 1, max_replicas: 2, cpu_percent: 50 };
    let autoscaler = Write::ApplyAutoscaler(spec);
    check(&guards("components: [carts]"), &autoscaler, Some("components"));
    check(&guards("actions: []"), &scale("carts"), Some("actions"));
}

#[test]
fn a_pod_is_its_component_s() {
    let some = guards("components: [carts]\n");
    assert_eq!(some.check_pod("carts-1-a", Some("carts")), Ok(()));
    assert!(some.check_pod("user-1-a", Some("user")).unwrap_err().0.contains("user is not among the components"));
    assert!(some.check_pod("alone", None).unwrap_err().0.contains("belongs to no Deployment"));
    assert_eq!(Guards::default().check_pod("alone", None), Ok(()));
}

#[test]
fn the_hundred_and_first_change_is_refused() {
    let guards = Guards { max_changes_per_minute: 1000, ..Guards::default() };
    let mut budget = Budget::default();
    for second in 0..100 {
        assert_eq!(budget.check(&guards, Duration::from_secs(second)), Ok(()));
        budget.spend(Duration::from_secs(second));
    }
    let why = budget.check(&guards, Duration::from_secs(1_000_000)).unwrap_err().0;
    assert!(why.starts_with("refused by the guard `max_changes`: 100 changes were made"), "{why}");
    assert!(Budget::after(100).check(&guards, Duration::ZERO).is_err());
    assert_eq!(Budget::after(99).check(&guards, Duration::ZERO), Ok(()));
}

#[test]
fn a_minute_has_room_for_so_many() {
    let guards = Guards { max_changes_per_minute: 2, ..Guards::default() };
    let mut budget = Budget::default();
    let at = Duration::from_secs;
    for second in [10, 30] {
        assert_eq!(budget.check(&guards, at(second)), Ok(()));
        budget.spend(at(second));
    }
    let why = budget.check(&guards, at(40)).unwrap_err().0;
    assert!(why.contains("`max_changes_per_minute`: 2 changes were made within a minute; wait 30 s"), "{why}");
    assert_eq!(budget.check(&guards, at(70)), Ok(()));
    let none = Guards { max_changes_per_minute: 0, ..Guards::default() };
    assert!(Budget::default().check(&none, at(0)).is_err());
}
