//! What the on-call engineer looks at: the component described, its pods' usage, and the numbers of
//! the dashboards now and a few minutes ago.

use sim::environment::{Description, Observation, Query, Usage};
use sim::slo::{ClauseName, Slos};

use super::super::TaskView;
use super::super::desk::Desk;

/// Everything that one look showed. Numbers are absent where there was no data.
pub(super) struct Survey {
    pub(super) description: Option<Description>,
    pub(super) usage: Vec<Usage>,
    /// Seconds.
    pub(super) p99: Option<f64>,
    /// Requests per second, now and a few minutes ago.
    pub(super) rate: Option<f64>,
    pub(super) rate_before: Option<f64>,
    /// Cores used by all pods, now and a few minutes ago.
    pub(super) cpu_total: Option<f64>,
    pub(super) cpu_before: Option<f64>,
    /// Share of CPU periods in which a container was throttled.
    pub(super) throttled: Option<f64>,
}

/// Looks at everything once.
pub(super) async fn survey(desk: &Desk, task: &TaskView) -> Survey {
    let component = &task.component;
    let describe = Query::Describe { component: component.clone() };
    let description = match desk.see(describe).await {
        Some(Observation::Description(d)) => Some(*d),
        _ => None,
    };
    let usage = match desk.see(Query::ResourceUsage { component: Some(component.clone()) }).await {
        Some(Observation::Usage(usage)) => usage,
        _ => Vec::new(),
    };
    let query = |name: &str| task.dashboards.get(name).cloned();
    let number = async |name: &str| match query(name) {
        Some(promql) => desk.number(promql).await,
        None => None,
    };
    let before = async |name: &str| match query(name) {
        Some(promql) => desk.number(format!("min_over_time(({promql})[5m:30s] offset 1m)")).await,
        None => None,
    };
    Survey {
        description,
        usage,
        p99: number("latency_p99").await,
        rate: number("request_rate").await,
        rate_before: before("request_rate").await,
        cpu_total: number("cpu").await,
        cpu_before: before("cpu").await,
        throttled: number("throttled").await,
    }
}

impl Survey {
    /// Whether every declared replica is up to date, ready and alone.
    pub(super) fn ready(&self) -> bool {
        self.description.as_ref().is_some_and(|d| {
            let deployment = &d.deployment;
            deployment.available >= deployment.replicas
                && deployment.updated >= deployment.replicas
                && d.pods.iter().all(|p| p.ready == p.containers)
        })
    }

    /// The highest share of its CPU limit that a pod uses.
    pub(super) fn cpu_share(&self) -> Option<f64> {
        self.usage
            .iter()
            .filter_map(|u| Some(u.cpu.cores() / u.cpu_limit?.cores()))
            .max_by(f64::total_cmp)
    }

    fn memory_share(&self) -> Option<f64> {
        self.usage
            .iter()
            .filter_map(|u| Some(u.memory.mebibytes() / u.memory_limit?.mebibytes()))
            .max_by(f64::total_cmp)
    }

    /// Names of the objectives that are violated, as far as this look shows.
    pub(super) fn violations(&self, objectives: &Slos) -> Vec<String> {
        let reached = |value: Option<f64>, bound: f64| value.is_some_and(|value| value >= bound);
        let violated = [
            (ClauseName::Ready, !self.ready()),
            (ClauseName::Cpu, reached(self.cpu_share(), objectives.cpu.below)),
            (ClauseName::Memory, reached(self.memory_share(), objectives.memory.below)),
            (ClauseName::Latency, reached(self.p99, objectives.latency.below.as_secs_f64())),
        ];
        violated
            .into_iter()
            .filter(|(clause, violated)| *violated && objectives.asks(*clause))
            .map(|(clause, _)| clause.name().to_owned())
            .collect()
    }

    /// The repository of the image that the Deployment names now, with another tag.
    pub(super) fn image_with_tag(&self, tag: &str) -> String {
        let image = self.description.as_ref().map_or("", |d| d.deployment.image.as_str());
        let repository = image.rsplit_once(':').map_or(image, |(repository, _)| repository);
        format!("{repository}:{tag}")
    }
}
