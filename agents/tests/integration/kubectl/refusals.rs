//! What a line asks that cannot be done here is refused, with the reason.

use super::{parse, refuses};

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
