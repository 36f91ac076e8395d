//! What can be typed after `sockpit simulate`.

use clap::Args;
use sim::time::{SimDuration, parse_duration};

use super::{WorkloadOptions, at_least_a_second, positive};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit simulate                                          the app's default load
  sockpit simulate --level heavy --target front-end
  sockpit simulate --user-class shopper --users 50 --duration 20m
  sockpit simulate ./my-app --rate 100 --target web --node-speed 0.5
  sockpit simulate acv/low/rising-traffic --every 15s

An app settles without load, then the load starts, then it is measured. A scenario is played on its own clock
with its own loads and faults, and nobody mends anything.

Latencies of a service are those of its handler (p50_ms …), without the wait to be accepted; what callers
wait, connecting included, stands beside them (caller_p50_ms, caller_p99_ms). Requests per second (rps) leave
out probes and scrapes; rps_all has them, as Prometheus counts them.")]
pub(crate) struct SimulateOptions {
    /// A shipped app, the folder of an app, a shipped scenario or a scenario file
    #[arg(default_value = "sock-shop")]
    pub(crate) what: String,
    /// Apply an overlay of the app, such as `acv`
    #[arg(long, value_name = "NAME")]
    pub(crate) overlay: Option<String>,
    #[command(flatten)]
    pub(crate) workload: WorkloadOptions,
    /// Simulated time before the load: pods become ready, JVMs warm [default: 15m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) settle: Option<SimDuration>,
    /// Simulated time under load before the measurement [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) warm_up: Option<SimDuration>,
    /// Simulated time that is measured [default: 10m; a scenario: from its start to 5m after its last fault]
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second)]
    pub(crate) duration: Option<SimDuration>,
    /// Also print each window of this length [default for a scenario: 15s]
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second)]
    pub(crate) every: Option<SimDuration>,
    /// Speed of the nodes relative to the machine that the profile's costs were measured on
    #[arg(long, value_name = "FACTOR", value_parser = positive)]
    pub(crate) node_speed: Option<f64>,
    /// Number of nodes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) nodes: Option<u32>,
    /// Cores of each node
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) cores: Option<u32>,
    /// Change a field of the scenario, such as `--set fault.severity=0.3`; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Seed of all chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
