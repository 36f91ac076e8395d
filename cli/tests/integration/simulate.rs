//! `sockpit simulate`: the twin alone.

use serde_json::Value;

use super::{json, keys, stdout};

/// A short measurement of a small load. Upstream's catalogue is not asked for readiness in its first three minutes.
const SHORT: [&str; 9] = ["simulate", "--settle", "5m", "--warm-up", "10s", "--duration", "60s", "--users", "10"];

fn short<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SHORT.iter().chain(more).copied().collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn the_json_object_has_the_promised_fields() {
    let figures = json(&short(&["--json", "--every", "20s"]));
    for promised in ["speedup", "events_per_s", "requests_per_wall_s", "services", "requests", "windows"] {
        assert!(keys(&figures).contains(&promised), "{promised}");
    }
    assert_eq!(keys(&figures["services"]).len(), 14);
    let front_end = &figures["services"]["front-end"];
    for promised in [
        "rps",
        "error_rate",
        "p50_ms",
        "p90_ms",
        "p99_ms",
        "mean_ms",
        "cpu_m",
        "memory_mib",
        "throttled_ratio",
        "replicas_ready",
        "rps_all",
        "caller_p50_ms",
        "caller_p99_ms",
        "p99_prometheus_ms",
    ] {
        assert!(front_end[promised].is_number(), "{promised}: {front_end}");
    }
    assert_eq!(front_end["replicas_ready"], 1);
    // Ten users with a wait of one second, each a little slower than one request per second.
    let rate = number(&front_end["rps"]);
    assert!((9.0..10.0).contains(&rate), "{rate}");
    assert!(number(&front_end["caller_p50_ms"]) >= number(&front_end["p50_ms"]));
    let windows = figures["windows"].as_array().unwrap();
    assert_eq!(windows.len(), 3);
    let mean = windows.iter().map(|w| number(&w["services"]["front-end"]["rps"])).sum::<f64>() / 3.0;
    assert!((mean - rate).abs() < 1e-9, "the windows make up the whole: {mean} and {rate}");
}

/// Kubernetes probes catalogue every 3 s twice, once for readiness and once for liveness.
#[test]
fn without_users_only_probes_and_scrapes_are_left() {
    let figures = json(&["simulate", "--users", "0", "--settle", "5m", "--duration", "5m", "--json"]);
    assert_eq!(figures["requests"].as_array().unwrap().len(), 0);
    let catalogue = &figures["services"]["catalogue"];
    assert_eq!((&catalogue["rps"], &catalogue["p99_ms"]), (&0.0.into(), &Value::Null));
    // 2 / 3 s of probes and 1 / 15 s of scrapes.
    let all = number(&catalogue["rps_all"]);
    assert!((all - 0.733).abs() < 0.02, "{all}");
}

#[test]
fn the_same_seed_gives_the_same_figures_but_for_the_wall_clock() {
    let figures = |seed: &str| {
        let mut figures = json(&short(&["--json", "--seed", seed]));
        for wall in ["wall_s", "speedup", "events_per_s", "requests_per_wall_s"] {
            figures.as_object_mut().unwrap().remove(wall).unwrap();
        }
        figures
    };
    let first = figures("1");
    assert_eq!(first, figures("1"));
    assert_ne!(first, figures("2"));
}

#[test]
fn a_scenario_is_watched_window_by_window() {
    let typed = ["simulate", "acv/low/pod-failure", "--duration", "150s"];
    let figures = json(&[&typed[..], &["--json"]].concat());
    let windows = figures["windows"].as_array().unwrap();
    assert_eq!(windows.len(), 10);
    let begins = |window: &&Value| window["events"].to_string().contains("pod-failure begins");
    let at: Vec<f64> = windows.iter().filter(begins).map(|window| number(&window["from_s"])).collect();
    assert_eq!(at.len(), 1);
    let (before, after) = (&windows[6]["services"]["catalogue"], &windows[9]["services"]["catalogue"]);
    assert_eq!(before["error_rate"], 0.0);
    assert!(number(&after["error_rate"]) > 0.9, "{after}");
    let text = stdout(&typed);
    assert!(text.contains("pod-failure begins") && text.contains("WHAT HAPPENED"), "{text}");
}
