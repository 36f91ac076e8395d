//! `HTTPChaos`: what happens to requests on their way into a pod, or to their answers. Which connections it reaches is
//! written in `traffic::http`.

use super::{ChaosSpec, Delay, FaultKind, PodEffect, Target};
use crate::scenario::Checker;
use crate::traffic::{HttpAction, HttpTarget};

/// The fields of its spec that not every kind has.
pub(super) const FIELDS: &[&str] = &["target", "port", "path", "method", "code", "abort", "delay"];

pub(super) fn kind(spec: &ChaosSpec) -> Option<FaultKind> {
    match (spec.abort, &spec.delay) {
        (Some(true), _) => Some(FaultKind::HttpAbort),
        (_, Some(_)) => Some(FaultKind::HttpDelay),
        _ => None,
    }
}

pub(super) fn effect(spec: &ChaosSpec, severity: f64) -> Option<PodEffect> {
    let action = match (spec.abort, &spec.delay) {
        (Some(true), None) => HttpAction::Abort,
        (None | Some(false), Some(Delay::Time(time))) => HttpAction::Delay(time.scaled(severity)),
        _ => return None,
    };
    Some(PodEffect::Http {
        target: target(spec)?,
        port: spec.port?,
        path: spec.path.clone(),
        method: spec.method.clone(),
        code: spec.code,
        action,
    })
}

fn target(spec: &ChaosSpec) -> Option<HttpTarget> {
    match spec.target.as_ref()? {
        Target::Message(text) if text == "Request" => Some(HttpTarget::Request),
        Target::Message(text) if text == "Response" => Some(HttpTarget::Response),
        _ => None,
    }
}

pub(super) fn check(checker: &mut Checker<'_>, spec: &str, body: &ChaosSpec) {
    if target(body).is_none() {
        let help = "write `target: Request` or `target: Response`";
        checker.refuse(
            &format!("{spec}.target"),
            "HTTPChaos needs to know whether requests or answers are meant",
            help,
        );
    }
    if body.port.is_none_or(|port| port == 0) {
        checker.refuse(&format!("{spec}.port"), "HTTPChaos needs a port", "write the port that the pod listens on");
    }
    match (body.abort, &body.delay) {
        (Some(true), Some(_)) => {
            checker.refuse(spec, "to abort and to delay would be two causes", "write a fault for each");
        }
        (Some(true), None) | (None | Some(false), Some(Delay::Time(_))) => {}
        (_, Some(Delay::Packets(_))) => {
            checker.refuse(&format!("{spec}.delay"), "a delay of HTTPChaos is a time", "write `delay: 300ms`");
        }
        (None | Some(false), None) => checker.refuse(
            spec,
            "HTTPChaos needs something to do",
            "write `abort: true` or `delay: 300ms`; to replace and to patch are not played",
        ),
    }
    if body.code.is_some() && target(body) == Some(HttpTarget::Request) {
        checker.refuse(&format!("{spec}.code"), "a request has no status", "remove it, or write `target: Response`");
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fault;
    use super::*;
    use crate::fault::Effect;
    use crate::time::SimDuration;

    #[test]
    fn what_is_said_is_done_to_requests_or_answers() {
        let rest = "port: 80, mode: all, selector: {labelSelectors: {name: carts}}";
        for (spec, action) in [
            ("target: Request, abort: true", Some(HttpAction::Abort)),
            ("target: Response, delay: 300ms", Some(HttpAction::Delay(SimDuration::from_millis(150)))),
            ("target: Request, abort: false", None),
            ("target: Everything, abort: true", None),
            ("target: Request, abort: true, delay: 1s", None),
        ] {
            let fault = fault(&format!("{{{spec}, {rest}}}"), "HTTPChaos");
            let found = match fault.effect() {
                Some(Effect::Pods(_, PodEffect::Http { action, .. })) => Some(action),
                _ => None,
            };
            assert_eq!(found, action, "{spec}");
        }
    }
}
