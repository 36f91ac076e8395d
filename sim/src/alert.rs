//! Alert rules: Prometheus' rule files, evaluated over the samples of a [`Store`].
//!
//! [`Rules::read`] turns rule files into [`Rules`] or says what is wrong with them, each mistake with file,
//! line and field. [`Alerts`] holds what goes on: which alerts are pending or firing, and since when.
//! [`Alerts::evaluate`] brings it up to a time.
//!
//! Terms, as in Prometheus: a *rule* gives an *alert* for each element that its expression has. An alert is
//! *pending* until the expression has had the element for the rule's `for`, then *firing*; it goes as soon as
//! the element does, or `keep_firing_for` later. A rule without alerts is *inactive*. A *group* is a list of
//! rules that are evaluated together, at the multiples of its interval.
//!
//! What is different, on purpose:
//! - Groups are evaluated at the multiples of their interval, where Prometheus adds an offset that it takes
//!   from a hash of the file's path.
//! - A resolved alert is forgotten at once; Prometheus tells Alertmanager of it for another 15 min.
//! - `ALERTS` and `ALERTS_FOR_STATE` are handed out ([`Alerts::series`]) but not kept in the store, so that no
//!   rule can ask for them, and neither can recording rules make series: both are refused by name.
//! - Templates of labels and annotations know `$labels.name`, `$value`, `printf` with one of `%f`, `%g`, `%s`
//!   and `%v`, `toUpper`, `toLower` and the `humanize` family; all else is refused by name when the file is
//!   read. So is what Prometheus has for whole groups since 3: `labels` and `query_offset`.

mod read;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::promql::{Element, Error, Query, Settings, Value};
use crate::telemetry::{Labels, METRIC_NAME, Sample, Store};

use template::Template;

/// The label that holds the name of an alert's rule.
pub const ALERT_NAME: &str = "alertname";

/// The rules of some files.
#[derive(Clone, Debug)]
pub struct Rules {
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    /// `None`: the interval of the whole server.
    interval_ms: Option<i64>,
    /// More alerts than this of one rule are an error; 0 for no limit.
    limit: usize,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    name: String,
    expr: Query,
    hold_ms: i64,
    keep_firing_ms: i64,
    labels: Vec<(String, Template)>,
    annotations: Vec<(String, Template)>,
}

/// How far an alert has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// Not for long enough yet.
    Pending,
    /// Somebody should be told.
    Firing,
}

impl AlertState {
    /// The word in the label `alertstate`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// An alert that is pending or firing.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The element's labels without the metric's name, then the rule's labels, then `alertname`.
    pub labels: Labels,
    /// The rule's annotations, filled in at the last evaluation that had the element.
    pub annotations: BTreeMap<String, String>,
    /// How far it has come.
    pub state: AlertState,
    /// Since when the expression has had the element, in milliseconds.
    pub active_at_ms: i64,
    /// The element's value at the last evaluation that had it.
    pub value: f64,
    /// When a firing alert lost its element: it fires on for a while.
    lost_at_ms: Option<i64>,
}

/// All alerts of some rules. Cheap to clone where few alerts are active.
#[derive(Clone, Debug)]
pub struct Alerts {
    rules: Arc<Rules>,
    /// Interval of groups that have none of their own, in milliseconds.
    interval_ms: i64,
    /// One per rule, group by group.
    progress: Vec<Progress>,
}

/// How one rule stands.
#[derive(Clone, Debug, Default)]
struct Progress {
    active: BTreeMap<Labels, Alert>,
    /// Why the last evaluation failed.
    error: Option<Error>,
}

impl Alerts {
    /// No alerts yet. Groups that do not state an interval have `interval_ms`, Prometheus'
    /// `evaluation_interval`.
    ///
    /// # Panics
    /// If the interval is not positive.
    pub fn new(rules: Arc<Rules>, interval_ms: i64) -> Self {
        assert!(interval_ms > 0, "the evaluation interval must be positive");
        let count = rules.groups.iter().map(|group| group.rules.len()).sum();
        Self { rules, interval_ms, progress: vec![Progress::default(); count] }
    }

    /// The first time after `t_ms` at which a group is due; `None` without groups.
    pub fn next_after(&self, t_ms: i64) -> Option<i64> {
        let intervals = self.rules.groups.iter().map(|group| group.interval_ms.unwrap_or(self.interval_ms));
        intervals.map(|interval| (t_ms.div_euclid(interval) + 1) * interval).min()
    }

    /// Evaluates the groups that are due at a time: a multiple of their interval. Times must rise from call
    /// to call.
    pub fn evaluate(&mut self, store: &Store, t_ms: i64, settings: Settings) {
        let mut progress = self.progress.iter_mut();
        for group in &self.rules.groups {
            let is_due = t_ms % group.interval_ms.unwrap_or(self.interval_ms) == 0;
            for (rule, progress) in group.rules.iter().zip(progress.by_ref()).filter(|_| is_due) {
                let outcome = rule.elements(store, t_ms, settings).and_then(|found| progress.take(rule, found, t_ms));
                progress.error = outcome.and_then(|()| progress.check_limit(group.limit)).err();
            }
        }
    }

    /// The alerts, rule by rule in the order of the files, then by labels.
    pub fn active(&self) -> impl Iterator<Item = &Alert> {
        self.progress.iter().flat_map(|progress| progress.active.values())
    }

    /// The rules whose last evaluation failed, by name, and why. Their alerts are as they were before it.
    pub fn errors(&self) -> impl Iterator<Item = (&str, &Error)> {
        let rules = self.rules.groups.iter().flat_map(|group| &group.rules);
        rules.zip(&self.progress).filter_map(|(rule, progress)| Some((rule.name.as_str(), progress.error.as_ref()?)))
    }

    /// What Prometheus keeps of the alerts after an evaluation: for each, `ALERTS` with its state, which is
    /// 1, and `ALERTS_FOR_STATE` with the seconds at which it became active.
    pub fn series(&self) -> Vec<Element> {
        let rules = self.rules.groups.iter().flat_map(|group| &group.rules);
        let alerts = rules.zip(&self.progress).flat_map(|(rule, progress)| {
            // A label whose template came out empty has its template there.
            let written = rule.labels.iter().map(|(name, template)| (name.as_str(), template.text()));
            let written: Labels = written.collect();
            progress.active.values().map(move |alert| (written.clone(), alert))
        });
        let series = alerts.flat_map(|(written, alert)| {
            let labels: Labels = written.iter().chain(alert.labels.iter()).collect();
            let state = labels.with(METRIC_NAME, "ALERTS").with("alertstate", alert.state.name());
            let since = labels.with(METRIC_NAME, "ALERTS_FOR_STATE");
            let since_s = alert.active_at_ms.div_euclid(1_000) as f64;
            [Element { metric: state, value: 1.0 }, Element { metric: since, value: since_s }]
        });
        series.collect()
    }
}

impl Rule {
    fn elements(&self, store: &Store, t_ms: i64, settings: Settings) -> Result<Vec<Element>, Error> {
        match self.expr.instant(store, t_ms, settings)? {
            Value::Vector { elements, .. } => Ok(elements),
            Value::Scalar(Sample { value, .. }) => Ok(vec![Element { metric: Labels::empty(), value }]),
            Value::Matrix(_) | Value::String { .. } => {
                Err(Error::Execution("rule result is not a vector or scalar".into()))
            }
        }
    }

    /// The alert for an element, as if it were new.
    fn alert(&self, element: &Element, t_ms: i64) -> Alert {
        let expand = |template: &Template| template.expand(&element.metric, element.value);
        let own = self.labels.iter().map(|(name, template)| (name, expand(template)));
        let own: Vec<(&String, String)> = own.collect();
        let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let of_element = element.metric.without_metric();
        Alert {
            labels: of_element.iter().chain(own).chain([(ALERT_NAME, self.name.as_str())]).collect(),
            annotations: self.annotations.iter().map(|(name, text)| (name.clone(), expand(text))).collect(),
            state: AlertState::Pending,
            active_at_ms: t_ms,
            value: element.value,
            lost_at_ms: None,
        }
    }
}

impl Progress {
    /// What Prometheus' `AlertingRule.Eval` does (`rules/alerting.go`).
    fn take(&mut self, rule: &Rule, elements: Vec<Element>, t_ms: i64) -> Result<(), Error> {
        let mut found: BTreeMap<Labels, Alert> = BTreeMap::new();
        for element in elements {
            let alert = rule.alert(&element, t_ms);
            if found.insert(alert.labels.clone(), alert).is_some() {
                let message = "vector contains metrics with the same labelset after applying alert labels";
                return Err(Error::Execution(message.into()));
            }
        }
        self.active.retain(|labels, alert| {
            if let Some(Alert { value, annotations, .. }) = found.remove(labels) {
                (alert.value, alert.annotations, alert.lost_at_ms) = (value, annotations, None);
                return true;
            }
            let lost_at_ms = *alert.lost_at_ms.get_or_insert(t_ms);
            alert.state == AlertState::Firing && t_ms - lost_at_ms < rule.keep_firing_ms
        });
        self.active.append(&mut found);
        for alert in self.active.values_mut().filter(|alert| t_ms - alert.active_at_ms >= rule.hold_ms) {
            alert.state = AlertState::Firing;
        }
        Ok(())
    }

    fn check_limit(&mut self, limit: usize) -> Result<(), Error> {
        let count = self.active.len();
        if limit == 0 || count <= limit {
            return Ok(());
        }
        self.active.clear();
        Err(Error::Execution(format!("exceeded limit of {limit} with {count} alerts")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;

    const STEP_MS: i64 = 30_000;

    /// Each step's alerts of one rule on the series `m`, which has a value per step, `_` for none.
    fn play(rule: &str, values: &str) -> String {
        let text = format!("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: m > 1\n{rule}");
        let rules = Rules::read(&[Source { path: "a.yaml".into(), text }]).unwrap();
        let mut alerts = Alerts::new(Arc::new(rules), STEP_MS);
        let mut store = Store::new();
        let target = store.add_target(&[("job", "j")]);
        store.add_series(target, "m", &[]);
        let steps = (0..).step_by(STEP_MS as usize).zip(values.split(' ')).map(|(t_ms, value)| {
            store.append(target, t_ms, &[value.parse().unwrap_or(crate::telemetry::ABSENT)]);
            alerts.evaluate(&store, t_ms, Settings::default());
            assert_eq!(alerts.errors().count(), 0);
            let shown = alerts.active().map(|alert| {
                let state = if alert.state == AlertState::Firing { "F" } else { "P" };
                format!("{state}{}", alert.active_at_ms / 1_000)
            });
            shown.collect::<Vec<_>>().join("+")
        });
        steps.map(|shown| if shown.is_empty() { "-".to_owned() } else { shown }).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_alert_is_pending_for_a_while_and_then_fires() {
        assert_eq!(play("", "0 2 3 1 2"), "- F30 F30 - F120");
        assert_eq!(play("    for: 1m\n", "0 2 2 2 2 0 2"), "- P30 P30 F30 F30 - P180");
        assert_eq!(play("    for: 1m\n", "2 2 _ 2 2 2"), "P0 P0 - P90 P90 F90", "what is interrupted begins again");
    }

    #[test]
    fn a_firing_alert_may_be_kept() {
        let rule = "    for: 30s\n    keep_firing_for: 1m\n";
        assert_eq!(play(rule, "2 2 0 0 0 2"), "P0 F0 F0 F0 - P150");
        assert_eq!(play(rule, "2 2 0 2 0 0 0"), "P0 F0 F0 F0 F0 F0 -", "its return stops the clock");
        assert_eq!(play(rule, "2 0 2"), "P0 - P60", "a pending one is not kept");
    }

    #[test]
    fn a_label_that_follows_the_value_makes_a_new_alert() {
        assert_eq!(play("    for: 30s\n    labels: {v: '{{ $value }}'}\n", "2 2 3 3"), "P0 F0 P60 F60");
    }

    #[test]
    fn series_tell_of_states() {
        let text = "groups:\n- name: g\n  interval: 1m\n  limit: 1\n  rules:\n  - alert: A\n    expr: vector(3)\n    \
                    annotations: {text: 'is {{ $value }}'}\n  - alert: B\n    expr: vector(1) or label_replace(vector(1), 'a', 'b', '', '')\n";
        let rules = Rules::read(&[Source { path: "a.yaml".into(), text: text.into() }]).unwrap();
        let mut alerts = Alerts::new(Arc::new(rules), STEP_MS);
        assert_eq!((alerts.next_after(-1), alerts.next_after(0)), (Some(0), Some(60_000)));
        alerts.evaluate(&Store::new(), 30_000, Settings::default());
        assert_eq!(alerts.active().count(), 0, "the group is not due");
        alerts.evaluate(&Store::new(), 60_000, Settings::default());
        let series: Vec<String> = alerts.series().iter().map(|s| format!("{} {}", s.metric, s.value)).collect();
        assert_eq!(
            series,
            [r#"ALERTS{alertname="A", alertstate="firing"} 1"#, r#"ALERTS_FOR_STATE{alertname="A"} 60"#]
        );
        assert_eq!(alerts.active().next().unwrap().annotations["text"], "is 3");
        let errors: Vec<String> = alerts.errors().map(|(name, error)| format!("{name}: {error}")).collect();
        assert_eq!(errors, ["B: execution: exceeded limit of 1 with 2 alerts"]);
    }
}
