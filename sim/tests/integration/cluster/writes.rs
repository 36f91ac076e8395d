//! What the API server and `kubectl` answer.

use sim::cluster::Backend;
use sim::environment::{AppliedObject, AutoscalerSpec, Rejected, ResourceChange};
use sim::ids::{ContainerIx, KubeServiceIx, NodeIx};
use sim::kubectl::Command;

use super::script::RigEvent;
use super::*;

fn answer(rig: &mut Rig, write: &Write) -> String {
    match rig.write(write) {
        Ok(answer) => answer,
        Err(Rejected(why)) => format!("refused: {why}"),
    }
}

#[test]
fn writes_are_answered_in_kubernetes_words() {
    let resources = "resources: {requests: {cpu: 100m, memory: 100Mi}, limits: {cpu: 200m, memory: 200Mi}}";
    let mut rig = Rig::new(&web(1, &[], &[resources]));
    rig.boot_ready();
    let web = || "web".to_owned();
    let change = |cpu_request, cpu_limit, memory_request| {
        Write::SetResources(ResourceChange {
            component: web(),
            cpu_request,
            cpu_limit,
            memory_request,
            memory_limit: None,
        })
    };
    let env = |name: &str, value: Option<&str>| Write::SetEnv {
        component: web(),
        name: name.into(),
        value: value.map(Into::into),
    };
    let hpa = |component: &str, min_replicas, max_replicas, cpu_percent| {
        Write::ApplyAutoscaler(AutoscalerSpec { component: component.into(), min_replicas, max_replicas, cpu_percent })
    };
    let apply = |manifest: &str| Write::Apply(AppliedObject { manifest: manifest.into() });
    let writes = [
        scale("web", 3),
        scale("nobody", 3),
        scale("web", u32::MAX),
        change(Some(Millicores(150)), None, None),
        change(Some(Millicores(500)), None, None),
        change(Some(Millicores(500)), None, Some(Bytes::from_mebibytes(300))),
        change(None, Some(Millicores(64_000)), None),
        change(None, None, None),
        set_image("web", "web:2"),
        set_image("web", ""),
        set_image("web", " web:2"),
        env("LEVEL", Some("debug")),
        env("LEVEL", None),
        env("A=B", Some("x")),
        Write::Restart { component: "nobody".into() },
        hpa("web", 1, 4, 50),
        hpa("web", 1, 4, 50),
        hpa("web", 2, 4, 50),
        hpa("web", 5, 4, 0),
        hpa("web", 0, 0, 50),
        Write::DeleteAutoscaler { component: web() },
        Write::DeleteAutoscaler { component: web() },
        Write::CreateDeployment { component: web() },
        Write::CreateDeployment { component: "nobody".into() },
        Write::DeletePod { pod: "web-1".into() },
        apply(
            "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {name: web}, ports: [{port: 80}]}\n",
        ),
        apply(
            "apiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {selector: {name: web}, ports: [{port: 80}]}\n",
        ),
        apply(
            "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {name: web}, ports: [{port: 70000}]}\n",
        ),
        apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"),
        apply("kind: ["),
        Write::DeleteDeployment { component: web() },
        Write::DeleteDeployment { component: web() },
    ];
    let answers = writes.iter().fold(String::new(), |text, write| text + &answer(&mut rig, write) + "\n");
    insta::assert_snapshot!(answers, @r#"
    deployment.apps/web scaled
    refused: deployments.apps "nobody" not found
    refused: json: cannot unmarshal number 4294967295 into Go struct field ScaleSpec.spec.replicas of type int32
    deployment.apps/web resource requirements updated
    refused: Deployment.apps "web" is invalid: spec.template.spec.containers[0].resources.requests: Invalid value: "500m": must be less than or equal to cpu limit of 200m
    refused: Deployment.apps "web" is invalid: [spec.template.spec.containers[0].resources.requests: Invalid value: "500m": must be less than or equal to cpu limit of 200m, spec.template.spec.containers[0].resources.requests: Invalid value: "300Mi": must be less than or equal to memory limit of 200Mi]
    deployment.apps/web resource requirements updated
    refused: you must specify an update to requests or limits (in the form of --requests/--limits)
    deployment.apps/web image updated
    refused: Deployment.apps "web" is invalid: spec.template.spec.containers[0].image: Required value
    refused: Deployment.apps "web" is invalid: spec.template.spec.containers[0].image: Invalid value: " web:2": must not have leading or trailing whitespace
    deployment.apps/web env updated
    deployment.apps/web env updated
    refused: Deployment.apps "web" is invalid: spec.template.spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than '='
    refused: deployments.apps "nobody" not found
    horizontalpodautoscaler.autoscaling/web created
    horizontalpodautoscaler.autoscaling/web unchanged
    horizontalpodautoscaler.autoscaling/web configured
    refused: HorizontalPodAutoscaler.autoscaling "web" is invalid: [spec.maxReplicas: Invalid value: 4: must be greater than or equal to `minReplicas`, spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0]
    refused: HorizontalPodAutoscaler.autoscaling "web" is invalid: [spec.minReplicas: Invalid value: 0: must be greater than or equal to 1, spec.maxReplicas: Invalid value: 0: must be greater than 0]
    horizontalpodautoscaler.autoscaling "web" deleted
    refused: horizontalpodautoscalers.autoscaling "web" not found
    refused: deployments.apps "web" already exists
    refused: the path "nobody.yaml" does not exist
    refused: pods "web-1" not found
    service/web unchanged
    service/other created
    refused: error validating data: spec.ports[0].port: `70000` is not a port (write a number from 1 to 65535)
    refused: only one object of kind Service, HorizontalPodAutoscaler, NetworkPolicy, ResourceQuota or PodDisruptionBudget can be applied
    refused: error validating data: line 1: not valid YAML: unclosed bracket '[' (check indentation, quotes and brackets here and on the line above)
    deployment.apps "web" deleted
    refused: deployments.apps "web" not found
    "#);
}

#[test]
fn a_service_that_leads_to_a_port_nobody_listens_on_refuses() {
    let mut rig = Rig::new(&web(1, &[], &[READINESS]));
    rig.boot_ready();
    rig.run(3.0);
    assert_eq!(rig.backends(0), 1);
    let manifest = |port: u16| {
        let manifest = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {{selector: {{name: web}}, \
             ports: [{{port: 80, targetPort: {port}}}]}}\n"
        );
        Write::Apply(AppliedObject { manifest })
    };
    rig.do_write(&manifest(8080));
    rig.run(3.0);
    let backends = &rig.script.backends[&(NodeIx(0), KubeServiceIx(0))];
    assert_eq!(backends, &[Backend { container: None }]);
    rig.do_write(&manifest(80));
    rig.run(3.0);
    assert_eq!(rig.backends(0), 1);
}

#[test]
fn a_restarted_container_is_reached_at_the_same_address() {
    let mut rig = Rig::new(&web(1, &[], &[]));
    rig.boot_ready();
    rig.run(3.0);
    let address = rig.cluster.list_pods(rig.now, None)[0].ip.clone();
    rig.queue.schedule(rig.now, RigEvent::Exit(ContainerIx(0), 1));
    rig.run(4.0);
    assert_eq!(rig.backends(0), 1);
    assert_eq!(rig.cluster.list_pods(rig.now, None)[0].ip, address);
    let service = rig.cluster.describe(rig.now, "web").unwrap().service.unwrap();
    assert_eq!(service.endpoints, [address.unwrap()]);
}

#[test]
fn a_describe_says_what_kubectl_says() {
    let resources = "resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}";
    let mut rig = Rig::new(&web(1, &[], &[READINESS, resources]));
    rig.boot_ready();
    rig.do_write(&set_image("web", "web:2"));
    rig.run(20.0);
    let description = rig.cluster.describe(rig.now, "web").unwrap();
    insta::assert_snapshot!(format!("{:#?}\n{:#?}", description.deployment, description.containers), @r#"
    DeploymentView {
        name: "web",
        replicas: 1,
        updated: 1,
        ready: 1,
        available: 1,
        image: "web:2",
        cpu_request: Some(
            Millicores(
                100,
            ),
        ),
        cpu_limit: Some(
            Millicores(
                200,
            ),
        ),
        memory_request: None,
        memory_limit: None,
        command: [],
        args: [],
        env: [],
        env_from: [],
        labels: [
            "name=web",
        ],
        ports: [
            80,
        ],
        probes: [
            "Readiness: http-get http://:80/health delay=2s timeout=1s period=3s #success=1 #failure=3",
        ],
        conditions: [
            (
                "Available",
                "True",
                "MinimumReplicasAvailable",
            ),
            (
                "Progressing",
                "True",
                "NewReplicaSetAvailable",
            ),
        ],
        revision: 2,
        strategy: "25% max unavailable, 25% max surge",
    }
    [
        [
            ContainerView {
                name: "web",
                image: "web:2",
                state: "Running",
                last_state: None,
                ready: true,
                restarts: 0,
            },
        ],
    ]
    "#);
}

/// `kubectl patch` of what the twin keeps: merged as Kubernetes merges it, refused by its path where it is not known.
#[test]
fn patches_are_merged_or_refused_by_their_path() {
    let resources = "resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}";
    let mut rig =
        Rig::new(&web(1, &[], &[READINESS, resources, "env: [{name: A, value: '1'}, {name: B, value: '2'}]"]));
    rig.boot_ready();
    let container = |fields: &str| {
        format!("{{\"spec\": {{\"template\": {{\"spec\": {{\"containers\": [{{\"name\": \"web\", {fields}}}]}}}}}}}}")
    };
    let answers = [
        ("Deployment", container("\"resources\": {\"limits\": {\"cpu\": \"50m\"}}")),
        ("Deployment", container("\"resources\": {\"requests\": {\"cpu\": \"50m\"}, \"limits\": {\"cpu\": \"50m\", \"memory\": \"64Mi\"}}")),
        ("Deployment", container("\"env\": [{\"name\": \"A\", \"$patch\": \"delete\"}, {\"name\": \"C\", \"value\": \"3\"}]")),
        ("Deployment", container("\"readinessProbe\": {\"httpGet\": {\"path\": \"/healthz\"}, \"periodSeconds\": 5}")),
        ("Deployment", container("\"readinessProbe\": {\"tcpSocket\": {\"port\": 80}}")),
        ("Deployment", container("\"livenessProbe\": {\"tcpSocket\": {\"port\": 80}}")),
        ("Deployment", container("\"startupProbe\": {\"periodSeconds\": 1}")),
        ("Deployment", container("\"securityContext\": {}")),
        ("Deployment", container("\"image\": \"\"")),
        ("Service", "{\"spec\": {\"ports\": [{\"port\": 80, \"targetPort\": 8080}], \"selector\": {\"name\": \"wep\"}}}".into()),
        ("Service", "{\"spec\": {\"ports\": [{\"port\": 80, \"targetPort\": 8080}]}}".into()),
        ("Service", "{\"spec\": {\"clusterIP\": \"10.0.0.1\"}}".into()),
        ("ConfigMap", "{}".into()),
    ]
    .map(|(kind, patch)| {
        let command = Command::Patch { kind, name: "web".into(), patch: serde_json::from_str(&patch).unwrap() };
        match rig.cluster.run(rig.now, &command, &mut rig.queue, &mut rig.script) {
            Ok(answer) => answer,
            Err(Rejected(why)) => format!("refused: {why}"),
        }
    });
    insta::assert_snapshot!(answers.join("\n"));
    let description = rig.cluster.describe(rig.now, "web").unwrap();
    let d = description.deployment;
    let service = description.service.unwrap();
    insta::assert_snapshot!(format!(
        "{:?} {:?} {:?}\n{:?}\n{:?}\n{:?} {:?}",
        d.cpu_request, d.cpu_limit, d.memory_limit, d.env, d.probes, service.selector, service.ports
    ));
}
