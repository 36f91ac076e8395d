//! `StressChaos`: load in the control group of a container.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChaosSpec, FaultKind, PodEffect};
use crate::scenario::Checker;
use crate::units::Bytes;

/// The fields of its spec that not every kind has.
pub(super) const FIELDS: &[&str] = &["stressors", "containerNames"];

/// What runs in a container's cgroup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stressors {
    /// Busy loops.
    #[serde(default)]
    pub cpu: Option<CpuStressor>,
    /// Processes that occupy memory.
    #[serde(default)]
    pub memory: Option<MemoryStressor>,
}

/// `stress-ng --cpu WORKERS --cpu-load LOAD`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuStressor {
    /// Threads.
    pub workers: u32,
    /// Per cent of one core that each uses, 0 to 100.
    #[serde(default = "full_load")]
    pub load: u32,
}

/// `memStress --workers WORKERS --size SIZE`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryStressor {
    /// Processes.
    pub workers: u32,
    /// What they occupy together: a number with `KB`, `MB` or `GB`, each 1024 times the one before. A share (`25%`) is
    /// not played: it is one of the whole machine.
    pub size: String,
}

impl MemoryStressor {
    /// What the size means; none if it is not one.
    pub fn bytes(&self) -> Option<Bytes> {
        let size = self.size.to_ascii_uppercase();
        // chaos-mesh/memStress, main.go.
        let units = [("KB", 10), ("MB", 20), ("GB", 30)];
        let (number, shift) = units.iter().find_map(|(unit, shift)| Some((size.strip_suffix(unit)?, shift)))?;
        number.trim().parse::<u32>().ok().map(|number| Bytes(u64::from(number) << shift))
    }
}

fn full_load() -> u32 {
    100
}

pub(super) fn kind(spec: &ChaosSpec) -> Option<FaultKind> {
    let stressors = spec.stressors.as_ref()?;
    match (&stressors.cpu, &stressors.memory) {
        (Some(_), _) => Some(FaultKind::CpuStress),
        (None, Some(_)) => Some(FaultKind::MemoryStress),
        (None, None) => None,
    }
}

pub(super) fn effect(spec: &ChaosSpec, severity: f64) -> Option<PodEffect> {
    let stressors = spec.stressors.as_ref()?;
    if let Some(cpu) = &stressors.cpu {
        return Some(PodEffect::StressCpu { workers: cpu.workers, load: f64::from(cpu.load) / 100.0 * severity });
    }
    let memory = stressors.memory.as_ref()?;
    let size = memory.bytes()?.scaled(severity);
    Some(PodEffect::StressMemory { workers: memory.workers, size })
}

pub(super) fn check(checker: &mut Checker<'_>, spec: &str, body: &ChaosSpec) {
    let stressors = body.stressors.as_ref();
    let cpu = stressors.and_then(|stressors| stressors.cpu.as_ref());
    let memory = stressors.and_then(|stressors| stressors.memory.as_ref());
    match (cpu, memory) {
        (None, None) => checker.refuse(
            spec,
            "StressChaos needs a stressor",
            "write `stressors: {cpu: {workers: 2, load: 50}}` or `stressors: {memory: {workers: 1, size: 256MB}}`",
        ),
        (Some(_), Some(_)) => {
            let field = format!("{spec}.stressors");
            checker.refuse(&field, "two stressors would be two causes", "write a fault for each");
        }
        (Some(cpu), None) => {
            checker.within(&format!("{spec}.stressors.cpu.workers"), f64::from(cpu.workers), 1.0, 256.0);
            checker.within(&format!("{spec}.stressors.cpu.load"), f64::from(cpu.load), 1.0, 100.0);
        }
        (None, Some(memory)) => {
            checker.within(&format!("{spec}.stressors.memory.workers"), f64::from(memory.workers), 1.0, 256.0);
            if memory.bytes().is_none_or(|size| size.0 == 0) {
                checker.refuse(
                    &format!("{spec}.stressors.memory.size"),
                    format!("`{}` is not a size that is played", memory.size),
                    "write a number with KB, MB or GB, such as 256MB; shares of the machine's memory are not played",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::fault;
    use super::*;
    use crate::fault::{Choice, Effect, Targets};
    use crate::time::SimTime;

    #[test]
    fn stress_is_read_as_chaos_mesh_writes_it() {
        let stress = fault(
            "{mode: one, selector: {namespaces: [sock-shop], labelSelectors: {name: catalogue}}, duration: 600s, \
             stressors: {cpu: {workers: 2, load: 50}}}",
            "StressChaos",
        );
        assert_eq!(stress.kind(), Some(FaultKind::CpuStress));
        assert_eq!(stress.ends_at(), Some(SimTime(660_000_000_000)));
        let targets = Targets {
            namespaces: vec!["sock-shop".into()],
            labels: BTreeMap::from([("name".into(), "catalogue".into())]),
            choice: Choice::Count(1),
        };
        assert_eq!(stress.effect(), Some(Effect::Pods(targets, PodEffect::StressCpu { workers: 2, load: 0.25 })));
    }

    #[test]
    fn memory_stress_scales_with_severity_and_counts_as_memstress_does() {
        let spec =
            "{mode: all, selector: {labelSelectors: {name: carts}}, stressors: {memory: {workers: 4, size: 512MB}}}";
        let stress = fault(spec, "StressChaos");
        assert_eq!(stress.kind(), Some(FaultKind::MemoryStress));
        let Some(Effect::Pods(_, PodEffect::StressMemory { workers, size })) = stress.effect() else {
            panic!("{stress:?}")
        };
        assert_eq!((workers, size), (4, Bytes::from_mebibytes(256)));
        let sizes =
            [("3KB", Some(3 << 10)), ("2gb", Some(2 << 30)), ("25%", None), ("MB", None), ("1MiB", None), ("9", None)];
        for (text, bytes) in sizes {
            let size = MemoryStressor { workers: 1, size: text.into() };
            assert_eq!(size.bytes(), bytes.map(Bytes), "{text}");
        }
    }
}
