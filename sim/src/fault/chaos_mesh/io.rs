//! `IOChaos`: what happens to a container's files. What a service does about it is written in its profile.

use super::{ChaosSpec, Delay, FaultKind, PodEffect};
use crate::scenario::{AppWords, Checker};
use crate::traffic::DiskFault;

/// The fields of its spec that not every kind has.
pub(super) const FIELDS: &[&str] =
    &["action", "delay", "errno", "volumePath", "path", "methods", "percent", "containerNames"];

/// `ENOSPC`.
const NO_SPACE: u32 = 28;

pub(super) fn kind(spec: &ChaosSpec) -> Option<FaultKind> {
    match spec.action.as_deref()? {
        "latency" => Some(FaultKind::SlowDisk),
        "fault" if spec.errno == Some(NO_SPACE) => Some(FaultKind::DiskFull),
        _ => None,
    }
}
