//! kubectl's command line, read into typed commands. There is no shell: words come in, a [`Command`] or kubectl's own
//! complaint goes out.
//!
//! Whoever takes a command says what it does: [`crate::cluster::Cluster::run`] does it in the twin.
//!
//! Invariants:
//! - What is not understood is refused with its name; no word and no flag is passed over in silence.
//! - Reading a command line needs no cluster: whether objects exist is not asked here.

mod arguments;
mod changes;
mod removals;
mod rollout;

use crate::environment::{DeletableKind, Rejected};
use crate::manifest::ResourceList;
use crate::time::SimDuration;

use arguments::Arguments;

/// What a command line asks for. A Deployment, pod or node is named by its name.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `scale deployment/NAME --replicas=N`.
    Scale {
        /// Which Deployment.
        deployment: String,
        /// To how many.
        replicas: u32,
    },
    /// `set image deployment/NAME CONTAINER=IMAGE...`.
    SetImage {
        /// Which Deployment.
        deployment: String,
        /// Containers with their images; `*` is every container.
        images: Vec<(String, String)>,
    },
    /// `set resources deployment/NAME --requests=... --limits=...`.
    SetResources {
        /// Which Deployment.
        deployment: String,
        /// What is named here replaces what was.
        requests: ResourceList,
        /// See `requests`.
        limits: ResourceList,
    },
    /// `set env deployment/NAME KEY=VALUE... KEY-...`.
    SetEnv {
        /// Which Deployment.
        deployment: String,
        /// Variables with their values; none removes.
        variables: Vec<(String, Option<String>)>,
    },
    /// `rollout status deployment/NAME`: waits until the rollout is over.
    RolloutStatus {
        /// Which Deployment.
        deployment: String,
        /// How long at most.
        timeout: Option<SimDuration>,
    },
    /// `rollout undo deployment/NAME`.
    RolloutUndo {
        /// Which Deployment.
        deployment: String,
        /// To which revision; none is the one before.
        revision: Option<u64>,
    },
    /// `rollout pause deployment/NAME` and `rollout resume deployment/NAME`.
    RolloutPause {
        /// Which Deployment.
        deployment: String,
        /// Whether it is paused from now on.
        paused: bool,
    },
    /// `rollout restart deployment/NAME`.
    RolloutRestart {
        /// Which Deployment.
        deployment: String,
    },
    /// `delete pod NAME...` and `delete pods --all`.
    DeletePods {
        /// Which; none is all of the namespace.
        pods: Option<Vec<String>>,
        /// Instead of the pods' own grace period, in seconds.
        grace_seconds: Option<u64>,
        /// Whether kubectl waits until they are gone.
        wait: bool,
    },
    /// `delete deployment NAME`.
    DeleteDeployment {
        /// Which.
        deployment: String,
    },
    /// `delete KIND NAME` of an object of another kind.
    DeleteObject {
        /// Its kind.
        kind: DeletableKind,
        /// Its name.
        name: String,
    },
    /// `patch KIND NAME --patch=JSON`, a strategic merge.
    Patch {
        /// Kind as in a manifest, such as `Deployment`.
        kind: &'static str,
        /// Name of the object.
        name: String,
        /// What is laid over it.
        patch: serde_json::Value,
    },
    /// `label pod NAME KEY=VALUE... KEY-...`.
    LabelPod {
        /// Which.
        pod: String,
        /// Labels with their values; none removes.
        labels: Vec<(String, Option<String>)>,
        /// Whether a label that is there may change.
        overwrite: bool,
    },
    /// `exec POD -- COMMAND...`.
    Exec {
        /// Which pod.
        pod: String,
        /// The program and its arguments.
        command: Vec<String>,
    },
    /// `cordon NODE` and `uncordon NODE`.
    Cordon {
        /// Which node.
        node: String,
        /// Whether new pods stay away from now on.
        unschedulable: bool,
    },
    /// `drain NODE`.
    Drain {
        /// Which node.
        node: String,
        /// How long at most.
        timeout: Option<SimDuration>,
    },
    /// `create configmap NAME --from-literal=KEY=VALUE...`.
    CreateConfigMap {
        /// Its name.
        name: String,
        /// Its data.
        data: Vec<(String, String)>,
    },
}

/// Reads the words that follow `kubectl`.
///
/// # Errors
/// What kubectl would say, or that this part of kubectl is not known here.
pub fn parse(words: &[&str]) -> Result<Command, Rejected> {
    let [verb, words @ ..] = words else {
        return Err(refusal("kubectl needs a command, such as scale or rollout"));
    };
    match (*verb, words) {
        ("scale", words) => changes::scale(words),
        ("set", ["image", words @ ..]) => changes::set_image(words),
        ("set", ["resources", words @ ..]) => changes::set_resources(words),
        ("set", ["env", words @ ..]) => changes::set_env(words),
        ("set", [what, ..]) => Err(refusal(format!("unknown command \"set {what}\""))),
        ("rollout", [what, words @ ..]) => rollout::rollout(what, words),
        ("delete", words) => removals::delete(words),
        ("patch", words) => changes::patch(words),
        ("label", words) => changes::label(words),
        ("exec", words) => exec(words),
        ("cordon", words) => cordon(words, true),
        ("uncordon", words) => cordon(words, false),
        ("drain", words) => removals::drain(words),
        ("create", ["configmap" | "cm", words @ ..]) => changes::create_config_map(words),
        ("create", [what, ..]) => Err(refusal(format!("create {what} is not known here: configmap is"))),
        (verb, _) => Err(refusal(format!("unknown command \"{verb}\" for \"kubectl\""))),
    }
}

fn exec(words: &[&str]) -> Result<Command, Rejected> {
    let arguments = Arguments::read(words, &[])?;
    let pod = arguments.only("pod")?;
    let name = pod.strip_prefix("pod/").or(pod.strip_prefix("pods/")).unwrap_or(pod);
    if arguments.behind_dashes.is_empty() {
        return Err(refusal("you must specify at least one command for the container"));
    }
    let command = arguments.behind_dashes.iter().map(|word| (*word).to_owned()).collect();
    Ok(Command::Exec { pod: name.to_owned(), command })
}

fn cordon(words: &[&str], unschedulable: bool) -> Result<Command, Rejected> {
    let node = Arguments::read(words, &[])?.only("node")?.to_owned();
    Ok(Command::Cordon { node, unschedulable })
}

fn refusal(message: impl Into<String>) -> Rejected {
    Rejected(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        let words: Vec<_> = line.split(' ').collect();
        parse(&words).map_err(|Rejected(message)| message)
    }

    #[test]
    fn command_lines_become_commands() {
        let web = || "web".to_owned();
        let check = |line: &str, expected: Command| assert_eq!(read(line), Ok(expected), "{line}");
        check("scale deployment/web --replicas=3", Command::Scale { deployment: web(), replicas: 3 });
        check("scale deploy web --replicas 3", Command::Scale { deployment: web(), replicas: 3 });
        let images = vec![(web(), "actor:2".to_owned())];
        check("set image deployment/web web=actor:2", Command::SetImage { deployment: web(), images });
        let variables = vec![("COLOR".to_owned(), Some("blue".to_owned())), ("SIZE".to_owned(), None)];
        check("set env deployment/web COLOR=blue SIZE-", Command::SetEnv { deployment: web(), variables });
        let timeout = Some(SimDuration::from_secs(180));
        check("rollout status deployment/web --timeout=180s", Command::RolloutStatus { deployment: web(), timeout });
        check(
            "rollout undo deployment/web --to-revision=1",
            Command::RolloutUndo { deployment: web(), revision: Some(1) },
        );
        check("rollout pause deployment/web", Command::RolloutPause { deployment: web(), paused: true });
        let all = Command::DeletePods { pods: None, grace_seconds: None, wait: false };
        check("delete pods --all --wait=false", all);
        let one = Command::DeletePods { pods: Some(vec!["a".into()]), grace_seconds: Some(0), wait: true };
        check("delete pod a --grace-period=0 --force", one);
        let patch = serde_json::json!({"spec": {"paused": true}});
        check(
            "patch deployment web --patch={\"spec\":{\"paused\":true}}",
            Command::Patch { kind: "Deployment", name: web(), patch },
        );
        check(
            "exec web-1 -- /actor set ready",
            Command::Exec { pod: "web-1".into(), command: vec!["/actor".into(), "set".into(), "ready".into()] },
        );
        let kind = DeletableKind::PodDisruptionBudget;
        check("delete pdb web", Command::DeleteObject { kind, name: web() });
        check("delete netpol web", Command::DeleteObject { kind: DeletableKind::NetworkPolicy, name: web() });
        check("cordon node-2", Command::Cordon { node: "node-2".into(), unschedulable: true });
        let timeout = Some(SimDuration::from_secs(60));
        check("drain node-2 --ignore-daemonsets --timeout=60s", Command::Drain { node: "node-2".into(), timeout });
    }

    #[test]
    fn mistakes_are_answered_in_kubectls_words() {
        let check = |line: &str, expected: &str| assert_eq!(read(line), Err(expected.to_owned()), "{line}");
        check("explode", "unknown command \"explode\" for \"kubectl\"");
        check("scale deployment/web", "required flag(s) \"replicas\" not set");
        check(
            "scale deployment/web --replicas=-1",
            "invalid argument \"-1\" for \"--replicas\" flag: not a number of 0 or more",
        );
        check("scale deployment/web --copies=3", "unknown flag: --copies");
        check("scale web --replicas=1", "the server doesn't have a resource type \"web\"");
        check("scale widget/web --replicas=1", "the server doesn't have a resource type \"widget\"");
        check("set image deployment/web", "at least one image update is required");
        check(
            "set resources deployment/web",
            "you must specify an update to requests or limits (in the form of --requests/--limits)",
        );
        check("delete pods", "resource(s) were provided, but no name was specified");
        check("delete pod a --grace-period=0", "--grace-period=0 is only effective together with --force");
        check("exec web-1", "you must specify at least one command for the container");
        check("rollout explode deployment/web", "unknown command \"rollout explode\"");
    }
}
