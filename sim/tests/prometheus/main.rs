//! The twin's PromQL beside Prometheus itself: the same samples, the same questions, the same answers.
//!
//! ```text
//!            ┌─▶ Store ──▶ sim::promql ─────────────────────────┐
//!  samples ──┼─▶ remote write ─▶ Prometheus 2.42 ─▶ HTTP API ───┼─▶ compare
//!            └─▶ JSON ─▶ engine/ (Prometheus 3's, in Go) ───────┘
//! ```
//!
//! Alert rules are held against `promtool test rules` ([`rules`]).
//!
//! Samples ([`samples`]) and most expressions ([`grammar`]) are made by chance from `SOCKPIT_PROMQL_SEED`,
//! the rest is written by hand ([`by_hand`]). Each expression is asked at one time and over a range.
//! `.ci/prometheus` installs what this needs and runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "how much was compared, for .ci/prometheus")]

mod by_hand;
mod compare;
mod dice;
mod engine;
mod grammar;
mod rules;
mod samples;
mod server;

use compare::{Case, Tally};
use dice::Dice;
use grammar::Grammar;
use samples::World;
use sim::promql::Dialect;

/// How many expressions are made by chance.
const GENERATED: usize = 600;

/// How many expressions with a mistake are made by chance.
const FAULTY: usize = 150;

#[expect(clippy::disallowed_methods, reason = "where the other side is, is the machine's matter")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn program(name: &str) -> String {
    variable(name).unwrap_or_else(|| panic!("{name} is not set: .ci/prometheus does that"))
}

fn seed() -> u64 {
    variable("SOCKPIT_PROMQL_SEED").map_or(1, |text| text.parse().unwrap())
}

/// How many sets of alert rules are made by chance.
const PLAYS: usize = 25;

/// The same questions for everybody.
fn cases(dice: &mut Dice, world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for query in by_hand::QUERIES {
        for seconds in [600, 2_000] {
            cases.push(Case::instant(*query, world.start_ms + seconds * 1_000));
        }
        cases.push(Case::range(*query, world.start_ms, world.end_ms, 135_000));
    }
    for number in 0..GENERATED + FAULTY {
        let query = Grammar::new(dice, (world.start_ms, world.end_ms)).query();
        if number >= GENERATED {
            cases.push(Case::faulty(grammar::faulty(dice, &query), world.end_ms));
            continue;
        }
        let scrape = world.start_ms + 15_000 * dice.between(-4, 180);
        let t_ms = if dice.percent(60) { scrape } else { scrape + dice.between(0, 15_000) };
        cases.push(Case::instant(query.clone(), t_ms));
        let start_ms = world.start_ms + 15_000 * dice.between(-10, 120);
        let step_ms = if dice.percent(60) { 60_000 } else { dice.between(5_000, 200_000) };
        cases.push(Case::range(query, start_ms, start_ms + dice.between(0, 30) * step_ms, step_ms));
    }
    cases
}

/// Compares all answers, says how many, and fails with the first few that differ.
fn report(name: &str, dialect: Dialect, world: &World, cases: &[Case], answers: &[serde_json::Value]) {
    assert_eq!(cases.len(), answers.len());
    let mut tally = Tally::default();
    for (case, answer) in cases.iter().zip(answers) {
        tally.count(case, answer, &case.ask(&world.store, dialect));
    }
    println!("{name}, seed {}: {tally}", seed());
    let shown = tally.differences.iter().take(60).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(tally.differences.is_empty(), "{} answers differ:\n\n{shown}", tally.differences.len());
    assert!(tally.expressions.len() >= 300 && 2 * tally.with_values >= cases.len(), "too little was compared");
}

#[test]
#[ignore = "needs Prometheus"]
fn answers_are_those_of_prometheus_2() {
    let dice = &mut Dice::new(seed());
    let world = samples::world(dice);
    let cases = cases(dice, &world);
    let folder = compare::Folder::new("server");
    let server = server::Server::start(&program("SOCKPIT_PROMETHEUS"), folder.path());
    server.fill(&world.store);
    let answers: Vec<_> = cases.iter().map(|case| server.answer(case)).collect();
    report("Prometheus 2.42", Dialect::Prometheus2, &world, &cases, &answers);
}

#[test]
#[ignore = "needs Prometheus"]
fn answers_are_those_of_prometheus_3() {
    let dice = &mut Dice::new(seed());
    let world = samples::world(dice);
    let cases = cases(dice, &world);
    let answers = engine::answers(&program("SOCKPIT_PROMQL_ENGINE"), &world.store, &cases);
    report("Prometheus 3.13", Dialect::Prometheus3, &world, &cases, &answers);
}

#[test]
#[ignore = "needs Prometheus"]
fn alerts_are_those_of_prometheus_2() {
    let (dice, promtool) = (&mut Dice::new(seed()), program("SOCKPIT_PROMTOOL"));
    let plays: Vec<_> = (0..PLAYS).map(|_| rules::play(dice)).collect();
    for play in &plays {
        let objections = play.objections(&promtool);
        assert!(objections.is_empty(), "{objections}");
    }
    assert!(!plays[0].spoilt().objections(&promtool).is_empty(), "promtool takes everything");
    let steps = |count: fn(&rules::Play) -> usize| plays.iter().map(count).sum::<usize>();
    let (pending, firing) = (steps(|play| play.pending), steps(|play| play.firing));
    println!("promtool, seed {}: {PLAYS} sets of rules, pending at {pending} steps, firing at {firing}", seed());
    assert!(pending > PLAYS && firing > PLAYS, "too little happened");
}
