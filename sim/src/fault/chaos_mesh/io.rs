//! `IOChaos`: what happens to a container's files. What a service does about it is written in its profile.

use super::{ChaosSpec, Delay, FaultKind, PodEffect};
use crate::profile::ServiceProfile;
use crate::scenario::{AppWords, Checker};
use crate::time::SimDuration;
use crate::traffic::DiskFault;

/// The fields of its spec that not every kind has.
pub(super) const FIELDS: &[&str] = &["action", "delay", "errno", "volumePath", "methods", "percent", "containerNames"];

/// `ENOSPC`, no space left on device.
const NO_SPACE: u32 = 28;

/// What a method of the file system is here. All that change something count as writes.
const READS: &[&str] = &["read", "READ"];
const WRITES: &[&str] = &["write", "WRITE", "fsync", "FSYNC", "fallocate", "FALLOCATE", "create", "CREATE"];

pub(super) fn kind(spec: &ChaosSpec) -> Option<FaultKind> {
    match spec.action.as_deref()? {
        "latency" => Some(FaultKind::SlowDisk),
        "fault" if spec.errno == Some(NO_SPACE) => Some(FaultKind::DiskFull),
        _ => None,
    }
}

pub(super) fn effect(spec: &ChaosSpec, severity: f64) -> Option<PodEffect> {
    let hits = |methods: &[&str]| spec.methods.is_empty() || spec.methods.iter().any(|m| methods.contains(&m.as_str()));
    let share = f64::from(spec.percent.unwrap_or(100)) / 100.0;
    let fault = match kind(spec)? {
        FaultKind::SlowDisk => {
            let Some(Delay::Time(delay)) = &spec.delay else { return None };
            let of = |methods| if hits(methods) { delay.scaled(severity) } else { SimDuration::ZERO };
            DiskFault { read_latency: of(READS), write_latency: of(WRITES), delayed: share, full: 0.0 }
        }
        FaultKind::DiskFull => DiskFault { full: share * severity, ..DiskFault::default() },
        _ => return None,
    };
    Some(PodEffect::Disk(fault))
}

pub(super) fn check(checker: &mut Checker<'_>, spec: &str, body: &ChaosSpec, words: &AppWords) {
    let actions = "write `action: latency` with `delay: 100ms`, or `action: fault` with `errno: 28`";
    match body.action.as_deref() {
        Some("latency") => match &body.delay {
            Some(Delay::Time(_)) => check_waits(checker, spec, body, words),
            Some(Delay::Packets(_)) => {
                checker.refuse(&format!("{spec}.delay"), "a delay of IOChaos is a time", "write `delay: 100ms`");
            }
            None => checker.refuse(spec, "`action: latency` needs `delay`", "write `delay: 100ms`"),
        },
        Some("fault") => match body.errno {
            Some(NO_SPACE) => {}
            Some(other) => {
                let message = format!("error number {other} is not played");
                checker.refuse(&format!("{spec}.errno"), message, "write `errno: 28`, no space left on device");
            }
            None => checker.refuse(spec, "`action: fault` needs `errno`", "write `errno: 28`, no space left on device"),
        },
        Some(other) => {
            checker.refuse(&format!("{spec}.action"), format!("the action `{other}` is not played"), actions);
        }
        None => checker.refuse(spec, "IOChaos needs an action", actions),
    }
    if body.volume_path.is_none() {
        // As the webhook of Chaos Mesh has it.
        checker.refuse(spec, "IOChaos needs a volume", "write `volumePath`, such as /data/db");
    }
    if let Some(percent) = body.percent {
        checker.within(&format!("{spec}.percent"), f64::from(percent), 1.0, 100.0);
    }
    for (i, method) in body.methods.iter().enumerate() {
        if !READS.iter().chain(WRITES).any(|known| known == method) {
            let message = format!("the method `{method}` is not played");
            checker.refuse(&format!("{spec}.methods[{i}]"), message, "write read, write, fsync, fallocate or create");
        }
    }
}

/// Latency is not seen where no request waits for its disk, as in a database whose data lies in memory.
fn check_waits(checker: &mut Checker<'_>, spec: &str, body: &ChaosSpec, words: &AppWords) {
    let selected = words.components.iter().filter(|component| body.selector.matches(&component.labels));
    let mut programs = selected.filter_map(|component| component.program.as_ref()).peekable();
    let waits = |program: &ServiceProfile| program.endpoints.iter().any(|e| e.disk.reads > 0 || e.disk.writes > 0);
    if programs.peek().is_some() && !programs.any(waits) {
        checker.refuse(
            &format!("{spec}.action"),
            "no request to the selected pods waits for its disk: nothing would be seen",
            "select pods of a service whose profile has `disk: {reads: …}`, or write `action: fault` with `errno: 28`",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fault;
    use super::*;
    use crate::fault::Effect;

    #[test]
    fn what_is_said_is_done_to_reads_and_writes() {
        let rest = "volumePath: /data/db, mode: all, selector: {labelSelectors: {name: carts-db}}";
        let half = SimDuration::from_millis(50);
        let slow = DiskFault { read_latency: half, write_latency: half, delayed: 1.0, full: 0.0 };
        for (spec, found) in [
            ("action: latency, delay: 100ms", Some(slow)),
            (
                "action: latency, delay: 100ms, methods: [write], percent: 50",
                Some(DiskFault { read_latency: SimDuration::ZERO, delayed: 0.5, ..slow }),
            ),
            ("action: fault, errno: 28", Some(DiskFault { full: 0.5, ..DiskFault::default() })),
            ("action: fault, errno: 5", None),
        ] {
            let effect = match fault(&format!("{{{spec}, {rest}}}"), "IOChaos").effect() {
                Some(Effect::Pods(_, PodEffect::Disk(fault))) => Some(fault),
                _ => None,
            };
            assert_eq!(effect, found, "{spec}");
        }
    }
}
