//! Every action of the tool set on a real API server and in the twin: what the objects were, what became of them, and what
//! was answered. One table.
//!
//! ```text
//! Write ─┬─▶ bridge ─▶ API server ─▶ Live (Environment) ─▶ fields ─┐
//!        └─▶ Twin of the same manifests (Environment) ───▶ fields ─┴─▶ a row: must be the same in both
//! ```
//!
//! Both begin with the same two Deployments, one of which is not there yet. Nodes are cordoned and drained on a Node that the
//! test makes: it has no kubelet and lets no pod on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bridge::guard::WriteKind;
use bridge::live::{Live, Settings};
use bridge::{Cluster, Prometheus};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use sim::app::App;
use sim::diagnostic::Source;
use sim::environment::{
    AppliedObject, AutoscalerSpec, DeletableKind, Environment, Failure, Observation, Query, ResourceChange, Stage,
    Write,
};
use sim::scenario::{AppWords, Scenario};
use sim::time::SimDuration;
use sim::units::Millicores;
use sim::world::Twin;

use crate::harness::{IMAGE, Lab, in_the_lab, manifest, until};

/// The node that is cordoned and drained.
const NODE: &str = "bridge-test-actions";
/// How long controllers have to see a change.
const CONTROLLERS: SimDuration = SimDuration::from_secs(4);

/// What is looked at of a world, by name.
type Fields = BTreeMap<String, String>;

/// What one action did in one world.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    /// What was answered, without what chance made of names.
    answer: String,
    /// Fields that changed: name, before, after.
    changes: Vec<(String, String, String)>,
}

/// One row of the table.
struct Row {
    write: Write,
    live: Done,
    twin: Done,
}

fn one() -> String {
    "one".to_owned()
}

fn spare() -> String {
    "spare".to_owned()
}

/// Every kind of action, in an order in which each has something to do. What is named here as a pod stands for one that is
/// there.
fn writes() -> Vec<Write> {
    let quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: { name: bound }\nspec: { hard: { pods: \"40\" } }\n";
    vec![
        Write::Scale { component: one(), replicas: 2 },
        Write::SetResources(ResourceChange {
            component: one(),
            cpu_limit: Some(Millicores(150)),
            ..ResourceChange::default()
        }),
        Write::SetEnv { component: one(), name: "NEW".to_owned(), value: Some("1".to_owned()) },
        Write::Restart { component: one() },
        Write::SetImage { component: one(), image: format!("{IMAGE}-missing") },
        Write::Rollback { component: one(), revision: None },
        Write::ApplyAutoscaler(AutoscalerSpec { component: one(), min_replicas: 1, max_replicas: 3, cpu_percent: 70 }),
        Write::DeleteAutoscaler { component: one() },
        Write::DeletePod { pod: String::new() },
        Write::CreateDeployment { component: spare() },
        Write::DeleteDeployment { component: spare() },
        Write::Apply(AppliedObject { manifest: quota.to_owned() }),
        Write::Delete { kind: DeletableKind::ResourceQuota, name: "bound".to_owned() },
        Write::Cordon { node: NODE.to_owned() },
        Write::Drain { node: NODE.to_owned() },
        Write::Uncordon { node: NODE.to_owned() },
    ]
}

#[test]
#[ignore = "needs the lab"]
fn every_action_does_the_same_on_a_cluster_and_in_the_twin() {
    in_the_lab("actions", async |lab| {
        let nodes: Api<Node> = Api::all(lab.client.clone());
        nodes.delete(NODE, &DeleteParams::default()).await.ok();
        until("the node of an earlier test is gone", async || nodes.get_opt(NODE).await.unwrap().is_none()).await;
        lab.deploy("one", 1).await;
        let (app, scenario) = application(&lab).await;
        nodes.create(&PostParams::default(), &node()).await.unwrap();
        let rows = rows(&lab, &app, &scenario).await;
        nodes.delete(NODE, &DeleteParams::default()).await.unwrap();
        let rows = rows.unwrap_or_else(|failure| panic!("a world failed: {failure}"));

        let table = table(&rows);
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/actions.md");
        fs::write(path, &table).unwrap();
        let played: BTreeSet<&str> = rows.iter().map(|row| WriteKind::of(&row.write).name()).collect();
        let all: BTreeSet<&str> = WriteKind::ALL.map(WriteKind::name).into();
        assert_eq!(played, all, "every kind of action has its row");
        let differ: Vec<String> =
            rows.iter().filter(|row| row.live != row.twin).map(|row| format!("{:?}", row.write)).collect();
        assert!(differ.is_empty(), "{} differ, see {path}: {differ:#?}\n{table}", differ.len());
    });
}

/// The same Deployments for the twin, on the lab's nodes and the test's own.
async fn application(lab: &Lab) -> (Arc<App>, Arc<Scenario>) {
    let namespaced = |name: &str| {
        let text =
            manifest(name, 1).replacen("metadata:\n", &format!("metadata:\n  namespace: {}\n", lab.namespace), 1);
        Source { path: format!("{name}.yaml"), text }
    };
    let profile = "
apiVersion: sockpit/v1alpha1
kind: Profile
images:
- {image: registry.k8s.io/pause, tags: ['3.10'], runs: [one, spare, beside], size: 1Mi}
services:
  one: {port: 80, runtime: {model: threads}, memory: {base: 1Mi}, endpoints: [{request: GET /, program: []}]}
  spare: {port: 80, runtime: {model: threads}, memory: {base: 1Mi}}
  beside: {port: 81, runtime: {model: threads}, memory: {base: 1Mi}}
user_classes:
  nobody: {wait: {between: {min: 1s, max: 1s}}, tasks: [{name: nothing, requests: [{request: GET /}]}]}
";
    let profile = Source { path: "profile.yaml".to_owned(), text: profile.to_owned() };
    let service = format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: one, namespace: {}}}
spec: {{selector: {{name: one}}, ports: [{{port: 80}}]}}
",
        lab.namespace
    );
    let service = Source { path: "service.yaml".to_owned(), text: service };
    let app = App::load(&[namespaced("one"), namespaced("spare"), service], &[], Some(&profile));
    let (app, _) = app.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let mut nodes = String::new();
    for node in lab.bridge.nodes().await.unwrap() {
        let (cpu, memory) = (node.allocatable_cpu, node.allocatable_memory);
        writeln!(nodes, "  - {{name: {}, cores: {cpu}, memory: {memory}}}", node.name).unwrap();
    }
    let scenario = format!(
        "
apiVersion: sockpit/v1alpha1
kind: Scenario
name: test/actions
app: {{name: test}}
cluster:
  nodes:
{nodes}  - {{name: {NODE}, cores: 100m, memory: 64Mi}}
# A scenario has a load; of this one no request ever comes.
workloads: [{{user_class: nobody, target: one, shape: {{trace: []}}}}]
start: {{absent: [spare]}}
task: {{levels: [L3], agent: one, text: Nobody is asked., goal: maintain, start: 0s}}
slos: {{components: [one]}}
"
    );
    let source = Source { path: "scenario.yaml".to_owned(), text: scenario };
    let words = AppWords::of(&app.objects, &app.profile, Vec::new());
    let scenario = Scenario::load(&source, &[], |_| Ok(words)).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    (Arc::new(app), Arc::new(scenario.value))
}

/// A Ready node that no pod comes to.
fn node() -> Node {
    let now = Timestamp::now().to_string();
    let resources = json!({ "cpu": "100m", "memory": "64Mi", "pods": "1" });
    serde_json::from_value(json!({
        "metadata": { "name": NODE },
        "spec": { "taints": [{ "key": "sockpit.dev/test", "effect": "NoSchedule" }] },
        "status": {
            "allocatable": resources,
            "capacity": resources,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "made by a test",
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            }],
        },
    }))
    .unwrap()
}

async fn rows(lab: &Lab, app: &Arc<App>, scenario: &Arc<Scenario>) -> Result<Vec<Row>, Failure> {
    let cluster = lab.bridge.clone();
    // Nothing is asked of Prometheus.
    let prometheus = Prometheus::new("http://127.0.0.1:1");
    let mut live: Live<Cluster> =
        Live::new(cluster.clone(), cluster, prometheus, Arc::clone(app), Arc::clone(scenario), Settings::default());
    let mut twin = Twin::new(app, scenario, 1);
    twin.prepare().await?;
    // Its pods become Ready, as the lab's are.
    Clock::World.pass(&mut twin, SimDuration::from_secs(60)).await?;
    let mut rows = Vec::new();
    for write in writes() {
        let of_live = done(&mut live, &write, Clock::Machine).await?;
        let of_twin = done(&mut twin, &write, Clock::World).await?;
        rows.push(Row { write, live: of_live, twin: of_twin });
    }
    Ok(rows)
}

/// Whose time passes while one waits.
#[derive(Clone, Copy)]
enum Clock {
    Machine,
    World,
}

impl Clock {
    async fn pass<W: Environment>(self, world: &mut W, time: SimDuration) -> Result<(), Failure> {
        match self {
            Self::Machine => tokio::time::sleep(Duration::from_nanos(time.0)).await,
            Self::World => {
                let until = world.now() + time;
                world.advance(until).await?;
            }
        }
        Ok(())
    }
}

/// Makes a change, and says what it did.
async fn done<W: Environment>(world: &mut W, write: &Write, clock: Clock) -> Result<Done, Failure> {
    // A pod that is deleted has to be there, and those of an earlier rollout must be gone.
    let pod = match write {
        Write::DeletePod { .. } => Some(settled_pod(world, clock).await?),
        _ => None,
    };
    let write = match &pod {
        Some(pod) => Write::DeletePod { pod: pod.clone() },
        None => write.clone(),
    };
    let before = fields(world, pod.as_deref()).await?;
    let answer = match world.act(&write).await {
        Ok(answer) => answer,
        Err(Failure::Rejected(why)) => format!("rejected: {why}"),
        Err(failure) => return Err(failure),
    };
    let answer = pod.iter().fold(answer, |answer, pod| answer.replace(pod.as_str(), "POD"));
    clock.pass(world, CONTROLLERS).await?;
    let after = fields(world, pod.as_deref()).await?;
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |of: &Fields, name: &String| of.get(name).cloned().unwrap_or_else(|| "-".to_owned());
    let changes = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let changes = changes.map(|name| (name.clone(), value(&before, name), value(&after, name))).collect();
    Ok(Done { answer, changes })
}

/// The first pod of `one`, once its rollouts are over.
async fn settled_pod<W: Environment>(world: &mut W, clock: Clock) -> Result<String, Failure> {
    for _ in 0..30 {
        let Observation::Description(described) = world.observe(&Query::Describe { component: one() }).await? else {
            panic!("a Describe is answered by something else");
        };
        let (deployment, pods) = (&described.deployment, &described.pods);
        let is_settled = deployment.available == deployment.replicas && pods.len() == deployment.replicas as usize;
        if let Some(first) = pods.first().filter(|_| is_settled) {
            return Ok(first.name.clone());
        }
        clock.pass(world, SimDuration::SECOND * 2).await?;
    }
    panic!("the pods of `one` did not settle within a minute");
}

/// What users and controllers made of the objects that actions are about.
async fn fields<W: Environment>(world: &mut W, pod: Option<&str>) -> Result<Fields, Failure> {
    let mut fields = Fields::new();
    for component in [one(), spare()] {
        match world.observe(&Query::Describe { component: component.clone() }).await {
            Ok(Observation::Description(described)) => add_deployment(&mut fields, &component, &described, pod),
            Ok(other) => panic!("a Describe is answered by {other:?}"),
            Err(Failure::Rejected(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    if let Observation::Policies(policies) = world.observe(&Query::Policies).await? {
        fields.extend(policies.into_iter().map(|p| (format!("{} {}", p.kind.name(), p.name), "there".to_owned())));
    }
    if let Observation::Nodes(nodes) = world.observe(&Query::Nodes).await? {
        let ours = nodes.into_iter().find(|node| node.name == NODE);
        fields.extend(ours.map(|node| ("node cordoned".to_owned(), node.unschedulable.to_string())));
    }
    Ok(fields)
}

fn add_deployment(fields: &mut Fields, name: &str, described: &sim::environment::Description, pod: Option<&str>) {
    let of = &described.deployment;
    let show = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let mut add = |what: &str, value: String| {
        fields.insert(format!("{name} {what}"), value);
    };
    add("replicas", of.replicas.to_string());
    add("image", of.image.clone());
    add("CPU request", show(of.cpu_request.map(|cpu| cpu.to_string())));
    add("CPU limit", show(of.cpu_limit.map(|cpu| cpu.to_string())));
    add("memory request", show(of.memory_request.map(|memory| memory.to_string())));
    add("memory limit", show(of.memory_limit.map(|memory| memory.to_string())));
    // What a field or a secret holds is told in words of each world's own.
    let env = of.env.iter().filter(|(variable, _)| variable != "FROM_FIELD");
    add("environment", env.map(|(variable, value)| format!("{variable}={value}")).collect::<Vec<_>>().join(" "));
    add("labels", of.labels.join(" "));
    add("strategy", of.strategy.clone());
    add("revision", of.revision.to_string());
    if let Some(autoscaler) = &described.autoscaler {
        let (min, max, target) = (autoscaler.min_replicas, autoscaler.max_replicas, autoscaler.target_percent);
        add("autoscaler", format!("{min} to {max} at {target} %"));
    }
    if let Some(pod) = pod.filter(|_| name == "one") {
        let is_there = described.pods.iter().any(|other| other.name == pod && other.status != "Terminating");
        let now = if is_there { "there" } else { "replaced" };
        add("pod", now.to_owned());
    }
}

/// The table, as Markdown.
fn table(rows: &[Row]) -> String {
    let mut lines = vec![
        "| action | answer | on the API server | in the twin |".to_owned(),
        "| --- | --- | --- | --- |".to_owned(),
    ];
    for Row { write, live, twin } in rows {
        let answer = if live.answer == twin.answer {
            live.answer.clone()
        } else {
            format!("live: {}; twin: {}", live.answer, twin.answer)
        };
        let changes = |done: &Done| {
            let each = done.changes.iter().map(|(name, before, after)| format!("{name}: {before} -> {after}"));
            each.collect::<Vec<_>>().join("; ")
        };
        let cells = [WriteKind::of(write).name().to_owned(), answer, changes(live), changes(twin)];
        // A line break or a bar would end the cell.
        let cells = cells.map(|cell| cell.replace('\n', ", ").replace('|', "/"));
        lines.push(format!("| {} |", cells.join(" | ")));
    }
    lines.join("\n") + "\n"
}
