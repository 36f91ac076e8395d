//! What chat models are asked: whole conversations of agents, managers and critics, in every mechanism and form. Worlds
//! that differ only in names and truths make the same requests, to the byte; and what leaks into one of them is seen in
//! all.

use std::sync::Arc;

use agents::episode::{self, Cast, Log};
use agents::mechanism::Mechanism;
use agents::model::{ChatRequest, Completion, Message};
use agents::policy::chat::{ChatLimits, ChatSettings};
use agents::policy::{AutonomicAgent, Chat, GroupManager};
use agents::prompts::Prompts;
use agents::tools::ToolForm;
use datasets::scenarios::{self, Loaded};
use serde_json::{Value, json};
use sim::environment::{Environment, Stage, ready};
use sim::world::Twin;

use super::{CANARY, faulty, leak, renamed, telltale};
use crate::play::{set_up, shipped};
use crate::puppet::{Puppet, call, calls};

/// Everything that models were asked, as JSON: those of agents, of the manager, and the critic of both.
type Asked = [Vec<String>; 3];

/// Plays models that look at everything, change something, turn to others as the mechanism lets them, and quote what they
/// read. `hint` is told with the task.
fn asked<W: Environment + Stage>(
    loaded: &Loaded,
    (mechanism, form): (Mechanism, ToolForm),
    world: impl FnOnce(Twin) -> W,
    hint: &str,
) -> Asked {
    let root = loaded.scenario.value.task.agent.clone();
    let agent = {
        let root = root.clone();
        Puppet::new(move |_, request| Ok(operate(&root, mechanism, form, request)))
    };
    let manager = Puppet::new(move |_, request| Ok(manage(&root, request)));
    let critic = Puppet::in_order(vec![Ok(call("verdict", &json!({"approve": true, "reason": "go on"})))]);
    let limits = ChatLimits { context_tokens: 100_000, ..ChatLimits::default() };
    let settings = ChatSettings { mechanism, form, limits, memory: Some(String::new()) };
    let prompts = Arc::new(Prompts::default());
    let cast = Cast::of_agents(|_| {
        let chat = Chat::<AutonomicAgent>::new(agent.clone(), Arc::clone(&prompts), settings.clone());
        Box::new(chat.with_critic(critic.clone()))
    });
    let chat = Chat::<GroupManager>::new(manager.clone(), Arc::clone(&prompts), settings.clone());
    let cast = cast.under(chat.with_critic(critic.clone()));
    set_up(loaded, Some(mechanism), 1, |mut setup, twin| {
        setup.task.text.push_str(hint);
        setup.group.text.push_str(hint);
        let mut world = world(twin);
        ready(episode::play(&mut world, &setup, cast, None, &mut Log::new(None))).expect("the twin is always there");
    });
    [&agent, &manager, &critic].map(|model| {
        let requests = model.asked();
        requests.iter().map(|request| serde_json::to_string(request).expect("JSON")).collect()
    })
}

/// The part of a system prompt between two others.
fn between<'a>(request: &'a ChatRequest, before: &str, behind: &str) -> &'a str {
    let Some(Message::System { text }) = request.messages.first() else { panic!("no prompt: {request:?}") };
    let part = text.split_once(before).and_then(|(_, rest)| rest.split_once(behind));
    part.unwrap_or_else(|| panic!("no `{before}` in {text}")).0
}

/// How often the model has answered in this conversation.
fn turn(request: &ChatRequest) -> usize {
    request.messages.iter().filter(|message| matches!(message, Message::Assistant { .. })).count()
}

/// How every answer of a tool begins and ends.
fn quote(request: &ChatRequest) -> String {
    let parts = request.messages.iter().filter_map(|message| match message {
        Message::Tool { text, .. } => {
            let length = text.chars().count();
            let ends = text.chars().enumerate().filter(|(at, _)| *at < 200 || *at + 200 >= length);
            Some(ends.map(|(_, character)| character).collect::<String>())
        }
        _ => None,
    });
    parts.collect::<Vec<_>>().join(" | ")
}

/// One answer of an agent's model.
fn operate(root: &str, mechanism: Mechanism, form: ToolForm, request: &ChatRequest) -> Completion {
    let own = between(request, "autonomic agent of `", "`");
    let other = if own == "front-end" { "catalogue" } else { "front-end" };
    match (turn(request), mechanism) {
        (2, Mechanism::Managed) if own == root => turns_to(form, "raise_issue", &[("text", &quote(request))]),
        (2, Mechanism::Peers) if own == root => {
            let question = quote(request);
            turns_to(form, "ask_peer", &[("component", other), ("text", &question), ("goal", "check-health")])
        }
        (0 | 2, _) => looks(form, own),
        (1, _) => changes(form, own),
        _ => call("report", &json!({"healthy": false, "actions_taken": quote(request)})),
    }
}

/// One answer of a manager's model.
fn manage(root: &str, request: &ChatRequest) -> Completion {
    let work = |component: &str| json!({"component": component, "text": "How are you?", "goal": "check-health"});
    let group = between(request, "that runs on Kubernetes: ", ". Each").split(", ");
    match turn(request) {
        0 => {
            let others: Vec<Value> = group.filter(|component| *component != root).take(2).map(work).collect();
            call("assign_tasks", &json!({"tasks": others}))
        }
        1 => call("read_graph", &json!({})),
        2 => call("assign_tasks", &json!({"tasks": [work(root)]})),
        _ => call("conclude", &json!({"healthy": false, "actions_taken": quote(request)})),
    }
}

/// Everything that there is to see.
fn looks(form: ToolForm, own: &str) -> Completion {
    let component = json!({"component": own});
    let metrics = ("query_metrics", json!({"promql": "{job=~\".+\"}"}));
    match form {
        ToolForm::Typed => calls(&[
            ("get_logs", json!({"of": own, "tail": 100})),
            ("list_pods", json!({})),
            ("describe", component.clone()),
            ("get_events", json!({})),
            ("resource_usage", json!({})),
            metrics,
            ("dependencies", component.clone()),
            ("rollout_history", component),
        ]),
        ToolForm::Kubectl => {
            let kubectl = |command: &str| ("kubectl", json!({"command": command.replace("OWN", own)}));
            calls(&[
                kubectl("kubectl logs deployment/OWN --tail=100"),
                kubectl("kubectl get pods -o wide"),
                kubectl("kubectl describe deployment OWN"),
                kubectl("kubectl get events"),
                kubectl("kubectl top pods"),
                metrics,
                ("dependencies", component),
                kubectl("kubectl rollout history deployment/OWN"),
            ])
        }
        ToolForm::Script => program(
            own,
            &[
                "get_logs(OWN, false, 1)",
                "list_pods()",
                "resource_usage()",
                "rollout_history(OWN)",
                "describe(OWN)",
                "get_events()",
            ],
        ),
    }
}

/// More to see, and a change between.
fn changes(form: ToolForm, own: &str) -> Completion {
    let wait = ("wait", json!({"duration": "45s"}));
    match form {
        ToolForm::Typed => calls(&[
            ("list_nodes", json!({})),
            ("list_policies", json!({})),
            ("get_logs", json!({"of": own, "previous": true, "tail": 100})),
            ("get_logs", json!({"of": own, "tail": 10})),
            ("restart", json!({"component": own})),
            wait,
            ("get_events", json!({"component": own})),
            ("get_logs", json!({"of": own, "tail": 10})),
        ]),
        ToolForm::Kubectl => {
            let kubectl = |command: &str| ("kubectl", json!({"command": command.replace("OWN", own)}));
            calls(&[
                kubectl("kubectl get nodes"),
                kubectl("kubectl get quota,pdb,netpol"),
                kubectl("kubectl logs deployment/OWN --previous"),
                kubectl("kubectl logs deployment/OWN --tail=10"),
                kubectl("kubectl rollout restart deployment/OWN"),
                wait,
                kubectl("kubectl get pods -n kube-system"),
                kubectl("kubectl logs deployment/OWN --tail=10"),
            ])
        }
        ToolForm::Script => program(
            own,
            &[
                "get_logs(OWN, false, 1)",
                "restart(OWN)",
                "wait(\"45s\")",
                "list_nodes()",
                "list_policies()",
                "get_logs(OWN, true, 9)",
            ],
        ),
    }
}

/// A script that makes calls one after the other, whatever comes of each.
fn program(own: &str, operations: &[&str]) -> Completion {
    let own = json!(own).to_string();
    let line = |operation: &&str| {
        format!("try {{ print({}); }} catch (why) {{ print(why); }}", operation.replace("OWN", &own))
    };
    call("run_script", &json!({"script": operations.iter().map(line).collect::<Vec<_>>().join("\n")}))
}

/// A call of a tool that is a function in scripts.
fn turns_to(form: ToolForm, tool: &str, arguments: &[(&str, &str)]) -> Completion {
    if form == ToolForm::Script {
        // A text of Rhai is written as in JSON.
        let values: Vec<String> = arguments.iter().map(|(_, value)| json!(value).to_string()).collect();
        return call("run_script", &json!({"script": format!("print({tool}({}));", values.join(", "))}));
    }
    let fields = arguments.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
    call(tool, &Value::Object(fields.collect()))
}

fn combinations() -> Vec<(Mechanism, ToolForm)> {
    let with = |mechanism: Mechanism| ToolForm::ALL.into_iter().map(move |form| (mechanism, form));
    Mechanism::ALL.into_iter().flat_map(with).collect()
}

/// The paper's faults behind a group of services.
fn in_groups() -> impl Iterator<Item = String> {
    let names = scenarios::shipped().into_iter().filter(|name| name.starts_with("acv/high/"));
    names.filter(|name| !shipped(name).scenario.value.faults.is_empty())
}

/// The first request that tells two worlds apart, or holds what none may hold.
fn first_leak(plain: &[String], secret: &[String]) -> Option<String> {
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    let secret: Vec<&str> = secret.iter().map(String::as_str).collect();
    leak(&plain, &secret).map(ToOwned::to_owned)
}

/// Every scenario in one way to play it, so that each comes often, and one of each kind in all ways.
#[test]
fn no_request_of_a_model_depends_on_names_and_truths() {
    let all = combinations();
    let mut played = 0;
    for (index, name) in faulty().chain(in_groups()).enumerate() {
        let in_all_ways = matches!(name.as_str(), "acv/low/cpu-stress" | "acv/high/bad-tag");
        let chosen = if in_all_ways { &all[..] } else { &all[index % all.len()..][..1] };
        for (mechanism, form) in chosen {
            let way = format!("{name}, {}, {}", mechanism.name(), form.name());
            let plain = asked(&shipped(&name), (*mechanism, *form), |twin| twin, "");
            let secret = asked(&renamed(&name), (*mechanism, *form), |twin| twin, "");
            for (role, (plain, secret)) in ["agents", "manager", "critic"].into_iter().zip(plain.iter().zip(&secret)) {
                assert_eq!(plain.len(), secret.len(), "{way}: how often {role} are asked depends on a name");
                assert_eq!(first_leak(plain, secret), None, "{way}: {role}");
                let is_asked = role != "manager" || *mechanism == Mechanism::Managed;
                assert_eq!(plain.is_empty(), !is_asked, "{way}: {role} were asked {} times", plain.len());
            }
            played += 1;
        }
    }
    assert!(played >= 38 + 18, "only {played} episodes were compared");
}

#[test]
fn a_leak_on_purpose_reaches_every_role_and_is_caught() {
    let name = "acv/low/cpu-stress";
    for mechanism in [Mechanism::Managed, Mechanism::Peers] {
        for form in ToolForm::ALL {
            let plain = asked(&shipped(name), (mechanism, form), |twin| twin, "");
            let leaky = asked(&renamed(name), (mechanism, form), telltale, "");
            for (role, (plain, leaky)) in ["agents", "manager", "critic"].into_iter().zip(plain.iter().zip(&leaky)) {
                if role == "manager" && mechanism == Mechanism::Peers {
                    continue;
                }
                let way = format!("{role}, {}, {}", mechanism.name(), form.name());
                let caught = first_leak(plain, leaky).unwrap_or_else(|| panic!("{way}: nothing was caught"));
                assert!(caught.contains(&format!("experiment {CANARY}/{CANARY} is running")), "{way}: {caught}");
            }
        }
    }
}

/// A prompt that tells more than its role may know is seen in the first request.
#[test]
fn a_task_that_gives_its_scenario_away_is_caught() {
    let [plain, secret] = [shipped("acv/low/cpu-stress"), renamed("acv/low/cpu-stress")].map(|loaded| {
        let hint = format!(" {}", loaded.scenario.value.description);
        asked(&loaded, (Mechanism::Solo, ToolForm::Typed), |twin| twin, &hint)
    });
    let caught = first_leak(&plain[0], &secret[0]).expect("the description is told");
    assert_eq!(caught, secret[0][0]);
    assert!(caught.contains(CANARY), "{caught}");
}
