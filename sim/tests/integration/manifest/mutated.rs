//! Real manifests with random damage either load or are refused helpfully; nothing panics.

use proptest::prelude::*;
use sim::diagnostic::Source;

use super::{assert_helpful, source};

macro_rules! shop_file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../../datasets/apps/sock-shop/", $path)))
    };
}

/// Objects of every kind.
const FILES: [(&str, &str); 6] = [
    shop_file!("manifests/carts-dep.yaml"),
    shop_file!("manifests/front-end-dep.yaml"),
    shop_file!("manifests/rabbitmq-dep.yaml"),
    shop_file!("manifests/rabbitmq-svc.yaml"),
    shop_file!("manifests/sock-shop-ns.yaml"),
    shop_file!("overlays/autoscaling/cart-hpa.yaml"),
];

const OVERLAY: (&str, &str) = shop_file!("overlays/acv/probes.yaml");

/// What breaks YAML and readers of YAML.
const NASTY: [&str; 24] = [
    "",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\t",
    "&a ",
    "*a",
    "<<: *a",
    "!!int ",
    "|",
    ">-",
    "---",
    "...",
    "\"",
    "'",
    "#",
    "null",
    "-1",
    "99999999999999999999",
    "é\u{0}\u{feff}",
    "%YAML 9",
];

#[derive(Clone, Debug)]
enum Damage {
    DeleteLine(usize),
    DuplicateLine(usize),
    SwapLines(usize, usize),
    Indent(usize),
    ReplaceValue(usize, String),
    ReplaceLine(usize, String),
    FlipCharacter(usize, char),
    InsertNasty(usize, usize),
    Truncate(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<usize>();
    prop_oneof![
        at.prop_map(Damage::DeleteLine),
        at.prop_map(Damage::DuplicateLine),
        (at, at).prop_map(|(a, b)| Damage::SwapLines(a, b)),
        at.prop_map(Damage::Indent),
        (at, "[a-zA-Z0-9:/%. -]{0,12}").prop_map(|(i, text)| Damage::ReplaceValue(i, text)),
        (at, "\\PC{0,40}").prop_map(|(i, text)| Damage::ReplaceLine(i, text)),
        (at, any::<char>()).prop_map(|(i, c)| Damage::FlipCharacter(i, c)),
        (at, at).prop_map(|(i, j)| Damage::InsertNasty(i, j)),
        at.prop_map(Damage::Truncate),
    ]
}

fn apply(text: &str, damage: &Damage) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut characters: Vec<char> = text.chars().collect();
    if lines.is_empty() {
        return text.to_owned();
    }
    let (line, character) = (lines.len(), characters.len());
    match damage {
        Damage::DeleteLine(i) => {
            lines.remove(i % line);
        }
        Damage::DuplicateLine(i) => lines.insert(i % line, lines[i % line].clone()),
        Damage::SwapLines(i, j) => lines.swap(i % line, j % line),
        Damage::Indent(i) => lines[i % line].insert_str(0, "  "),
        Damage::ReplaceLine(i, new) => lines[i % line].clone_from(new),
        Damage::ReplaceValue(i, new) => {
            let line = &mut lines[i % line];
            let end = line.find(": ").map_or(line.len(), |colon| colon + 2);
            line.replace_range(end.., new);
        }
        Damage::FlipCharacter(i, c) => {
            characters[i % character] = *c;
            return characters.into_iter().collect();
        }
        Damage::InsertNasty(i, j) => {
            let nasty = NASTY[j % NASTY.len()].chars();
            characters.splice(i % character..i % character, nasty);
            return characters.into_iter().collect();
        }
        Damage::Truncate(i) => {
            characters.truncate(i % character);
            return characters.into_iter().collect();
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_manifests_load_or_are_refused_helpfully(
        damages in prop::collection::vec((0..FILES.len() + 1, damage()), 1..6),
    ) {
        let mut files: Vec<Source> = FILES.iter().chain([&OVERLAY]).map(|(path, text)| source(path, text)).collect();
        for (i, damage) in &damages {
            files[*i].text = apply(&files[*i].text, damage);
        }
        let (manifests, overlay) = files.split_at(FILES.len());
        match sim::manifest::load(manifests, overlay) {
            Ok((_, warnings)) => warnings.iter().for_each(|w| assert_helpful(w, &files)),
            Err(mistakes) => {
                prop_assert!(!mistakes.0.is_empty());
                mistakes.0.iter().for_each(|m| assert_helpful(m, &files));
            }
        }
    }
}
