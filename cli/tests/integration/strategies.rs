//! Strategies that ship, and what is said of models that play by them.

use std::fs;

use super::{failure, json, sockpit, stdout};

#[test]
fn what_ships_is_listed_with_how_it_plays() {
    let shipped = datasets::strategies::shipped();
    let text = stdout(&["strategies"]);
    assert_eq!(text.lines().count(), 1 + shipped.len(), "{text}");
    let listed = json(&["strategies", "--json"]);
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, shipped);
    let runbook = listed.as_array().unwrap().iter().find(|s| s["name"] == "runbook-manager").unwrap();
    assert_eq!((&runbook["mechanism"], &runbook["manager"]), (&"managed".into(), &"runbook".into()));
    assert_eq!((&runbook["agent"], &runbook["memory"]), (&serde_json::Value::Null, &false.into()));
    let managers = [
        ("kubectl", "--model"),
        ("managed-typed", "--model"),
        ("peers", "none"),
        ("runbook-manager", "runbook"),
        ("solo-critic-memory", "none"),
    ];
    for (name, manager) in managers {
        let line = text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
        let cells: Vec<&str> = line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells[4], manager, "{text}");
    }
}

#[test]
fn a_shipped_strategy_is_named_wherever_a_file_is_and_a_file_comes_first() {
    let by_name = json(&["run", "acv/low/scale", "--strategy", "managed-typed", "--model", "runbook", "--json"]);
    let by_path =
        json(&["run", "acv/low/scale", "--strategy", "strategies/managed-typed.yaml", "--model", "runbook", "--json"]);
    assert_eq!((&by_name["model"], &by_name["reward"]), (&"managed-typed".into(), &by_path["reward"]));
    let compared = json(&[
        "compare",
        "--scenario",
        "acv/low/scale",
        "--trials",
        "1",
        "--ceiling",
        "none",
        "--contender",
        "mine=peers,model=runbook",
        "--json",
    ]);
    assert_eq!(compared[1]["model"], "mine");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("managed-typed");
    fs::write(&file, "apiVersion: sockpit/v1alpha1\nkind: Strategy\nmecanism: solo\n").unwrap();
    let broken = failure(&["run", "acv/low/scale", "--strategy", file.to_str().unwrap(), "--model", "runbook"]);
    assert!(broken.starts_with("exit 2\n") && broken.contains("mecanism"), "{broken}");
    let unknown = failure(&["run", "acv/low/scale", "--strategy", "managd-typed", "--model", "runbook"]);
    assert!(unknown.starts_with("exit 2\n") && unknown.contains("did you mean `managed-typed`?"), "{unknown}");
    let nobody = failure(&["run", "acv/low/scale", "--strategy", "managed-typed"]);
    assert!(nobody.contains("the strategy names no model\n  help: name one with --model"), "{nobody}");
}

/// `--max-cost` would never be reached by a model whose price nobody knows.
#[test]
fn a_model_without_a_price_is_named_once_where_money_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models.yaml");
    let local = "base_url: http://127.0.0.1:9/v1, model: m";
    let text = format!(
        "apiVersion: sockpit/v1alpha1\nkind: Models\nmodels:\n  dear: {{{local}, price: {{input: 1, output: 2}}}}\n  \
         unknown: {{{local}}}\n"
    );
    fs::write(&models, text).unwrap();
    let compare = |more: &[&str]| {
        let models = models.to_str().unwrap();
        let arguments = ["compare", "--scenario", "acv/low/scale", "--dry-run", "--models", models];
        let output = sockpit(&[&arguments[..], more].concat());
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).unwrap()
    };
    let both = ["--model", "dear", "--model", "unknown", "--contender", "mine=solo-critic-memory,model=unknown"];
    let said = compare(&[&both[..], &["--max-cost", "1"]].concat());
    assert_eq!(said.matches("--max-cost does not count what unknown costs").count(), 1, "{said}");
    assert!(said.contains("\n  help: describe the model in a --models file, with `price:"), "{said}");
    assert!(!said.contains("what dear costs"), "{said}");
    let unlimited = compare(&both);
    assert!(!unlimited.contains("--max-cost"), "without a limit there is nothing to warn of: {unlimited}");
}
