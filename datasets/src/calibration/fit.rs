//! The fit of a profile to what was measured.

mod latency;
mod runs;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sim::app::App;
use sim::diagnostic::{Diagnostic, Diagnostics};
use sim::profile::{Profile, ServiceProfile};

use super::costs::{self, Cost, Kind, by_itself, cost, kinds};
use super::figures::{Measured, STEP, Window};
use super::least_squares::{self, Solution};
use super::yaml::{self, Comments};

use runs::{Counts, component, runs};

/// A window in which more of a service's periods were throttled tells what the quota lets through, not what requests take.
const THROTTLED_AT_MOST: f64 = 0.01;
/// Routes have factors of their own where the standard error of each is below this share of it.
const ERROR_AT_MOST: f64 = 0.1;
/// Where requests are a smaller share of a service's CPU, what it spends by itself hides them.
const REQUESTS_AT_LEAST: f64 = 0.1;

/// A fitted profile.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The profile, which differs from the one that was begun with in bursts and waits only.
    pub profile: Profile,
    /// What was found of each service, by name.
    pub services: Vec<ServiceFit>,
    comments: Comments,
}

/// What was found of a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceFit {
    /// The service.
    pub service: String,
    /// Its requests per second; those of a service that counts none follow from its callers' programs.
    pub rate: f64,
    /// CPU in cores, as measured.
    pub cpu: f64,
    /// The same by the profile that was begun with.
    pub cpu_before: f64,
    /// The same by the fitted one.
    pub cpu_fitted: f64,
    /// What bursts were multiplied by.
    pub factors: Vec<Factor>,
    /// What the fit leaves of the CPU of requests, minute by minute: its root mean square over that of the CPU.
    pub residual: Option<f64>,
    /// Mean latencies, by route.
    pub latency: Vec<LatencyFit>,
    /// What could not be told, and is as it was.
    pub kept: Vec<String>,
}

/// What the bursts of some programs were multiplied by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Factor {
    /// The requests whose bursts they are.
    pub requests: Vec<String>,
    /// The factor.
    pub factor: f64,
    /// Its standard error; none where there are too few minutes to tell.
    pub error: Option<f64>,
}

/// The mean latency of a route, from when a request reached its handler to its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyFit {
    /// The request.
    pub request: String,
    /// As measured, in seconds.
    pub measured_s: f64,
    /// By fitted CPU and measured calls, without any queueing or network.
    pub explained_s: f64,
    /// The wait that was added to the program, if a wait explains the rest.
    pub wait_s: Option<f64>,
}

impl Calibration {
    /// The profile as a file, which says at each service and request where its numbers come from. `origin` says what was
    /// measured, for the first line.
    ///
    /// # Errors
    /// The profile cannot be written as JSON.
    pub fn file(&self, origin: &str) -> Result<String, serde_json::Error> {
        let value = serde_json::to_value(&self.profile)?;
        Ok(format!("# {origin}\n{}", yaml::document(&value, &self.comments)))
    }
}

/// Fits the profile of an application to what was measured.
///
/// # Errors
/// There was no traffic, a service was throttled, a counter began anew, pods came or went, or there are no figures of CPU:
/// what would be found then is not what requests take.
pub fn calibrate(app: &App, measured: &Measured) -> Result<Calibration, Diagnostics> {
    refuse(app, measured)?;
    let counts: Vec<Counts> = measured.windows.iter().map(|window| runs(app, window)).collect();
    let mut calibration = Calibration { profile: app.profile.clone(), services: Vec::new(), comments: Comments::new() };
    for name in app.profile.services.keys() {
        let of = OfService { app, name, service: &app.profile.services[name], measured, counts: &counts };
        let fit = of.fit(&mut calibration);
        calibration.services.push(fit);
    }
    latency::fit(app, measured, &counts, &mut calibration);
    Ok(calibration)
}

/// Refuses a window that does not tell what requests take, with every reason at once.
fn refuse(app: &App, measured: &Measured) -> Result<(), Diagnostics> {
    let mut found = Vec::new();
    let mut mistake = |field: &str, what: String, help: &str| {
        found.push(Diagnostic::error("the window", 0, field, what).help(help));
    };
    let of_all = |of: fn(&Window) -> &BTreeMap<String, f64>, component: &str| -> f64 {
        measured.windows.iter().filter_map(|window| of(window).get(component)).sum()
    };
    let requests: f64 = measured.windows.iter().flat_map(|w| w.requests.values().flat_map(BTreeMap::values)).sum();
    if requests < 1.0 {
        mistake("", "there was no traffic".into(), "send some, for example with `sockpit load`, and calibrate then");
    }
    if measured.windows.iter().all(|window| window.cpu.is_empty()) {
        let help = "let Prometheus scrape the kubelets' cAdvisor (`sockpit doctor` says what is missing)";
        mistake("", "there are no figures of CPU".into(), help);
    }
    for name in app.profile.services.keys() {
        let Some(component) = component(app, name) else { continue };
        let (throttled, periods) = (of_all(|w| &w.throttled, component), of_all(|w| &w.periods, component));
        if periods > 0.0 && throttled / periods > THROTTLED_AT_MOST {
            let what = format!("{:.1} % of its periods were throttled", 100.0 * throttled / periods);
            mistake(component, what, "calibrate under a lighter load, or with a higher limit");
        }
        if measured.resets.contains(component) {
            let help = "wait until it has run through the whole window, or take a shorter one";
            mistake(component, "its counters began anew within the window".into(), help);
        }
        let mut pods = measured.windows.iter().filter_map(|window| window.pods.get(component));
        if let Some(first) = pods.next()
            && pods.any(|others| others != first)
        {
            let help = "wait until its pods have been there through the whole window, or take a shorter one";
            mistake(component, "its pods are not the same throughout".into(), help);
        }
    }
    if found.is_empty() { Ok(()) } else { Err(Diagnostics(found)) }
}

/// The request of a kind in words.
fn named(service: &ServiceProfile, kind: Kind) -> String {
    match kind {
        Kind::Endpoint(number) => service.endpoints[number].request.clone(),
        Kind::NotFound => "what is not found".to_owned(),
        Kind::Consumer(number) => format!("messages of {}", service.consumes[number].queue),
    }
}

/// The share of the cold part of a burst that a request pays: exact for Poisson arrivals.
fn cold_share(service: &ServiceProfile, requests_per_s: f64, busy: f64) -> f64 {
    (1.0 - busy).clamp(0.0, 1.0) / (1.0 + requests_per_s * service.runtime.cools_in.as_secs_f64())
}

/// One service, to be fitted.
struct OfService<'a> {
    app: &'a App,
    name: &'a str,
    service: &'a ServiceProfile,
    measured: &'a Measured,
    counts: &'a [Counts],
}

/// The CPU of one service, stretch by stretch.
struct Load {
    /// Core-seconds that requests took.
    requests: Vec<f64>,
    /// What each kind that was seen should have taken.
    columns: Vec<(Kind, Vec<f64>)>,
    /// All core-seconds.
    all: f64,
    /// Those that it should have spent by itself.
    own: f64,
    /// Runs of programs.
    runs: f64,
}

impl OfService<'_> {
    fn fit(&self, calibration: &mut Calibration) -> ServiceFit {
        let seconds = STEP.as_secs_f64() * self.measured.windows.len() as f64;
        let load = self.load();
        let before: f64 = load.columns.iter().flat_map(|(_, column)| column).sum();
        let mut fit = ServiceFit {
            service: self.name.to_owned(),
            rate: load.runs / seconds,
            cpu: load.all / seconds,
            cpu_before: (load.own + before) / seconds,
            cpu_fitted: (load.own + before) / seconds,
            factors: Vec::new(),
            residual: None,
            latency: Vec::new(),
            kept: vec!["what it spends without requests, its start and its memory are as they were".to_owned()],
        };
        let requests: f64 = load.requests.iter().sum();
        if load.all <= 0.0 {
            fit.kept.push("there are no figures of its CPU".to_owned());
        } else if load.columns.is_empty() {
            fit.kept.push("no requests of it were seen".to_owned());
        } else if requests < REQUESTS_AT_LEAST * load.all {
            fit.kept.push("requests are a small part of its CPU, and what it spends by itself hides them".to_owned());
        } else {
            let fitted = self.factors(&load, &mut fit);
            fit.cpu_fitted = (load.own + fitted) / seconds;
            self.write(&load, &mut fit, calibration);
        }
        let note = comment_of(&fit);
        calibration.comments.entry(format!("services.{}", self.name)).or_default().extend(note);
        fit
    }

    fn load(&self) -> Load {
        let mut load = Load { requests: Vec::new(), columns: Vec::new(), all: 0.0, own: 0.0, runs: 0.0 };
        let kinds = kinds(self.service);
        let mut columns: BTreeMap<Kind, Vec<f64>> = kinds.iter().map(|kind| (*kind, Vec::new())).collect();
        let costs: BTreeMap<Kind, Cost> = kinds.iter().map(|kind| (*kind, cost(self.service, *kind))).collect();
        for (window, counts) in self.measured.windows.iter().zip(self.counts) {
            let component = component(self.app, self.name).unwrap_or(self.name);
            let cpu = window.cpu.get(component).copied().unwrap_or(0.0);
            let pods = window.pods.get(component).map_or(1, BTreeSet::len) as f64;
            let own = pods * by_itself(self.service) * STEP.as_secs_f64();
            let runs = |kind: &Kind| counts.get(&(self.name.to_owned(), *kind)).copied().unwrap_or(0.0);
            let all_runs: f64 = kinds.iter().map(runs).sum();
            let per_pod = STEP.as_secs_f64() * pods;
            let cold = cold_share(self.service, all_runs / per_pod, cpu / per_pod);
            for (kind, column) in &mut columns {
                column.push(runs(kind) * (costs[kind].warm_s + cold * costs[kind].cold_s));
            }
            load.requests.push((cpu - own).max(0.0));
            load.all += cpu;
            load.own += own;
            load.runs += all_runs;
        }
        load.columns = columns.into_iter().filter(|(_, column)| column.iter().sum::<f64>() > 0.0).collect();
        load
    }

    /// Finds the factors: one for each kind where minutes tell them apart, else one. What requests take by them.
    fn factors(&self, load: &Load, fit: &mut ServiceFit) -> f64 {
        let columns: Vec<Vec<f64>> = load.columns.iter().map(|(_, column)| column.clone()).collect();
        let each = least_squares::solve(&columns, &load.requests);
        if columns.len() > 1 && tells_apart(&each) {
            fit.residual = Some(each.residual);
            let errors = each.errors.clone().unwrap_or_default();
            for (((kind, _), factor), error) in load.columns.iter().zip(&each.coefficients).zip(errors) {
                let requests = vec![named(self.service, *kind)];
                fit.factors.push(Factor { requests, factor: *factor, error: Some(error) });
            }
            return columns.iter().zip(&each.coefficients).map(|(column, f)| f * column.iter().sum::<f64>()).sum();
        }
        let together: Vec<f64> =
            (0..load.requests.len()).map(|row| columns.iter().map(|column| column[row]).sum()).collect();
        let all = least_squares::solve(std::slice::from_ref(&together), &load.requests);
        let requests = load.columns.iter().map(|(kind, _)| named(self.service, *kind)).collect();
        let error = all.errors.as_ref().and_then(|errors| errors.first().copied());
        fit.residual = Some(all.residual);
        fit.factors.push(Factor { requests, factor: all.coefficients[0], error });
        if load.columns.len() > 1 {
            fit.kept.push("its routes cannot be told apart, so that they have one factor".to_owned());
        }
        all.coefficients[0] * together.iter().sum::<f64>()
    }

    /// Multiplies the bursts, and says so.
    fn write(&self, load: &Load, fit: &mut ServiceFit, calibration: &mut Calibration) {
        let Some(service) = calibration.profile.services.get_mut(self.name) else { return };
        let seen: BTreeSet<Kind> = load.columns.iter().map(|(kind, _)| *kind).collect();
        let has_one = fit.factors.len() == 1;
        for kind in kinds(self.service) {
            let at = load.columns.iter().position(|(other, _)| *other == kind);
            let Some(factor) = fit.factors.get(if has_one { 0 } else { at.unwrap_or(usize::MAX) }) else {
                fit.kept.push(format!("{} was not seen", named(self.service, kind)));
                continue;
            };
            let path = match kind {
                Kind::Endpoint(number) => format!("services.{}.endpoints[{number}]", self.name),
                Kind::NotFound => format!("services.{}.not_found", self.name),
                Kind::Consumer(number) => format!("services.{}.consumes[{number}]", self.name),
            };
            costs::scale(service, kind, factor.factor);
            let whose = if seen.contains(&kind) { "" } else { ", of its service: it was not seen itself" };
            let note = format!("calibrated: bursts times {:.3}{}{whose}", factor.factor, plus_minus(factor.error));
            calibration.comments.entry(path).or_default().push(note);
        }
        let conditional = seen.iter().filter(|kind| cost(self.service, **kind).is_conditional);
        for kind in conditional {
            let request = named(self.service, *kind);
            fit.kept.push(format!("how often {request} answers early is not counted: it was taken as never"));
        }
    }
}

fn plus_minus(error: Option<f64>) -> String {
    error.map_or_else(String::new, |error| format!(" +- {error:.3}"))
}

/// Whether each coefficient is known well enough.
fn tells_apart(solution: &Solution) -> bool {
    let Some(errors) = &solution.errors else { return false };
    solution.coefficients.iter().zip(errors).all(|(factor, error)| *factor > 0.0 && *error <= ERROR_AT_MOST * factor)
}

/// What stands above a service in the file.
fn comment_of(fit: &ServiceFit) -> Vec<String> {
    let mut lines = vec![format!(
        "{:.2} requests/s, {:.4} cores measured, {:.4} by the profile before, {:.4} by this one{}",
        fit.rate,
        fit.cpu,
        fit.cpu_before,
        fit.cpu_fitted,
        fit.residual.map_or_else(String::new, |residual| format!(", residual {:.1} %", 100.0 * residual))
    )];
    lines.extend(fit.kept.iter().map(|kept| format!("kept: {kept}")));
    lines
}
