//! Command lines as people and models write them: each makes the right action, or is refused with a reason.

mod chance;
mod namespaces;
mod refusals;

use agents::mechanism::Mechanism;
use agents::tools::kubectl::{Kubectl, Refusal, tools};
use serde_json::json;
use sim::environment::{Action, AppliedObject, AutoscalerSpec, DeletableKind, LogQuery, Query, ResourceChange, Write};
use sim::time::SimDuration;
use sim::units::{Bytes, Millicores};

/// Reads a command line in the namespace of the shipped application.
fn parse(line: &str) -> Result<Action, Refusal> {
    kubectl().parse(line)
}

fn kubectl() -> Kubectl {
    Kubectl { namespace: "sock-shop".into() }
}

/// As much of a log as an answer can show.
const ALL: u32 = agents::render::MAX_ANSWER as u32;

fn makes(line: &str, expected: Action) {
    assert_eq!(parse(line), Ok(expected), "{line}");
}

fn sees(line: &str, expected: Query) {
    makes(line, Action::Observe(expected));
}

fn writes(line: &str, expected: Write) {
    makes(line, Action::Write(expected));
}

fn refuses(line: &str, part: &str) {
    let refusal = parse(line).expect_err(line).to_string();
    assert!(refusal.contains(part), "{line}: {refusal}");
}

fn catalogue() -> String {
    "catalogue".into()
}

fn pods(component: Option<&str>) -> Query {
    Query::ListPods { component: component.map(Into::into) }
}

fn describe(component: &str) -> Query {
    Query::Describe { component: component.into() }
}

fn log_of(of: &str, tail: u32) -> Query {
    Query::Logs(LogQuery { of: of.into(), previous: false, tail })
}

#[test]
fn pods_are_listed() {
    for line in [
        "kubectl get pods",
        "get pods",
        "kubectl get po",
        "kubectl get pod",
        "kubectl get Pods",
        "kubectl get pods -n sock-shop",
        "kubectl get pods --namespace=sock-shop -o wide",
        "kubectl get pods -nsock-shop -owide",
        "kubectl -n sock-shop get pods",
        "kubectl --namespace sock-shop get pods",
        "kubectl get pods --namespace= --no-headers",
        "kubectl get pods --all-namespaces=false",
        "kubectl get pods --watch=false --sort-by=.metadata.name",
        "kubectl get all",
        "kubectl get deployments",
        "kubectl get deploy,pods -n sock-shop",
        "  $ kubectl get pods  ",
        "`kubectl get pods`",
        "```bash\nkubectl get pods\n```",
        "```\n$ kubectl get pods -n sock-shop\n```",
        "# which pods are there?\nkubectl get pods",
        "kubectl get pods # all of them",
        "kubectl get \\\n  pods",
    ] {
        sees(line, pods(None));
    }
    for line in [
        "kubectl get pods -l name=catalogue",
        "kubectl get pods --selector=app=catalogue -o wide",
        "kubectl get pods --selector 'name==catalogue'",
        "kubectl get pods -l app.kubernetes.io/name=catalogue,name=catalogue",
        "kubectl get pod catalogue-7d4b9c5f68-x2x4z",
        "kubectl get pod/catalogue-7d4b9c5f68-x2x4z -o wide",
        "kubectl get all -l name=catalogue",
    ] {
        sees(line, pods(Some("catalogue")));
    }
    sees("kubectl get pods -l name=catalogue-db", pods(Some("catalogue-db")));
    sees("kubectl get pod catalogue-db-6f9d8b7c5-bcdfg", pods(Some("catalogue-db")));
}

#[test]
fn components_are_described() {
    for line in [
        "kubectl describe deployment catalogue",
        "kubectl describe deploy/catalogue",
        "kubectl describe deployment.apps/catalogue -n sock-shop",
        "kubectl describe pod catalogue-7d4b9c5f68-x2x4z",
        "kubectl describe pod catalogue",
        "kubectl describe pods -l name=catalogue",
        "kubectl describe rs catalogue-7d4b9c5f68",
        "kubectl describe svc catalogue",
        "kubectl describe hpa catalogue",
        "kubectl get deployment catalogue",
        "kubectl get deploy catalogue -o wide",
        "kubectl get deployments -l name=catalogue",
        "kubectl get hpa catalogue",
        "kubectl get horizontalpodautoscalers.autoscaling catalogue",
        "kubectl get service catalogue",
        "kubectl get endpoints catalogue",
        "kubectl get rs -l name=catalogue",
        "kubectl get rs catalogue-7d4b9c5f68",
        "kubectl get deployment,svc,hpa catalogue",
        "kubectl rollout status deployment/catalogue",
        "kubectl rollout status deploy catalogue --timeout=60s --watch=false",
    ] {
        sees(line, describe("catalogue"));
    }
    sees("kubectl rollout history deployment/catalogue", Query::RolloutHistory { component: catalogue() });
}

#[test]
fn logs_events_usage_and_what_all_share_are_shown() {
    let pod = "catalogue-7d4b9c5f68-x2x4z";
    sees(&format!("kubectl logs {pod}"), log_of(pod, ALL));
    sees(&format!("kubectl logs pod/{pod} --tail=50"), log_of(pod, 50));
    sees(&format!("kubectl logs {pod} -c catalogue --tail 50 -n sock-shop"), log_of(pod, 50));
    sees(&format!("kubectl logs {pod} catalogue --tail=-1"), log_of(pod, ALL));
    sees("kubectl logs deploy/catalogue --tail=20", log_of("catalogue", 20));
    sees("kubectl logs deployment/catalogue --all-containers=true --tail=20", log_of("catalogue", 20));
    sees("kubectl logs -l name=catalogue", log_of("catalogue", 10));
    let before = Query::Logs(LogQuery { of: pod.into(), previous: true, tail: 20 });
    sees(&format!("kubectl logs -p {pod} --tail=20"), before.clone());
    sees(&format!("kubectl logs {pod} --previous --tail=20"), before);

    sees("kubectl get events", Query::Events { component: None });
    sees("kubectl get events --sort-by=.lastTimestamp -n sock-shop", Query::Events { component: None });
    sees("kubectl get ev --sort-by='.metadata.creationTimestamp'", Query::Events { component: None });
    let about = Query::Events { component: Some(catalogue()) };
    sees(&format!("kubectl get events --field-selector involvedObject.name={pod}"), about.clone());
    sees(
        "kubectl get events --field-selector=involvedObject.kind=Deployment,involvedObject.name=catalogue",
        about.clone(),
    );
    sees("kubectl events --for deployment/catalogue", about.clone());
    sees(&format!("kubectl events --for=pod/{pod} --no-headers"), about);

    sees("kubectl top pods", Query::ResourceUsage { component: None });
    sees("kubectl top pod -n sock-shop --sort-by=cpu --containers", Query::ResourceUsage { component: None });
    sees("kubectl top pod -l name=catalogue", Query::ResourceUsage { component: Some(catalogue()) });
    sees(&format!("kubectl top pod {pod}"), Query::ResourceUsage { component: Some(catalogue()) });
    for line in
        ["kubectl top nodes", "kubectl get nodes -o wide", "kubectl get no node-2", "kubectl describe node node-2"]
    {
        sees(line, Query::Nodes);
    }
    for line in [
        "kubectl get resourcequota",
        "kubectl get quota -n sock-shop",
        "kubectl describe quota tight",
        "kubectl get pdb",
        "kubectl get networkpolicies",
        "kubectl get netpol catalogue",
        "kubectl get quota,pdb,netpol",
    ] {
        sees(line, Query::Policies);
    }
}

#[test]
fn deployments_are_changed() {
    for line in [
        "kubectl scale deployment/catalogue --replicas=3",
        "kubectl scale deployment catalogue --replicas 3",
        "kubectl scale --replicas=3 deploy/catalogue -n sock-shop",
        "scale deploy catalogue --replicas=3",
        "kubectl scale deployments.apps catalogue --replicas=3 --dry-run=none",
        r#"kubectl patch deployment catalogue -p '{"spec":{"replicas":3}}'"#,
        r#"kubectl patch deploy/catalogue --type=merge --patch '{"spec": {"replicas": 3}}'"#,
        "kubectl patch deployment catalogue -p '{\n  \"spec\": {\"replicas\": 3}\n}'",
    ] {
        writes(line, Write::Scale { component: catalogue(), replicas: 3 });
    }
    let image = "weaveworksdemos/catalogue:0.3.4";
    for line in [
        "kubectl set image deployment/catalogue catalogue=weaveworksdemos/catalogue:0.3.4",
        "kubectl set image deployment catalogue catalogue=weaveworksdemos/catalogue:0.3.4 --record",
        "kubectl set image deploy/catalogue *=weaveworksdemos/catalogue:0.3.4",
        "kubectl set image deploy/catalogue '*=weaveworksdemos/catalogue:0.3.4'",
        r#"kubectl patch deployment catalogue -p '{"spec":{"template":{"spec":{"containers":[{"name":"catalogue","image":"weaveworksdemos/catalogue:0.3.4"}]}}}}'"#,
    ] {
        writes(line, Write::SetImage { component: catalogue(), image: image.into() });
    }
    let set = |value: Option<&str>| Write::SetEnv {
        component: catalogue(),
        name: "JAVA_OPTS".into(),
        value: value.map(Into::into),
    };
    writes("kubectl set env deployment/catalogue JAVA_OPTS='-Xms64m -Xmx128m'", set(Some("-Xms64m -Xmx128m")));
    writes("kubectl set env deploy catalogue --env=JAVA_OPTS=-Xmx128m", set(Some("-Xmx128m")));
    writes("kubectl set env deployment/catalogue -c catalogue JAVA_OPTS=", set(Some("")));
    writes("kubectl set env deployment/catalogue JAVA_OPTS-", set(None));
    writes(
        r#"kubectl patch deployment catalogue -p '{"spec":{"template":{"spec":{"containers":[{"name":"catalogue","env":[{"name":"JAVA_OPTS","value":"-Xmx1g"}]}]}}}}'"#,
        set(Some("-Xmx1g")),
    );
    for line in [
        "kubectl rollout restart deployment/catalogue",
        "kubectl rollout restart deployment catalogue -n sock-shop",
        r#"kubectl patch deployment catalogue -p '{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"now"}}}}}'"#,
    ] {
        writes(line, Write::Restart { component: catalogue() });
    }
    writes("kubectl rollout undo deployment/catalogue", Write::Rollback { component: catalogue(), revision: None });
    writes(
        "kubectl rollout undo deploy catalogue --to-revision=0",
        Write::Rollback { component: catalogue(), revision: None },
    );
    writes(
        "kubectl rollout undo deployment catalogue --to-revision=2",
        Write::Rollback { component: catalogue(), revision: Some(2) },
    );
}

#[test]
fn resources_and_autoscalers_are_set() {
    let all = ResourceChange {
        component: catalogue(),
        cpu_request: Some(Millicores(100)),
        cpu_limit: Some(Millicores(200)),
        memory_request: Some(Bytes::from_mebibytes(256)),
        memory_limit: Some(Bytes::from_mebibytes(512)),
    };
    for line in [
        "kubectl set resources deployment/catalogue --limits=cpu=200m,memory=512Mi --requests=cpu=100m,memory=256Mi",
        "kubectl set resources deployment catalogue -c catalogue --limits cpu=0.2,memory=512Mi --requests cpu=0.1,memory=256Mi",
        "kubectl set resources deploy/catalogue \\\n  --limits=cpu=200m,memory=512Mi \\\n  --requests=cpu=100m,memory=256Mi",
        r#"kubectl patch deployment catalogue -p '{"spec":{"template":{"spec":{"containers":[{"name":"catalogue","resources":{"limits":{"cpu":"200m","memory":"512Mi"},"requests":{"cpu":0.1,"memory":"256Mi"}}}]}}}}'"#,
    ] {
        writes(line, Write::SetResources(all.clone()));
    }
    let limit =
        ResourceChange { component: catalogue(), cpu_limit: Some(Millicores(1000)), ..ResourceChange::default() };
    writes("kubectl set resources deployment catalogue --limits=cpu=1", Write::SetResources(limit));

    let scaler = |min_replicas, cpu_percent| {
        let component = catalogue();
        Write::ApplyAutoscaler(AutoscalerSpec { component, min_replicas, max_replicas: 5, cpu_percent })
    };
    writes("kubectl autoscale deployment catalogue --min=2 --max=5 --cpu-percent=50", scaler(2, 50));
    writes("kubectl autoscale deployment/catalogue --cpu=50% --min=2 --max=5", scaler(2, 50));
    writes("kubectl autoscale deploy catalogue --max 5", scaler(1, 80));
}

#[test]
fn objects_come_and_go() {
    for line in [
        "kubectl create -f catalogue.yaml",
        "kubectl apply -f catalogue.yaml -n sock-shop",
        "kubectl create -f manifests/catalogue-dep.yaml",
        "kubectl apply --filename=deploy/kubernetes/manifests/05-catalogue-dep.yaml",
        "kubectl apply -f ./catalogue-deployment.yml",
    ] {
        writes(line, Write::CreateDeployment { component: catalogue() });
    }
    let manifest = "apiVersion: v1\nkind: Service\nmetadata:\n  name: catalogue";
    let applied = || Write::Apply(AppliedObject { manifest: manifest.into() });
    writes(&format!("kubectl apply -f -\n{manifest}"), applied());
    writes(&format!("kubectl apply -n sock-shop -f - \r\n{manifest}\n"), applied());
    writes(&format!("apply -f -\n```yaml\n{manifest}\n```"), applied());
    writes(&format!("```\nkubectl apply --server-side -f -\n{manifest}\n```"), applied());

    let pod = "catalogue-7d4b9c5f68-x2x4z";
    writes(&format!("kubectl delete pod {pod}"), Write::DeletePod { pod: pod.into() });
    writes(&format!("kubectl delete pod/{pod} --wait=false --grace-period=-1"), Write::DeletePod { pod: pod.into() });
    writes("kubectl delete deployment catalogue", Write::DeleteDeployment { component: catalogue() });
    writes("kubectl delete deploy/catalogue --cascade=background", Write::DeleteDeployment { component: catalogue() });
    writes("kubectl delete hpa catalogue", Write::DeleteAutoscaler { component: catalogue() });
    for (line, kind) in [
        ("kubectl delete quota tight", DeletableKind::ResourceQuota),
        ("kubectl delete resourcequota/tight --ignore-not-found", DeletableKind::ResourceQuota),
        ("kubectl delete pdb tight", DeletableKind::PodDisruptionBudget),
        ("kubectl delete networkpolicy tight -n sock-shop", DeletableKind::NetworkPolicy),
    ] {
        writes(line, Write::Delete { kind, name: "tight".into() });
    }
    writes("kubectl cordon node-2", Write::Cordon { node: "node-2".into() });
    writes(
        r#"kubectl patch node node-2 -p '{"spec":{"unschedulable":true}}'"#,
        Write::Cordon { node: "node-2".into() },
    );
    writes("kubectl uncordon node/node-2", Write::Uncordon { node: "node-2".into() });
    writes(
        "kubectl drain node-2 --ignore-daemonsets --delete-emptydir-data --force --timeout=60s",
        Write::Drain { node: "node-2".into() },
    );
}

#[test]
fn beside_command_lines_there_are_typed_calls() {
    let names = |mechanism| tools(mechanism).iter().map(|tool| tool.name).collect::<Vec<_>>();
    assert_eq!(names(Mechanism::Solo), ["kubectl", "query_metrics", "dependencies", "wait", "declare", "report"]);
    assert!(names(Mechanism::Peers).contains(&"ask_peer") && names(Mechanism::Managed).contains(&"raise_issue"));
    let waited = kubectl().parse_call("wait", &json!({"duration": "30s"}));
    assert_eq!(waited, Ok(Action::Wait(SimDuration::from_secs(30))));
    let listed = kubectl().parse_call("kubectl", &json!({"command": "kubectl get pods"}));
    assert_eq!(listed, Ok(Action::Observe(pods(None))));
    for (name, arguments, part) in [
        ("scale", json!({"component": "catalogue", "replicas": 3}), "unknown tool `scale`"),
        ("kubectl", json!({"cmd": "get pods"}), "unknown field `cmd`"),
        ("kubectl", json!("get pods"), "invalid type"),
        ("kubectl", json!({"command": "ls"}), "`ls` is not kubectl"),
    ] {
        let error = kubectl().parse_call(name, &arguments).expect_err(name).to_string();
        assert!(error.contains(part), "{error}");
    }
}
