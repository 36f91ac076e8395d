//! What the hierarchy itself costs per step, without a model and in a world that costs nothing: decisions, messages,
//! execution, rendering, the log. The aim is below 200 microseconds.

use agents::episode::{Cast, Log, Setup, play};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datasets::scenarios;
use sim::diagnostic::Source;
use sim::environment::{Environment, Failure, Observation, Query, Stage, Unavailable, Write, ready};
use sim::episode::{EpisodeEvent, Truth, WorldEvent};
use sim::scenario::{Scenario, Script};
use sim::score::Judge;
use sim::time::SimTime;

/// Rounds of the manager; in each, two agents look three times and report.
const ROUNDS: usize = 50;

/// A world in which nothing happens and nothing is seen.
struct Still(SimTime);

impl Environment for Still {
    fn now(&self) -> SimTime {
        self.0
    }

    async fn observe(&mut self, _: &Query) -> Result<Observation, Failure> {
        Ok(Observation::Pods(Vec::new()))
    }

    async fn act(&mut self, _: &Write) -> Result<String, Failure> {
        Ok(String::new())
    }

    async fn advance(&mut self, until: SimTime) -> Result<(), Unavailable> {
        self.0 = until;
        Ok(())
    }
}

impl Stage for Still {
    fn drain_journal(&mut self) -> Vec<WorldEvent> {
        Vec::new()
    }

    async fn prepare(&mut self) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn inject(&mut self, _: usize) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn recover(&mut self, _: usize) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn truth(&mut self) -> Result<Truth, Unavailable> {
        Ok(Truth {
            from: self.0,
            to: self.0,
            client_sent: 0,
            client_ok: 0,
            client_failed: 0,
            client_waiting: 0,
            client_p99_s: None,
            components: Vec::new(),
            measured: Vec::new(),
        })
    }
}

fn script() -> Script {
    let round = "- action:\n    delegate:\n    - {component: catalogue, text: Look., goal: check-health}\n    \
                 - {component: front-end, text: Look., goal: check-health}\n";
    let look =
        "- action: {observe: {list_pods: {component: null}}}\n".repeat(3) + "- action: {report: {healthy: true}}\n";
    let text = format!(
        "apiVersion: sockpit/v1alpha1\nkind: Script\nmanager:\n{}- action: {{conclude: {{healthy: true}}}}\nsteps:\n{}",
        round.repeat(ROUNDS),
        look.repeat(ROUNDS)
    );
    Script::load(&Source { path: "script".into(), text }).expect("it is a script").value
}

fn hierarchy(criterion: &mut Criterion) {
    let loaded = scenarios::load("acv/high/reduce-cpu", &[]).expect("it ships");
    let mut scenario: Scenario = loaded.scenario.value.clone();
    scenario.budget.steps = 100_000;
    scenario.thinking = sim::scenario::Thinking::Zero;
    let distance = |a: &str, b: &str| loaded.app.distance(a, b);
    let judge = Judge::new(&scenario, &loaded.words, &distance);
    let setup = Setup::new(&judge, &loaded.app, None);
    let script = script();
    let episode = || {
        let mut log = Log::new(None);
        ready(play(&mut Still(SimTime::ZERO), &setup, Cast::of_script(&script), None, &mut log))
            .expect("it stands still");
        log
    };
    let is_step =
        |event: &EpisodeEvent| matches!(event, EpisodeEvent::Decision { .. } | EpisodeEvent::ManagerDecision { .. });
    let steps = episode().entries().iter().filter(|entry| is_step(&entry.event)).count();
    assert!(steps > ROUNDS * 9, "{steps} steps were played");
    let mut group = criterion.benchmark_group("hierarchy");
    group.throughput(Throughput::Elements(steps as u64));
    group.bench_function("steps of a manager and two agents", |bencher| bencher.iter(episode));
    group.finish();
}

criterion_group!(benches, hierarchy);
criterion_main!(benches);
