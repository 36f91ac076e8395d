//! What can be said about a cluster without one.

use super::{failure, sockpit, stdout};

#[test]
fn manifests_of_permissions_are_printed_for_a_namespace() {
    let text = stdout(&["doctor", "--rbac", "namespace", "--namespace", "shop"]);
    assert!(text.contains("kind: Role\n") && text.contains("  namespace: shop\n"), "{text}");
    assert!(!text.contains("namespace: sock-shop"), "{text}");
    let text = stdout(&["doctor", "--rbac", "node-actions"]);
    assert!(text.contains("kind: ClusterRole\n") && text.contains("namespace: sock-shop"), "{text}");
}

#[test]
fn a_cluster_that_cannot_be_reached_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("kubeconfig");
    let output = sockpit(&["doctor", "--kubeconfig", missing.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let [only] = findings.as_array().unwrap().as_slice() else { panic!("{findings}") };
    assert_eq!(only["name"], "API server");
    assert_eq!(only["outcome"], "failed");
    assert!(only["cure"].as_str().unwrap().contains("--kubeconfig"), "{only}");
}

#[test]
fn usage_is_answered_with_exit_code_2() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    for typed in [
        &["doctor"][..],
        &["doctor", "--rbac", "everything"],
        &["doctor", "--model", "a", "--context", "b"],
        &["doctor", "--context", "b", "--app", "sock-shp"],
        &["undo"],
        &["undo", empty],
    ] {
        let said = failure(typed);
        assert!(said.starts_with("exit 2\nerror: "), "{typed:?}: {said}");
    }
    assert!(failure(&["undo", empty]).contains("name the folder that a session on a cluster"));
}
