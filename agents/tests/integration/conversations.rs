//! Chat models that turn to others: an issue for the manager, a question to a peer. The message arrives, its answer comes
//! back into the conversation of the one who asked, and the log says which belongs to which.

use std::sync::Arc;

use agents::episode::{self, Cast, Log};
use agents::mechanism::Mechanism;
use agents::model::{Completion, Message};
use agents::policy::chat::ChatSettings;
use agents::policy::{AutonomicAgent, Chat, GroupManager, Noop, Policy};
use agents::prompts::Prompts;
use agents::tools::ToolForm;
use serde_json::json;
use sim::environment::ready;
use sim::episode::{EndReason, Entry, EpisodeEvent, MANAGER, MessageEvent, MessageKind, MessageState};

use crate::play::{set_up, shipped};
use crate::puppet::{Answer, Puppet, broken, call};

/// Plays models, each by the name of the one for whom it decides; whoever has none does nothing.
fn play(scenario: &str, mechanism: Mechanism, form: ToolForm, models: &[(&str, &Arc<Puppet>)]) -> Vec<Entry> {
    let settings = ChatSettings { mechanism, form, ..ChatSettings::default() };
    let prompts = Arc::new(Prompts::default());
    let model_of = |name: &str| models.iter().find(|(whose, _)| *whose == name).map(|(_, model)| Arc::clone(model));
    let agents = |component: &String| -> Box<dyn Policy<AutonomicAgent>> {
        match model_of(component) {
            Some(model) => Box::new(Chat::<AutonomicAgent>::new(model, Arc::clone(&prompts), settings.clone())),
            None => Box::new(Noop),
        }
    };
    let cast = match model_of(MANAGER) {
        Some(model) => {
            Cast::of_agents(agents).under(Chat::<GroupManager>::new(model, Arc::clone(&prompts), settings.clone()))
        }
        None => Cast::of_agents(agents),
    };
    let entries = set_up(&shipped(scenario), Some(mechanism), 1, |setup, mut world| {
        let mut log = Log::new(None);
        ready(episode::play(&mut world, &setup, cast, None, &mut log)).expect("the twin is always there");
        log.into_entries()
    });
    for request in models.iter().flat_map(|(_, model)| model.asked()) {
        assert_eq!(broken(&request.messages), None);
    }
    let last = entries.last().map(|entry| &entry.event);
    assert_eq!(last, Some(&EpisodeEvent::Ended { reason: EndReason::Completed }));
    entries
}

fn messages(entries: &[Entry]) -> impl Iterator<Item = &MessageEvent> {
    entries.iter().filter_map(|entry| match &entry.event {
        EpisodeEvent::Message(message) => Some(message),
        _ => None,
    })
}

/// Every message that was sent: its number, what it is, from whom to whom, and to which it belongs. Each of them must have
/// been delivered and acknowledged once.
fn sent(entries: &[Entry]) -> Vec<(u64, MessageKind, &str, &str, u64)> {
    let published = messages(entries).filter(|message| matches!(message.state, MessageState::Published { .. }));
    let sent = published.map(|m| (m.message, m.of, m.from.as_str(), m.to.as_str(), m.correlation)).collect::<Vec<_>>();
    for (id, ..) in &sent {
        let states: Vec<&MessageState> = messages(entries).filter(|m| m.message == *id).map(|m| &m.state).collect();
        assert!(
            matches!(
                &states[..],
                [MessageState::Published { .. }, MessageState::Delivered { attempt: 1 }, MessageState::Acknowledged]
            ),
            "message {id}: {states:?}"
        );
    }
    sent
}

/// Who got work, round by round.
fn rounds(entries: &[Entry]) -> Vec<Vec<String>> {
    let rounds = entries.iter().filter_map(|entry| match &entry.event {
        EpisodeEvent::Delegated { receivers, .. } => Some(receivers.clone()),
        _ => None,
    });
    rounds.collect()
}

/// What a model's tools answered in its last conversation.
fn answered(model: &Puppet) -> Vec<String> {
    let answers = model.last_messages().into_iter().filter_map(|message| match message {
        Message::Tool { text, .. } => Some(text),
        _ => None,
    });
    answers.collect()
}

/// The task with which a model's last conversation began.
fn task(model: &Puppet) -> String {
    match model.last_messages().into_iter().nth(1) {
        Some(Message::User { text }) => text,
        other => panic!("no task: {other:?}"),
    }
}

/// The names of the tools that a model was told of last.
fn tools(model: &Puppet) -> Vec<&'static str> {
    let request = model.asked().pop().expect("it was asked");
    request.tools.iter().map(|tool| tool.name).collect()
}

/// A call of a tool that is one of its own in all forms but in scripts, where it is a function.
fn turns_to(form: ToolForm, tool: &str, arguments: &[(&str, &str)]) -> Completion {
    if form == ToolForm::Script {
        let values = arguments.iter().map(|(_, value)| format!("\"{value}\"")).collect::<Vec<_>>().join(", ");
        return call("run_script", &json!({"script": format!("print({tool}({values}));")}));
    }
    let fields = arguments.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
    call(tool, &serde_json::Value::Object(fields.collect()))
}

#[expect(clippy::unnecessary_wraps, reason = "answers of scripted models may be errors")]
fn report(healthy: bool, done: &str) -> Answer {
    Ok(call("report", &json!({"healthy": healthy, "actions_taken": done})))
}

#[expect(clippy::unnecessary_wraps, reason = "answers of scripted models may be errors")]
fn asks(component: &str, text: &str) -> Answer {
    Ok(call("ask_peer", &json!({"component": component, "text": text, "goal": "check-health"})))
}

#[expect(clippy::unnecessary_wraps, reason = "answers of scripted models may be errors")]
fn assigns(work: &[(&str, &str)]) -> Answer {
    let work =
        work.iter().map(|(component, text)| json!({"component": component, "text": text, "goal": "check-health"}));
    Ok(call("assign_tasks", &json!({"tasks": work.collect::<Vec<_>>()})))
}

#[test]
fn an_issue_goes_up_work_goes_down_and_the_conclusion_comes_back() {
    use MessageKind::{Issue, Response, Task};

    let issue = "The database refuses connections, and I cannot change it.";
    for form in ToolForm::ALL {
        let catalogue = Puppet::in_order(vec![
            Ok(turns_to(form, "raise_issue", &[("text", issue)])),
            report(true, "left it to the manager"),
        ]);
        let database = Puppet::in_order(vec![report(true, "looked at my connections")]);
        let conclusion = json!({"healthy": true, "actions_taken": "asked catalogue-db", "mitigated": true});
        let manager = Puppet::in_order(vec![
            assigns(&[("catalogue-db", "See whether you refuse connections.")]),
            Ok(call("conclude", &conclusion)),
        ]);
        let models = [("catalogue", &catalogue), ("catalogue-db", &database), (MANAGER, &manager)];
        let entries = play("acv/low/check-health", Mechanism::Managed, form, &models);
        let expected = [
            (1, Task, "maintainer", "agent/catalogue", 1),
            (2, Issue, "agent/catalogue", "manager", 2),
            (3, Task, "manager", "agent/catalogue-db", 3),
            (4, Response, "agent/catalogue-db", "manager", 3),
            (5, Response, "manager", "agent/catalogue", 2),
            (6, Response, "agent/catalogue", "maintainer", 1),
        ];
        assert_eq!(sent(&entries), expected, "{}", form.name());
        assert_eq!(rounds(&entries), [["catalogue-db"]]);
        // The manager is told of the issue, and then of the answer to what it gave out.
        assert!(task(&manager).contains("The agent of `catalogue` could not solve a task"), "{}", task(&manager));
        assert!(task(&manager).contains(issue), "{}", task(&manager));
        assert_eq!(answered(&manager), ["catalogue-db reports: healthy; done: looked at my connections"]);
        // Who got the work is told of nothing else.
        assert!(task(&database).contains("See whether you refuse connections."), "{}", task(&database));
        assert!(!task(&database).contains(issue), "{}", task(&database));
        // Who raised the issue goes on in the same conversation.
        assert_eq!(answered(&catalogue), ["manager reports: healthy; done: asked catalogue-db; it worked"]);
        assert_eq!([catalogue.asked().len(), database.asked().len(), manager.asked().len()], [2, 1, 2]);
        if form != ToolForm::Script {
            let tools = tools(&catalogue);
            assert!(tools.contains(&"raise_issue") && !tools.contains(&"ask_peer"), "{tools:?}");
        }
    }
}

#[test]
fn work_that_cannot_be_done_goes_back_to_the_manager_who_gives_it_to_another() {
    use MessageKind::{Response, Task};

    let catalogue = Puppet::in_order(vec![
        Ok(turns_to(ToolForm::Typed, "raise_issue", &[("text", "It is front-end that sends too much.")])),
        report(false, "measured again"),
    ]);
    let front_end = Puppet::in_order(vec![report(true, "sent less")]);
    let manager = Puppet::in_order(vec![
        assigns(&[("catalogue", "Use less CPU.")]),
        assigns(&[("front-end", "Send less."), ("catalogue", "Measure again.")]),
        Ok(call("conclude", &json!({"healthy": false, "mitigated": false}))),
    ]);
    let models = [("catalogue", &catalogue), ("front-end", &front_end), (MANAGER, &manager)];
    let entries = play("acv/high/reduce-cpu", Mechanism::Managed, ToolForm::Typed, &models);
    let expected = [
        (1, Task, "maintainer", "manager", 1),
        (2, Task, "manager", "agent/catalogue", 2),
        // It is no issue of its own: it is the answer to the manager's task.
        (3, Response, "agent/catalogue", "manager", 2),
        (4, Task, "manager", "agent/front-end", 4),
        (5, Task, "manager", "agent/catalogue", 5),
        (6, Response, "agent/catalogue", "manager", 5),
        (7, Response, "agent/front-end", "manager", 4),
        (8, Response, "manager", "maintainer", 1),
    ];
    assert_eq!(sent(&entries), expected);
    assert_eq!(rounds(&entries), [vec!["catalogue"], vec!["front-end", "catalogue"]]);
    let both = "front-end reports: healthy; done: sent less\ncatalogue reports: not healthy; done: measured again";
    let unsolved = "catalogue has no report: it could not solve it: It is front-end that sends too much.";
    assert_eq!(answered(&manager), [unsolved, both], "answers come in the order of the work");
    // What it gave back is over: the next work begins a conversation of its own.
    assert_eq!(catalogue.last_messages().len(), 2);
    assert!(task(&catalogue).contains("Measure again."), "{}", task(&catalogue));
}

#[test]
fn a_peer_is_asked_and_its_report_comes_back_without_a_manager() {
    use MessageKind::{Response, Task};

    for form in ToolForm::ALL {
        let question = [("component", "front-end"), ("text", "Are you slow too?"), ("goal", "check-health")];
        let catalogue =
            Puppet::in_order(vec![Ok(turns_to(form, "ask_peer", &question)), report(true, "asked front-end")]);
        let measured = json!({"healthy": true, "values": {"p99": 0.25}});
        let front_end = Puppet::in_order(vec![Ok(call("report", &measured))]);
        let manager = Puppet::in_order(vec![Ok(call("conclude", &json!({"healthy": true})))]);
        let models = [("catalogue", &catalogue), ("front-end", &front_end), (MANAGER, &manager)];
        let entries = play("acv/low/check-health", Mechanism::Peers, form, &models);
        let expected = [
            (1, Task, "maintainer", "agent/catalogue", 1),
            (2, Task, "agent/catalogue", "agent/front-end", 2),
            (3, Response, "agent/front-end", "agent/catalogue", 2),
            (4, Response, "agent/catalogue", "maintainer", 1),
        ];
        assert_eq!(sent(&entries), expected, "{}", form.name());
        assert!(rounds(&entries).is_empty(), "nobody gives out work");
        assert!(task(&front_end).contains("Are you slow too?"), "{}", task(&front_end));
        assert_eq!(answered(&catalogue), ["front-end reports: healthy; p99: 0.25"]);
        assert!(manager.asked().is_empty(), "there is no manager among peers");
        if form != ToolForm::Script {
            let tools = tools(&catalogue);
            assert!(tools.contains(&"ask_peer") && !tools.contains(&"raise_issue"), "{tools:?}");
        }
    }
}

#[test]
fn who_is_asked_may_ask_on_but_not_back() {
    use MessageKind::{Response, Task};

    let catalogue = Puppet::in_order(vec![asks("front-end", "Are you slow too?"), report(true, "")]);
    let front_end = Puppet::in_order(vec![
        asks("catalogue", "Are you?"),
        asks("orders", "Do you wait for anybody?"),
        report(true, "asked orders"),
    ]);
    let orders = Puppet::in_order(vec![report(false, "")]);
    let models = [("catalogue", &catalogue), ("front-end", &front_end), ("orders", &orders)];
    let entries = play("acv/low/check-health", Mechanism::Peers, ToolForm::Typed, &models);
    let expected = [
        (1, Task, "maintainer", "agent/catalogue", 1),
        (2, Task, "agent/catalogue", "agent/front-end", 2),
        (3, Task, "agent/front-end", "agent/orders", 3),
        (4, Response, "agent/orders", "agent/front-end", 3),
        (5, Response, "agent/front-end", "agent/catalogue", 2),
        (6, Response, "agent/catalogue", "maintainer", 1),
    ];
    assert_eq!(sent(&entries), expected);
    let heard = ["error: catalogue is itself waiting for your answer", "orders reports: not healthy"];
    assert_eq!(answered(&front_end), heard);
    assert_eq!(answered(&catalogue), ["front-end reports: healthy; done: asked orders"]);
}
