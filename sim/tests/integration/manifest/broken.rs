//! Broken manifests, one mistake (or one kind of it) each, with the whole answer.

use sim::manifest::load;

use super::{assert_helpful, source};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: carts
  namespace: shop
spec:
  replicas: 1
  selector:
    matchLabels:
      name: carts
  strategy:
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  template:
    metadata:
      labels:
        name: carts
    spec:
      containers:
      - name: carts
        image: weaveworksdemos/carts:0.4.8
        env:
        - name: LOGGER
          value: \"true\"
        ports:
        - name: http
          containerPort: 80
        resources:
          requests:
            cpu: 100m
            memory: 200Mi
          limits:
            cpu: 300m
            memory: 500Mi
        readinessProbe:
          httpGet:
            path: /health
            port: http
          periodSeconds: 3
";

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: carts
  namespace: shop
spec:
  selector:
    name: carts
  ports:
  - port: 80
    targetPort: http
";

const AUTOSCALER: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: carts
  namespace: shop
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: carts
  minReplicas: 1
  maxReplicas: 10
  metrics:
  - type: Resource
    resource:
      name: cpu
      target:
        type: Utilization
        averageUtilization: 50
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 60
      policies:
      - type: Pods
        value: 1
        periodSeconds: 60
";

const NAMESPACE: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: shop
";

const BUDGET: &str = "\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: carts
  namespace: shop
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      name: carts
";

const QUOTA: &str = "\
apiVersion: v1
kind: ResourceQuota
metadata:
  name: team
  namespace: shop
spec:
  hard:
    pods: 10
    requests.cpu: \"2\"
    limits.memory: 4Gi
";

/// Loads the six objects with one text replaced in one of them, and returns every finding.
fn answer(file: &str, from: &str, to: &str) -> String {
    let mut files = [
        ("carts-dep.yaml", DEPLOYMENT),
        ("carts-svc.yaml", SERVICE),
        ("hpa.yaml", AUTOSCALER),
        ("ns.yaml", NAMESPACE),
        ("pdb.yaml", BUDGET),
        ("quota.yaml", QUOTA),
    ]
    .map(|(path, text)| source(path, text));
    let changed = files.iter_mut().find(|f| f.path == file).expect("one of the six");
    assert!(changed.text.contains(from), "`{from}` is not in {file}");
    changed.text = changed.text.replacen(from, to, 1);
    let found = match load(&files, &[]) {
        Ok((_, warnings)) => warnings,
        Err(mistakes) => mistakes.0,
    };
    for finding in &found {
        assert_helpful(finding, &files);
    }
    let mut lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    // Each ends its line.
    lines.push(String::new());
    lines.join("\n")
}

/// The answers to a table of changes, for a snapshot.
fn answers(file: &str, changes: &[(&str, &str)]) -> String {
    let show = |(from, to): &(&str, &str)| {
        let answer = answer(file, from, to);
        assert!(!answer.is_empty(), "nothing was said about `{from}` -> `{to}`");
        format!("## {} -> {}\n{answer}\n", from.trim().escape_debug(), to.trim().escape_debug())
    };
    changes.iter().map(show).collect()
}

#[test]
fn the_unbroken_objects_load_without_a_word() {
    assert_eq!(answer("ns.yaml", "shop", "shop"), "");
}

#[test]
fn broken_deployments() {
    let found = answers(
        "carts-dep.yaml",
        &[
            ("apiVersion: apps/v1", "apiVersion: apps/v2"),
            ("apiVersion: apps/v1\n", ""),
            ("kind: Deployment", "kind: Deploymnt"),
            ("kind: Deployment", "kind: StatefulSet"),
            ("name: carts\n", "name: Carts_1\n"),
            ("  name: carts\n", ""),
            ("  namespace: shop\n", "  namespace: shpo\n"),
            ("  replicas: 1", "  replcas: 1"),
            ("replicas: 1", "replicas: -1"),
            ("replicas: 1", "replicas: \"1\""),
            ("replicas: 1", "replicas: two"),
            ("replicas: 1", "replicas: 1\n  replicas: 2"),
            ("      name: carts\n", "      name: cart\n"),
            ("  selector:\n    matchLabels:\n      name: carts\n", ""),
            (
                "    matchLabels:\n      name: carts\n",
                "    matchExpressions:\n    - {key: name, operator: Inn, values: [carts]}\n",
            ),
            ("    matchLabels:\n      name: carts\n", "    matchExpressions:\n    - {key: name, operator: In}\n"),
            ("maxSurge: 1", "maxSurge: 0"),
            ("maxSurge: 1", "maxSurge: 25 %"),
            ("    rollingUpdate:", "    type: Recreate\n    rollingUpdate:"),
            ("      labels:", "      lables:"),
            ("strategy:\n", "progressDeadlineSeconds: 5\n  minReadySeconds: 10\n  strategy:\n"),
        ],
    );
    insta::assert_snapshot!(found);
}

#[test]
fn broken_containers() {
    let found = answers(
        "carts-dep.yaml",
        &[
            ("        image: weaveworksdemos/carts:0.4.8\n", ""),
            ("image: weaveworksdemos/carts:0.4.8", "image: weaveworksdemos/carts: 0.4.8"),
            ("image: weaveworksdemos/carts:0.4.8", "image: \"carts 0.4.8\""),
            ("image: weaveworksdemos", "imagePullPolicy: Allways\n        image: weaveworksdemos"),
            ("- name: carts", "- {name: carts, image: x}\n      - name: carts"),
            ("value: \"true\"", "value: true"),
            ("value: \"true\"", "value: 8080\n        - name: NO_SCIENCE\n          value: 1e3"),
            ("value: \"true\"", "value: x\n          valueFrom: {fieldRef: {fieldPath: metadata.name}}"),
            ("value: \"true\"", "valueFrom: {secretKeyRef: {name: db, key: password}}"),
            (
                "readinessProbe:",
                "envFrom: [{}, {configMapRef: {name: a}, secretRef: {name: a}}, {prefix: A=, secretRef: {name: A_b}}]\n        readinessProbe:",
            ),
            ("containerPort: 80", "containerPort: 70000"),
            ("name: http", "name: HTTP"),
            ("name: http", "name: web"),
            ("cpu: 100m", "cpu: 100mm"),
            ("cpu: 100m", "cpu: 400m"),
            ("memory: 200Mi", "memory: 200MB"),
            ("memory: 500Mi", "memory: 100Mi"),
            ("cpu: 300m", "cpus: 300m"),
            ("            path: /health", "            pth: /health"),
            ("          httpGet:\n", "          tcpSocket: {port: 80}\n          httpGet:\n"),
            ("readinessProbe:", "livenessProbe: {exec: {command: [x]}, successThreshold: 2}\n        readinessProbe:"),
            ("readinessProbe:", "lifecycle: {preStop: {sleep: {seconds: 5}}}\n        readinessProbe:"),
            ("readinessProbe:", "volumeMounts: [{name: tpm, mountPath: /tmp}]\n        readinessProbe:"),
            ("    spec:\n", "    spec:\n      restartPolicy: Never\n"),
        ],
    );
    insta::assert_snapshot!(found);
}

#[test]
fn broken_services() {
    let found = answers(
        "carts-svc.yaml",
        &[
            ("    name: carts\n", "    name: cart\n"),
            ("    name: carts\n", "    nmae: carts\n"),
            ("  namespace: shop\n", ""),
            ("name: carts\n", "name: 2-carts\n"),
            ("targetPort: http", "targetPort: htp"),
            ("targetPort: http", "targetPort: \"80\""),
            ("targetPort: http", "targetPort: 8080"),
            ("port: 80", "port: 0"),
            ("port: 80", "port: 80\n  - port: 81"),
            ("port: 80", "port: 80\n    nodePort: 30001"),
            ("spec:\n", "spec:\n  type: NodePrt\n"),
            ("port: 80", "port: 80\n    nodePort: 80"),
            ("  ports:\n  - port: 80\n    targetPort: http\n", ""),
            ("  - port: 80\n    targetPort: http\n", "    port: 80\n"),
            ("  selector:\n    name: carts\n", ""),
            ("  name: carts\n", "  name: carts\n ports: 3\n"),
        ],
    );
    insta::assert_snapshot!(found);
}

#[test]
fn broken_autoscalers() {
    let found = answers(
        "hpa.yaml",
        &[
            ("    name: carts\n", "    name: cart\n"),
            ("apiVersion: apps/v1", "apiVersion: apps/v1beta1"),
            ("kind: Deployment", "kind: StatefulSet"),
            ("maxReplicas: 10", "maxReplicas: 0"),
            ("minReplicas: 1", "minReplicas: 20"),
            ("  maxReplicas: 10\n", ""),
            ("autoscaling/v2", "autoscaling/v3"),
            ("autoscaling/v2", "autoscaling/v1"),
            ("name: cpu", "name: gpu"),
            ("averageUtilization: 50", "averageUtilisation: 50"),
            ("type: Utilization", "type: AverageValue"),
            ("type: Resource", "type: External"),
            ("periodSeconds: 60", "periodSeconds: 0"),
            ("stabilizationWindowSeconds: 60", "stabilizationWindowSeconds: 1h"),
        ],
    );
    insta::assert_snapshot!(found);
}

#[test]
fn broken_disruption_budgets() {
    let found = answers(
        "pdb.yaml",
        &[
            ("policy/v1", "v1"),
            ("policy/v1", "policy/v1beta1"),
            ("maxUnavailable: 1", "maxUnavailable: 150%"),
            ("maxUnavailable: 1", "maxUnavailable: one"),
            ("maxUnavailable: 1", "maxUnavailable: 1\n  minAvailable: 1"),
            ("  maxUnavailable: 1\n", ""),
            ("maxUnavailable", "maxUnavailble"),
            ("  selector:\n    matchLabels:\n      name: carts\n", ""),
            ("matchLabels:\n      name: carts", "matchExpressions:\n    - {key: name, operator: In}"),
            ("maxUnavailable: 1", "maxUnavailable: 1\n  unhealthyPodEvictionPolicy: Never"),
        ],
    );
    insta::assert_snapshot!(found);
}

#[test]
fn broken_quotas() {
    let found = answers(
        "quota.yaml",
        &[
            ("pods: 10", "pods: ten"),
            ("pods: 10", "pod: 10"),
            ("pods: 10", "count/deployments.apps: 10"),
            ("requests.cpu: \"2\"", "requests.cpu: 2 cores"),
            ("limits.memory: 4Gi", "limits.memory: 4GB"),
            ("  hard:", "  scopes: [BestEffort]\n  hard:"),
        ],
    );
    insta::assert_snapshot!(found);
}

#[test]
fn broken_tolerations() {
    let with = |toleration: &'static str| ("    spec:\n      containers:", toleration);
    let found = answers(
        "carts-dep.yaml",
        &[
            with("    spec:\n      tolerations: [{effect: NoExecute}]\n      containers:"),
            with("    spec:\n      tolerations: [{key: a, operator: Exists, value: b}]\n      containers:"),
            with("    spec:\n      tolerations: [{key: a, operator: Exists, tolerationSeconds: 3}]\n      containers:"),
            with("    spec:\n      tolerations: [{key: a, operator: exists}]\n      containers:"),
            with("    spec:\n      tolerations: [{key: a, effect: NoEffect}]\n      containers:"),
        ],
    );
    insta::assert_snapshot!(found);
}

#[test]
fn broken_files_and_other_kinds() {
    let found = answers(
        "ns.yaml",
        &[
            ("kind: Namespace", "kind: DaemonSet"),
            ("kind: Namespace", "kind: Ingress"),
            ("apiVersion: v1\nkind: Namespace", "apiVersion: chaos-mesh.org/v1alpha1\nkind: PodChaos"),
            ("kind: Namespace", "kind: ConfigMap\ndata: {a b: x, c: 3}"),
            ("kind: Namespace", "kind: Secret\ndata: {password: secret!}"),
            ("name: shop", "name: {{ .Values.name }}"),
            ("  name: shop", "\tname: shop"),
            ("  name: shop", "  name: \"shop"),
            ("metadata:", "metadata"),
            ("metadata:\n  name: shop", "just: words\n---\n- a list\n---\ntext"),
            ("apiVersion", "apiversion"),
            ("metadata:\n", "metadata:\n  labels: {-bad: x, good: \"not good\"}\n"),
        ],
    );
    insta::assert_snapshot!(found);
}

#[test]
fn mistakes_of_every_sort_in_one_deployment_are_found_at_once() {
    let broken = [
        ("replicas: 1", "replcas: one"),
        ("      name: carts\n  strategy", "      name: cart\n  strategy"),
        ("maxSurge: 1", "maxSurge: 0"),
        ("value: \"true\"", "value: on"),
        ("containerPort: 80", "containerPort: eighty"),
        ("cpu: 300m", "cpu: 300mm"),
        ("memory: 200Mi", "memory: 600Mi"),
        ("path: /health", "path: [/health]"),
        ("periodSeconds", "periodSecond"),
    ];
    let broken = broken.iter().fold(DEPLOYMENT.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    });
    insta::assert_snapshot!(load(&[source("dep.yaml", &broken)], &[]).unwrap_err());
}

#[test]
fn an_object_that_stands_twice_is_refused_with_both_places() {
    let files = [source("a.yaml", NAMESPACE), source("b.yaml", &format!("# again\n{NAMESPACE}"))];
    insta::assert_snapshot!(load(&files, &[]).unwrap_err(), @r"
    error: b.yaml:5: metadata.name: Namespace `shop` in namespace `shop` already stands at a.yaml:4
      help: remove one of the two, or rename it
    ");
}

#[test]
fn a_service_in_front_of_a_workload_that_the_twin_cannot_run_is_refused() {
    let stateful = DEPLOYMENT.replace("kind: Deployment", "kind: StatefulSet");
    let files = [source("ns.yaml", NAMESPACE), source("db.yaml", &stateful), source("svc.yaml", SERVICE)];
    insta::assert_snapshot!(load(&files, &[]).unwrap_err(), @r"
    error: svc.yaml:7: spec.selector: the pods behind it are those of StatefulSet `carts`, which the twin does not run
      help: make `carts` a Deployment, or remove this Service
    ");
}

#[test]
fn mistakes_in_an_overlay_are_shown_in_the_overlay() {
    let files = [source("ns.yaml", NAMESPACE), source("dep.yaml", DEPLOYMENT)];
    let overlay = "\
kind: Deployment
metadata: {name: cart}
---
kind: Deployment
metadata: {name: carts}
spec:
  replicas: many
  template:
    spec:
      containers:
      - name: carts
        resources: {requests: {cpu: 1}}
        env:
        - {name: LOGGER, value: off}
";
    insta::assert_snapshot!(load(&files, &[source("overlay.yaml", overlay)]).unwrap_err(), @r#"
    error: overlay.yaml:2: metadata.name: there is no Deployment `cart` that the overlay could change
      help: did you mean `carts`?
    error: overlay.yaml:7: spec.replicas: expected a whole number, found the text `many`
      help: write a whole number
    error: overlay.yaml:12: spec.template.spec.containers[0].resources.requests.cpu: the request of 1 is above the limit of 300m
      help: lower the request or raise the limit
    error: overlay.yaml:14: spec.template.spec.containers[0].env[0].value: expected a text, found the boolean `off`
      help: quote it: "off"
    "#);
}
