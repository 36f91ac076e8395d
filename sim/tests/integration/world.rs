//! The twin behind its ports: the conformance suite of every world, and what only the twin promises.

use std::sync::Arc;

use sim::diagnostic::Source;
use sim::environment::conformance::{self, Subject, Violation};
use sim::environment::{
    Environment, Failure, LogQuery, MetricQuery, Observation, Query, Rejected, Stage, Unavailable, Write, ready,
};
use sim::episode::{Truth, WorldEvent};
use sim::scenario::{AppWords, Scenario};
use sim::time::{SimDuration, SimTime};
use sim::world::Twin;

use crate::apps::bookshop;

const SCENARIO: &str = "
apiVersion: sockpit/v1alpha1
kind: Scenario
name: test/bookshop
app: {name: bookshop}
workloads:
- {user_class: reader, target: web, shape: {level: light}, start: 15s}
faults:
- start: 1h
  inject:
    chaos-mesh:
      apiVersion: chaos-mesh.org/v1alpha1
      kind: StressChaos
      metadata: {name: stress}
      spec: {mode: all, selector: {labelSelectors: {app: web}}, stressors: {cpu: {workers: 1, load: 50}}}
- start: 1h
  inject:
    chaos-mesh:
      apiVersion: chaos-mesh.org/v1alpha1
      kind: PodChaos
      metadata: {name: failure}
      spec: {action: pod-failure, mode: one, selector: {labelSelectors: {app: web}}}
- start: 1h
  inject: {bad-tag: {component: web, image: 'bookshop/web:9'}}
- start: 1h
  inject: {rising-traffic: {user_class: reader, target: web, shape: {level: light}}}
- start: 1h
  inject:
    chaos-mesh:
      apiVersion: chaos-mesh.org/v1alpha1
      kind: StressChaos
      metadata: {name: memory}
      spec: {mode: all, selector: {labelSelectors: {app: web}}, stressors: {memory: {workers: 2, size: 40MB}}}
task: {levels: [L5], agent: web, text: none, goal: maintain, start: 1h}
budget: {time: 2h}
slos: {components: [web]}
";

/// A bookshop under a light load, not yet prepared.
fn twin() -> Twin {
    bookshop_twin(SCENARIO, &[])
}

/// A bookshop, with changes of its files, in a scenario, not yet prepared.
pub(crate) fn bookshop_twin(scenario: &str, files: &[(&str, &str, &str)]) -> Twin {
    let (app, _) = bookshop(files).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let words = AppWords::of(&app.objects, &app.profile, Vec::new());
    let source = Source { path: "scenario".into(), text: scenario.into() };
    let scenario = Scenario::load(&source, &[], |_| Ok(words)).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    Twin::new(&Arc::new(app), &Arc::new(scenario.value), 1)
}

fn subject(fault: usize) -> Subject {
    let settle = SimDuration::from_secs(90);
    Subject { component: "web".into(), image: "bookshop/web:1.1".into(), fault, settle }
}

#[test]
fn the_twin_conforms_whatever_the_fault() {
    for fault in 0..5 {
        assert_eq!(ready(conformance::all(twin, &subject(fault))), Ok(()), "fault {fault}");
    }
}

/// A twin with one habit that no world may have.
struct Ill {
    twin: Twin,
    habit: Habit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Habit {
    GoesBack,
    RestartsWhatIsLookedAt,
    TakesNamesForFailures,
    AcceptsAnything,
    ForgetsTheJournal,
    SkipsTruths,
    Dies,
}

impl Environment for Ill {
    fn now(&self) -> SimTime {
        self.twin.now()
    }

    async fn observe(&mut self, query: &Query) -> Result<Observation, Failure> {
        match (self.habit, query) {
            (Habit::RestartsWhatIsLookedAt, Query::Logs(LogQuery { of, .. })) => {
                self.twin.act(&Write::Restart { component: of.clone() }).await?;
            }
            (Habit::Dies, Query::Nodes) => {
                return Err(Unavailable("connection refused".into()).into());
            }
            _ => {}
        }
        match self.twin.observe(query).await {
            Err(Failure::Rejected(Rejected(why))) if self.habit == Habit::TakesNamesForFailures => {
                Err(Failure::Unavailable(Unavailable(why)))
            }
            answer => answer,
        }
    }

    async fn act(&mut self, write: &Write) -> Result<String, Failure> {
        if self.habit == Habit::AcceptsAnything {
            return Ok("done".into());
        }
        self.twin.act(write).await
    }

    async fn advance(&mut self, until: SimTime) -> Result<(), Unavailable> {
        if self.habit == Habit::GoesBack && until < self.twin.now() {
            self.twin = twin();
        }
        self.twin.advance(until).await
    }
}

impl Stage for Ill {
    fn drain_journal(&mut self) -> Vec<WorldEvent> {
        let journal = self.twin.drain_journal();
        if self.habit == Habit::ForgetsTheJournal { Vec::new() } else { journal }
    }

    async fn prepare(&mut self) -> Result<(), Unavailable> {
        self.twin.prepare().await
    }

    async fn inject(&mut self, index: usize) -> Result<(), Unavailable> {
        self.twin.inject(index).await
    }

    async fn recover(&mut self, index: usize) -> Result<(), Unavailable> {
        self.twin.recover(index).await
    }

    async fn truth(&mut self) -> Result<Truth, Unavailable> {
        let seen = self.twin.truth().await?;
        if self.habit == Habit::SkipsTruths {
            self.twin.run_until(self.twin.now() + SimDuration::SECOND);
            self.twin.truth().await?;
        }
        Ok(seen)
    }
}

#[test]
fn a_world_with_a_bad_habit_does_not_conform() {
    let table = [
        (Habit::GoesBack, "advanced to the past"),
        (Habit::RestartsWhatIsLookedAt, "looking changed"),
        (Habit::TakesNamesForFailures, "the world failed: deployments.apps \"conformance-nobody\" not found"),
        (Habit::AcceptsAnything, "is answered: done"),
        (Habit::ForgetsTheJournal, "the journal says of faults: []"),
        (Habit::SkipsTruths, "an interval from"),
        (Habit::Dies, "the world failed: connection refused"),
    ];
    for (habit, expected) in table {
        let found = ready(conformance::all(|| Ill { twin: twin(), habit }, &subject(0)));
        let said = found.as_ref().err().map(Violation::to_string).unwrap_or_default();
        assert!(said.contains(expected), "{habit:?}: {found:?}");
    }
}

/// Of the twin more is asked than of a cluster: it is the same to the bit whether somebody looks or not.
#[test]
fn the_twin_does_not_feel_looks_and_refusals() {
    let queries = [
        Query::ListPods { component: None },
        Query::Describe { component: "web".into() },
        Query::Describe { component: "nobody".into() },
        Query::Events { component: None },
        Query::Nodes,
        Query::ResourceUsage { component: None },
        Query::Metrics(MetricQuery { promql: "rate(up[1m]".into(), range: None, step: None }),
        Query::Metrics(MetricQuery { promql: "count({job=~\".+\"})".into(), range: None, step: None }),
    ];
    let nobody = Write::Scale { component: "nobody".into(), replicas: 3 };
    let play = |looks: bool| {
        let mut world = twin();
        ready(world.prepare()).unwrap();
        let mut truths = Vec::new();
        for second in (5..=120).step_by(5) {
            world.run_until(SimTime::ZERO + SimDuration::from_secs(second));
            if looks {
                for query in &queries {
                    let seen = ready(world.observe(query));
                    assert!(!matches!(seen, Err(Failure::Unavailable(_))), "{query:?}: {seen:?}");
                }
                assert!(matches!(ready(world.act(&nobody)), Err(Failure::Rejected(_))));
            }
            truths.push(ready(world.truth()).unwrap());
        }
        let store = world.store();
        let samples: Vec<Vec<(i64, u64)>> = store
            .series()
            .map(|series| store.samples(series, i64::MIN, i64::MAX).map(|s| (s.t_ms, s.value.to_bits())).collect())
            .collect();
        (truths, samples, world.events(), world.drain_journal())
    };
    let alone = play(false);
    assert!(alone == play(true));
    assert!(alone.0.iter().any(|truth| truth.client_ok > 10) && alone.1.iter().any(|samples| samples.len() > 3));
}
