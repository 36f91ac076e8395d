//! What a cluster has of what sockpit needs, and what to do about what is missing: `sockpit doctor --context CTX`.
//!
//! ```text
//!   cluster, Prometheus ──▶ Cluster::examine ──▶ Facts ──▶ evaluate (pure) ──▶ findings
//! ```

mod fetch;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::Error;
use crate::guard::permissions::{Grant, Permission, Use, uses};

/// The oldest minor version of Kubernetes 1 that has all that is used: `autoscaling/v2`, `policy/v1`, server-side apply
/// and server dry runs are older, and those before are not maintained any more.
const OLDEST: u32 = 29;
/// The minor version that every change is tested on.
const TESTED: u32 = 34;

/// What one examination found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was examined.
    pub name: String,
    /// How it is.
    pub outcome: Outcome,
    /// What was seen.
    pub detail: String,
    /// What to do; empty if there is nothing to do.
    pub cure: String,
}

/// How an examination ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All is there.
    Passed,
    /// Something that is needed is not.
    Failed,
    /// Something is not there, and one can do without.
    Optional,
    /// It could not be found out, or nobody has tried it.
    Unknown,
}

/// What an application should have on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its Deployments with the images of their main containers.
    pub images: BTreeMap<String, String>,
    /// The histograms of requests that its services expose, such as `request_duration_seconds`.
    pub histograms: BTreeSet<String>,
}

/// What was seen of a cluster. What could not be seen is said in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The namespace that was examined.
    pub namespace: String,
    /// The server's version, such as `v1.34.4`.
    pub version: Result<String, String>,
    /// Whether each permission is there; in the namespace, or (`true`) in the whole cluster.
    pub access: BTreeMap<(bool, Permission), Result<bool, String>>,
    /// How many pods of the namespace metrics-server has figures of.
    pub pod_metrics: Result<usize, String>,
    /// Whether Chaos Mesh's API is there.
    pub chaos_mesh: Result<bool, String>,
    /// The namespace's Deployments by name.
    pub deployments: Result<BTreeMap<String, Running>, String>,
    /// What Prometheus has; none if no server was named.
    pub prometheus: Option<Result<Counts, String>>,
}

/// How many series of each kind Prometheus has.
pub type Counts = BTreeMap<Series, Result<u64, String>>;

/// A Deployment as it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// The image of its main container.
    pub image: String,
    /// How many pods it should have.
    pub wanted: u32,
    /// How many are Ready.
    pub ready: u32,
}

/// Series that Prometheus must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    /// CPU time by container.
    Cpu,
    /// Periods of the CPU quota, all and throttled, by container.
    Throttling,
    /// Memory by container.
    Memory,
    /// A histogram of requests.
    Requests(String),
}

impl Series {
    /// All that an application should have.
    pub(crate) fn of(wanted: &Wanted) -> Vec<Self> {
        let requests = wanted.histograms.iter().cloned().map(Self::Requests);
        [Self::Cpu, Self::Throttling, Self::Memory].into_iter().chain(requests).collect()
    }

    /// The metric that is looked for.
    fn metric(&self) -> String {
        match self {
            Self::Cpu => "container_cpu_usage_seconds_total".to_owned(),
            Self::Throttling => "container_cpu_cfs_throttled_periods_total".to_owned(),
            Self::Memory => "container_memory_working_set_bytes".to_owned(),
            Self::Requests(histogram) => format!("{histogram}_bucket"),
        }
    }

    /// The query that counts them. Who scrapes an application may give it any labels, so its series are not searched by
    /// namespace.
    pub(crate) fn query(&self, namespace: &str) -> String {
        match self {
            Self::Requests(_) => format!("count({})", self.metric()),
            _ => format!("count({}{{namespace=\"{namespace}\"}})", self.metric()),
        }
    }

    /// How to get them.
    fn cure(&self) -> String {
        match self {
            Self::Cpu | Self::Memory => "let Prometheus scrape each kubelet's `/metrics/cadvisor`, with the labels \
                                         `namespace`, `pod` and `container` as they come"
                .to_owned(),
            Self::Throttling => {
                "let Prometheus scrape each kubelet's `/metrics/cadvisor`; the series is there only for \
                                 containers with a CPU limit"
                    .to_owned()
            }
            Self::Requests(histogram) => format!(
                "let Prometheus scrape the application's `/metrics` (Sock Shop's Services say \
                 `prometheus.io/scrape: \"true\"`), and send some requests: `{histogram}` begins with the first"
            ),
        }
    }
}

/// The only finding about a cluster that cannot be reached.
pub fn unreachable(error: &Error) -> Finding {
    let cure = match error {
        Error::Kubeconfig { .. } => "name another kubeconfig with --kubeconfig, or another context with --context",
        Error::Unauthorized(_) => "renew the credentials in the kubeconfig, or take another context with --context",
        _ => "look whether the cluster is up and can be reached from here: `kubectl version`",
    };
    finding("API server", Outcome::Failed, error.to_string(), cure)
}

/// What the facts mean.
pub fn evaluate(facts: &Facts, wanted: &Wanted) -> Vec<Finding> {
    let mut findings = vec![version(&facts.version)];
    findings.extend(uses().iter().map(|each| permission(each, facts)));
    findings.push(pod_metrics(&facts.pod_metrics));
    findings.extend(prometheus(facts));
    findings.push(chaos_mesh(&facts.chaos_mesh));
    findings.push(application(facts, wanted));
    findings
}

fn finding(name: &str, outcome: Outcome, detail: impl Into<String>, cure: impl Into<String>) -> Finding {
    Finding { name: name.to_owned(), outcome, detail: detail.into(), cure: cure.into() }
}

fn version(version: &Result<String, String>) -> Finding {
    const NAME: &str = "API server";
    let text = match version {
        Ok(text) => text,
        Err(why) => return finding(NAME, Outcome::Failed, why, "look whether the cluster is up: `kubectl version`"),
    };
    match minor(text) {
        Some(minor) if minor < OLDEST => {
            finding(NAME, Outcome::Failed, text, format!("take Kubernetes 1.{OLDEST} or newer; 1.{TESTED} is tested"))
        }
        Some(minor) if minor <= TESTED => finding(NAME, Outcome::Passed, text, ""),
        _ => finding(NAME, Outcome::Unknown, text, format!("nobody has tried this version; 1.{TESTED} is tested")),
    }
}

/// The minor version of Kubernetes 1 in texts such as `v1.34.4` and `v1.29.1-gke.100`.
fn minor(version: &str) -> Option<u32> {
    let (minor, _) = version.strip_prefix("v1.")?.split_once('.')?;
    minor.parse().ok()
}

fn permission(each: &Use, facts: &Facts) -> Finding {
    let name = format!("may {}", each.name);
    let (mut missing, mut unknown) = (Vec::new(), Vec::new());
    for permission in &each.needs {
        match facts.access.get(&(each.grant.is_of_cluster(), *permission)) {
            Some(Ok(true)) => {}
            Some(Ok(false)) => missing.push(permission.to_string()),
            Some(Err(why)) => unknown.push(format!("{permission}: {why}")),
            None => unknown.push(format!("{permission}: not asked")),
        }
    }
    let granted =
        format!("sockpit doctor --rbac {} --namespace {} | kubectl apply -f -", each.grant.name(), facts.namespace);
    if !missing.is_empty() {
        let (outcome, cure) = match each.grant {
            Grant::Namespace => (Outcome::Failed, granted),
            Grant::Nodes => (Outcome::Failed, format!("for agents that look at nodes, and for the judge: {granted}")),
            Grant::NodeActions => (Outcome::Optional, format!("if guards allow actions on nodes: {granted}")),
            Grant::ChaosMesh => (Outcome::Optional, format!("if faults are to be made by Chaos Mesh: {granted}")),
        };
        return finding(&name, outcome, format!("not allowed: {}", missing.join(", ")), cure);
    }
    if !unknown.is_empty() {
        return finding(&name, Outcome::Unknown, unknown.join("; "), "ask again, or see `kubectl auth can-i --list`");
    }
    finding(&name, Outcome::Passed, "allowed", "")
}

fn pod_metrics(pods: &Result<usize, String>) -> Finding {
    const NAME: &str = "metrics API";
    const CURE: &str = "install metrics-server: without it agents see no resource usage, and autoscalers do nothing";
    match pods {
        Ok(0) => finding(NAME, Outcome::Unknown, "it answers, and has no pod of the namespace", "wait half a minute"),
        Ok(pods) => finding(NAME, Outcome::Passed, format!("figures of {pods} pods"), ""),
        Err(why) => finding(NAME, Outcome::Failed, why, CURE),
    }
}

fn prometheus(facts: &Facts) -> Vec<Finding> {
    const NAME: &str = "Prometheus";
    let series = match &facts.prometheus {
        None => {
            let cure = "name its server with --prometheus URL: latency, throttling and SLOs are read from it";
            return vec![finding(NAME, Outcome::Failed, "no server was named", cure)];
        }
        Some(Err(why)) => {
            let cure = "check the URL, and whether it can be reached from here: `kubectl port-forward` makes a way";
            return vec![finding(NAME, Outcome::Failed, why, cure)];
        }
        Some(Ok(series)) => series,
    };
    let mut findings = vec![finding(NAME, Outcome::Passed, "it answers", "")];
    findings.extend(series.iter().map(|(series, count)| {
        let name = format!("series {}", series.metric());
        match count {
            Ok(0) => finding(&name, Outcome::Failed, "none", series.cure()),
            Ok(count) => finding(&name, Outcome::Passed, format!("{count} of them"), ""),
            Err(why) => finding(&name, Outcome::Unknown, why, "ask again"),
        }
    }));
    findings
}

fn chaos_mesh(is_there: &Result<bool, String>) -> Finding {
    const NAME: &str = "Chaos Mesh";
    match is_there {
        Ok(true) => finding(NAME, Outcome::Passed, "its API is there", ""),
        Ok(false) => {
            let detail = "not there: faults are made by patches, deletions and commands in containers, and those of the \
                          network and of disks cannot be made";
            finding(NAME, Outcome::Optional, detail, "install it if you need those: https://chaos-mesh.org")
        }
        Err(why) => finding(NAME, Outcome::Unknown, why, "ask again"),
    }
}

fn application(facts: &Facts, wanted: &Wanted) -> Finding {
    const NAME: &str = "application";
    let running = match &facts.deployments {
        Ok(running) => running,
        Err(why) => return finding(NAME, Outcome::Unknown, why, "see what is said of permissions above"),
    };
    let missing: Vec<&str> =
        wanted.images.keys().filter(|name| !running.contains_key(*name)).map(String::as_str).collect();
    if !missing.is_empty() {
        let (missing, all) = (missing.join(", "), wanted.images.len());
        let cure = "deploy it, or name its namespace with --namespace, or another app with --app";
        let detail =
            format!("{} Deployments in {}; of the app's {all} there is no {missing}", running.len(), facts.namespace);
        return finding(NAME, Outcome::Failed, detail, cure);
    }
    let there = wanted.images.iter().filter_map(|(name, image)| Some((name, image, running.get(name)?)));
    let mut otherwise = Vec::new();
    for (name, image, Running { image: runs, wanted, ready }) in there {
        if runs != image {
            otherwise.push(format!("{name} runs {runs}, and the app has {image}"));
        }
        if ready < wanted {
            otherwise.push(format!("{name} has {ready} of {wanted} pods Ready"));
        }
    }
    if otherwise.is_empty() {
        let detail = format!("{} Deployments, with the app's images and all pods Ready", wanted.images.len());
        return finding(NAME, Outcome::Passed, detail, "");
    }
    let cure = "bring it into the state of its manifests, or expect that twin and cluster differ";
    finding(NAME, Outcome::Unknown, otherwise.join("; "), cure)
}

#[cfg(test)]
mod tests;
