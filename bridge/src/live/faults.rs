//! What a live cluster does for a fault: pure, so that what cannot be played is refused before anything is touched.
//!
//! | fault | without Chaos Mesh | with it |
//! | --- | --- | --- |
//! | pods fail, are killed | the pod's image is patched, the pod is deleted | the scenario's own manifest |
//! | stress | the stand-in's `burn`, or a loop of a shell, by `exec` | the scenario's own manifest |
//! | a container is killed, network, HTTP, disk | refused | the scenario's own manifest |
//! | changed objects, quotas, policies | a patch, an apply | the same |
//! | more load | the load generator | the same |
//! | broken programs, machines | refused | refused |
//!
//! A severity below 1 is not in the manifest, so such a fault is played without Chaos Mesh or not at all.

use serde_json::Value;
use sim::environment::DeletableKind;
use sim::fault::{ChaosKind, Effect, Fault, Injection, NodeEffect, ObjectChange, PodEffect, Targets};
use sim::scenario::Scenario;
use sim::time::SimDuration;
use sim::units::Bytes;
use sim::workload::Workload;

/// What is done for a fault.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// The images of pods become `pause`.
    Pause(Targets),
    /// Pods are deleted.
    Delete(Targets, SimDuration),
    /// Something runs in the first containers of pods.
    Stress(Targets, Stress),
    /// A Deployment or a Service is patched.
    Patch(ObjectChange),
    /// An object is applied.
    Apply { kind: DeletableKind, name: String, manifest: String },
    /// More users come.
    Load(Workload),
    /// An experiment of Chaos Mesh is created.
    Experiment { plural: &'static str, manifest: Value },
}

/// What runs beside a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stress {
    /// So many busy loops, each of this share of a core.
    Cpu { workers: u32, load: f64 },
    /// Memory that is touched and kept.
    Memory(Bytes),
}

/// The commands that stress a container, and end that: for an image that holds the stand-in, and for one with a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commands {
    pub(super) start: Vec<String>,
    pub(super) stop: Vec<String>,
}

/// Where the stand-in is in its images.
const STAND_IN: &str = "/stand-in";
/// As long as this file is there, a shell's loops go on.
const MARK: &str = "/tmp/.sockpit-load";

impl Stress {
    /// The stand-in's own.
    pub(super) fn by_stand_in(self, seconds: u64) -> Commands {
        let amount = match self {
            Self::Cpu { workers, load } => ["--cpu".to_owned(), (f64::from(workers) * load * 1e3).round().to_string()],
            Self::Memory(size) => ["--memory".to_owned(), size.mebibytes().round().to_string()],
        };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut start = words(&[STAND_IN, "burn", "--seconds"]);
        start.push(seconds.to_string());
        start.extend(amount);
        Commands { start, stop: words(&[STAND_IN, "burn", "--stop"]) }
    }

    /// A shell's. Its loops are whole ones: of a share of a core, as many as can use it up together.
    pub(super) fn by_shell(self, seconds: u64) -> Commands {
        let script = match self {
            Self::Cpu { workers, load } => {
                let loops = (f64::from(workers) * load).ceil().max(1.0);
                format!(
                    "touch {MARK} || exit 1; n=0; while [ $n -lt {loops} ]; do (while [ -e {MARK} ]; do i=0; while [ $i \
                     -lt 20000 ]; do i=$((i+1)); done; done) & n=$((n+1)); done; sleep {seconds}; rm -f {MARK}; wait"
                )
            }
            // `tail` keeps a line until it ends, and zeros end none.
            Self::Memory(size) => format!(
                "touch {MARK} || exit 1; (head -c {} /dev/zero; while [ -e {MARK} ]; do sleep 1; done) | tail > /dev/null & \
                 sleep {seconds}; rm -f {MARK}; wait",
                size.0
            ),
        };
        let shell = |script: String| vec!["sh".to_owned(), "-c".to_owned(), script];
        Commands { start: shell(script), stop: shell(format!("rm -f {MARK}")) }
    }
}

/// What is done for a fault.
///
/// # Errors
/// Why it cannot be played, in words that follow its name.
pub(super) fn steps(fault: &Fault, has_chaos_mesh: bool) -> Result<Vec<Step>, String> {
    if let Injection::ChaosMesh(manifest) = &fault.inject
        && has_chaos_mesh
        && (fault.severity - 1.0).abs() < f64::EPSILON
    {
        let plural = match manifest.kind {
            ChaosKind::PodChaos => "podchaos",
            ChaosKind::StressChaos => "stresschaos",
            ChaosKind::NetworkChaos => "networkchaos",
            ChaosKind::HTTPChaos => "httpchaos",
            ChaosKind::IOChaos => "iochaos",
        };
        let manifest = serde_json::to_value(manifest).map_err(|error| format!("cannot be written: {error}"))?;
        return Ok(vec![Step::Experiment { plural, manifest: without_nulls(manifest) }]);
    }
    let effect = fault.effect().ok_or("is none that is played")?;
    let mut steps = Vec::new();
    collect(effect, &mut steps)?;
    Ok(steps)
}

fn collect(effect: Effect, steps: &mut Vec<Step>) -> Result<(), String> {
    let by_chaos_mesh = "needs Chaos Mesh, which the cluster does not have (or a severity of 1 with it)".to_owned();
    match effect {
        Effect::Pods(targets, effect) => steps.push(match effect {
            PodEffect::Fail => Step::Pause(targets),
            PodEffect::Kill { grace } => Step::Delete(targets, grace),
            PodEffect::StressCpu { workers, load } => Step::Stress(targets, Stress::Cpu { workers, load }),
            PodEffect::StressMemory { size, .. } => Step::Stress(targets, Stress::Memory(size)),
            PodEffect::KillContainer | PodEffect::Network { .. } | PodEffect::Http { .. } | PodEffect::Disk(_) => {
                return Err(by_chaos_mesh);
            }
        }),
        Effect::Object(ObjectChange::Applied { kind, name, manifest }) => {
            steps.push(Step::Apply { kind, name, manifest });
        }
        Effect::Object(change) => steps.push(Step::Patch(change)),
        Effect::Load(workload) => steps.push(Step::Load(workload)),
        Effect::Program { component, .. } => {
            return Err(format!("would need another program in {component}: no image has it"));
        }
        Effect::Node { node, effect } => {
            let what = match effect {
                NodeEffect::Loss => "the loss of",
                NodeEffect::Pressure { .. } => "pressure on",
                NodeEffect::Neighbour(_) => "somebody else's pod on",
            };
            return Err(format!("would be {what} the machine {node}: machines are not touched"));
        }
        Effect::Together(effects) => {
            for effect in effects {
                collect(effect, steps)?;
            }
        }
    }
    Ok(())
}

/// Why a scenario cannot be played live, all reasons at once; none if it can.
pub(super) fn refusals(scenario: &Scenario, has_chaos_mesh: bool) -> Vec<String> {
    let each = scenario.faults.iter().enumerate().filter_map(|(index, fault)| {
        let why = steps(fault, has_chaos_mesh).err()?;
        let kind = fault.kind().map_or_else(|| "?".to_owned(), |kind| kind.to_string());
        Some(format!("fault {index}, `{kind}`, {why}"))
    });
    each.collect()
}

/// An object without the fields that say nothing.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null() && *value != Value::Array(Vec::new()));
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// The experiment in the namespace of the application, and aimed at it: one namespace is all that is touched.
pub(super) fn placed(mut manifest: Value, namespace: &str) -> Value {
    manifest["metadata"]["namespace"] = Value::String(namespace.to_owned());
    for selector in ["/spec/selector", "/spec/target/selector"] {
        if let Some(selector) = manifest.pointer_mut(selector).filter(|selector| selector.is_object()) {
            selector["namespaces"] = Value::Array(vec![Value::String(namespace.to_owned())]);
        }
    }
    manifest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(inject: &Value, severity: f64) -> Fault {
        serde_json::from_value(json!({ "start": "60s", "severity": severity, "inject": inject })).unwrap()
    }

    fn chaos(kind: &str, spec: &Value) -> Value {
        let mut whole = json!({ "mode": "one", "selector": {
            "namespaces": ["sock-shop"], "labelSelectors": { "name": "catalogue" },
        } });
        for (field, value) in spec.as_object().unwrap() {
            whole[field.as_str()] = value.clone();
        }
        json!({ "chaos-mesh": {
            "apiVersion": "chaos-mesh.org/v1alpha1", "kind": kind, "metadata": { "name": "x" }, "spec": whole,
        } })
    }

    /// The names of the steps, or why there are none.
    fn check(inject: &Value, has_chaos_mesh: bool, expected: Result<&[&str], &str>) {
        let found = steps(&fault(inject, 1.0), has_chaos_mesh).map(|steps| {
            let name = |step: &Step| match step {
                Step::Pause(_) => "pause",
                Step::Delete(..) => "delete",
                Step::Stress(_, Stress::Cpu { .. }) => "cpu",
                Step::Stress(_, Stress::Memory(_)) => "memory",
                Step::Patch(change) => change.object().0,
                Step::Apply { .. } => "apply",
                Step::Load(_) => "load",
                Step::Experiment { plural, .. } => *plural,
            };
            steps.iter().map(name).collect::<Vec<_>>()
        });
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{inject}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{inject}: {found}"),
            (found, expected) => panic!("{inject}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn each_fault_is_played_or_refused() {
        let load = json!({ "user_class": "u", "target": "catalogue", "shape": { "level": "rising" } });
        let table: [(Value, Result<&[&str], &str>); 13] = [
            (chaos("PodChaos", &json!({ "action": "pod-failure" })), Ok(&["pause"])),
            (chaos("PodChaos", &json!({ "action": "pod-kill" })), Ok(&["delete"])),
            (chaos("PodChaos", &json!({ "action": "container-kill" })), Err("needs Chaos Mesh")),
            (chaos("StressChaos", &json!({ "stressors": { "cpu": { "workers": 2, "load": 50 } } })), Ok(&["cpu"])),
            (
                chaos("StressChaos", &json!({ "stressors": { "memory": { "workers": 1, "size": "64MB" } } })),
                Ok(&["memory"]),
            ),
            (
                chaos("NetworkChaos", &json!({ "action": "delay", "delay": { "latency": "100ms" } })),
                Err("needs Chaos Mesh"),
            ),
            (json!({ "fake-image": { "component": "catalogue", "image": "pause:1" } }), Ok(&["Deployment"])),
            (json!({ "bad-tag": { "component": "catalogue", "image": "c:none" } }), Ok(&["Deployment"])),
            (json!({ "wrong-selector": { "component": "catalogue", "selector": { "name": "x" } } }), Ok(&["Service"])),
            (
                json!({ "quota-exceeded": { "component": "catalogue", "name": "q", "hard": { "pods": "1" } } }),
                Ok(&["apply"]),
            ),
            (json!({ "rising-traffic": load }), Ok(&["load"])),
            (json!({ "memory-leak": { "component": "catalogue", "per_second": "1Mi" } }), Err("another program")),
            (json!({ "node-loss": { "node": "node-1" } }), Err("machines are not touched")),
        ];
        for (inject, expected) in &table {
            check(inject, false, *expected);
        }
    }

    #[test]
    fn chaos_mesh_gets_the_manifest_where_it_is_there() {
        check(&chaos("PodChaos", &json!({ "action": "container-kill" })), true, Ok(&["podchaos"]));
        let delay = chaos("NetworkChaos", &json!({ "action": "delay", "delay": { "latency": "100ms" } }));
        let all = steps(&fault(&delay, 1.0), true).unwrap();
        let [Step::Experiment { manifest, .. }] = &all[..] else { panic!("{all:?}") };
        let placed = placed(manifest.clone(), "shop-2");
        assert_eq!(placed["metadata"], json!({ "name": "x", "namespace": "shop-2" }));
        assert_eq!(placed["spec"]["selector"]["namespaces"], json!(["shop-2"]));
        assert_eq!((&placed["spec"]["mode"], placed["spec"].get("loss")), (&json!("one"), None), "no nulls");
        let half = chaos("StressChaos", &json!({ "stressors": { "cpu": { "workers": 2, "load": 50 } } }));
        let steps = steps(&fault(&half, 0.5), true).unwrap();
        assert!(
            matches!(&steps[..], [Step::Stress(_, Stress::Cpu { workers: 2, load })] if (load - 0.25).abs() < 1e-9),
            "{steps:?}"
        );
    }

    #[test]
    fn stress_ends_by_itself_and_can_be_ended() {
        let cpu = Stress::Cpu { workers: 2, load: 0.75 };
        let own = cpu.by_stand_in(90);
        assert_eq!(own.start, ["/stand-in", "burn", "--seconds", "90", "--cpu", "1500"]);
        assert_eq!(own.stop, ["/stand-in", "burn", "--stop"]);
        let shell = cpu.by_shell(90);
        assert_eq!(shell.start[..2], ["sh", "-c"]);
        assert!(shell.start[2].contains("$n -lt 2 ]") && shell.start[2].contains("sleep 90; rm -f"), "{shell:?}");
        let memory = Stress::Memory(Bytes::from_mebibytes(64));
        assert_eq!(memory.by_stand_in(9).start[4..], ["--memory", "64"]);
        assert!(memory.by_shell(9).start[2].contains("head -c 67108864 /dev/zero"), "{memory:?}");
    }
}
