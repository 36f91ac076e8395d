//! `PodChaos`: whole pods fail, or are killed.

use super::{ChaosSpec, FaultKind, PodEffect};
use crate::scenario::Checker;
use crate::time::SimDuration;

/// The fields of its spec that not every kind has.
pub(super) const FIELDS: &[&str] = &["action", "containerNames", "gracePeriod"];

pub(super) fn kind(spec: &ChaosSpec) -> Option<FaultKind> {
    match spec.action.as_deref()? {
        "pod-failure" => Some(FaultKind::PodFailure),
        "pod-kill" => Some(FaultKind::PodKill),
        "container-kill" => Some(FaultKind::ContainerKill),
        _ => None,
    }
}

pub(super) fn effect(spec: &ChaosSpec) -> Option<PodEffect> {
    match kind(spec)? {
        FaultKind::PodFailure => Some(PodEffect::Fail),
        // Without a grace period it is zero (`podkill/impl.go`).
        FaultKind::PodKill => Some(PodEffect::Kill { grace: SimDuration::from_secs(spec.grace_period.unwrap_or(0)) }),
        // SIGKILL by the container runtime (`pkg/chaosdaemon/crclients/containerd/client.go`).
        FaultKind::ContainerKill => Some(PodEffect::KillContainer),
        _ => None,
    }
}

pub(super) fn check(checker: &mut Checker<'_>, spec: &str, body: &ChaosSpec) {
    let help = "write `action: pod-failure`, `pod-kill` or `container-kill`";
    match body.action.as_deref() {
        Some("pod-kill" | "container-kill") if body.duration.is_some() => {
            checker.refuse(&format!("{spec}.duration"), "a kill is over at once", "leave the duration out");
        }
        Some("pod-failure" | "pod-kill" | "container-kill") => {}
        Some(other) => checker.refuse(&format!("{spec}.action"), format!("the action `{other}` is not played"), help),
        None => checker.refuse(spec, "PodChaos needs an action", help),
    }
    if body.grace_period.is_some() && body.action.as_deref() != Some("pod-kill") {
        let field = format!("{spec}.gracePeriod");
        checker.refuse(&field, "a grace period belongs to pod-kill", "remove it or change the action");
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fault;
    use super::*;
    use crate::fault::Effect;

    #[test]
    fn actions_are_those_of_chaos_mesh() {
        let rest = "mode: all, selector: {labelSelectors: {name: catalogue}}";
        let kill = |seconds| Some(PodEffect::Kill { grace: SimDuration::from_secs(seconds) });
        for (action, effect) in [
            ("action: pod-failure", Some(PodEffect::Fail)),
            ("action: pod-kill", kill(0)),
            ("action: pod-kill, gracePeriod: 5", kill(5)),
            ("action: container-kill", Some(PodEffect::KillContainer)),
            ("action: pod-explode", None),
        ] {
            let fault = fault(&format!("{{{action}, {rest}}}"), "PodChaos");
            let found = fault.effect().map(|effect| match effect {
                Effect::Pods(_, effect) => effect,
                other => panic!("{other:?}"),
            });
            assert_eq!(found, effect, "{action}");
            assert_eq!(fault.kind().is_some(), effect.is_some(), "{action}");
            assert_eq!(fault.ends_at(), None);
        }
    }
}
