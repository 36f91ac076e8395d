//! What the on-call engineer looks at: the component described, its pods' usage, and the numbers of
//! the dashboards, now and as they usually are.

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
    /// Requests per second, now and usually.
    pub(super) rate: Option<f64>,
    pub(super) usual_rate: Option<f64>,
    /// Cores used by all pods.
    pub(super) cpu_total: Option<f64>,
    /// Core-seconds per request, now and usually.
    pub(super) cpu_per_request: Option<f64>,
    pub(super) usual_cpu_per_request: Option<f64>,
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
    let dashboard = |name: &str| task.dashboards.get(name).cloned();
    let per_request = dashboard("cpu").zip(dashboard("request_rate")).map(|(cpu, rate)| format!("({cpu}) / ({rate})"));
    let number = async |promql: Option<String>| match promql {
        Some(promql) => desk.number(promql).await,
        None => None,
    };
    // What was usual: the median of the last ten minutes but the last one.
    let usual = async |promql: Option<String>| match promql {
        Some(promql) => desk.number(format!("quantile_over_time(0.5, ({promql})[10m:15s] offset 1m)")).await,
        None => None,
    };
    Survey {
        description,
        usage,
        p99: number(dashboard("latency_p99")).await,
        rate: number(dashboard("request_rate")).await,
        usual_rate: usual(dashboard("request_rate")).await,
        cpu_total: number(dashboard("cpu")).await,
        cpu_per_request: number(per_request.clone()).await,
        usual_cpu_per_request: usual(per_request).await,
        throttled: number(dashboard("throttled")).await,
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
        self.usage.iter().filter_map(|u| Some(u.cpu.cores() / u.cpu_limit?.cores())).max_by(f64::total_cmp)
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
