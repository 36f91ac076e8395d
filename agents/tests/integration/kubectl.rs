//! Command lines as people and models write them: each makes the right action, or is refused with a reason.

use agents::mechanism::Mechanism;
use agents::tools::kubectl::{Kubectl, Refusal, tools};
use proptest::prelude::*;
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
fn what_only_a_shell_does_is_refused() {
    let needs_a_shell = |line: &str, part: &str| {
        refuses(line, "there is no shell here");
        refuses(line, part);
    };
    needs_a_shell("kubectl get pods | grep catalogue", "a pipe");
    needs_a_shell("kubectl get pods || true", "`||`");
    needs_a_shell("kubectl get pods; kubectl get nodes", "call one command at a time");
    needs_a_shell("kubectl get pods && kubectl get nodes", "`&&`");
    needs_a_shell("kubectl get pods &", "nothing runs in the background");
    needs_a_shell("kubectl get pods > pods.txt", "there are no files");
    needs_a_shell("kubectl logs $(kubectl get pods -o name | head -1)", "a command inside a command");
    needs_a_shell("kubectl logs `kubectl get pods -o name`", "a command inside a command");
    needs_a_shell("kubectl logs \"$(kubectl get pods -o name)\"", "call the inner one first");
    needs_a_shell("kubectl logs $POD", "a variable");
    needs_a_shell("kubectl logs <pod-name>", "write real names");
    needs_a_shell("kubectl delete pod catalogue-*", "a pattern of names");
    needs_a_shell("kubectl get pods -o jsonpath={.items[*].metadata.name}", "put text in single quotes");
    needs_a_shell("kubectl apply -f - <<EOF\nkind: Service\nEOF", "write `kubectl apply -f -`, then a line break");
    needs_a_shell("(kubectl get pods)", "`(`");
    needs_a_shell("kubectl get pods\nkubectl get nodes", "a second line");
    refuses("kubectl set env deployment/catalogue A='b", "a single quote is opened");
    refuses("kubectl set env deployment/catalogue A=\"b", "a double quote is opened");
    refuses("kubectl get pods \\", "a backslash ends the line");
    for quoted in ["'a|b;c>d$(e)*'", "\"a|b;c>d*\"", "a\\|b"] {
        assert!(parse(&format!("kubectl set env deployment/catalogue A={quoted}")).is_ok(), "{quoted}");
    }
}

#[test]
fn other_commands_and_programs_are_refused() {
    refuses("", "the command is empty");
    refuses("kubectl", "the command is empty");
    refuses("# nothing but a comment", "the command is empty");
    refuses("curl http://catalogue/health", "`curl` is not kubectl: there is no network");
    refuses("sudo kubectl get pods", "only kubectl's command lines");
    refuses("k get pods", "`k` is not kubectl");
    refuses("query_metrics up", "PromQL has a tool of its own");
    refuses("sleep 30", "time passes by the tool `wait`");
    refuses("report --healthy", "it is a tool of its own");
    refuses("kubectl gte pods", "did you mean `get`?");
    refuses("kubectl log catalogue-7d4b9c5f68-x2x4z", "did you mean `logs`?");
    refuses("Please show me the pods", "unknown command \"Please\"");
    refuses("kubectl exec -it catalogue-7d4b9c5f68-x2x4z -- sh", "there is no way into a container");
    refuses("kubectl cp a:/x b", "there is no way into a container");
    refuses("kubectl attach catalogue-7d4b9c5f68-x2x4z", "there is no way into a container");
    refuses("kubectl port-forward svc/catalogue 8080:80", "there is no network");
    refuses("kubectl proxy", "there is no network");
    refuses("kubectl edit deployment catalogue", "there is no editor");
    refuses("kubectl wait --for=condition=available deployment/catalogue --timeout=60s", "with the tool `wait`");
    refuses("kubectl expose deployment catalogue --port=80", "`apply -f -`");
    refuses("kubectl run test --image=busybox", "made by their Deployment");
    refuses("kubectl label pod x a=b", "labels, annotations and taints");
    refuses("kubectl annotate deployment catalogue a=b", "labels, annotations and taints");
    refuses("kubectl taint node node-1 a=b:NoSchedule", "`cordon` keeps pods from a node");
    refuses("kubectl replace -f x.yaml", "use `apply -f -`");
    refuses("kubectl api-resources", "it says nothing about the application");
    refuses("kubectl rollout pause deployment/catalogue", "a rollout goes on until it is done");
    refuses("kubectl rollout frobnicate deployment/catalogue", "unexpected \"frobnicate\"");
    refuses("kubectl rollout", "what to do with the rollout is missing");
    refuses("kubectl set selector svc/catalogue a=b", "what can be set is image, env and resources");
    refuses("kubectl create deployment catalogue --image=nginx", "`create -f NAME.yaml`");
}

#[test]
fn flags_that_cannot_be_honoured_are_refused() {
    for (line, part) in [
        ("kubectl get pods -w", "-w cannot be used here: a command looks once"),
        ("kubectl get pods --watch", "then look again"),
        ("kubectl get deployment catalogue -o yaml", "the answer is always the wide table"),
        ("kubectl get pods -o json", "the answer is always the wide table"),
        ("kubectl get pods -o=jsonpath='{.items}'", "the answer is always the wide table"),
        ("kubectl get pods --show-labels", "the labels of a component are in `describe deployment NAME`"),
        ("kubectl get pods --field-selector=status.phase=Running", "the table has the status"),
        ("kubectl get events --field-selector type=Warning", "the type and the reason of each event"),
        ("kubectl scale deployment catalogue --replicas=3 --dry-run=client", "nothing can be tried out"),
        ("kubectl scale deployment catalogue --replicas=3 --current-replicas=2", "whatever the replicas are now"),
        ("kubectl scale deployment --all --replicas=3", "name the one object"),
        ("kubectl logs deploy/catalogue -f", "it would never end"),
        ("kubectl logs deploy/catalogue --since=5m", "use `--tail=N`"),
        ("kubectl logs deploy/catalogue -c sidecar", "the main container has the name of its component"),
        ("kubectl delete pod catalogue-7d4b9c5f68-x2x4z --force --grace-period=0", "pods get their grace period"),
        ("kubectl delete pods --all", "name the one object"),
        ("kubectl delete pods -l name=catalogue", "name the one object"),
        ("kubectl delete deployment catalogue --cascade=orphan", "pods go with their Deployment"),
        ("kubectl delete -f catalogue.yaml", "name the object"),
        ("kubectl drain node-2 --disable-eviction", "disruption budgets hold"),
        ("kubectl set image deployment/catalogue catalogue=a:1 --local", "in the cluster or not at all"),
        ("kubectl set env deployment/catalogue --list", "shows the variables"),
        ("kubectl get pods --context=prod", "there is one cluster"),
        ("kubectl get pods --colour", "unknown flag --colour"),
        ("kubectl scale deployment/catalogue --replica=3", "did you mean `replicas`?"),
        ("kubectl scale deployment/catalogue --replicas", "flag needs an argument: --replicas"),
        ("kubectl scale deployment/catalogue --replicas=three", "not a number of 0 or more"),
        ("kubectl scale deployment/catalogue --replicas=-1", "not a number of 0 or more"),
    ] {
        refuses(line, part);
    }
}

#[test]
fn words_that_do_not_fit_are_refused() {
    for (line, part) in [
        ("kubectl get", "the kind of object is missing"),
        ("kubectl get widgets", "doesn't have a resource type \"widgets\""),
        ("kubectl get podz", "did you mean `pod`?"),
        ("kubectl get configmaps", "`describe deployment NAME`"),
        ("kubectl get ns", "you see the namespace of the application"),
        ("kubectl get statefulsets", "what can be seen is pods"),
        ("kubectl get hpa", "the name of one component is missing"),
        ("kubectl get svc -n sock-shop", "the name of one component is missing"),
        ("kubectl get pod catalogue", "a pod is named after its ReplicaSet"),
        ("kubectl get pods CATALOGUE", "names are lower-case letters"),
        ("kubectl get pods,nodes", "one command for one object"),
        ("kubectl get pods -l tier=backend", "only a component can be selected"),
        ("kubectl get pods -l 'name in (a, b)'", "write `-l name=COMPONENT`"),
        ("kubectl get pods -l name!=catalogue", "only a component can be selected"),
        ("kubectl get nodes -l zone=a", "leave it out"),
        ("kubectl describe pods", "the name of one component is missing"),
        ("kubectl logs", "the pod is missing"),
        ("kubectl logs catalogue", "`logs deployment/COMPONENT`"),
        ("kubectl logs deployment catalogue", "`deployment/NAME` with a slash"),
        ("kubectl logs node/node-1", "a log is that of a pod"),
        ("kubectl top deployments", "usage is that of pods or nodes"),
        ("kubectl scale catalogue --replicas=3", "a kind comes before a name"),
        ("kubectl scale deployment/catalogue", "--replicas is missing"),
        ("kubectl scale rs/catalogue-7d4b9c5f68 --replicas=3", "this is done to a Deployment"),
        ("kubectl scale deployment/catalogue deployment/carts --replicas=3", "unexpected \"deployment/carts\""),
        ("kubectl set image deployment/catalogue", "the image is missing"),
        ("kubectl set image deployment/catalogue weaveworksdemos/catalogue:0.3.4", "NAME=IMAGE:TAG"),
        ("kubectl set image deployment/catalogue main=a:1", "the main container has the name of its component"),
        ("kubectl set env deployment/catalogue A=1 B=2", "one variable per command"),
        ("kubectl set env deployment/catalogue", "the variable is missing"),
        ("kubectl set env deployment/catalogue 1A=2", "KEY=VALUE"),
        ("kubectl set resources deployment/catalogue", "--limits or --requests is missing"),
        ("kubectl set resources deployment/catalogue --limits=cpu=lots", "not a CPU quantity"),
        ("kubectl set resources deployment/catalogue --limits=cpu:200m", "write cpu=AMOUNT,memory=AMOUNT"),
        ("kubectl set resources deployment/catalogue --limits=gpu=1", "`cpu` and `memory` can"),
        ("kubectl autoscale deployment catalogue --min=1", "--max is missing"),
        ("kubectl autoscale deployment catalogue --max=3 --cpu=500m", "the percentage of the CPU request"),
        ("kubectl delete svc catalogue", "what can be deleted is"),
        ("kubectl delete pod a b", "unexpected \"b\""),
        ("kubectl delete pods", "the name of the object is missing"),
        ("kubectl drain", "the node is missing"),
        ("kubectl apply -f -", "write it behind `apply -f -` and a line break"),
        ("kubectl apply -f https://example.com/x.yaml", "there is no network"),
        ("kubectl apply -f manifests/", "there are no directories"),
        ("kubectl apply -f catalogue-svc.yaml", "only the manifests of Deployments"),
        ("kubectl apply -f -\nkind: Deployment\nmetadata:\n  name: catalogue", "created from its own manifest"),
        ("kubectl apply", "-f is missing"),
        ("kubectl patch deployment catalogue", "-p is missing"),
        ("kubectl patch deployment catalogue -p {\"spec\":{\"replicas\":3}}", "not JSON"),
        ("kubectl patch deployment catalogue -p '{\"spec\":{\"paused\":true}}'", "`paused` in spec"),
        ("kubectl patch deployment catalogue -p '{\"spec\":{}}'", "it changes nothing"),
        ("kubectl patch deployment catalogue --type=json -p '[]'", "leave --type out"),
        ("kubectl patch hpa catalogue -p '{\"spec\":{\"maxReplicas\":9}}'", "use `autoscale` for an hpa"),
        (
            "kubectl patch deployment catalogue -p '{\"spec\":{\"replicas\":3,\"template\":{\"spec\":{\"containers\":[{\"name\":\"catalogue\",\"image\":\"a:1\"}]}}}}'",
            "it makes 2 changes",
        ),
    ] {
        refuses(line, part);
    }
}

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

/// Pieces of command lines, so that chance finds its way past the first word.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "kubectl",
        "get",
        "describe",
        "logs",
        "top",
        "events",
        "rollout",
        "restart",
        "undo",
        "status",
        "scale",
        "set",
        "image",
        "env",
        "resources",
        "autoscale",
        "patch",
        "create",
        "apply",
        "delete",
        "cordon",
        "drain",
        "pods",
        "deployment",
        "deploy/catalogue",
        "pod/",
        "/",
        "hpa",
        "nodes",
        "quota",
        "catalogue",
        "a=b",
        "a-",
        "-",
        "--",
        "-f",
        "-n",
        "-p",
        "-o",
        "-l",
        "-c",
        "--replicas=3",
        "--limits=cpu=1",
        "--limits=,",
        "--for",
        "--tail=-1",
        "--cpu=%",
        "'",
        "\"",
        "\\",
        "\n",
        "`",
        "$",
        "#",
        "*=",
        "{}",
        "'{\"spec\":{}}'",
        "kind: Service",
        "é",
        "\u{0}",
    ];
    prop_oneof![4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"]
}

proptest! {
    #[test]
    fn no_command_line_panics(pieces in proptest::collection::vec((piece(), prop_oneof![Just(" "), Just("")]), 0..12)) {
        let line: String = pieces.iter().flat_map(|(piece, space)| [piece.as_str(), *space]).collect();
        if let Err(refusal) = parse(&line) {
            prop_assert!(!refusal.to_string().trim().is_empty());
        }
    }

    #[test]
    fn no_text_panics(line in "(?s).{0,120}") {
        if let Err(refusal) = parse(&line) {
            prop_assert!(!refusal.to_string().trim().is_empty());
        }
    }
}
