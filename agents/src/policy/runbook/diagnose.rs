//! From what was seen to what is wrong: rules in the order in which an engineer goes through them.

use super::survey::Survey;

/// What can be wrong with a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its Deployment does not exist.
    Missing,
    /// The image's tag cannot be pulled.
    BadTag,
    /// A running pod's image was changed under its Deployment.
    PodFailure,
    /// The Deployment's newest image runs and does not serve.
    FakeImage,
    /// Something uses its CPU that is not its requests.
    CpuStress,
    /// More requests than it is sized for.
    RisingTraffic,
    /// It is not given enough CPU for its ordinary load.
    TooSmallLimit,
}

impl Cause {
    /// The word of the catalogue of fault kinds.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing-deployment",
            Self::BadTag => "bad-tag",
            Self::PodFailure => "pod-failure",
            Self::FakeImage => "fake-image",
            Self::CpuStress => "cpu-stress",
            Self::RisingTraffic => "rising-traffic",
            Self::TooSmallLimit => "too-small-limit",
        }
    }
}

/// Growth that is more than noise of a minute's samples.
const GREW: f64 = 1.25;

/// The most likely cause; none when it is too early to say.
pub(super) fn diagnose(seen: &Survey, violated: &[String]) -> Option<Cause> {
    let Some(d) = &seen.description else {
        return Some(Cause::Missing);
    };
    let cannot_pull = |status: &str| matches!(status, "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName");
    if d.pods.iter().any(|p| cannot_pull(&p.status)) {
        return Some(Cause::BadTag);
    }
    let unready = d.pods.iter().zip(&d.containers).filter(|(p, _)| p.ready < p.containers);
    for (pod, containers) in unready {
        if containers.iter().any(|c| c.image != d.deployment.image) && is_newest(seen, &pod.name) {
            return Some(Cause::PodFailure);
        }
        let given_time = pod.restarts > 0 || pod.age.as_secs_f64() > 45.0;
        let images: Vec<&str> = d.replica_sets.iter().map(|r| r.image.as_str()).collect();
        if given_time && images.iter().any(|image| *image != d.deployment.image) {
            return Some(Cause::FakeImage);
        }
    }
    if violated.iter().any(|v| v == "cpu" || v == "latency") {
        return Some(load_cause(seen));
    }
    None
}

/// Whether a pod belongs to the newest `ReplicaSet` (its name begins with the set's).
fn is_newest(seen: &Survey, pod: &str) -> bool {
    seen.description.as_ref().and_then(|d| d.replica_sets.first()).is_some_and(|newest| pod.starts_with(&newest.name))
}

/// CPU per request up, requests up, or neither.
fn load_cause(seen: &Survey) -> Cause {
    let grew = |now: Option<f64>, usual: Option<f64>| {
        now.zip(usual).is_some_and(|(now, usual)| usual > 0.0 && now / usual > GREW)
    };
    // Per request, so that growing load is not taken for a hog, nor a hog that slows its victim's
    // load for a quiet hour.
    if grew(seen.cpu_per_request, seen.usual_cpu_per_request) {
        return Cause::CpuStress;
    }
    if grew(seen.rate, seen.usual_rate) {
        return Cause::RisingTraffic;
    }
    Cause::TooSmallLimit
}
