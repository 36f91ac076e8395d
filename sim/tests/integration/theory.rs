//! The twin against queueing theory, with the machinery that serves Sock Shop: users, connections,
//! calls, runtimes and CPUs. Loads 0.5, 0.7 and 0.9, seeds 1 to 10; all figures are printed
//! (`cargo test -p sockpit-sim --test integration theory -- --nocapture`).

#![expect(clippy::print_stdout, reason = "the figures are the point")]

use sim::time::{SimDuration, SimTime};
use sim::traffic::NodeSpec;
use sim::workload::{ArrivalProcess, Arrivals, RateStage, Shape};

use crate::small_world::{SmallWorld, load, users};

const LOADS: [f64; 3] = [0.5, 0.7, 0.9];
const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;

/// Services of one event loop each, with exponential demands in milliseconds.
fn profile(runtime: &str, burst: &str) -> String {
    format!(
        "
services:
  station:
    port: 80
    runtime: {{{runtime}}}
    memory: {{base: 1Mi}}
    endpoints: [{{request: GET /, program: [{{cpu: {{{burst}}}}}]}}]
user_classes:
  one: {{wait: {{constant: 0s}}, tasks: [{{name: get, requests: [{{request: GET /}}]}}]}}
"
    )
}

/// A coordinator that takes no time and occupies nothing, and three stations. `program` is its.
fn network(program: &str) -> String {
    let station = |name: &str, ms: u32| {
        format!(
            "  {name}:
    port: 80
    runtime: {{model: event-loop}}
    memory: {{base: 1Mi}}
    endpoints: [{{request: GET /, program: [{{cpu: {{mean: {ms}ms, distribution: exponential}}}}]}}]
"
        )
    };
    format!(
        "
services:
  front:
    port: 80
    runtime: {{model: goroutines}}
    memory: {{base: 1Mi}}
    endpoints:
      - request: GET /
        program: [{program}]
{}{}{}
user_classes:
  one: {{wait: {{constant: 0s}}, tasks: [{{name: get, requests: [{{request: GET /}}]}}]}}
  thinker: {{wait: {{exponential: 20ms}}, tasks: [{{name: get, requests: [{{request: GET /}}]}}]}}
",
        station("a", 1),
        station("b", 2),
        station("c", 3)
    )
}

fn poisson(rate: f64) -> Shape {
    let stages = vec![RateStage { duration: SimDuration::SECOND, rate, ramp: false }];
    Shape::Arrivals(Arrivals { process: ArrivalProcess::Poisson, stages })
}

/// One world per seed, each service on a node of its own, run past `warm_up` and then measured for
/// about `requests` requests in all.
fn worlds(
    profile: &str,
    cores: u32,
    class: &str,
    target: &str,
    shape: &Shape,
    rate: f64,
    requests: f64,
) -> Vec<SmallWorld> {
    let run = |seed| {
        let node = NodeSpec { cores, ..NodeSpec::default() };
        let mut world = SmallWorld::new(profile, &[node; 4], seed);
        let names: Vec<_> = world.traffic.programs().services.iter().map(|s| s.name.clone()).collect();
        for (node, name) in names.iter().enumerate() {
            let spec = world.spec(name);
            world.start_with(sim::traffic::ProcessSpec { node: sim::ids::NodeIx(node as u32), ..spec });
        }
        world.load(&load(class, target, shape.clone()));
        let measured = SimDuration::from_secs_f64(requests / rate / SEEDS.count() as f64);
        let warm_up = SimTime(measured.0 / 20);
        world.run(warm_up);
        world.traffic.reset_statistics();
        world.run(warm_up + measured);
        assert_eq!(world.traffic.check_conservation(), Ok(()));
        world
    };
    SEEDS.map(run).collect()
}

fn mean_response(world: &SmallWorld) -> f64 {
    world.traffic.statistics().users.mean().expect("requests were answered")
}

/// The pooled mean over the seeds within 3 standard errors and 1 % of the exact value.
fn check(what: &str, load: f64, exact: f64, values: &[f64]) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let error = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0) / n).sqrt();
    let deviation = (mean - exact) / exact;
    println!(
        "{what:28} load {load}: exact {exact:.6}, twin {mean:.6} ± {error:.6} ({:+.2} %, {:+.1} standard errors)",
        deviation * 100.0,
        (mean - exact) / error
    );
    assert!(deviation.abs() < 0.01, "{what} at load {load}: {mean} instead of {exact}");
    assert!((mean - exact).abs() < 3.0 * error, "{what} at load {load}: {mean} ± {error} instead of {exact}");
}

fn check_means(what: &str, load: f64, exact: f64, worlds: &[SmallWorld]) {
    check(what, load, exact, &worlds.iter().map(mean_response).collect::<Vec<_>>());
}

/// More requests where the queue is longer and remembers for longer.
fn enough(load: f64, at_half: f64) -> f64 {
    at_half * (0.5 / (1.0 - load)).powi(2)
}

#[test]
fn one_event_loop_is_m_m_1() {
    let profile = profile("model: event-loop", "mean: 1ms, distribution: exponential");
    for load in LOADS {
        let rate = load * 1000.0;
        let worlds = worlds(&profile, 1, "one", "station", &poisson(rate), rate, enough(load, 250_000.0));
        check_means("M/M/1 mean", load, 0.001 / (1.0 - load), &worlds);
        for quantile in [0.25, 0.5, 0.9, 0.99] {
            let time = -libm::log(1.0 - quantile) * 0.001 / (1.0 - load);
            let within =
                |w: &SmallWorld| w.traffic.statistics().users.share_within(SimDuration::from_secs_f64(time)).unwrap();
            let shares: Vec<_> = worlds.iter().map(within).collect();
            check(&format!("M/M/1 P(T <= {:.2} ms)", time * 1e3), load, quantile, &shares);
        }
    }
}

#[test]
fn four_threads_on_four_cores_are_m_m_4() {
    let profile = profile("model: threads, max_threads: 4", "mean: 4ms, distribution: exponential");
    for load in LOADS {
        let rate = load * 1000.0;
        let worlds = worlds(&profile, 4, "one", "station", &poisson(rate), rate, enough(load, 150_000.0));
        // Erlang's C formula.
        let offered = 4.0 * load;
        let term = |k: i32| offered.powi(k) / (1..=k).map(f64::from).product::<f64>();
        let waiting = term(4) / (1.0 - load);
        let probability = waiting / ((0..4).map(term).sum::<f64>() + waiting);
        check_means("M/M/4 mean", load, 0.004 + probability * 0.001 / (1.0 - load), &worlds);
    }
}

#[test]
fn threads_on_one_core_are_m_g_1_processor_sharing() {
    let profile = profile("model: threads", "mean: 1ms, variation: 1");
    for load in LOADS {
        let rate = load * 1000.0;
        let worlds = worlds(&profile, 1, "one", "station", &poisson(rate), rate, enough(load, 500_000.0));
        check_means("M/G/1-PS mean", load, 0.001 / (1.0 - load), &worlds);
    }
}

/// The coordinator's handlers wait for their calls without occupying anything, every call is a
/// visit with a demand of its own, and stations serve first come, first served with exponential
/// demands that do not depend on the visit: a network with a product form (Kelly 1979), in which
/// each station is an M/M/1 queue with the sum of its arrivals.
#[test]
fn calls_in_sequence_are_a_jackson_network() {
    let call = |to: &str| format!("{{call: {{to: {to}, request: GET /}}}}");
    let leave = |p: f64| format!("{{respond: {{status: 200, when: {{chance: {p}}}}}}}");
    let program = [call("a"), leave(0.3), call("b"), call("a"), leave(0.5), call("c")].join(", ");
    let visits_and_demands = [(1.7, 0.001), (0.7, 0.002), (0.35, 0.003)];
    for load in LOADS {
        let rate = load / (1.7 * 0.001);
        let worlds = worlds(&network(&program), 1, "one", "front", &poisson(rate), rate, enough(load, 100_000.0));
        let exact = visits_and_demands.iter().map(|(v, s)| v * s / (1.0 - rate * v * s)).sum();
        check_means("open Jackson network mean", load, exact, &worlds);
    }
}

/// Users that think for an exponential time and then visit three stations: mean value analysis
/// (Reiser and Lavenberg 1980) is exact. The loads are those of the busiest station.
#[test]
fn users_who_think_are_a_closed_network() {
    let call = |to: &str| format!("{{call: {{to: {to}, request: GET /}}}}");
    let program = [call("a"), call("b"), call("c")].join(", ");
    for load in LOADS {
        let (mut queues, mut n) = ([0.0; 3], 0_u32);
        let (exact, throughput) = loop {
            n += 1;
            let times = [0, 1, 2].map(|i| 0.001 * f64::from(i + 1) * (1.0 + queues[i as usize]));
            let response: f64 = times.iter().sum();
            let throughput = f64::from(n) / (0.02 + response);
            queues = times.map(|time| throughput * time);
            if throughput * 0.003 >= load {
                break (response, throughput);
            }
        };
        let shape = users("thinker", "front", n, 1e6).shape;
        let worlds = worlds(&network(&program), 1, "thinker", "front", &shape, throughput, 150_000.0);
        check_means(&format!("closed network, {n} users"), load, exact, &worlds);
        let rates = worlds.iter().map(|w| {
            let measured = w.now.as_secs_f64() / 1.05;
            w.traffic.statistics().users.count() as f64 / measured
        });
        check("its throughput", load, throughput, &rates.collect::<Vec<_>>());
    }
}
