//! What can be typed after `sockpit calibrate`.

use std::path::PathBuf;

use clap::Args;
use sim::time::{SimDuration, parse_duration};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit calibrate --prometheus http://127.0.0.1:9090 --to profile.yaml
  sockpit calibrate --prometheus http://127.0.0.1:9090 --namespace shop --app ./my-app --window 30m --to my-app/profile.yaml

Of each service requests, latency and CPU of the time that has just passed are read, minute by minute, and the bursts of its
programs multiplied so that they explain its CPU: by one factor, or one for each route where the minutes tell routes apart.
The file that is written says at each service and request what was found, how well, and what is as it was. A time in which a
service was throttled for more than 1 % of its periods, was restarted, or had no traffic is refused.

Exit codes: 0 done, 1 Prometheus does not answer, 2 usage, or a time that does not tell.")]
pub(crate) struct CalibrateOptions {
    /// Where Prometheus answers
    #[arg(long, value_name = "URL")]
    pub(crate) prometheus: String,
    /// The namespace of the application [default: that of its manifests]
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// How much time is looked at, up to now; whole minutes
    #[arg(long, value_name = "DURATION", value_parser = window, default_value = "10m")]
    pub(crate) window: SimDuration,
    /// The application whose profile is fitted: a shipped app or the folder of an app
    #[arg(long, value_name = "APP", default_value = datasets::apps::DEFAULT_APP)]
    pub(crate) app: String,
    /// Write the profile into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
    /// Print an array with an object for each service
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whole minutes, two at least.
fn window(text: &str) -> Result<SimDuration, String> {
    let step = datasets::calibration::STEP;
    let window = parse_duration(text)?;
    if window < step * 2 || window > step * 1440 || window % step != SimDuration::ZERO {
        return Err(format!("{window} cannot be looked at minute by minute: write whole minutes, from 2m to 24h"));
    }
    Ok(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_whole_minutes() {
        assert_eq!(window("10m"), Ok(SimDuration::from_secs(600)));
        for text in ["60s", "90s", "25h", "ten"] {
            assert!(window(text).is_err(), "{text}");
        }
    }
}
