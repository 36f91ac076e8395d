//! What cannot be used, and what to use instead: kubectl's other commands, and other programs.

use super::refusal::Refusal;

/// The commands that can be used, as they are told to those who write another one.
pub(super) const OPEN: [&str; 16] = [
    "get",
    "describe",
    "logs",
    "top",
    "events",
    "rollout",
    "scale",
    "autoscale",
    "set",
    "patch",
    "create",
    "apply",
    "delete",
    "cordon",
    "uncordon",
    "drain",
];

const NO_WAY_IN: &str = "there is no way into a container; `logs deployment/NAME` shows its log, `describe` its state, and \
                         the tool `query_metrics` its numbers";
const NO_NETWORK: &str = "there is no network between you and the cluster; numbers come from the tool `query_metrics`";
const NO_LABELS: &str = "labels, annotations and taints are not to be changed; `cordon` keeps pods from a node, and \
                         `apply -f -` replaces a Service with its labels";
const NOTHING_ABOUT_IT: &str = "it says nothing about the application; look with `get`, `describe`, `logs` and `top`";

/// Commands that kubectl has and this tool has not.
static CLOSED: [(&[&str], &str); 9] = [
    (&["exec", "attach", "cp", "debug"], NO_WAY_IN),
    (&["port-forward", "proxy"], NO_NETWORK),
    (&["label", "annotate", "taint"], NO_LABELS),
    (
        &["edit"],
        "there is no editor; use `scale`, `set`, `patch deployment NAME -p '{...}'`, or `apply -f -`, a line break and \
         the manifest",
    ),
    (
        &["wait"],
        "it would end as soon as its condition holds, and nothing here waits so; let time pass with the tool `wait`, \
         then look again",
    ),
    (&["expose"], "write the Service: `apply -f -`, a line break, and its manifest"),
    (&["run"], "pods are made by their Deployment; use `scale`"),
    (&["replace"], "use `apply -f -`, a line break, and the manifest"),
    (
        &[
            "explain",
            "diff",
            "api-resources",
            "api-versions",
            "cluster-info",
            "version",
            "config",
            "auth",
            "certificate",
            "kustomize",
            "plugin",
            "completion",
            "options",
            "help",
            "alpha",
        ],
        NOTHING_ABOUT_IT,
    ),
];

const NUMBERS: &str = "PromQL has a tool of its own, `query_metrics`";
const OWN_TOOL: &str = "it is a tool of its own; call it as such";
const ONLY_KUBECTL: &str = "only kubectl's command lines are read here; look with `get`, `describe`, `logs` and `top`";
const FILTER: &str = "answers come whole; `-l name=COMPONENT` and `--tail=N` make them shorter";

/// Programs and tools that models take for kubectl's.
static PROGRAMS: [(&[&str], &str); 6] = [
    (&["promql", "promtool", "query_metrics", "prometheus"], NUMBERS),
    (&["sleep", "watch"], "time passes by the tool `wait`"),
    (&["declare", "report", "dependencies", "ask_peer", "raise_issue"], OWN_TOOL),
    (&["grep", "awk", "sed", "jq", "head", "tail", "sort", "wc", "cat", "echo", "xargs", "less"], FILTER),
    (&["curl", "wget", "nc", "ping", "dig", "nslookup"], NO_NETWORK),
    (
        &[
            "sh", "bash", "sudo", "docker", "crictl", "helm", "oc", "minikube", "k", "k9s", "stern", "ls", "cd",
            "export", "python", "python3", "ssh", "vi", "vim", "for", "while", "if",
        ],
        ONLY_KUBECTL,
    ),
];

/// What is said to a word that is none of the commands that can be used.
pub(super) fn refusal(word: &str, after_kubectl: bool) -> Refusal {
    let is_meant = |(words, _): &&(&[&str], &'static str)| words.contains(&word);
    if let Some((_, reason)) = CLOSED.iter().find(is_meant) {
        return Refusal::Closed { command: word.to_owned(), reason };
    }
    if let Some((_, instead)) = PROGRAMS.iter().find(is_meant).filter(|_| !after_kubectl) {
        return Refusal::Program { program: word.to_owned(), instead };
    }
    let nearest = sim::diagnostic::nearest(word, OPEN);
    Refusal::UnknownCommand { command: word.to_owned(), nearest, known: OPEN.join(", ") }
}
