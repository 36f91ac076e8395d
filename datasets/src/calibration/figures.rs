//! What is asked of Prometheus, and what it answers.

use std::collections::{BTreeMap, BTreeSet};

use sim::app::App;
use sim::profile::Profile;
use sim::time::SimDuration;
use sim::world::SCRAPE_EVERY;

/// The length of the stretches in which figures are taken: four scrapes, a minute.
pub const STEP: SimDuration = SimDuration(4 * SCRAPE_EVERY.0);

/// Labels that say what a request was, and not who answered it.
const NOT_A_NAME: [&str; 5] = ["route", "method", "status_code", "le", "__name__"];

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Requests answered in a stretch.
    Requests,
    /// Seconds that they took, together.
    Latency,
    /// Core-seconds of a container in a stretch.
    Cpu,
    /// Periods of CPU quota in a stretch.
    Periods,
    /// Throttled ones among them.
    Throttled,
    /// How often a counter began anew within the whole window.
    Resets,
}

/// A question, to be asked at the end of each stretch; that about resets at the end of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What it is about.
    pub figure: Figure,
    /// The expression.
    pub promql: String,
}

/// One series of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// The questions for a profile whose application runs in a namespace, over a window.
pub fn questions(profile: &Profile, namespace: &str, window: SimDuration) -> Vec<Question> {
    let step = format!("{}s", STEP.0 / SimDuration::SECOND.0);
    let whole = format!("{}s", window.0 / SimDuration::SECOND.0);
    let ask = |figure, promql| Question { figure, promql };
    let mut questions = Vec::new();
    let histograms: BTreeSet<&str> =
        profile.services.values().filter_map(|service| Some(service.metrics.as_ref()?.histogram.as_str())).collect();
    for histogram in histograms {
        questions.push(ask(Figure::Requests, growth(&format!("{histogram}_count"), &step)));
        questions.push(ask(Figure::Latency, growth(&format!("{histogram}_sum"), &step)));
        questions.push(ask(Figure::Resets, format!("resets({histogram}_count[{whole}])")));
    }
    let of_containers = [
        (Figure::Cpu, "container_cpu_usage_seconds_total"),
        (Figure::Periods, "container_cpu_cfs_periods_total"),
        (Figure::Throttled, "container_cpu_cfs_throttled_periods_total"),
    ];
    let selected = |metric: &str| format!("{metric}{{namespace=\"{namespace}\",container!=\"\"}}");
    for (figure, metric) in of_containers {
        questions.push(ask(figure, growth(&selected(metric), &step)));
    }
    questions.push(ask(Figure::Resets, format!("resets({}[{whole}])", selected(of_containers[0].1))));
    questions
}

/// By how much a counter grew in a stretch. Not `increase`: that extrapolates from the samples within the stretch, three
/// quarters of it here, and cAdvisor's figures are up to 15 s old when they are scraped, so that each stretch would be wrong
/// by tens of per cent and their sum with them. These add up to what was counted from the first to the last. Counters that
/// began anew are refused.
fn growth(selector: &str, step: &str) -> String {
    format!("{selector} - {selector} offset {step}")
}

/// What a service answered, by method and route.
pub type Routes = BTreeMap<(String, String), f64>;

/// The figures of one stretch of [`STEP`], by component.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// Core-seconds.
    pub cpu: BTreeMap<String, f64>,
    /// The pods that have figures of their CPU.
    pub pods: BTreeMap<String, BTreeSet<String>>,
    /// Periods of CPU quota.
    pub periods: BTreeMap<String, f64>,
    /// Throttled ones.
    pub throttled: BTreeMap<String, f64>,
    /// Requests.
    pub requests: BTreeMap<String, Routes>,
    /// Seconds that requests took, together.
    pub latency: BTreeMap<String, Routes>,
}

/// Everything that was answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Stretch by stretch, oldest first.
    pub windows: Vec<Window>,
    /// Components of which a counter began anew.
    pub resets: BTreeSet<String>,
}

impl Measured {
    /// Takes in the answer to a question about a stretch, the first of which has the number 0. Series of nobody who is known,
    /// or of another namespace, are passed over.
    pub fn take(&mut self, window: usize, figure: Figure, points: &[Point], app: &App, namespace: &str) {
        let components: Vec<&str> = app.objects.deployments.iter().map(|d| d.meta.name.as_str()).collect();
        if self.windows.len() <= window {
            self.windows.resize(window + 1, Window::default());
        }
        for point in points.iter().filter(|point| point.value.is_finite() && is_of(namespace, point)) {
            let Some(component) = component_of(point, &components) else { continue };
            self.add(window, figure, component, point);
        }
    }

    fn add(&mut self, window: usize, figure: Figure, component: &str, point: &Point) {
        let of = &mut self.windows[window];
        let label = |name: &str| point.labels.get(name).cloned().unwrap_or_default();
        let sums = match figure {
            Figure::Requests | Figure::Latency => {
                let routes = if figure == Figure::Requests { &mut of.requests } else { &mut of.latency };
                let routes = routes.entry(component.to_owned()).or_default();
                *routes.entry((label("method"), label("route"))).or_default() += point.value;
                return;
            }
            Figure::Resets => {
                if point.value > 0.0 {
                    self.resets.insert(component.to_owned());
                }
                return;
            }
            Figure::Cpu => {
                of.pods.entry(component.to_owned()).or_default().insert(label("pod"));
                &mut of.cpu
            }
            Figure::Periods => &mut of.periods,
            Figure::Throttled => &mut of.throttled,
        };
        *sums.entry(component.to_owned()).or_default() += point.value;
    }
}

/// Whether a series is of a namespace, as far as it says.
fn is_of(namespace: &str, point: &Point) -> bool {
    ["namespace", "kubernetes_namespace"].iter().all(|label| point.labels.get(*label).is_none_or(|n| n == namespace))
}

/// The component that a label names; of a container, which may have company in its pod, its own name.
fn component_of<'c>(point: &Point, components: &[&'c str]) -> Option<&'c str> {
    let find = |value: &str| components.iter().copied().find(|component| *component == value);
    if let Some(container) = point.labels.get("container") {
        return find(container);
    }
    let mut labels = point.labels.iter().filter(|(name, _)| !NOT_A_NAME.contains(&name.as_str()));
    labels.find_map(|(_, value)| find(value))
}
