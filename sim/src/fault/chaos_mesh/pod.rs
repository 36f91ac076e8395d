//! `PodChaos`: whole pods fail.

use super::{ChaosSpec, FaultKind, PodEffect};
use crate::scenario::Checker;

/// The fields of its spec that not every kind has.
pub(super) const FIELDS: &[&str] = &["action", "containerNames"];

pub(super) fn kind(spec: &ChaosSpec) -> Option<FaultKind> {
    match spec.action.as_deref()? {
        "pod-failure" => Some(FaultKind::PodFailure),
        _ => None,
    }
}

pub(super) fn effect(spec: &ChaosSpec) -> Option<PodEffect> {
    match kind(spec)? {
        FaultKind::PodFailure => Some(PodEffect::Fail),
        _ => None,
    }
}

pub(super) fn check(checker: &mut Checker<'_>, spec: &str, body: &ChaosSpec) {
    match body.action.as_deref() {
        Some("pod-failure") => {}
        Some(other) => checker.refuse(
            &format!("{spec}.action"),
            format!("the action `{other}` is not played"),
            "write `action: pod-failure`",
        ),
        None => checker.refuse(spec, "PodChaos needs an action", "write `action: pod-failure`"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fault;
    use super::*;

    #[test]
    fn only_pod_failure_is_played_of_pod_chaos() {
        let selector = "selector: {labelSelectors: {name: catalogue}}";
        for (action, kind) in [("pod-failure", Some(FaultKind::PodFailure)), ("container-kill", None)] {
            let fault = fault(&format!("{{action: {action}, mode: all, {selector}}}"), "PodChaos");
            assert_eq!(fault.kind(), kind, "{action}");
            assert_eq!(fault.effect().is_some(), kind.is_some(), "{action}");
            assert_eq!(fault.ends_at(), None);
        }
    }
}
