//! `rollout` and what it can do.

use super::arguments::Arguments;
use super::changes::nothing_more;
use super::{Command, refusal};
use crate::environment::Rejected;
use crate::time::parse_duration;

pub(super) fn rollout(what: &str, words: &[&str]) -> Result<Command, Rejected> {
    let flags: &[&str] = match what {
        "status" => &["timeout"],
        "undo" => &["to-revision"],
        "pause" | "resume" | "restart" => &[],
        _ => return Err(refusal(format!("unknown command \"rollout {what}\""))),
    };
    let arguments = Arguments::read(words, flags)?;
    let (deployment, rest) = arguments.deployment()?;
    nothing_more(rest)?;
    Ok(match what {
        "status" => Command::RolloutStatus { deployment, timeout: arguments.parsed("timeout", parse_duration)? },
        "undo" => Command::RolloutUndo { deployment, revision: arguments.number("to-revision")? },
        "restart" => Command::RolloutRestart { deployment },
        _ => Command::RolloutPause { deployment, paused: what == "pause" },
    })
}
