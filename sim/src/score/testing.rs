//! Synthetic scenarios and logs for the tests of the score.

use super::*;
use crate::diagnostic::Source;
use crate::environment::{Action, Conclusion, Declaration, Description, Write};
use crate::episode::{Branch, ComponentTruth, EndReason, EpisodeEvent};
use crate::manifest::{Container, ImagePullPolicy, ResourceRequirements};
use crate::time::SimDuration;

/// Catalogue under CPU stress from 60 s on; asked at 90 s; 60 s of hold.
pub(super) const SCENARIO: &str = "
apiVersion: sockpit/v1alpha1
kind: Scenario
name: test/stress
app: {name: sock-shop}
workloads:
- {user_class: browse, target: catalogue, shape: {users: {users: 50, spawn_rate: 50}}}
faults:
- start: 60s
  inject:
    chaos-mesh:
      apiVersion: chaos-mesh.org/v1alpha1
      kind: StressChaos
      metadata: {name: stress}
      spec:
        mode: all
        selector: {labelSelectors: {name: catalogue}}
        stressors: {cpu: {workers: 2, load: 50}}
task:
  levels: [L3, L4, L5]
  agent: catalogue
  text: Check the objectives and mend what is wrong.
  goal: maintain
  start: 90s
slos: {components: [catalogue]}
";

pub(super) fn words() -> AppWords {
    let component = |name: &str| crate::scenario::ComponentWords {
        name: name.into(),
        labels: [("name".to_owned(), name.to_owned())].into(),
        container: Some(container(&format!("registry:5000/weaveworksdemos/{name}:0.3.5"))),
        ..Default::default()
    };
    AppWords {
        components: ["catalogue", "carts"].map(component).into(),
        services: vec!["catalogue".into()],
        user_classes: vec!["browse".into()],
        ..AppWords::default()
    }
}

fn container(image: &str) -> Container {
    Container {
        name: "main".into(),
        image: image.into(),
        image_pull_policy: ImagePullPolicy::IfNotPresent,
        command: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        env_from: Vec::new(),
        ports: Vec::new(),
        resources: ResourceRequirements::default(),
        liveness_probe: None,
        readiness_probe: None,
        startup_probe: None,
    }
}

pub(super) fn scenario(text: &str) -> Scenario {
    let source = Source { path: "test.yaml".into(), text: text.into() };
    Scenario::load(&source, &[], |_| Ok(words())).unwrap_or_else(|mistakes| panic!("{mistakes}")).value
}

/// A healthy interval of 5 s: 250 requests, 40 m of a limit of 200 m.
pub(super) fn healthy(from: u64) -> Truth {
    let at = |s| SimTime::ZERO + SimDuration::from_secs(s);
    Truth {
        from: at(from),
        to: at(from + 5),
        client_sent: 250,
        client_ok: 250,
        client_failed: 0,
        client_waiting: 0,
        client_p99_s: Some(0.02),
        components: vec![ComponentTruth {
            component: "catalogue".into(),
            replicas: 1,
            exists: true,
            pods: 1,
            ready: 1,
            available: 1,
            requests: 250,
            errors: 0,
            misdirected: 0,
            p99_s: Some(0.01),
            caller_p99_s: Some(0.02),
            cpu_worst_pod: 0.04,
            cpu_total: 0.04,
            cpu_limit: Some(0.2),
            cpu_limit_written: Some(0.2),
            cpu_unlimited: 0,
            memory_worst_pod: 20 << 20,
            memory_limit: Some(200 << 20),
            memory_limit_written: Some(200 << 20),
            memory_unlimited: 0,
            limit_over_node: Some(0.1),
            periods: 50,
            throttled_periods: 0,
            cpu_request_core_s: 0.5,
            cpu_limit_core_s: 1.0,
            memory_request_gib_s: 0.5,
            memory_limit_gib_s: 1.0,
        }],
        measured: Vec::new(),
    }
}

/// The same with the CPU used up.
pub(super) fn stressed(from: u64) -> Truth {
    let mut truth = healthy(from);
    truth.components[0].cpu_worst_pod = 0.2;
    truth.components[0].p99_s = Some(0.4);
    truth
}

pub(super) struct Log(pub(super) Vec<(SimTime, EpisodeEvent)>);

impl Log {
    /// Healthy until 60 s, stressed until `mended`, then what `after` says, until 240 s.
    pub(super) fn of(mended: u64, after: impl Fn(u64) -> Truth) -> Self {
        let mut log = Self(Vec::new());
        for from in (0..240).step_by(5) {
            let truth = match from {
                0..60 => healthy(from),
                from if from < mended => stressed(from),
                from => after(from),
            };
            log.0.push((truth.to, EpisodeEvent::Truth(Box::new(truth))));
        }
        log.begins(90, 1)
    }

    pub(super) fn begins(self, second: u64, evaluation: u32) -> Self {
        self.at(second, EpisodeEvent::TaskStarted { agent: "catalogue".into(), evaluation, text: String::new() })
    }

    pub(super) fn at(mut self, second: u64, event: EpisodeEvent) -> Self {
        self.0.push((SimTime::ZERO + SimDuration::from_secs(second), event));
        self
    }

    pub(super) fn declares(self, second: u64, healthy: bool, cause: Option<(&str, &str)>) -> Self {
        let (component, kind) = cause.map(|(c, k)| (c.to_owned(), k.to_owned())).unzip();
        let declaration = Declaration { healthy, component, kind };
        self.at(second, EpisodeEvent::Declared { agent: "catalogue".into(), declaration })
    }

    pub(super) fn reports(self, second: u64, conclusion: Conclusion) -> Self {
        self.at(second, EpisodeEvent::Reported { agent: "catalogue".into(), conclusion })
    }

    pub(super) fn writes(self, second: u64, step: u32, write: Write) -> Self {
        self.decides(second, step, write).answered(second, step)
    }

    pub(super) fn decides(self, second: u64, step: u32, write: Write) -> Self {
        let agent = "catalogue".to_owned();
        self.at(
            second,
            EpisodeEvent::Decision { agent, step, action: Action::Write(write), think_ns: 0, continued: false },
        )
    }

    pub(super) fn answered(self, second: u64, step: u32) -> Self {
        let agent = "catalogue".to_owned();
        self.at(second, EpisodeEvent::Answer { agent, step, rejected: false, text: String::new() })
    }

    /// What catalogue's objects look like at that time.
    pub(super) fn state(self, second: u64, description: Option<Description>) -> Self {
        let description = description.map(Box::new);
        self.at(second, EpisodeEvent::State { component: "catalogue".into(), description })
    }

    pub(super) fn idle_branch(self, green_at_end: bool) -> Self {
        let branch = Branch {
            without_step: None,
            without_task: None,
            future: 0,
            played: -10.0,
            branch: -90.0,
            inapplicable: 0,
            green_at_end,
        };
        self.at(240, EpisodeEvent::Branch(Box::new(branch)))
    }

    pub(super) fn entries(mut self) -> Vec<Entry> {
        self.0.sort_by_key(|(at, _)| *at);
        self.0
            .push((SimTime::ZERO + SimDuration::from_secs(240), EpisodeEvent::Ended { reason: EndReason::Completed }));
        self.0.into_iter().zip(1..).map(|((t_ns, event), seq)| Entry { seq, t_ns, event }).collect()
    }

    pub(super) fn score(self) -> EpisodeScore {
        self.score_by(&scenario(SCENARIO))
    }

    pub(super) fn score_by(self, scenario: &Scenario) -> EpisodeScore {
        let distance = |a: &str, b: &str| (a != b).then_some(2);
        score(&Judge::new(scenario, &words(), &distance), &self.entries())
    }
}

/// What comes of a task of level 1 with this goal.
pub(super) fn played(goal: &str, log: Log) -> Outcome {
    let text = SCENARIO.replace("[L3, L4, L5]", "[L1]").replace("goal: maintain", &format!("goal: {goal}"));
    log.score_by(&scenario(&text)).levels.l1.unwrap()
}
