//! Lines made by chance: each is read or refused, and none is too much.

use proptest::prelude::*;

use super::parse;

/// Pieces of command lines, so that chance finds its way past the first word.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "kubectl",
        "get",
        "describe",
        "logs",
        "top",
        "events",
        "rollout",
        "restart",
        "undo",
        "status",
        "scale",
        "set",
        "image",
        "env",
        "resources",
        "autoscale",
        "patch",
        "create",
        "apply",
        "delete",
        "cordon",
        "drain",
        "pods",
        "deployment",
        "deploy/catalogue",
        "pod/",
        "/",
        "hpa",
        "nodes",
        "quota",
        "catalogue",
        "a=b",
        "a-",
        "-",
        "--",
        "-f",
        "-n",
        "-p",
        "-o",
        "-l",
        "-c",
        "--replicas=3",
        "--limits=cpu=1",
        "--limits=,",
        "--for",
        "--tail=-1",
        "--cpu=%",
        "'",
        "\"",
        "\\",
        "\n",
        "`",
        "$",
        "#",
        "*=",
        "{}",
        "'{\"spec\":{}}'",
        "kind: Service",
        "é",
        "\u{0}",
    ];
    prop_oneof![4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"]
}

proptest! {
    #[test]
    fn no_command_line_panics(pieces in proptest::collection::vec((piece(), prop_oneof![Just(" "), Just("")]), 0..12)) {
        let line: String = pieces.iter().flat_map(|(piece, space)| [piece.as_str(), *space]).collect();
        if let Err(refusal) = parse(&line) {
            prop_assert!(!refusal.to_string().trim().is_empty());
        }
    }

    #[test]
    fn no_text_panics(line in "(?s).{0,120}") {
        if let Err(refusal) = parse(&line) {
            prop_assert!(!refusal.to_string().trim().is_empty());
        }
    }
}
