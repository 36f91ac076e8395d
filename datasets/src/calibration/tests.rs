//! The twin as the running system: its profile is known, and so is what has to be found.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim::app::App;
use sim::diagnostic::Source;
use sim::environment::{Stage, ready};
use sim::profile::{Profile, ServiceProfile};
use sim::promql::{Query, Settings, Value};
use sim::telemetry::Labels;
use sim::time::{SimDuration, SimTime};
use sim::world::Twin;

use super::costs::{kinds, scale};
use super::*;
use crate::apps::AppFiles;
use crate::scenarios;

/// What bursts of two services take beside what their profile says.
const FACTORS: [(&str, f64); 2] = [("catalogue", 1.6), ("catalogue-db", 0.7)];
/// How far a factor may lie from the truth.
const TOLERANCE: f64 = 0.05;
/// When the load begins: all pods are ready long before, since their probes wait up to 300 s.
const LOADED: SimDuration = SimDuration::from_secs(600);
/// How long it is watched.
const WATCHED: SimDuration = SimDuration::from_secs(600);
const NAMESPACE: &str = "sock-shop";

fn files() -> AppFiles {
    AppFiles::find("sock-shop").unwrap()
}

/// Sock Shop with a profile, which goes through the loader as a file does.
fn shop(profile: &str) -> Arc<App> {
    let files = files();
    let source = Source { path: "profile.yaml".into(), text: profile.to_owned() };
    let app = App::load(&files.manifests, &files.overlays["acv"], Some(&source));
    Arc::new(app.unwrap_or_else(|mistakes| panic!("{mistakes}")).0)
}

fn shipped() -> Profile {
    Profile::load(&files().profile.unwrap()).unwrap().0.value
}

fn text(profile: &Profile) -> String {
    yaml::document(&serde_json::to_value(profile).unwrap(), &BTreeMap::new())
}

/// The profile of a system whose requests take other times than the shipped one says.
fn truth() -> Profile {
    let mut profile = shipped();
    for (name, factor) in FACTORS {
        let service: &mut ServiceProfile = profile.services.get_mut(name).unwrap();
        for kind in kinds(service) {
            scale(service, kind, factor);
        }
    }
    profile
}

/// A twin in which catalogue gets so many requests a second, at the end of the time in which it is watched.
fn twin(app: &Arc<App>, rate: u32) -> Twin {
    let scenario = format!(
        "
apiVersion: sockpit/v1alpha1
kind: Scenario
name: test/calibration
app: {{name: sock-shop, overlay: acv}}
workloads:
- user_class: catalogue-list
  target: catalogue
  shape: {{arrivals: {{process: poisson, stages: [{{duration: 1h, rate: {rate}}}]}}}}
  start: {LOADED}
task: {{levels: [L3], agent: catalogue, text: Nobody is asked., goal: maintain, start: 0s}}
slos: {{components: [catalogue]}}
"
    );
    let source = Source { path: "test.yaml".into(), text: scenario };
    let loaded = scenarios::load_source(&source, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let mut twin = Twin::new(app, &Arc::new(loaded.scenario.value), 1);
    ready(twin.prepare()).unwrap();
    twin.run_until(end());
    twin
}

/// A minute after the load has begun the watch begins: the first rates then look back on nothing but load.
fn end() -> SimTime {
    SimTime::ZERO + LOADED + STEP + WATCHED
}

/// Asks the twin's Prometheus as a live one is asked.
fn measured(twin: &Twin, app: &App) -> Measured {
    let mut measured = Measured::default();
    let stretches = WATCHED.0 / STEP.0;
    for question in questions(&app.profile, NAMESPACE, WATCHED) {
        let query = Query::parse(&question.promql).unwrap();
        for stretch in 0..stretches {
            if question.figure == Figure::Resets && stretch + 1 < stretches {
                continue;
            }
            let at = end() - STEP * (stretches - 1 - stretch);
            let answer = query.instant(twin.store(), at.as_millis(), Settings::default()).unwrap();
            let Value::Vector { elements, .. } = answer else { panic!("{} is no vector", question.promql) };
            let points: Vec<Point> =
                elements.iter().map(|e| Point { labels: labels(&e.metric), value: e.value }).collect();
            measured.take(stretch as usize, question.figure, &points, app, NAMESPACE);
        }
    }
    measured
}

fn labels(of: &Labels) -> BTreeMap<String, String> {
    of.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn found<'c>(calibration: &'c Calibration, service: &str) -> &'c ServiceFit {
    calibration.services.iter().find(|fit| fit.service == service).unwrap()
}

/// The mean latency of GET /catalogue, in seconds.
fn mean_latency(measured: &Measured) -> f64 {
    let route = ("GET".to_owned(), "catalogue".to_owned());
    let sum = |of: fn(&Window) -> &BTreeMap<String, Routes>| -> f64 {
        measured.windows.iter().filter_map(|window| of(window).get("catalogue")?.get(&route)).sum()
    };
    sum(|window| &window.latency) / sum(|window| &window.requests)
}

#[test]
fn a_written_profile_is_read_as_it_was() {
    let profile = shipped();
    assert_eq!(shop(&text(&profile)).profile, profile);
}

#[test]
fn the_twins_own_costs_are_found_and_another_load_is_predicted() {
    let real = shop(&text(&truth()));
    let base = shop(&text(&shipped()));
    let calibration = calibrate(&base, &measured(&twin(&real, 20), &base)).unwrap_or_else(|why| panic!("{why}"));
    for (service, expected) in FACTORS {
        let fit = found(&calibration, service);
        assert!(!fit.factors.is_empty(), "{fit:?}");
        for Factor { factor, requests, .. } in &fit.factors {
            assert!((factor / expected - 1.0).abs() < TOLERANCE, "{service}, {requests:?}: {factor}, not {expected}");
        }
        assert!((fit.cpu_fitted / fit.cpu - 1.0).abs() < TOLERANCE, "{fit:?}");
    }
    let rate = found(&calibration, "catalogue").rate;
    assert!((20.0..21.5).contains(&rate), "20 requests/s and the probes: {rate}");
    assert!(found(&calibration, "orders").factors.is_empty(), "of which no request was seen");
    let file = calibration.file("a test").unwrap();
    assert!(file.starts_with("# a test\n") && file.contains("# calibrated: bursts times 1."), "{file}");
    let calibrated = shop(&file);
    assert_eq!(calibrated.profile, calibration.profile);

    // At twice the load, which was not seen. Both worlds draw the same requests. By M/G/1 a mean S / (1 - busy) that is
    // wrong by a share e in S is wrong by e / (1 - busy) at most, to first order; the one core of catalogue is busy for
    // less than a tenth of the time, and its quota of 0.2 cores is not reached.
    let [expected, predicted] = [&real, &calibrated].map(|app| mean_latency(&measured(&twin(app, 40), app)));
    let before = mean_latency(&measured(&twin(&base, 40), &base));
    let tolerance = TOLERANCE / (1.0 - 0.1);
    assert!((predicted / expected - 1.0).abs() < tolerance, "{predicted} s predicted, {expected} s seen");
    assert!(
        (before / expected - 1.0).abs() > tolerance,
        "{before} s before, {expected} s seen: nothing was to be found"
    );
}

#[test]
fn windows_that_do_not_tell_are_refused() {
    let app = shop(&text(&shipped()));
    let why = |measured: &Measured| calibrate(&app, measured).unwrap_err().to_string();
    let nothing = why(&Measured::default());
    assert!(nothing.contains("no traffic") && nothing.contains("no figures of CPU"), "{nothing}");
    let mut window = Window::default();
    let route = ("GET".to_owned(), "catalogue".to_owned());
    let catalogue = || "catalogue".to_owned();
    window.requests.insert(catalogue(), Routes::from([(route, 600.0)]));
    window.cpu.insert(catalogue(), 3.0);
    window.pods.insert(catalogue(), ["catalogue-1".to_owned()].into());
    let plain = Measured { windows: vec![window.clone(), window.clone()], resets: [].into() };
    assert!(calibrate(&app, &plain).is_ok());
    let mut throttled = plain.clone();
    for window in &mut throttled.windows {
        window.periods.insert(catalogue(), 600.0);
        window.throttled.insert(catalogue(), 12.0);
    }
    assert!(why(&throttled).contains("2.0 % of its periods were throttled"), "{}", why(&throttled));
    let reset = Measured { resets: [catalogue()].into(), ..plain.clone() };
    assert!(why(&reset).contains("began anew"), "{}", why(&reset));
    let mut moved = plain;
    moved.windows[1].pods.insert(catalogue(), ["catalogue-2".to_owned()].into());
    assert!(why(&moved).contains("not the same throughout"), "{}", why(&moved));
}

/// Two routes whose numbers change independently, 200 and 100 requests a minute, then 100 and 300, and so on.
#[test]
fn routes_that_change_independently_have_factors_of_their_own() {
    let app = shop(&text(&shipped()));
    let expected = [2.0, 0.5];
    let service = &app.profile.services["catalogue-db"];
    let numbers = ["select socks", "select tags"]
        .map(|request| service.endpoints.iter().position(|endpoint| endpoint.request == request).unwrap());
    let windows = [(200.0, 100.0), (100.0, 300.0), (300.0, 200.0), (150.0, 50.0), (50.0, 250.0)].map(|(list, tags)| {
        let mut window = Window::default();
        let label = |route: &str| ("GET".to_owned(), route.to_owned());
        let routes = Routes::from([(label("catalogue"), list), (label("tags"), tags)]);
        window.requests.insert("catalogue".to_owned(), routes);
        let pods = ["one".to_owned()];
        window.pods.insert("catalogue-db".to_owned(), pods.into());
        // The database's CPU as the model has it, with its two programs changed.
        let burst = |number: usize, n: f64| {
            let cost = costs::cost(service, costs::Kind::Endpoint(number));
            (n * cost.warm_s, n * cost.cold_s)
        };
        let (a, b) = (burst(numbers[0], list * expected[0]), burst(numbers[1], tags * expected[1]));
        let own = costs::by_itself(service) * 60.0;
        // How cold it is depends on how busy it is: two rounds are enough for six digits.
        let mut cpu = 0.0;
        for _ in 0..6 {
            let rate = (list + tags) / 60.0;
            let cold = (1.0 - cpu / 60.0) / (1.0 + rate * 0.008);
            cpu = own + a.0 + b.0 + cold * (a.1 + b.1);
        }
        window.cpu.insert("catalogue-db".to_owned(), cpu);
        window
    });
    let measured = Measured { windows: windows.into(), resets: [].into() };
    let calibration = calibrate(&app, &measured).unwrap_or_else(|why| panic!("{why}"));
    let factors: Vec<(&str, f64)> =
        found(&calibration, "catalogue-db").factors.iter().map(|f| (f.requests[0].as_str(), f.factor)).collect();
    let near =
        |(request, factor): (&str, f64), name: &str, expected: f64| request == name && (factor - expected).abs() < 1e-3;
    assert_eq!(factors.len(), 2, "{factors:?}");
    assert!(near(factors[0], "select socks", 2.0) && near(factors[1], "select tags", 0.5), "{factors:?}");
}
