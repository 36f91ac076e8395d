//! `sockpit live …`.

use std::path::PathBuf;

use agents::mechanism::Mechanism;
use clap::Args;
use sim::time::{SimDuration, parse_duration};

use super::{ModelsOptions, mechanism};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockpit live acv/low/pod-failure --lab --write            the fault, the agent and its changes, on the lab
  sockpit live acv/low/cpu-stress --lab --write --horizon 5m --record runs/stress
  sockpit live acv/low/pod-failure --context kind-shop --prometheus http://127.0.0.1:9090 \\
      --url http://127.0.0.1:8080 --model openai:gpt-4o-mini      looks and advises, changes nothing
  sockpit live my-scenario.yaml --context kind-shop --prometheus http://127.0.0.1:9090 --approve
  sockpit live acv/low/pod-failure acv/low/cpu-stress --lab --write --model noop --model runbook --trials 2 \\
      --horizon 5m --to runs/lab               a sweep, which goes on where it was stopped

The application of the scenario must be deployed. Without --write and --approve nothing on the cluster changes: no fault
is injected, and what agents would change is tried as a server dry run and reported as a proposal; L5 is then null. Faults
are taken back at the end, also after Ctrl-C; after a crash, `sockpit undo FOLDER` does it, and takes back what agents
changed as well. Credit and regret are null: a cluster cannot be split.

With --to each scenario is played with each contender, one episode after the other, into a folder such as `sockpit compare
--to` leaves: what is finished there is not played again, `sockpit compare --from` makes its tables, `sockpit compare
--like` plays the same in the twin, and `sockpit report sim-to-real` sets both side by side. Between two episodes what was
changed is undone, replicas are as they were at the beginning, and it is waited, 7 minutes at most, until every rollout is
over and no pod is on its way out, and then for as long as --settle says.

Exit codes: 0 done, 1 the episode is void (nothing is scored) or something could not be taken back, 2 usage.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct LiveOptions {
    /// A shipped scenario or a scenario file; several with --to
    #[arg(required = true, value_name = "SCENARIO")]
    pub(crate) scenario: Vec<String>,
    /// The kubeconfig [default: the lab's if it is up, else KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE", conflicts_with = "lab")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", conflicts_with = "lab")]
    pub(crate) context: Option<String>,
    /// The lab of this machine, with its Prometheus
    #[arg(long)]
    pub(crate) lab: bool,
    /// The namespace of the application [default: that of its manifests]
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// The label that the application's pods have; an empty one shows all pods [default: name, if the manifests have it]
    #[arg(long, value_name = "LABEL")]
    pub(crate) label: Option<String>,
    /// Where Prometheus answers [default: the lab's]
    #[arg(long, value_name = "URL")]
    pub(crate) prometheus: Option<String>,
    /// Where clients reach the load's target; as SERVICE=URL, another service [default: the addresses of the Services]
    #[arg(long = "url", value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// Make the changes that agents ask for, and inject the scenario's faults
    #[arg(long)]
    pub(crate) write: bool,
    /// The same, and ask before each change of an agent
    #[arg(long, conflicts_with = "write")]
    pub(crate) approve: bool,
    /// What may be changed: allowed actions and components, budgets
    #[arg(long, value_name = "FILE")]
    pub(crate) guards: Option<PathBuf>,
    /// Who plays: noop, random, restart, hpa, runbook, script:FILE, a chat model, or replay:FOLDER; several with --to
    /// [default: runbook]
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Vec<String>,
    /// A contender by a strategy, as NAME=STRATEGY or NAME=STRATEGY,model=MODEL; may be repeated
    #[arg(long, value_name = "NAME=STRATEGY", requires = "to", conflicts_with = "strategy")]
    pub(crate) contender: Vec<String>,
    /// How it plays: mechanism, tool form, prompts, critic, memory, budgets, and models by role
    #[arg(long, value_name = "FILE")]
    pub(crate) strategy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) models: ModelsOptions,
    /// How the agents work together: solo, managed or peers [default: managed for a group's task, else solo]
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism)]
    pub(crate) mechanism: Option<Mechanism>,
    /// Seed of the clients' chance, and of policies that have some
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Change a field of the scenario, such as `--set fault.severity=0.3`; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// End the episode after this time at the latest, whatever the scenario's budget says
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) horizon: Option<SimDuration>,
    /// Keep log, score and how everything is undone in this folder [default: a new one in ~/.local/state/sockpit]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) record: Option<PathBuf>,
    /// Then play the same in the twin, and set both side by side
    #[arg(long, requires = "record", conflicts_with = "json")]
    pub(crate) beside_twin: bool,
    /// Play everything with everybody, one after the other, and keep it in this folder; what is finished there is not
    /// played again
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["record", "strategy", "json", "approve"])]
    pub(crate) to: Option<PathBuf>,
    /// How many episodes of each scenario and contender, each with the next seed
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        requires = "to",
        value_parser = clap::value_parser!(u32).range(1..=1_000)
    )]
    pub(crate) trials: u32,
    /// How long the application is left alone between two episodes once it is as it was: the rates of Prometheus look back
    /// a minute
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "60s", requires = "to")]
    pub(crate) settle: SimDuration,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
