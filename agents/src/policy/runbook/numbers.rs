//! The numbers of the dashboards: all that are wanted of several components, in one query.

use std::collections::BTreeMap;

use super::super::TaskView;
use super::super::desk::Desk;

/// A panel of the dashboards, by the name that the app's profile gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Panel {
    /// Median latency, seconds.
    P50,
    /// 99th percentile of the latency, seconds.
    P99,
    /// Requests per second.
    Rate,
    /// Share of requests answered with 5xx.
    Errors,
    /// Cores used by all pods.
    Cpu,
    /// Share of CPU periods in which a container was throttled.
    Throttled,
    /// Growth of the largest pod's working set, bytes per second.
    MemoryGrowth,
    /// 1 while a target answers Prometheus, 0 while none does.
    Up,
}

impl Panel {
    const ALL: [Self; 8] =
        [Self::P50, Self::P99, Self::Rate, Self::Errors, Self::Cpu, Self::Throttled, Self::MemoryGrowth, Self::Up];

    /// Those of which one has to know what is usual to say whether they are bad.
    const COMPARED: [Self; 4] = [Self::P50, Self::P99, Self::Rate, Self::Cpu];

    /// The quantile of the minutes before that stands for what is usual. A load that was still rising for a part of them
    /// must not pull it down, nor a process that was starting push it up.
    const fn usual_quantile(self) -> f64 {
        match self {
            Self::Rate => 0.9,
            _ => 0.7,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::P50 => "latency_p50",
            Self::P99 => "latency_p99",
            Self::Rate => "request_rate",
            Self::Errors => "errors",
            Self::Cpu => "cpu",
            Self::Throttled => "throttled",
            Self::MemoryGrowth => "memory_growth",
            Self::Up => "up",
        }
    }
}

/// What the names of usual values begin with.
const USUALLY: &str = "usual ";
/// The minutes before the present trouble, of which one says what was usual.
const BEFORE: &str = "[5m:15s] offset 2m";

/// What the dashboards show. A number is absent where there was no data.
pub(super) struct Numbers(BTreeMap<(String, String), f64>);

impl Numbers {
    /// Asks for every panel of these components, and for what is usual if that is not known from before.
    pub(super) async fn of(desk: &Desk, task: &TaskView, components: &[String], before: Option<&Self>) -> Self {
        let mut terms = Vec::new();
        let mut add = |panel: &str, promql: &str| {
            terms.push(format!("label_replace({promql}, \"panel\", \"{panel}\", \"\", \"\")"));
        };
        for panel in Panel::ALL {
            let Some(promql) = task.dashboard(panel.name(), &components.join("|")) else { continue };
            add(panel.name(), &promql);
            if before.is_none() && Panel::COMPARED.contains(&panel) {
                let quantile = panel.usual_quantile();
                add(&usual(panel), &format!("quantile_over_time({quantile}, ({promql}){BEFORE})"));
            }
        }
        let series = desk.numbers(terms.join(" or ")).await;
        let of = |(labels, value): (BTreeMap<String, String>, f64)| {
            Some(((labels.get("panel")?.clone(), labels.get("name")?.clone()), value))
        };
        let known =
            before.into_iter().flat_map(|before| &before.0).filter(|((panel, _), _)| panel.starts_with(USUALLY));
        let known = known.map(|(key, value)| (key.clone(), *value));
        Self(series.into_iter().filter_map(of).chain(known).collect())
    }

    /// A panel of a component as it stands.
    pub(super) fn now(&self, panel: Panel, component: &str) -> Option<f64> {
        self.get(panel.name().to_owned(), component)
    }

    /// The same as it usually is.
    pub(super) fn usual(&self, panel: Panel, component: &str) -> Option<f64> {
        self.get(usual(panel), component)
    }

    fn get(&self, panel: String, component: &str) -> Option<f64> {
        self.0.get(&(panel, component.to_owned())).copied()
    }

    /// How many times the usual it is.
    pub(super) fn growth(&self, panel: Panel, component: &str) -> Option<f64> {
        let usual = self.usual(panel, component).filter(|usual| *usual > 0.0)?;
        Some(self.now(panel, component)? / usual)
    }
}

fn usual(panel: Panel) -> String {
    format!("{USUALLY}{}", panel.name())
}
