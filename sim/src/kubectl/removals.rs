//! Commands that take things away: `delete`, `drain`.

use super::arguments::{Arguments, kind};
use super::{Command, refusal};
use crate::environment::{DeletableKind, Rejected};
use crate::time::parse_duration;

pub(super) fn delete(words: &[&str]) -> Result<Command, Rejected> {
    let arguments = Arguments::read(words, &["all", "wait", "grace-period", "force"])?;
    let wait = arguments.switch("wait", true)?;
    let (force, grace_seconds) = (arguments.switch("force", false)?, arguments.number::<u64>("grace-period")?);
    if grace_seconds == Some(0) && !force {
        return Err(refusal("--grace-period=0 is only effective together with --force"));
    }
    // `--force` alone is a grace period of 0 (`kubectl/pkg/cmd/delete`).
    let grace_seconds = grace_seconds.or(force.then_some(0));
    if arguments.switch("all", false)? {
        return match kind(arguments.only("resource type")?)? {
            "Pod" => Ok(Command::DeletePods { pods: None, grace_seconds, wait }),
            kind => Err(refusal(format!("--all is known here for pods only, and not for a {kind}"))),
        };
    }
    match arguments.object()? {
        ("Pod", first, rest) => {
            let pods = std::iter::once(&first).chain(rest).map(|name| (*name).to_owned()).collect();
            Ok(Command::DeletePods { pods: Some(pods), grace_seconds, wait })
        }
        ("Deployment", name, []) => Ok(Command::DeleteDeployment { deployment: name.to_owned() }),
        ("ResourceQuota", name, []) => Ok(delete_object(DeletableKind::ResourceQuota, name)),
        ("PodDisruptionBudget", name, []) => Ok(delete_object(DeletableKind::PodDisruptionBudget, name)),
        ("NetworkPolicy", name, []) => Ok(delete_object(DeletableKind::NetworkPolicy, name)),
        ("Deployment" | "ResourceQuota" | "PodDisruptionBudget" | "NetworkPolicy", _, [more, ..]) => {
            Err(refusal(format!("unexpected argument \"{more}\"")))
        }
        (kind, ..) => Err(refusal(format!("to delete a {kind} is not known here"))),
    }
}

fn delete_object(kind: DeletableKind, name: &str) -> Command {
    Command::DeleteObject { kind, name: name.to_owned() }
}

pub(super) fn drain(words: &[&str]) -> Result<Command, Rejected> {
    let arguments = Arguments::read(words, &["ignore-daemonsets", "delete-emptydir-data", "timeout"])?;
    let node = arguments.only("node")?.to_owned();
    Ok(Command::Drain { node, timeout: arguments.parsed("timeout", parse_duration)? })
}
