//! Programs over the typed calls: what they do, what they are told, and that each of them ends.

mod chance;

use agents::mechanism::Mechanism;
use agents::policy::Reply;
use agents::tools::script::{Limits, Next, Program, ScriptError, ScriptReply, tools};
use agents::tools::{Parsed, ToolForm, for_agent, parse_agent, typed};
use serde_json::{Value, json};
use sim::environment::{Action, Observation, Query, Write};
use sim::time::{SimDuration, SimTime};

/// How a program went.
#[derive(Debug, PartialEq)]
struct Played {
    actions: Vec<Action>,
    output: String,
    error: Option<ScriptError>,
}

fn play_within(limits: &Limits, source: &str, world: impl Fn(&Action, usize) -> Reply) -> Played {
    let mut program = Program::new(source, limits).expect(source);
    let mut actions: Vec<Action> = Vec::new();
    let mut next = program.next(None);
    loop {
        match next {
            Next::Act(action) => {
                let now = SimTime::from_secs_f64(actions.len() as f64);
                let reply = world(&action, actions.len());
                actions.push(action);
                next = program.next(Some(ScriptReply { reply, now }));
            }
            Next::Finished { output, error } => return Played { actions, output, error },
        }
    }
}

fn play(source: &str, world: impl Fn(&Action, usize) -> Reply) -> Played {
    play_within(&Limits::default(), source, world)
}

fn vector(rows: &[(&str, f64)]) -> Reply {
    let row = |(name, value): &(&str, f64)| json!({"metric": {"name": name}, "value": [60.0, value.to_string()]});
    let result: Vec<Value> = rows.iter().map(row).collect();
    Reply::Seen(Observation::Metrics(json!({"resultType": "vector", "result": result})))
}

/// A world in which every look at a metric sees the same number, and every change is made.
fn calm(action: &Action, _: usize) -> Reply {
    match action {
        Action::Observe(Query::Metrics(_)) => vector(&[("catalogue", 0.25), ("carts", 0.5)]),
        Action::Observe(_) => Reply::Seen(Observation::Pods(Vec::new())),
        Action::Write(_) => Reply::Done("done".into()),
        _ => Reply::Noted,
    }
}

fn prints(source: &str, expected: &str) {
    let played = play(source, calm);
    assert_eq!((played.output.as_str(), played.error), (expected, None), "{source}");
}

fn scale(component: &str, replicas: u32) -> Action {
    Action::Write(Write::Scale { component: component.into(), replicas })
}

#[test]
fn programs_compute() {
    for (source, expected) in [
        ("let x = 1;", ""),
        ("print(1 + 2);", "3"),
        ("print(\"a\"); print([1, 2.5, \"b\", ()]);", "a\n[1, 2.5, \"b\", ()]"),
        ("#{a: 1, b: [true]}", "#{a: 1, b: [true]}"),
        ("let sum = 0; for i in 0..10 { sum += i; } sum", "45"),
        ("fn twice(x) { x * 2 } print(twice(21));", "42"),
        ("print([1, 2, 3].filter(|x| x > 1).map(|x| x * 10));", "[20, 30]"),
        ("print([1, [2]] == [1, [2]]); print(#{a: 1} != #{a: 1.0}); print([1] == [\"1\"]);", "true\nfalse\nfalse"),
        ("```rhai\nprint(`${1 + 1} pods`);\n```", "2 pods"),
        ("debug(\"x\"); return 5; print(6);", "\"x\"\n5"),
    ] {
        prints(source, expected);
    }
}

#[test]
fn calls_are_made_one_after_the_other_and_answered() {
    let source = r#"
        for row in query_metrics("sum by (name) (cpu)") {
            if row.value > 0.3 { print(row.labels.name + ": " + scale(row.labels.name, 3)); }
        }
        let before = metric("latency");
        wait("30s");
        print(metric("latency") - before);
    "#;
    let played = play(source, calm);
    let query = |promql: &str| typed::parse("query_metrics", &json!({"promql": promql})).unwrap();
    let expected = vec![
        query("sum by (name) (cpu)"),
        scale("carts", 3),
        query("latency"),
        Action::Wait(SimDuration::from_secs(30)),
        query("latency"),
    ];
    assert_eq!(played, Played { actions: expected, output: "carts: done\n0.0".into(), error: None });
    assert_eq!(play(source, calm), play(source, calm));
}

#[test]
fn every_typed_call_is_a_function() {
    for tool in typed::all() {
        let arguments = sample(&tool.parameters);
        let action = typed::parse(tool.name, &arguments).unwrap_or_else(|e| panic!("{arguments}: {e}"));
        let fields = arguments.as_object().unwrap().iter();
        let fields: Vec<String> = fields.map(|(name, value)| format!("{name}: {value}")).collect();
        let source = format!("{}(#{{{}}})", tool.name, fields.join(", "));
        assert_eq!(play(&source, calm).actions, std::slice::from_ref(&action), "{source}");
        // The same in the declared order, as far as they are given without a gap.
        let order = typed::parameters(tool.name).unwrap();
        let given: Vec<String> = order.iter().map_while(|name| arguments.get(*name)).map(Value::to_string).collect();
        if given.len() == fields.len() {
            let source = format!("{}({})", tool.name, given.join(", "));
            assert_eq!(play(&source, calm).actions, [action], "{source}");
        }
    }
}

/// Arguments that fit a tool's schema: those that must be there.
fn sample(schema: &Value) -> Value {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let argument = |name: &Value| {
        let name = name.as_str().expect("a name");
        let of = &schema["properties"][name];
        let value = match (name, of["type"].as_str()) {
            ("duration", _) => json!("30s"),
            ("kind", _) => json!("NetworkPolicy"),
            (_, Some("integer")) => json!(2),
            (_, Some("boolean")) => json!(true),
            _ => json!("x"),
        };
        (name.to_owned(), value)
    };
    Value::Object(required.iter().map(argument).collect())
}

#[test]
fn arguments_stand_in_order_or_in_a_map() {
    let log = typed::parse("get_logs", &json!({"of": "carts", "previous": true, "tail": 5})).unwrap();
    for source in [
        "get_logs(\"carts\", true, 5)",
        "get_logs(#{of: \"carts\", previous: true, tail: 5})",
        "let last = 5; get_logs(\"carts\", 1 < 2, last)",
    ] {
        assert_eq!(play(source, calm).actions, std::slice::from_ref(&log), "{source}");
    }
    // What was worked out from readings.
    assert_eq!(play("scale(\"carts\", (metric(\"x\") * 10.0).ceiling())", calm).actions[1], scale("carts", 3));
    assert_eq!(play("list_pods()", calm).output, "No resources found.");
    assert_eq!(play("list_pods(())", calm).actions, play("list_pods(#{})", calm).actions);
}

#[test]
fn answers_become_values() {
    let range = |_: &Action, _: usize| {
        let series = json!({"metric": {"name": "carts"}, "values": [[0.0, "1"], [15.0, "2"], [30.0, "NaN"]]});
        Reply::Seen(Observation::Metrics(json!({"resultType": "matrix", "result": [series]})))
    };
    let source =
        "let row = query_metrics(\"up\", \"1m\", \"15s\")[0]; print(row.times); print(row.values); row.labels.name";
    assert_eq!(play(source, range).output, "[0.0, 15.0, 30.0]\n[1.0, 2.0, NaN]\ncarts");
    let scalar =
        |_: &Action, _: usize| Reply::Seen(Observation::Metrics(json!({"resultType": "scalar", "result": [0.0, "7"]})));
    assert_eq!(play("metric(\"7\")", scalar).output, "7.0");
    assert_eq!(play("query_metrics(\"7\")[0].value", scalar).output, "7.0");
    let nothing = |_: &Action, _: usize| vector(&[("carts", f64::NAN)]);
    assert_eq!(play("if metric(\"x\") == () { \"none\" } else { \"some\" }", nothing).output, "none");
    let many = |_: &Action, _: usize| vector(&[("carts", 1.0); 400]);
    let told = "try { query_metrics(\"x\") } catch (e) { print(e); }";
    assert!(play(told, many).output.contains("the answer has 400 series"), "{:?}", play(told, many));
}

#[test]
fn what_is_refused_can_be_caught() {
    let refusing = |_: &Action, _: usize| Reply::Rejected("deployments.apps \"x\" not found".into());
    let played = play("try { scale(\"x\", 1); print(1); } catch (e) { print(`told: ${e}`); } print(2);", refusing);
    assert_eq!(played.output, "told: deployments.apps \"x\" not found\n2");
    assert_eq!(played.error, None);
    let failed = play("print(1);\nscale(\"x\", 1);\nprint(2);", refusing);
    assert_eq!(failed.output, "1");
    let problem = failed.error.unwrap().to_string();
    assert!(problem.contains("not found") && problem.contains("line 2"), "{problem}");
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (source, part) in [
        ("scale(\"x\", -1)", "scale: invalid value"),
        ("scale(\"x\")", "missing field `replicas`"),
        ("scale(#{component: \"x\", replica: 1})", "unknown field `replica`"),
        ("scale(\"x\", 1, 2)", "the functions are metric, list_pods"),
        ("scael(\"x\", 1)", "Function not found: scael"),
        ("list_nodes(1)", "it takes no arguments"),
        ("wait(\"soon\")", "not a duration"),
        ("set_resources(\"x\", 0.0/0.0)", "not a number that a call can take"),
        ("\n\nprint(y);", "line 3"),
        ("throw \"enough\";", "enough"),
        ("let a = [1]; a[5]", "line 1"),
        ("1 / 0", "line 1"),
    ] {
        let played = play(source, calm);
        let problem = played.error.expect(source).to_string();
        assert!(problem.contains(part), "{source}: {problem}");
        assert_eq!(played.actions, [], "{source}");
    }
    for (source, part) in [
        ("", "the script is empty"),
        ("```\n```", "the script is empty"),
        ("let x = ;", "line 1"),
        ("print(1)\nprint(2)", "line 2"),
        ("def f():\n  pass", "cannot be read"),
        ("eval(\"1\")", "cannot be read"),
        ("import \"x\" as y;", "cannot be read"),
    ] {
        let problem = Program::new(source, &Limits::default()).expect_err(source).to_string();
        assert!(problem.contains(part), "{source}: {problem}");
    }
    let long = "x".repeat(20_000);
    assert!(matches!(Program::new(&long, &Limits::default()), Err(ScriptError::TooLong { length: 20_000, .. })));
}

#[test]
fn a_report_ends_the_program() {
    let played = play("print(1); report(true); print(2);", calm);
    assert!(matches!(played.actions.as_slice(), [Action::Report(conclusion)] if conclusion.healthy));
    assert_eq!((played.output.as_str(), played.error), ("1", None));
    let stubborn =
        "fn end() { try { [1].map(|x| report(#{healthy: true})); } catch { } scale(\"x\", 1); } end(); end();";
    assert_eq!(play(stubborn, calm).actions.len(), 1);
    let early = play("for i in 0..9 { if i == 2 { return i; } scale(\"x\", i); }", calm);
    assert_eq!((early.actions.len(), early.output.as_str()), (2, "2"));
}

#[test]
fn every_limit_stops_a_program_and_says_so() {
    let limits = Limits { actions: 3, output: 100, ..Limits::default() };
    for (source, expected) in [
        ("loop { }", ScriptError::Operations { limit: limits.operations }),
        ("let x = 0; while true { x += 1; }", ScriptError::Operations { limit: limits.operations }),
        ("try { loop { } } catch { } print(1);", ScriptError::Operations { limit: limits.operations }),
        ("loop { try { [1].map(|x| { loop { } }) } catch { } }", ScriptError::Operations { limit: limits.operations }),
        ("fn f(n) { f(n + 1) } f(0)", ScriptError::CallLevels { limit: limits.call_levels }),
        ("loop { wait(\"1s\"); }", ScriptError::Actions { limit: 3 }),
        ("loop { try { scale(\"x\", 1); } catch { } }", ScriptError::Actions { limit: 3 }),
        ("loop { try { [1].map(|x| scale(\"x\", x)); } catch { } }", ScriptError::Actions { limit: 3 }),
        ("loop { print(\"word\"); }", ScriptError::Output { limit: 100 }),
        ("let s = \"x\"; loop { s += s; }", size()),
        ("let s = \"x\"; s.pad(1000000, 'y'); s", size()),
        ("let a = []; loop { a.push(1); }", size()),
        ("let a = [1]; loop { a += a; }", size()),
        (
            "let m = #{}; let i = 0; loop { m[i.to_string()] = 1; i += 1; }",
            ScriptError::Operations { limit: limits.operations },
        ),
    ] {
        let played = play_within(&limits, source, calm);
        let error = played.error.clone().expect(source);
        match (&error, &expected) {
            (ScriptError::Size { .. }, ScriptError::Size { .. }) => {}
            _ => assert_eq!(error, expected, "{source}"),
        }
        assert!(error.to_string().starts_with("the script was stopped"), "{error}");
        assert!(played.output.len() <= 100 && played.actions.len() <= 3, "{played:?}");
    }
    let variables = (0..200).map(|i| format!("let v{i} = 1;")).collect::<Vec<_>>().concat();
    assert_eq!(play(&variables, calm).error, Some(ScriptError::Variables { limit: 100 }));
    let busy = "loop { for i in 0..3000 { } wait(\"1s\"); }";
    let limits = Limits { operations: 1_000_000, actions: 1_000, ..Limits::default() };
    let expected = ScriptError::AllOperations { limit: limits.all_operations };
    assert_eq!(play_within(&limits, busy, calm).error, Some(expected));
}

fn size() -> ScriptError {
    ScriptError::Size { what: String::new() }
}

#[test]
fn deep_nesting_is_no_way_to_break_the_stack() {
    let nested =
        "let a = []; let b = []; let m = #{}; for i in 0..900 { a = [a]; b = [b]; } for i in 0..450 { m = #{m: m}; }";
    for rest in [
        "print(a);",
        "print(m);",
        "a == b",
        "a.contains(b)",
        "m == m",
        "`${a}`",
        "throw a;",
        "throw m;",
        "scale(a, 1)",
        "scale(m)",
        "a.len()",
        "let c = a; c.push(1); c.len()",
        "m.to_json()",
        "debug(a)",
        "\"\" + a",
        "a.to_string()",
        "[a].index_of(b)",
        "a[b]",
        "a + 1",
    ] {
        let played = play(&format!("{nested} {rest}"), calm);
        assert_eq!(played.actions, [], "{rest}");
    }
    let deep = |n: usize| format!("fn f(n) {{ {}f(n + 1){} }} f(0)", "(".repeat(n), ")".repeat(n));
    for n in 0..40 {
        if let Ok(mut program) = Program::new(&deep(n), &Limits::default()) {
            assert!(matches!(program.next(None), Next::Finished { error: Some(_), .. }), "{n}");
        }
    }
    for open in ["(", "[", "{", "-", "!", "#{a:", "if true {", "f(", "|x| ", "fn f() {"] {
        assert!(Program::new(&open.repeat(1_500), &Limits::default()).is_err(), "{open}");
    }
}

#[test]
fn the_form_is_one_tool_and_the_end_of_the_task() {
    let names: Vec<_> = tools(Mechanism::Solo).iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["run_script", "declare", "report"]);
    let listed = |mechanism| tools(mechanism)[0].description;
    assert!(listed(Mechanism::Solo).contains("\n- scale(component, replicas): "));
    assert!(listed(Mechanism::Solo).contains("\n- get_logs(of, previous?, tail?): "));
    assert!(!listed(Mechanism::Solo).contains("- ask_peer("));
    assert!(listed(Mechanism::Peers).contains("- ask_peer(component, text, goal?)"));
    assert!(listed(Mechanism::Managed).contains("- raise_issue(text)"));
    let parsed = parse_agent(ToolForm::Script, "sock-shop", "run_script", &json!({"script": "print(1);"})).unwrap();
    assert!(matches!(parsed, Parsed::Run(_)));
    let parsed = parse_agent(ToolForm::Script, "sock-shop", "report", &json!({"healthy": true})).unwrap();
    assert!(matches!(parsed, Parsed::Act(Action::Report(_))));
    for (name, arguments, part) in [
        ("run_script", json!({"script": "let ;"}), "cannot be read"),
        ("run_script", json!({}), "missing field `script`"),
        ("scale", json!({}), "unknown tool `scale`"),
    ] {
        let error = parse_agent(ToolForm::Script, "sock-shop", name, &arguments).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    for form in ToolForm::ALL {
        for mechanism in Mechanism::ALL {
            for tool in for_agent(form, mechanism) {
                assert!(tool.parameters["type"] == "object" && !tool.description.is_empty(), "{}", tool.name);
            }
        }
    }
}
