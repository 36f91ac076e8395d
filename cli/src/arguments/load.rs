//! What can be typed after `sockpit load`.

use clap::Args;
use sim::time::{SimDuration, parse_duration};

use super::{WorkloadOptions, at_least_a_second};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit load --url http://127.0.0.1:30001 --users 50          the app's default users
  sockpit load --url http://shop.test --level heavy --duration 5m --every 10s
  sockpit load --url http://shop.test --user-class shopper --rate 20 --json
  sockpit load --profile shop.yaml --user-class buyer --target web --rate 9 --url http://[::1]:80
  sockpit load acv/low/rising-traffic --url http://shop.test    the loads of a scenario

The users are those of `simulate`: with the same seed they do the same tasks with the same waits
and attributes (sent as headers `x-sockpit-<attribute>`). Latencies (p50_ms …) begin with the
sending of a request. Those that begin when the request was due stand beside them (DUE, from_due):
they are free of coordinated omission. Ctrl-C ends the measurement and prints what there is.

Send load only to systems that are yours.")]
pub(crate) struct LoadOptions {
    /// Whose users: a shipped app, the folder of an app, a shipped scenario or a scenario file
    #[arg(default_value = "sock-shop")]
    pub(crate) what: String,
    /// A profile file instead of an app
    #[arg(long, value_name = "FILE", conflicts_with = "what")]
    pub(crate) profile: Option<String>,
    /// Where the target is; as SERVICE=URL, where another service is; may be repeated
    #[arg(long = "url", value_name = "URL", required = true)]
    pub(crate) urls: Vec<String>,
    #[command(flatten)]
    pub(crate) workload: WorkloadOptions,
    /// Time under load before the measurement
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "10s")]
    pub(crate) warm_up: SimDuration,
    /// Time that is measured
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second, default_value = "60s")]
    pub(crate) duration: SimDuration,
    /// Also print each window of this length
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second)]
    pub(crate) every: Option<SimDuration>,
    /// Seed of all chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
