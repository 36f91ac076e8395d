//! Whoever looks beyond the application's namespace hears what the API server says to an account without the right.

use sim::environment::{AppliedObject, Query, Write};

use super::{parse, refuses, sees, writes};

/// What the API server says to a service account that has a role in one namespace.
fn forbids(line: &str, what: &str, cannot: &str) {
    let expected = format!(
        "Error from server (Forbidden): {what} is forbidden: User \"system:serviceaccount:sock-shop:agent\" cannot {cannot}"
    );
    assert_eq!(parse(line).map_err(|refusal| refusal.to_string()), Err(expected), "{line}");
}

#[test]
fn every_namespace_but_the_applications_is_forbidden() {
    let list_pods = r#"list resource "pods" in API group "" in the namespace "default""#;
    for line in [
        "kubectl get pods -n default",
        "kubectl -n default get pods",
        "kubectl get pods -l name=catalogue -ndefault",
        "kubectl get all --namespace default",
        "kubectl get po,svc -n=default",
        "kubectl logs -l name=catalogue -n default",
        "kubectl get nodes,pods -n default",
        "kubectl get pods -n sock-shop -n default",
    ] {
        forbids(line, "pods", list_pods);
    }
    let scale = r#"get resource "deployments" in API group "apps" in the namespace "x""#;
    for line in [
        "kubectl scale deploy/a --replicas=1 --namespace=x",
        "kubectl get deployment a -n x",
        "kubectl describe deploy a -n x",
        "kubectl rollout restart deployment/a -n x",
        "kubectl rollout undo deployment a -n x",
        "kubectl rollout status deployment/a -n x",
        "kubectl set image deployment/a a=b:1 -n x",
        "kubectl set env deployment a A=1 -n x",
        "kubectl autoscale deployment a --max=3 -n x",
        "kubectl logs deployment/a -n x",
        r#"kubectl patch deployment a -p '{"spec":{"replicas":3}}' -n x"#,
    ] {
        forbids(line, r#"deployments.apps "a""#, scale);
    }
    for (line, what, cannot) in [
        ("kubectl get pods -A", "pods", r#"list resource "pods" in API group "" at the cluster scope"#),
        ("kubectl get pods --all-namespaces", "pods", r#"list resource "pods" in API group "" at the cluster scope"#),
        (
            "kubectl get deploy -A",
            "deployments.apps",
            r#"list resource "deployments" in API group "apps" at the cluster scope"#,
        ),
        ("kubectl get events -A", "events", r#"list resource "events" in API group "" at the cluster scope"#),
        (
            "kubectl events -n kube-system",
            "events",
            r#"list resource "events" in API group "" in the namespace "kube-system""#,
        ),
        (
            "kubectl top pods -A",
            "pods.metrics.k8s.io",
            r#"list resource "pods" in API group "metrics.k8s.io" at the cluster scope"#,
        ),
        (
            "kubectl logs a-7d4b9c5f68-x2x4z -n x",
            r#"pods "a-7d4b9c5f68-x2x4z""#,
            r#"get resource "pods" in API group "" in the namespace "x""#,
        ),
        (
            "kubectl delete pod a-7d4b9c5f68-x2x4z -n x",
            r#"pods "a-7d4b9c5f68-x2x4z""#,
            r#"delete resource "pods" in API group "" in the namespace "x""#,
        ),
        (
            "kubectl delete netpol deny -n x",
            r#"networkpolicies.networking.k8s.io "deny""#,
            r#"delete resource "networkpolicies" in API group "networking.k8s.io" in the namespace "x""#,
        ),
        (
            "kubectl get hpa a -n x",
            r#"horizontalpodautoscalers.autoscaling "a""#,
            r#"get resource "horizontalpodautoscalers" in API group "autoscaling" in the namespace "x""#,
        ),
        (
            "kubectl get pdb -n x",
            "poddisruptionbudgets.policy",
            r#"list resource "poddisruptionbudgets" in API group "policy" in the namespace "x""#,
        ),
        (
            "kubectl create -f catalogue.yaml -n x",
            r#"deployments.apps "catalogue""#,
            r#"create resource "deployments" in API group "apps" in the namespace "x""#,
        ),
    ] {
        forbids(line, what, cannot);
    }
}

#[test]
fn a_manifest_stays_in_the_namespace_and_nodes_are_in_none() {
    let quota = |namespace: &str| {
        format!(
            "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: q{namespace}}}\nspec: {{hard: {{pods: \"9\"}}}}"
        )
    };
    let elsewhere = r#"get resource "resourcequotas" in API group "" in the namespace "x""#;
    forbids(&format!("kubectl apply -n x -f -\n{}", quota("")), "resourcequotas \"q\"", elsewhere);
    forbids(&format!("kubectl apply -f -\n{}", quota(", namespace: x")), "resourcequotas \"q\"", elsewhere);
    for own in ["", ", namespace: sock-shop"] {
        let manifest = quota(own);
        writes(&format!("kubectl apply -f -\n{manifest}"), Write::Apply(AppliedObject { manifest: manifest.clone() }));
    }
    for line in ["kubectl get nodes -A", "kubectl describe node node-2 -n x", "kubectl top nodes -n x"] {
        sees(line, Query::Nodes);
    }
    writes("kubectl cordon node-2 -n x", Write::Cordon { node: "node-2".into() });
    // What is wrong with a command is said first, as kubectl does.
    refuses("kubectl get widgets -n x", "doesn't have a resource type \"widgets\"");
    refuses("kubectl get -n x", "the kind of object is missing");
}
