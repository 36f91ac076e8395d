//! Mean latencies beside what CPU and calls explain of them, and the waits that explain the rest.

use std::collections::{BTreeMap, BTreeSet};

use sim::app::App;
use sim::profile::{Profile, ServiceProfile, Step, Wait};
use sim::time::SimDuration;

use super::super::costs::{Cost, Kind, answering, cost, lasts, steps};
use super::super::figures::{Measured, STEP};
use super::runs::{Counts, component, label_of};
use super::{Calibration, LatencyFit, cold_share};

/// What is left of a latency is a wait where it is more than this share of it …
const SHARE: f64 = 0.2;
/// … and more than this in seconds for the request itself and for each of its calls, which the network between two pods, the
/// making of connections and the way to the handler explain.
const EACH_S: f64 = 0.001;

/// What is known of all services while latencies are explained.
struct Known<'a> {
    profile: &'a Profile,
    /// The share of cold parts that requests of a service pay.
    cold: BTreeMap<&'a str, f64>,
    /// Measured means by service and endpoint, in seconds.
    means: BTreeMap<(&'a str, usize), f64>,
}

/// Adds latencies to what was found, and waits to the profile.
pub(super) fn fit(app: &App, measured: &Measured, counts: &[Counts], calibration: &mut Calibration) {
    let fitted = calibration.profile.clone();
    let known = Known::new(app, &fitted, measured, counts);
    for found in &mut calibration.services {
        let service = &fitted.services[&found.service];
        for (number, endpoint) in service.endpoints.iter().enumerate() {
            let Some(measured_s) = known.means.get(&(found.service.as_str(), number)).copied() else { continue };
            let explained_s = known.explained(&found.service, number);
            let wait_s = wait(service, number, measured_s, explained_s);
            let mut note = format!(
                "latency {:.2} ms measured, of which CPU and calls explain {:.2} ms",
                1e3 * measured_s,
                1e3 * explained_s
            );
            if let (Some(seconds), Some(of)) = (wait_s, calibration.profile.services.get_mut(&found.service)) {
                let wait = Wait { mean: SimDuration::from_secs_f64(seconds), variation: 0.0 };
                of.endpoints[number].program.insert(0, Step::Wait(wait));
                note.push_str("; the rest is the first wait");
            }
            let path = format!("services.{}.endpoints[{number}]", found.service);
            calibration.comments.entry(path).or_default().push(note);
            found.latency.push(LatencyFit { request: endpoint.request.clone(), measured_s, explained_s, wait_s });
        }
    }
}

/// The wait that explains what is left, if network and queues cannot.
fn wait(service: &ServiceProfile, number: usize, measured_s: f64, explained_s: f64) -> Option<f64> {
    let Cost { calls, .. } = cost(service, Kind::Endpoint(number));
    let left = measured_s - explained_s;
    let others = EACH_S * (1.0 + calls.values().sum::<f64>());
    (left > SHARE * measured_s && left > others).then_some(left)
}

impl<'a> Known<'a> {
    fn new(app: &App, profile: &'a Profile, measured: &Measured, counts: &[Counts]) -> Self {
        let seconds = STEP.as_secs_f64() * measured.windows.len() as f64;
        let mut known = Self { profile, cold: BTreeMap::new(), means: BTreeMap::new() };
        for (name, service) in &profile.services {
            let Some(component) = component(app, name) else { continue };
            let runs = counts.iter().flatten().filter(|((of, _), _)| of == name).map(|(_, runs)| runs).sum::<f64>();
            let cpu: f64 = measured.windows.iter().filter_map(|window| window.cpu.get(component)).sum();
            let pods = measured.windows.iter().filter_map(|window| window.pods.get(component)).map(BTreeSet::len);
            let per_pod = seconds * pods.max().unwrap_or(1).max(1) as f64;
            known.cold.insert(name, cold_share(service, runs / per_pod, cpu / per_pod));
            for number in 0..service.endpoints.len() {
                let mean = mean(measured, component, &label_of(service, number));
                known.means.extend(mean.map(|mean| ((name.as_str(), number), mean)));
            }
        }
        known
    }

    /// What the CPU of a request and its calls explain of its latency, in seconds.
    fn explained(&self, service: &str, number: usize) -> f64 {
        let Some(of) = self.profile.services.get(service) else { return 0.0 };
        let cold = self.cold.get(service).copied().unwrap_or(0.0);
        lasts(steps(of, Kind::Endpoint(number)), cold, &|to, request| self.call(to, request))
    }

    /// How long a call takes: as measured, or else as explained.
    fn call(&self, to: &str, request: &str) -> f64 {
        let Some(Kind::Endpoint(number)) = answering(self.profile, to, request) else { return 0.0 };
        self.means.get(&(to, number)).copied().unwrap_or_else(|| self.explained(to, number))
    }
}

/// The mean latency of a route, if it was counted at all.
fn mean(measured: &Measured, component: &str, label: &(String, String)) -> Option<f64> {
    let (mut requests, mut seconds) = (0.0, 0.0);
    for window in &measured.windows {
        let of = window.requests.get(component).and_then(|routes| routes.get(label));
        let lasted = window.latency.get(component).and_then(|routes| routes.get(label));
        if let Some((of, lasted)) = of.zip(lasted) {
            requests += of;
            seconds += lasted;
        }
    }
    (requests >= 1.0).then(|| seconds / requests)
}
