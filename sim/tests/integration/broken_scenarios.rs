//! Broken scenarios and the answer each gets, and a property test over damaged ones.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sim::diagnostic::Source;
use sim::profile::{ImageProfile, Level, ServiceProfile};
use sim::scenario::{AppFailure, AppWords, ComponentWords, Scenario};
use sim::units::Bytes;

/// A scenario that is right, with most of what one can write.
const GOOD: &str = r#"apiVersion: sockpit/v1alpha1
kind: Scenario
name: mine/catalogue-trouble
app: {name: sock-shop, overlay: acv}
cluster:
  nodes:
  - {name: node-1, cores: 4, memory: 8Gi}
  - {name: node-2, cores: 4, memory: 8Gi, speed: 0.5}
  network_latency: 200us
start:
  absent: [payment]
  premises:
  - {component: catalogue, replicas: 2, cpu_request: 100m, cpu_limit: 200m}
workloads:
- user_class: browse
  target: catalogue
  shape:
    level: moderate
- user_class: browse
  target: front-end
  shape:
    users: {users: 10, spawn_rate: 1}
faults:
- start: 120s
  severity: 0.5
  inject:
    chaos-mesh:
      apiVersion: chaos-mesh.org/v1alpha1
      kind: StressChaos
      metadata: {name: stress}
      spec:
        mode: one
        selector:
          labelSelectors: {name: catalogue}
        stressors:
          cpu: {workers: 2, load: 50}
        duration: 5m
- start: 200s
  end: 300s
  inject:
    bad-tag: {component: carts, image: "weaveworksdemos/carts:9.9.9"}
- start: 200s
  inject:
    fake-image: {component: carts, image: "busybox:1.36"}
task:
  levels: [L2, L3, L4, L5]
  agent: catalogue
  text: Mend what is wrong.
  goal: maintain
  start: 180s
  trigger:
    heartbeat: {every: 120s, times: 3}
  checks:
  - reported:
      name: cpu
      truth:
      - promql: sum(rate(container_cpu_usage_seconds_total[1m]))
slos:
  components: [catalogue]
  without: [memory]
  cpu: {below: 0.5}
  latency: {below: 200ms}
hold: 60s
budget: {steps: 30, time: 600s}
thinking:
  fixed: 2s
prices: {light_action: 1}
"#;

/// The last fault of the good scenario, to be replaced.
const FAKE: &str = "fake-image: {component: carts, image: \"busybox:1.36\"}";
/// The stress of the good scenario, to be replaced.
const STRESS: &str = "  severity: 0.5\n  inject:\n    chaos-mesh:\n      apiVersion: chaos-mesh.org/v1alpha1\n      kind: StressChaos\n      metadata: {name: stress}\n      spec:\n        mode: one\n        selector:\n          labelSelectors: {name: catalogue}\n        stressors:\n          cpu: {workers: 2, load: 50}\n";
/// Makes a kill of the stress.
const STRESS_TO_KILL: (&str, &str) = (
    STRESS,
    "  inject:\n    chaos-mesh:\n      apiVersion: chaos-mesh.org/v1alpha1\n      kind: PodChaos\n      metadata: {name: kill}\n      spec:\n        mode: one\n        selector:\n          labelSelectors: {name: catalogue}\n        action: pod-kill\n",
);

/// Makes another experiment of the stress.
fn chaos(kind: &str, spec: &str) -> (&'static str, &'static str) {
    let to = format!(
        "  inject:\n    chaos-mesh:\n      apiVersion: chaos-mesh.org/v1alpha1\n      kind: {kind}\n      metadata: {{name: x}}\n      \
         spec:\n        mode: one\n        selector:\n          labelSelectors: {{name: catalogue}}\n        {spec}\n"
    );
    (STRESS, to.leak())
}

fn network(spec: &str) -> (&'static str, &'static str) {
    chaos("NetworkChaos", spec)
}

fn listens_on(port: u16) -> ServiceProfile {
    let program = serde_json::json!({ "port": port, "runtime": { "model": "threads" }, "memory": { "base": "10Mi" },
        "environment": { "DB": { "address-of": "carts-db" } }, "clients": { "carts-db": {} },
    });
    serde_json::from_value(program).unwrap_or_else(|mistake| panic!("{mistake}"))
}

fn words() -> AppWords {
    let component = |name: &str| ComponentWords {
        name: name.into(),
        labels: BTreeMap::from([("name".to_owned(), name.to_owned())]),
        program: Some(listens_on(80)),
        ..ComponentWords::default()
    };
    let image = |image: &str, tags: &[&str], runs: &[&str]| ImageProfile {
        image: image.into(),
        tags: tags.iter().map(|&tag| tag.into()).collect(),
        runs: runs.iter().map(|&name| name.into()).collect(),
        size: Bytes(0),
    };
    AppWords {
        overlays: vec!["acv".into()],
        components: ["carts", "catalogue", "front-end", "payment"].map(component).into(),
        services: ["carts", "catalogue", "front-end"].map(str::to_owned).into(),
        user_classes: vec!["browse".into(), "shopper".into()],
        levels: BTreeMap::from([(
            "moderate".to_owned(),
            Level { users: 50, spawn_rate: 50.0, users_by_target: BTreeMap::new() },
        )]),
        images: vec![image("weaveworksdemos/carts", &["0.4.8"], &["carts"]), image("busybox", &[], &[])],
    }
}

fn load(text: &str) -> Result<(), String> {
    let source = Source { path: "mine.yaml".into(), text: text.to_owned() };
    Scenario::load(&source, &[], |choice| {
        if choice.name == "sock-shop" {
            Ok(words())
        } else {
            Err(AppFailure::Unknown { known: vec!["sock-shop".into()] })
        }
    })
    .map(|_| ())
    .map_err(|mistakes| mistakes.to_string())
}

#[test]
fn the_good_scenario_is_good() {
    assert_eq!(load(GOOD), Ok(()));
}

/// Where a fault is in no component, the file says what is right to name; nothing may be.
#[test]
fn a_cause_that_the_faults_do_not_tell_is_written_down() {
    let lost = GOOD.replace(FAKE, "node-loss: {node: node-2}");
    let told = |causes: &str| lost.replace("task:\n", &format!("root_causes: {causes}\ntask:\n"));
    assert_eq!(load(&told("[{component: catalogue, kinds: [node-loss]}]")), Ok(()));
    // Where nothing is to be named nothing is to be mended.
    assert_eq!(load(&told("[]").replace("[L2, L3, L4, L5]", "[L2, L3, L4]")), Ok(()));
    assert_eq!(load(&lost.replace("levels: [L2, L3, L4, L5]", "levels: [L2, L3, L5]")), Ok(()), "nobody asks for it");
}

/// Each row changes the good scenario in one place (or a few), and the snapshot holds all that is said of it.
/// `root_causes: []` says that nothing is wrong when the agent is asked: naming no cause answers L4, and nothing is to mend.
#[test]
fn a_decoy_says_that_there_is_no_cause() {
    let task = |levels: &str| {
        let text = GOOD.replacen("task:", "root_causes: []\ntask:", 1).replacen("[L2, L3, L4, L5]", levels, 1);
        let source = Source { path: "s.yaml".into(), text };
        Scenario::load(&source, &[], |_| Ok(words())).map(|scenario| scenario.value)
    };
    assert!(task("[L3, L4]").is_ok_and(|scenario| scenario.is_decoy()));
    let refused = task("[L3, L5]").unwrap_err().to_string();
    assert!(refused.contains("task.levels: L4 and L5 need a cause to find and mend"), "{refused}");
    let good = Source { path: "s.yaml".into(), text: GOOD.into() };
    assert!(!Scenario::load(&good, &[], |_| Ok(words())).unwrap().value.is_decoy());
}

#[test]
fn broken_scenarios_are_answered_with_line_and_cure() {
    let table: &[(&str, &[(&str, &str)])] = &[
        ("an unknown version", &[("sockpit/v1alpha1", "sockpit/v2")]),
        ("another kind", &[("kind: Scenario", "kind: Deployment")]),
        ("a name that is no path", &[("mine/catalogue-trouble", "My Scenario")]),
        ("a misspelt field", &[("workloads:", "workload:")]),
        ("a missing field", &[("  agent: catalogue\n", "")]),
        ("a duration without a unit", &[("hold: 60s", "hold: 60")]),
        ("a text for a number", &[("steps: 30", "steps: many")]),
        ("an unknown app", &[("name: sock-shop", "name: sock-shp")]),
        ("an unknown overlay", &[("overlay: acv", "overlay: acw")]),
        ("an unknown component under test", &[("components: [catalogue]", "components: [catalog]")]),
        ("an unknown agent", &[("agent: catalogue", "agent: database")]),
        ("an unknown user class", &[("user_class: browse", "user_class: browser")]),
        ("an unknown level", &[("level: moderate", "level: medium")]),
        ("a target that is no service", &[("target: front-end", "target: frontend")]),
        ("no users", &[("users: 10, spawn_rate: 1", "users: 0, spawn_rate: 0")]),
        ("two shapes at once", &[("    level: moderate", "    level: moderate\n    trace: [1s]")]),
        ("two nodes of one name", &[("name: node-2", "name: node-1")]),
        (
            "no nodes",
            &[(
                "  nodes:\n  - {name: node-1, cores: 4, memory: 8Gi}\n  - {name: node-2, cores: 4, memory: 8Gi, speed: 0.5}\n",
                "  nodes: []\n",
            )],
        ),
        ("a node without speed", &[("speed: 0.5", "speed: 0")]),
        (
            "absent and changed",
            &[
                ("absent: [payment]", "absent: [catalogue]"),
                ("latency: {below: 200ms}", "throughput: {fault_free_per_s: 50}"),
            ],
        ),
        ("a request above its limit", &[("cpu_request: 100m", "cpu_request: 300m")]),
        ("an unknown chaos kind", &[("kind: StressChaos", "kind: TimeChaos")]),
        ("another API of Chaos Mesh", &[("chaos-mesh.org/v1alpha1", "chaos-mesh.org/v1")]),
        ("a fault on nobody", &[("labelSelectors: {name: catalogue}", "labelSelectors: {name: catalog}")]),
        ("a selector of all", &[("labelSelectors: {name: catalogue}", "namespaces: [sock-shop]")]),
        (
            "fields of another chaos kind",
            &[("        stressors:\n          cpu: {workers: 2, load: 50}", "        action: pod-failure")],
        ),
        ("a mode without its value", &[("mode: one", "mode: fixed")]),
        ("a load above 100 %", &[("load: 50", "load: 500")]),
        ("a stressor of nothing", &[("          cpu: {workers: 2, load: 50}", "          {}")]),
        ("memory in per cent", &[("cpu: {workers: 2, load: 50}", "memory: {workers: 0, size: 25%}")]),
        ("two stressors", &[("cpu: {workers: 2, load: 50}", "{cpu: {workers: 2}, memory: {workers: 1, size: 256MB}}")]),
        ("an unknown version of control groups", &[("network_latency: 200us", "cgroup: v3")]),
        ("an end beside a duration", &[("  severity: 0.5\n", "  end: 300s\n")]),
        ("severity zero", &[("severity: 0.5", "severity: 0")]),
        ("severity of what is all or nothing", &[("  end: 300s\n", "  end: 300s\n  severity: 0.3\n")]),
        ("a fault that ends before it starts", &[("end: 300s", "end: 100s")]),
        ("a fault after the end", &[("- start: 120s", "- start: 20m")]),
        ("a kill that lasts", &[STRESS_TO_KILL]),
        (
            "a grace period of no kill",
            &[("          cpu: {workers: 2, load: 50}", "          cpu: {workers: 2}\n        gracePeriod: 5")],
        ),
        (
            "an action that is not played",
            &[
                ("kind: StressChaos", "kind: PodChaos"),
                ("        stressors:\n          cpu: {workers: 2, load: 50}", "        action: pod-explode"),
            ],
        ),
        (
            "a burst without an end",
            &[(FAKE, "traffic-burst: {user_class: browse, target: carts, shape: {level: moderate}}")],
        ),
        ("a limit of nothing", &[(FAKE, "too-small-limit: {component: cart}")]),
        ("a port on which somebody listens", &[(FAKE, "wrong-port: {component: carts, port: 80, target_port: 80}")]),
        ("a Service that is not there", &[(FAKE, "wrong-port: {component: payment, port: 80, target_port: 81}")]),
        ("a selector that is right", &[(FAKE, "wrong-selector: {component: carts, selector: {name: carts}}")]),
        ("a network fault without its rules", &[network("action: delay")]),
        ("a delay that is a time", &[network("action: delay\n        delay: 300ms")]),
        (
            "rules of two network faults",
            &[network("action: loss\n        loss: {loss: \"5\"}\n        delay: {latency: 1s}")],
        ),
        (
            "packets that follow each other",
            &[network("action: loss\n        loss: {loss: \"500\", correlation: \"25\"}")],
        ),
        ("a direction without a target", &[network("action: partition\n        direction: both")]),
        (
            "a target that nobody is in",
            &[network("action: partition\n        target: {mode: fixed, selector: {labelSelectors: {name: cart}}}")],
        ),
        ("bytes per hour", &[network("action: bandwidth\n        bandwidth: {rate: 1mbph, limit: 1, buffer: 1}")]),
        ("an HTTP fault without anything", &[chaos("HTTPChaos", "abort: false")]),
        (
            "an HTTP fault with everything",
            &[chaos(
                "HTTPChaos",
                "target: Request\n        port: 80\n        abort: true\n        delay: 1s\n        code: 500",
            )],
        ),
        (
            "a disk that fails otherwise",
            &[chaos("IOChaos", "action: fault\n        errno: 5\n        methods: [stat]")],
        ),
        (
            "a slow disk that nobody waits for",
            &[chaos("IOChaos", "action: latency\n        delay: 10ms\n        volumePath: /data")],
        ),
        ("a variable without effect", &[(FAKE, "bad-environment: {component: carts, name: DBB, value: x}")]),
        ("a variable that nobody exits for", &[(FAKE, "crash-on-start: {component: carts, name: DB, value: x}")]),
        ("a quota of nothing", &[(FAKE, "quota-exceeded: {component: carts, name: q, hard: {}}")]),
        ("a policy for others", &[(FAKE, "blocked-by-policy: {component: carts, labels: {name: cart}, name: p}")]),
        ("a leak of nothing", &[(FAKE, "memory-leak: {component: carts}")]),
        ("a database that is no slower", &[(FAKE, "slow-database: {component: carts, cost_factor: 1}")]),
        ("data that costs nothing", &[(FAKE, "database-ageing: {component: carts, documents: 1000}")]),
        ("retries of nothing", &[(FAKE, "retry-storm: {component: carts, to: cart-db, timeout: 0s, retries: 0}")]),
        ("a node that is not there", &[(FAKE, "node-loss: {node: node-3}")]),
        ("a node that loses nothing", &[(FAKE, "node-pressure: {node: node-1}")]),
        ("a neighbour without work", &[(FAKE, "noisy-neighbour: {node: node-1, workers: 0, cpu: 1}")]),
        ("a bad tag that is good", &[("carts:9.9.9", "carts:0.4.8")]),
        ("a fake image that is real", &[("busybox:1.36", "weaveworksdemos/carts:0.4.8")]),
        ("a fake image that cannot be pulled", &[("busybox:1.36", "bussybox")]),
        ("no levels", &[("levels: [L2, L3, L4, L5]", "levels: []")]),
        ("an unknown level of autonomy", &[("levels: [L2, L3, L4, L5]", "levels: [L6, L3, L3]")]),
        ("an unknown goal", &[("goal: maintain", "goal: maintian")]),
        ("a task after the budget", &[("start: 180s", "start: 700s")]),
        ("a task without words", &[("text: Mend what is wrong.", "text: \" \"")]),
        (
            "PromQL that does not parse",
            &[("sum(rate(container_cpu_usage_seconds_total[1m]))", "sum(rate(container_cpu_usage_seconds_total)")],
        ),
        ("no budget", &[("steps: 30, time: 600s", "steps: 0, time: 0s")]),
        ("a share in per cent", &[("cpu: {below: 0.5}", "cpu: {below: 50}")]),
        ("a guard left out", &[("without: [memory]", "without: [success]")]),
        ("left out and set", &[("without: [memory]", "without: [cpu]")]),
        ("a negative price", &[("light_action: 1", "light_action: -1")]),
        (
            "nothing but mistakes of meaning",
            &[
                ("overlay: acv", "overlay: acw"),
                ("hold: 60s", "hold: 0s"),
                ("level: moderate", "level: loud"),
                ("times: 3", "times: 0"),
            ],
        ),
        ("not YAML", &[("app: {name", "app: {{name")]),
        ("nothing", &[(GOOD, "")]),
        ("a fault in no component and no cause named", &[(FAKE, "node-loss: {node: node-2}")]),
        ("a heartbeat when time is up", &[("every: 120s, times: 3", "every: 300s, times: 3")]),
    ];
    let mut report = Vec::new();
    for (name, changes) in table {
        let mut text = GOOD.to_owned();
        for (from, to) in *changes {
            assert!(text.contains(from), "{name}: `{from}` is not in the good scenario");
            text = text.replacen(from, to, 1);
        }
        let said = load(&text).expect_err(name);
        assert!(
            said.lines().filter(|line| line.starts_with("error: ")).all(|line| line.starts_with("error: mine.yaml:")),
            "{said}"
        );
        assert!(said.contains("\n  help: "), "{name}: no cure in {said}");
        report.push(format!("# {name}\n{said}\n\n"));
    }
    insta::assert_snapshot!(report.concat());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// A damaged file never panics: it loads or is answered, and an answer names the file.
    #[test]
    fn damaged_scenarios_load_or_are_answered(
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..6_u8), 1..4)
    ) {
        let mut lines: Vec<String> = GOOD.lines().map(str::to_owned).collect();
        for (at, other, how) in damages {
            let (i, j) = (at.index(lines.len()), other.index(lines.len()));
            match how {
                0 => drop(lines.remove(i)),
                1 => lines.swap(i, j),
                2 => lines[i] = format!("  {}", lines[i]),
                3 => lines[i] = lines[i].replace([':', ',', '}'], " "),
                4 => lines[i] = lines[i].replace(|c: char| c.is_ascii_digit(), "-9"),
                _ => lines.insert(i, lines[j].clone()),
            }
            if lines.is_empty() {
                lines.push(String::new());
            }
        }
        if let Err(said) = load(&lines.join("\n")) {
            prop_assert!(said.starts_with("error: mine.yaml"), "{said}");
        }
    }

    /// The same with bytes cut out anywhere.
    #[test]
    fn truncated_scenarios_load_or_are_answered(from in 0..GOOD.len(), length in 0..200_usize) {
        let text = format!("{}{}", &GOOD[..from], &GOOD[(from + length).min(GOOD.len())..]);
        if let Err(said) = load(&text) {
            prop_assert!(said.starts_with("error: mine.yaml"), "{said}");
        }
    }
}
