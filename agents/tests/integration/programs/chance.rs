//! Programs made by chance: each of them ends.

use agents::tools::script::{Limits, Next, Program, ScriptReply};
use proptest::prelude::*;
use sim::time::SimTime;

use super::calm;

/// Pieces of programs, so that chance finds its way past the first line.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "let x = ",
        "x",
        "1",
        "2.5",
        "\"a\"",
        "'a'",
        "[",
        "]",
        "#{",
        "}",
        "{",
        "(",
        ")",
        ";",
        ",",
        ": ",
        "a: 1",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        "&&",
        "!",
        "if ",
        "else ",
        "for i in 0..3 ",
        "while true ",
        "loop ",
        "break;",
        "return ",
        "throw ",
        "try ",
        "catch ",
        "fn f(a) ",
        "f(x)",
        "|a| ",
        "print(",
        "scale(\"x\", 1)",
        "metric(\"x\")",
        "query_metrics(\"x\")",
        "wait(\"1s\")",
        "report(true)",
        "list_pods()",
        ".len()",
        ".map(|a| a)",
        "[0]",
        ".value",
        "`${x}`",
        "x += x;",
        "x.push(x);",
        "x = [x];",
        "switch x ",
        "=> ",
        "_ ",
        "do ",
        "until ",
        "const ",
        "\n",
        "//",
        "é",
    ];
    prop_oneof![6 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"]
}

fn ends(source: &str) {
    let limits = Limits { operations: 2_000, all_operations: 20_000, ..Limits::default() };
    if let Ok(mut program) = Program::new(source, &limits) {
        let mut reply = None;
        for step in 0..=limits.actions {
            match program.next(reply) {
                Next::Finished { error, output } => {
                    assert!(error.is_none_or(|error| !error.to_string().is_empty()));
                    assert!(output.len() <= limits.output);
                    return;
                }
                Next::Act(action) => reply = Some(ScriptReply { reply: calm(&action, step), now: SimTime::ZERO }),
            }
        }
        panic!("it goes on after its last action");
    }
}

proptest! {
    #[test]
    fn every_program_ends(pieces in proptest::collection::vec(piece(), 0..24)) {
        ends(&pieces.concat());
    }

    #[test]
    fn every_text_ends(source in "(?s).{0,120}") {
        ends(&source);
    }
}
