//! Alert rules beside `promtool test rules`: series and rules made by chance, what the twin says of them at
//! every step, and Prometheus' own rule manager, which is told to expect just that.

use std::process::Command;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use sim::alert::{AlertState, Alerts, Rules};
use sim::diagnostic::Source;
use sim::promql::Settings;
use sim::telemetry::{ABSENT, Store};

use crate::compare::Folder;
use crate::dice::Dice;

/// Of samples and of evaluations.
const INTERVAL_MS: i64 = 30_000;
const STEPS: i64 = 60;

/// Series, rules, and what is expected of them, all as `promtool` reads it.
pub(crate) struct Play {
    rules: Json,
    test: Json,
    /// At how many steps an alert was pending, and at how many one was firing.
    pub(crate) pending: usize,
    pub(crate) firing: usize,
}

pub(crate) fn play(dice: &mut Dice) -> Play {
    let (store, input) = series(dice);
    loop {
        let rules = rules(dice);
        let source = Source { path: "rules.json".into(), text: rules.to_string() };
        let read = Rules::read(&[source]).unwrap();
        // Rules that fail end promtool's test, so they say nothing.
        if let Some(play) = expect(&store, &input, &rules, Arc::new(read)) {
            return play;
        }
    }
}

fn series(dice: &mut Dice) -> (Store, Vec<Json>) {
    let mut store = Store::new();
    let mut input = Vec::new();
    for (metric, job) in [("load", "a"), ("load", "b"), ("load", "c"), ("up", "a"), ("up", "b"), ("hits_total", "a")] {
        let target = store.add_target(&[("job", job), ("of", metric)]);
        store.add_series(target, metric, &[]);
        let mut words = Vec::new();
        let mut value = 0.0;
        for step in 0..STEPS {
            // Values stay for a while, so that alerts have the time to fire.
            if dice.percent(25) {
                value = match metric {
                    "up" => f64::from(u8::from(dice.percent(60))),
                    "load" => {
                        dice.pick(&[&0.0, &0.5, &3.25, &9.0, &1.5e-5, &1_234_567.5, &f64::INFINITY, &-8.0]).to_owned()
                    }
                    _ => value + dice.between(0, 90) as f64,
                };
            }
            let t_ms = step * INTERVAL_MS;
            match dice.below(20) {
                0 => words.push("_".to_owned()),
                1 => {
                    words.push("stale".to_owned());
                    store.append(target, t_ms, &[ABSENT]);
                }
                _ => {
                    words.push(if value.is_infinite() { "Inf".to_owned() } else { value.to_string() });
                    store.append(target, t_ms, &[value]);
                }
            }
        }
        input.push(
            json!({ "series": format!("{metric}{{job=\"{job}\", of=\"{metric}\"}}"), "values": words.join(" ") }),
        );
    }
    (store, input)
}

fn rules(dice: &mut Dice) -> Json {
    let expressions = [
        "up == 0",
        "load > 1",
        "load > bool 1",
        "load <= 0.5 or on (job) up == 1",
        "sum by (job) (load) > 3",
        "avg_over_time(load[2m]) > 2",
        "rate(hits_total[2m]) > 0.5",
        "absent(up{job=\"b\"} == 1)",
        "absent(load{job=\"a\"} > 1)",
        "changes(up[5m]) > 2",
        "load unless on (job) up == 0",
        "max(load) > 3",
        "vector(time() % 600) < 300 and on () up == 0",
        "vector(1)",
        "count(up == 0) * 1e6 > 1",
    ];
    let texts = [
        "fixed",
        "{{ $value }}",
        "of {{ $labels.job }}: {{ .Value }}",
        "{{ $labels.nothing }}",
        "{{ printf \"%.2f\" $value }} and {{ humanize $value }}",
        "{{ $value | humanizePercentage }} {{- \" x \" -}} y",
        "{{ $value | humanizeDuration }}, {{ humanize1024 $value }}",
        "{{ $labels.job | toUpper | printf \"<%s>\" }} {{ printf \"%g %%\" 2.5 }}",
        "{{ printf \"%.3g\" $value }}{{ .Labels.job }}",
    ];
    let rules = (0..6).map(|number| {
        let mut rule = json!({ "alert": format!("Alert{number}"), "expr": dice.pick(&expressions) });
        let lapses = ["0s", "30s", "1m", "90s", "100s", "2m", "5m"];
        if dice.percent(80) {
            rule["for"] = json!(dice.pick(&lapses));
        }
        if dice.percent(40) {
            rule["keep_firing_for"] = json!(dice.pick(&lapses));
        }
        for name in dice.some(&["severity", "team", "alertname"]) {
            // A label that follows the value makes a new alert of each value.
            let some = if dice.percent(20) { texts.as_slice() } else { &texts[..1] };
            rule["labels"][name] = json!(dice.pick(some));
        }
        for name in dice.some(&["summary", "runbook"]) {
            rule["annotations"][name] = json!(dice.pick(&texts));
        }
        rule
    });
    json!({ "groups": [{ "name": "made by chance", "rules": rules.collect::<Vec<_>>() }] })
}

/// Plays the rules in the twin; `None` if one of them fails at some time.
fn expect(store: &Store, input: &[Json], rules: &Json, read: Arc<Rules>) -> Option<Play> {
    let mut alerts = Alerts::new(read, INTERVAL_MS);
    let (mut pending, mut firing) = (0, 0);
    let (mut of_alerts, mut of_series) = (Vec::new(), Vec::new());
    for step in 0..STEPS {
        let t_ms = step * INTERVAL_MS;
        alerts.evaluate(store, t_ms, Settings::default());
        if alerts.errors().next().is_some() {
            return None;
        }
        pending += usize::from(alerts.active().any(|alert| alert.state == AlertState::Pending));
        firing += usize::from(alerts.active().any(|alert| alert.state == AlertState::Firing));
        let at = format!("{}s", t_ms / 1_000);
        for number in 0..6 {
            let name = format!("Alert{number}");
            let own = alerts.active().filter(|a| a.state == AlertState::Firing && a.labels.get("alertname") == name);
            let own = own.map(|alert| {
                let labels = alert.labels.filtered(|label| label != "alertname");
                json!({ "exp_labels": labels, "exp_annotations": alert.annotations })
            });
            of_alerts.push(json!({ "eval_time": at, "alertname": name, "exp_alerts": own.collect::<Vec<_>>() }));
        }
        let samples = alerts.series().into_iter();
        let samples = samples.map(|s| json!({ "labels": s.metric.to_string(), "value": s.value }));
        let expr = "{__name__=~\"ALERTS.*\"}";
        of_series.push(json!({ "expr": expr, "eval_time": at, "exp_samples": samples.collect::<Vec<_>>() }));
    }
    let test = json!({
        "rule_files": ["rules.json"],
        "evaluation_interval": "30s",
        "tests": [{ "interval": "30s", "input_series": input, "alert_rule_test": of_alerts, "promql_expr_test": of_series }],
    });
    Some(Play { rules: rules.clone(), test, pending, firing })
}

impl Play {
    /// What Prometheus' rule manager says against it; empty if nothing.
    pub(crate) fn objections(&self, promtool: &str) -> String {
        let folder = Folder::new("rules");
        std::fs::write(folder.path().join("rules.json"), self.rules.to_string()).unwrap();
        std::fs::write(folder.path().join("test.json"), self.test.to_string()).unwrap();
        let command = Command::new(promtool).args(["test", "rules", "test.json"]).current_dir(folder.path()).output();
        let output = command.unwrap_or_else(|error| panic!("{promtool}: {error}"));
        if output.status.success() {
            return String::new();
        }
        format!("{:#}\n{}", self.rules, String::from_utf8_lossy(&output.stderr))
    }

    /// The same with one expectation that is wrong.
    pub(crate) fn spoilt(&self) -> Self {
        let mut test = self.test.clone();
        let wrong = json!({ "exp_labels": { "job": "nobody" } });
        test["tests"][0]["alert_rule_test"][0]["exp_alerts"].as_array_mut().unwrap().push(wrong);
        Self { rules: self.rules.clone(), test, ..*self }
    }
}
