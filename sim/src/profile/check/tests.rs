use proptest::prelude::*;

use super::*;

/// Correct, and without warnings.
const BASE: &str = "\
apiVersion: sockpit/v1alpha1
kind: Profile
attributes: [total]
images:
  - {image: shop/web, tags: ['1'], runs: [web]}
  - {image: shop/books, runs: [books]}
  - {image: mongo, runs: [store]}
  - {image: rabbitmq, runs: [bus]}
services:
  web:
    port: 80
    runtime: {model: event-loop}
    memory: {base: 20Mi}
    clients:
      books: {timeout: 1s, breaker: {trips: {failure-ratio: {ratio: 0.5, min_calls: 5, window: 10s}}, open_for: 5s}}
    metrics: {histogram: request_seconds, buckets: [0.1, 1]}
    endpoints:
      - request: GET /
        program: [{cpu: {mean: 1ms, variation: 0.5}}]
      - request: POST /orders
        program:
          - call: {to: books, request: 'GET /books/{id}'}
          - respond: {status: 406, when: {above: {attribute: total, value: 100}}}
          - publish: {broker: bus, queue: mail}
  books:
    port: 80
    runtime: {model: threads, max_threads: 10, waits_for: [store]}
    memory: {base: 200Mi}
    endpoints:
      - request: GET /books/{id}
        program:
          - parallel: {branches: [[{call: {to: store, request: find}}], [{call: {to: store, request: find}}]]}
    consumes:
      - {broker: bus, queue: mail, program: [{cpu: {mean: 1ms}}]}
  store:
    port: 27017
    runtime: {model: threads}
    memory: {base: 100Mi}
    endpoints:
      - request: find
        program: [{cpu: {mean: 1ms}}]
  bus:
    port: 5672
    runtime: {model: goroutines}
    memory: {base: 100Mi}
    endpoints:
      - request: publish
        program: [{cpu: {mean: 1ms}}]
user_classes:
  reader:
    wait: {constant: 1s}
    tasks:
      - name: read
        requests:
          - request: GET /
          - {request: POST /orders, set: {total: {one-of: [10, 200]}}}
levels:
  light: {users: 20, spawn_rate: 20, users_by_target: {web: 10}}
dashboards:
  rate: rate(request_seconds_count{name=\"$component\"}[1m])
default_load: {level: light, user_class: reader, target: web}
";

/// What is said about the base with each `old` replaced by its `new`.
fn answer(changes: &[(&str, &str)]) -> String {
    let mut text = BASE.to_owned();
    for (old, new) in changes {
        assert!(text.contains(old), "`{old}` is not in the base");
        text = text.replacen(old, new, 1);
    }
    match Profile::load(&Source { path: "profile.yaml".into(), text }) {
        Ok((_, warnings)) if warnings.is_empty() => "fine".into(),
        Ok((_, warnings)) => Diagnostics(warnings).to_string(),
        Err(mistakes) => mistakes.to_string(),
    }
}

#[test]
fn the_base_is_fine() {
    assert_eq!(answer(&[]), "fine");
}

#[test]
fn names_that_lead_nowhere() {
    snapshot(
        "names_that_lead_nowhere",
        &[
            ("a call to an unknown service", &[("to: books", "to: boks")]),
            ("a call to an unknown endpoint", &[("'GET /books/{id}'", "GET /book/7")]),
            ("an image that runs nothing known", &[("runs: [books]", "runs: [book, books]")]),
            ("a service without image", &[("  - {image: mongo, runs: [store]}\n", "")]),
            ("a client of an unknown service", &[("      books: {timeout", "      carts: {timeout")]),
            ("a start that waits for an unknown service", &[("waits_for: [store]", "waits_for: [stor]")]),
            ("an unknown attribute", &[("attribute: total", "attribute: totl")]),
            (
                "an unknown level, class and target",
                &[("level: light, user_class: reader, target: web", "level: lite, user_class: buyer, target: wep")],
            ),
            (
                "a broker that takes no messages",
                &[("broker: bus, queue: mail}\n  books", "broker: store, queue: mail}\n  books")],
            ),
            ("a target that does not exist", &[("{web: 10}", "{shop: 10}")]),
        ],
    );
}

#[test]
fn numbers_out_of_range() {
    snapshot(
        "numbers_out_of_range",
        &[
            ("a ratio above 1", &[("ratio: 0.5", "ratio: 1.5")]),
            ("a status that is none", &[("status: 406", "status: 99")]),
            ("a variation that is too large", &[("variation: 0.5", "variation: 20")]),
            ("a negative weight", &[("- name: read", "- name: read\n        weight: -1")]),
            ("buckets that do not rise", &[("[0.1, 1]", "[0.1, 1, 0.5]")]),
            ("no users", &[("users: 20", "users: 0")]),
            ("a rate that is not a number", &[("spawn_rate: 20", "spawn_rate: .nan")]),
            (
                "a program without end",
                &[(
                    "[{cpu: {mean: 1ms, variation: 0.5}}]",
                    "[{repeat: {times: 9999, steps: [{repeat: {times: 9999, steps: [{wait: {mean: 1s}}]}}]}}]",
                )],
            ),
            ("threads in an event loop", &[("model: event-loop", "model: event-loop, max_threads: 0")]),
            ("attributes without end", &[("[total]", "[total, b, c, d, e, b]")]),
        ],
    );
}

#[test]
fn what_cannot_work() {
    snapshot(
        "what_cannot_work",
        &[
            (
                "calls in a circle",
                &[(
                    "- request: find\n        program: [{cpu: {mean: 1ms}}]",
                    "- request: find\n        program: [{call: {to: books, request: GET /books/1}}]",
                )],
            ),
            (
                "starts in a circle",
                &[(
                    "runtime: {model: threads}\n    memory: {base: 100Mi}",
                    "runtime: {model: threads, waits_for: [books]}\n    memory: {base: 100Mi}",
                )],
            ),
            (
                "an endpoint twice",
                &[("- request: POST /orders", "- request: GET /\n        program: []\n      - request: POST /orders")],
            ),
            ("an image twice", &[("image: mongo", "image: shop/books")]),
            ("an image with a tag", &[("image: mongo", "image: mongo:5.0")]),
            ("a request without path", &[("- request: GET /\n", "- request: GET\n")]),
            ("a query that is not PromQL", &[("[1m])", "[1m)")]),
            ("another kind of file", &[("kind: Profile", "kind: Scenario")]),
        ],
    );
}

#[test]
fn words_of_logs_that_cannot_be_filled() {
    let with = |format: &str| format!("kind: Profile\nlogs: {{java: {format}}}");
    let own = |words: &str| format!("memory: {{base: 20Mi}}\n    {words}");
    let cases = [
        ("a placeholder that no line has", "kind: Profile", with("{lines: {call-failed: '{hots}: {error}'}}")),
        ("one that this line does not have", "kind: Profile", with("{lines: {slow-query: '{request} at {host}'}}")),
        ("one that is not closed", "kind: Profile", with("{errors: {refused: 'dial {host:{port}'}}")),
        ("an error within an error", "kind: Profile", with("{errors: {refused: '{error}'}}")),
        ("an event that does not happen", "kind: Profile", with("{lines: {call-fails: text}}")),
        ("an error that does not happen", "kind: Profile", with("{retries_quietly_after: [reseted]}")),
        ("queries that are always slow", "kind: Profile", with("{slow_after: 0s}")),
        ("a format that is not there", "memory: {base: 20Mi}", own("logs: java")),
        ("a client's format that is not there", "books: {timeout: 1s,", "books: {logs: go, timeout: 1s,".into()),
        (
            "a complaint about a variable that has no effect",
            "memory: {base: 20Mi}",
            own("complaints: {MODE: 'no {mode}'}"),
        ),
    ];
    let answers = cases.map(|(what, old, new)| format!("# {what}\n{}\n", answer(&[(old, &new)])));
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!("words_of_logs_that_cannot_be_filled", answers.join("\n"));
    });
}

#[test]
fn what_may_be_meant() {
    snapshot(
        "what_may_be_meant",
        &[
            (
                "users ask for what is not there",
                &[("- request: GET /\n          -", "- request: GET /page\n          -")],
            ),
            ("steps that are never reached", &[("when: {above: {attribute: total, value: 100}}", "when: null")]),
            ("a queue that nobody reads", &[("queue: mail}\n  books", "queue: post}\n  books")]),
            ("a client that is not used", &[("      books: {timeout", "      store: {}\n      books: {timeout")]),
        ],
    );
}

#[track_caller]
fn snapshot(name: &str, cases: &[(&str, &[(&str, &str)])]) {
    let answers = cases.iter().map(|(what, changes)| {
        let answer = answer(changes);
        assert_ne!(answer, "fine", "{what}");
        format!("# {what}\n{answer}\n")
    });
    let said = answers.collect::<Vec<_>>().join("\n");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, said) });
}

proptest! {
    /// Whatever happens to the text of a profile, it is read or refused with a reason.
    #[test]
    fn no_text_makes_it_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[ -~\n]{0,6}"), 1..6),
    ) {
        let mut text = BASE.to_owned();
        for (at, length, insert) in cuts {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            text.replace_range(at..end, &insert);
        }
        match Profile::load(&Source { path: "profile.yaml".into(), text }) {
            Ok((located, _)) => prop_assert!(!located.value.services.is_empty()),
            Err(mistakes) => {
                prop_assert!(!mistakes.0.is_empty());
                prop_assert!(mistakes.0.iter().all(|m| !m.message.is_empty()), "{mistakes}");
            }
        }
    }
}
