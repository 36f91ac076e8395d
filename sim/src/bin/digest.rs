//! Prints one number for everything that happens in a few worlds: requests, control plane, telemetry.
//!
//! The number must be the same in any build, process and number of threads, and with any processor's
//! variants of the C library's functions. `.ci/determinism` compares them. It reads nothing.

#![expect(clippy::print_stdout, reason = "the number is what this program is for")]

use std::sync::Arc;

use sim::app::App;
use sim::diagnostic::Source;
use sim::environment::Stage;
use sim::scenario::{AppWords, Scenario};
use sim::time::{SimDuration, SimTime};
use sim::world::Twin;

/// A load that throttles, and a pod that fails and comes back.
const SCENARIO: &str = "
apiVersion: sockpit/v1alpha1
kind: Scenario
name: digest
app: {name: bookshop}
cluster: {nodes: [{name: one, cores: 2, memory: 4Gi}, {name: two, cores: 2, memory: 4Gi, speed: 0.7}], network_latency: 100us}
workloads:
- {user_class: reader, target: web, shape: {users: {users: 60, spawn_rate: 5}}, start: 20s}
faults:
- start: 60s
  inject:
    chaos-mesh:
      apiVersion: chaos-mesh.org/v1alpha1
      kind: PodChaos
      metadata: {name: books-failure, namespace: chaos-mesh}
      spec:
        action: pod-failure
        mode: one
        duration: 30s
        selector: {namespaces: [bookshop], labelSelectors: {app: books}}
task: {levels: [L5], agent: books, text: Mend it., goal: maintain, start: 70s}
slos: {components: [books]}
";

const SEEDS: [u64; 4] = [1, 2, 3, 4];
const END: SimTime = SimTime(180_000_000_000);
const LOOK_EVERY: SimDuration = SimDuration::from_secs(5);

fn main() {
    let (app, scenario) = world();
    let alone: Vec<u64> = SEEDS.iter().map(|seed| play(&app, &scenario, *seed)).collect();
    let half = SEEDS.len() / 2;
    let of = |seeds: &'static [u64]| seeds.iter().map(|seed| play(&app, &scenario, *seed)).collect::<Vec<_>>();
    let together = std::thread::scope(|scope| {
        let other = scope.spawn(|| of(&SEEDS[half..]));
        let mut digests = of(&SEEDS[..half]);
        digests.extend(other.join().expect("a world does not panic"));
        digests
    });
    assert_eq!(alone, together, "two threads play other worlds than one");
    println!("{:016x}", digest(&format!("{alone:x?}")));
}

fn world() -> (Arc<App>, Arc<Scenario>) {
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let manifests = [
        source("books.yaml", include_str!("../../tests/fixtures/apps/bookshop/manifests/books.yaml")),
        source("store.yaml", include_str!("../../tests/fixtures/apps/bookshop/manifests/store.yaml")),
        source("web.yaml", include_str!("../../tests/fixtures/apps/bookshop/manifests/web.yaml")),
    ];
    let profile = source("profile.yaml", include_str!("../../tests/fixtures/apps/bookshop/profile.yaml"));
    let (app, _) = App::load(&manifests, &[], Some(&profile)).expect("the fixture is an app");
    let words = AppWords::of(&app.objects, &app.profile, Vec::new());
    let scenario = Scenario::load(&source("digest.yaml", SCENARIO), &[], |_| Ok(words));
    (Arc::new(app), Arc::new(scenario.expect("the scenario is right").value))
}

/// Plays a world and looks at all of it every few seconds.
fn play(app: &Arc<App>, scenario: &Arc<Scenario>, seed: u64) -> u64 {
    let mut twin = Twin::new(app, scenario, seed);
    let mut seen = Vec::new();
    now(twin.prepare());
    while twin.now() < END {
        twin.run_until(twin.now() + LOOK_EVERY);
        for (index, fault) in scenario.faults.iter().enumerate() {
            if fault.injected_at() == twin.now() {
                now(twin.inject(index));
            }
            if fault.ends_at() == Some(twin.now()) {
                now(twin.recover(index));
            }
        }
        seen.push(format!("{:?} {:?}", now(twin.truth()), twin.drain_journal()));
    }
    let store = twin.store();
    for series in store.series() {
        for sample in store.samples(series, 0, END.as_millis()) {
            seen.push(format!("{} {:x}", sample.t_ms, sample.value.to_bits()));
        }
    }
    seen.push(twin.events().to_string());
    digest(&seen.join("\n"))
}

/// The twin's futures are ready at once.
fn now<T>(future: impl Future<Output = Result<T, sim::environment::Unavailable>>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(answer) => answer.expect("the twin does not fail"),
        std::task::Poll::Pending => unreachable!("the twin waits for nothing"),
    }
}

/// FNV-1a, 64 bits.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
