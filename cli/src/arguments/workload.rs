//! What can be typed of a load, for `sockpit simulate` and `sockpit load`.

use clap::Args;
use sim::time::{SimDuration, parse_duration};

use super::positive;

/// A load on an app.
#[derive(Debug, Default, Args)]
pub(crate) struct WorkloadOptions {
    /// A load level of the app, such as light, moderate, heavy, rising [default: the app's]
    #[arg(long, visible_alias = "load", value_name = "LEVEL", conflicts_with_all = ["users", "rate"])]
    pub(crate) level: Option<String>,
    /// A number of users instead of a level; 0 for none
    #[arg(long, value_name = "N", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) users: Option<u32>,
    /// Users started per second [default: all within a second]
    #[arg(long, value_name = "N", requires = "users", value_parser = positive)]
    pub(crate) spawn_rate: Option<f64>,
    /// Poisson arrivals per second instead of users; each does one task
    #[arg(long, value_name = "PER_SECOND", value_parser = positive)]
    pub(crate) rate: Option<f64>,
    /// What the users do: a user class of the app [default: the app's]
    #[arg(long, value_name = "NAME")]
    pub(crate) user_class: Option<String>,
    /// The wait between two tasks of a user, instead of the class's own
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "rate")]
    pub(crate) wait: Option<SimDuration>,
    /// The service that the load goes to [default: the app's]
    #[arg(long, value_name = "SERVICE")]
    pub(crate) target: Option<String>,
    /// Whether users keep their connections [default: as the user class says]
    #[arg(long, value_name = "BOOL")]
    pub(crate) keep_alive: Option<bool>,
}
