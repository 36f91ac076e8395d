//! What a chat model's decisions are made of: one call of the model each, or none; a critic; a memory.

use std::sync::Arc;

use agents::mechanism::Mechanism;
use agents::model::{Completion, Message, ModelFailure};
use agents::policy::chat::{ChatLimits, ChatSettings, Seat};
use agents::policy::{
    AutonomicAgent, Chat, Cost, Decided, Decision, GroupAnswer, GroupManager, GroupTaskView, Heard, ManagerHeard,
    Percept, Policy, Reply, TaskView,
};
use agents::prompts::Prompts;
use serde_json::json;
use sim::environment::{Action, Conclusion, Goal, ManagerAction, Write, ready};
use sim::episode::MisstepKind;
use sim::time::{SimDuration, SimTime};

use crate::play::shipped;
use crate::puppet::{Answer, Puppet, broken, call, calls, usage, words};

/// A chat model that is asked by hand.
struct Table<R: Seat> {
    chat: Chat<R>,
    model: Arc<Puppet>,
    steps_left: u32,
}

impl<R: Seat> Table<R> {
    fn new(answers: Vec<Answer>, settings: ChatSettings) -> Self {
        let model = Puppet::in_order(answers);
        let chat = Chat::new(model.clone(), Arc::new(Prompts::default()), settings);
        Self { chat, model, steps_left: 10 }
    }

    fn with_critic(self, critic: &Arc<Puppet>) -> Self {
        Self { chat: self.chat.with_critic(critic.clone()), ..self }
    }

    /// It hears something and decides.
    fn hears(&mut self, heard: R::Heard) -> Decision<R::Action> {
        let percept = Percept { now: SimTime::from_secs_f64(120.0), steps_left: self.steps_left, heard };
        let decision = ready(self.chat.decide(&percept));
        if decision.cost != Cost::Continued {
            self.steps_left = self.steps_left.saturating_sub(1);
        }
        let messages = self.model.asked().pop().map(|request| request.messages);
        assert_eq!(messages.and_then(|messages| broken(&messages)), None);
        decision
    }
}

fn agent_task() -> Heard {
    let loaded = shipped("acv/low/cpu-stress");
    Heard::Task(Box::new(TaskView { evaluation: 1, ..TaskView::of(&loaded.scenario.value, &loaded.app) }))
}

fn manager_task() -> ManagerHeard {
    let loaded = shipped("acv/high/reduce-total-latency");
    ManagerHeard::Task(Box::new(GroupTaskView { evaluation: 1, ..GroupTaskView::of(&loaded.scenario.value, &[]) }))
}

fn done(text: &str) -> Heard {
    Heard::Answer(Reply::Done(text.to_owned()))
}

fn acted<A: Clone>(decision: &Decision<A>) -> A {
    match &decision.decided {
        Decided::Act(action) => action.clone(),
        Decided::Misstep(misstep) => panic!("a misstep: {misstep:?}"),
        Decided::Lost(why) => panic!("lost: {why}"),
    }
}

fn stumbled<A>(decision: &Decision<A>) -> (MisstepKind, &str) {
    match &decision.decided {
        Decided::Misstep(misstep) => (misstep.kind, &misstep.text),
        Decided::Act(_) => panic!("an action"),
        Decided::Lost(why) => panic!("lost: {why}"),
    }
}

/// The texts of the tool answers and of what a user said after the task.
fn told(model: &Puppet) -> Vec<String> {
    let text = |message: Message| match message {
        Message::Tool { text, .. } | Message::User { text } => Some(text),
        _ => None,
    };
    model.last_messages().into_iter().skip(2).filter_map(text).collect()
}

fn restart(component: &str) -> Action {
    Action::Write(Write::Restart { component: component.to_owned() })
}

#[test]
fn the_calls_of_one_answer_are_one_step_and_each_gets_its_answer() {
    let three = calls(&[
        ("list_pods", json!({})),
        ("restart", json!({"component": "catalogue"})),
        ("wait", json!({"duration": "75s"})),
    ]);
    let end = call("report", &json!({"healthy": true}));
    let mut table = Table::<AutonomicAgent>::new(vec![Ok(three), Ok(end)], ChatSettings::default());
    let first = table.hears(agent_task());
    assert_eq!(first.cost, Cost::Model(usage()));
    assert!(table.chat.continues());
    let second = table.hears(done("one"));
    assert_eq!((acted(&second), second.cost), (restart("catalogue"), Cost::Continued));
    let third = table.hears(done("two"));
    assert_eq!((acted(&third), third.cost), (Action::Wait(SimDuration::from_secs(75)), Cost::Continued));
    assert!(!table.chat.continues());
    let last = table.hears(Heard::Answer(Reply::Noted));
    assert_eq!(last.cost, Cost::Model(usage()));
    assert!(matches!(acted(&last), Action::Report(Conclusion { healthy: true, .. })));
    assert_eq!(told(&table.model), ["one", "two", "ok"]);
    assert_eq!(table.model.asked().len(), 2);
}

#[test]
fn a_call_that_cannot_be_read_does_not_keep_the_others_from_being_made() {
    let two = calls(&[("restrat", json!({})), ("restart", json!({"component": "catalogue"}))]);
    let mut table = Table::<AutonomicAgent>::new(vec![Ok(two)], ChatSettings::default());
    let first = table.hears(agent_task());
    let (kind, text) = stumbled(&first);
    assert_eq!((kind, first.cost), (MisstepKind::UnknownTool, Cost::Model(usage())));
    assert!(text.contains("did you mean `restart`?"), "{text}");
    let second = table.hears(Heard::Answer(Reply::Rejected(text.to_owned())));
    assert_eq!((acted(&second), second.cost), (restart("catalogue"), Cost::Continued));
    table.hears(done("restarted"));
    let told = told(&table.model);
    assert!(told[0].starts_with("error: unknown tool `restrat`") && told[1] == "restarted", "{told:?}");
}

#[test]
fn what_was_decided_is_carried_out_even_if_no_step_is_left() {
    let two = calls(&[("list_pods", json!({})), ("restart", json!({"component": "catalogue"}))]);
    let mut table = Table::<AutonomicAgent>::new(vec![Ok(two)], ChatSettings::default());
    table.steps_left = 1;
    table.hears(agent_task());
    let second = table.hears(done("pods"));
    assert_eq!((acted(&second), second.cost), (restart("catalogue"), Cost::Continued));
    // Now it would have to think again, and must not.
    let third = table.hears(done("restarted"));
    assert_eq!((acted(&third), third.cost), (Action::Wait(SimDuration::ZERO), Cost::Continued));
    assert_eq!(table.model.asked().len(), 1);
}

#[test]
fn a_text_without_a_tool_call_is_answered_with_a_reminder() {
    let answers = vec![Ok(words("I think all is well.")), Ok(words("")), Ok(words("x")), Ok(words("y"))];
    let mut table = Table::<AutonomicAgent>::new(answers, ChatSettings::default());
    for _ in 0..3 {
        let heard = if table.model.asked().is_empty() {
            agent_task()
        } else {
            Heard::Answer(Reply::Rejected("nothing was done".to_owned()))
        };
        let decision = table.hears(heard);
        let (kind, text) = stumbled(&decision);
        assert_eq!(kind, MisstepKind::NoAction);
        assert!(text.contains("`report`"), "{text}");
    }
    // What says nothing is not kept; the two reminders that meet are one message.
    assert_eq!(told(&table.model), ["error: nothing was done\n\nerror: nothing was done"]);
}

#[test]
fn the_same_call_with_the_same_answer_is_refused_in_the_end() {
    let look = call("dependencies", &json!({"component": "catalogue"}));
    let other = call("dependencies", &json!({"component": "carts"}));
    let answers = vec![Ok(look.clone()), Ok(look.clone()), Ok(look.clone()), Ok(look.clone()), Ok(other), Ok(look)];
    let mut table = Table::<AutonomicAgent>::new(answers, ChatSettings::default());
    table.hears(agent_task());
    for _ in 0..2 {
        acted(&table.hears(done("same")));
    }
    let fourth = table.hears(done("same"));
    let (kind, text) = stumbled(&fourth);
    assert_eq!(kind, MisstepKind::Repeated);
    assert!(text.contains("3 times in a row"), "{text}");
    // Anything else ends the row.
    acted(&table.hears(Heard::Answer(Reply::Rejected("repeated".to_owned()))));
    acted(&table.hears(done("same")));
}

#[test]
fn it_is_told_when_its_steps_run_out_and_when_its_tokens_have() {
    let look = call("dependencies", &json!({"component": "catalogue"}));
    let mut table = Table::<AutonomicAgent>::new(vec![Ok(look.clone())], ChatSettings::default());
    table.steps_left = 3;
    table.hears(agent_task());
    assert_eq!(told(&table.model), [""; 0]);
    table.hears(done("a"));
    assert_eq!(
        told(&table.model)[1],
        "Steps left, the next one included: 2. Call `report` with what you know before they run out."
    );
    table.hears(done("b"));
    assert_eq!(told(&table.model).iter().filter(|text| text.starts_with("Steps left")).count(), 1, "once");

    let limits = ChatLimits { tokens: Some(2_000), ..ChatLimits::default() };
    let mut table = Table::<AutonomicAgent>::new(vec![Ok(look)], ChatSettings { limits, ..ChatSettings::default() });
    table.hears(agent_task());
    acted(&table.hears(done("a")));
    let third = table.hears(done("b"));
    assert_eq!(
        (stumbled(&third), third.cost),
        ((MisstepKind::TokensSpent, "the budget of 2000 tokens is used up"), Cost::Rule)
    );
    assert_eq!(table.model.asked().len(), 2);
}

#[test]
fn a_model_that_fails_costs_a_step_and_is_told() {
    let look = call("list_pods", &json!({}));
    let answers = vec![Err(ModelFailure::TimedOut(SimDuration::from_secs(60))), Ok(look)];
    let mut table = Table::<AutonomicAgent>::new(answers, ChatSettings::default());
    let first = table.hears(agent_task());
    let Cost::Model(spent) = first.cost else { panic!("{:?}", first.cost) };
    assert_eq!((stumbled(&first).0, spent.took), (MisstepKind::ModelFailed, SimDuration::from_secs(60)));
    acted(&table.hears(Heard::Answer(Reply::Rejected("the model did not answer".to_owned()))));
    let messages = table.model.last_messages();
    assert!(matches!(&messages[..], [_, Message::User { text }] if text.ends_with("error: the model did not answer")));
    for failure in [ModelFailure::Refused("no such model".into()), ModelFailure::Diverged("at step 1".into())] {
        let mut table = Table::<AutonomicAgent>::new(vec![Err(failure.clone())], ChatSettings::default());
        assert_eq!(table.hears(agent_task()).decided, Decided::Lost(failure.to_string()));
    }
}

#[test]
fn a_conversation_that_is_too_long_is_cut_and_goes_on() {
    let limits = ChatLimits { context_tokens: 16_000, ..ChatLimits::default() };
    let look = call("get_events", &json!({}));
    let mut table = Table::<AutonomicAgent>::new(vec![Ok(look)], ChatSettings { limits, ..ChatSettings::default() });
    table.steps_left = 30;
    table.hears(agent_task());
    for turn in 0..20 {
        table.hears(done(&format!("{turn} {}", "event ".repeat(1_000))));
    }
    let messages = table.model.last_messages();
    let length: usize = serde_json::to_string(&messages).unwrap().len();
    assert!(length < 48_000, "{length}");
    let Message::User { text: task } = &messages[1] else { panic!("{:?}", messages[1]) };
    assert!(task.contains("You look after the service catalogue."), "{task}");
    let told = told(&table.model);
    assert_eq!(told.len(), 20);
    assert_eq!(told[0], "[cut: an older answer of 6002 characters]");
    assert!(told[19].starts_with("19 event"));
}

fn verdict(approve: bool) -> Completion {
    call("verdict", &json!({"approve": approve, "reason": "nothing was measured"}))
}

#[test]
fn a_critic_looks_at_changes_and_what_it_declines_is_not_done() {
    let answers = vec![
        Ok(call("list_pods", &json!({}))),
        Ok(call("restart", &json!({"component": "catalogue"}))),
        Ok(call("restart", &json!({"component": "catalogue"}))),
    ];
    let critic = Puppet::in_order(vec![Ok(verdict(false)), Ok(verdict(true))]);
    let mut table = Table::<AutonomicAgent>::new(answers, ChatSettings::default()).with_critic(&critic);
    table.hears(agent_task());
    assert!(critic.asked().is_empty(), "a look is nobody's business");
    let declined = table.hears(done("the pods"));
    let Cost::Model(spent) = declined.cost else { panic!("{:?}", declined.cost) };
    let text = r#"not done, since the critic declines {"restart":{"component":"catalogue"}}: nothing was measured"#;
    assert_eq!(stumbled(&declined), (MisstepKind::Declined, text));
    assert_eq!((spent.tokens.input, spent.cost_micro_usd), (2_000, 14));
    let question = format!("{:?}", critic.last_messages());
    for part in ["the pods", "restart", "You look after the service catalogue."] {
        assert!(question.contains(part), "{part} is not in {question}");
    }
    let approved = table.hears(Heard::Answer(Reply::Rejected(text.to_owned())));
    assert_eq!(acted(&approved), restart("catalogue"));
    assert_eq!(told(&table.model), ["the pods".to_owned(), format!("error: {text}")]);
}

#[test]
fn a_critic_without_a_verdict_lets_nothing_happen() {
    let restart = call("restart", &json!({"component": "catalogue"}));
    for answer in [Ok(words("Hm.")), Err(ModelFailure::Busy("429".into()))] {
        let critic = Puppet::in_order(vec![answer]);
        let mut table =
            Table::<AutonomicAgent>::new(vec![Ok(restart.clone())], ChatSettings::default()).with_critic(&critic);
        let decision = table.hears(agent_task());
        let (kind, text) = stumbled(&decision);
        assert_eq!(kind, MisstepKind::ModelFailed);
        assert!(text.starts_with("not done, since the critic gave no verdict: "), "{text}");
    }
}

#[test]
fn only_with_a_memory_does_it_know_of_earlier_tasks() {
    let answers = || {
        vec![
            Ok(call("restart", &json!({"component": "catalogue"}))),
            Ok(call(
                "report",
                &json!({"healthy": true, "root_cause_component": "catalogue", "root_cause_kind": "cpu-stress"}),
            )),
            Ok(call("report", &json!({"healthy": true}))),
        ]
    };
    for (memory, knows) in [(None, false), (Some("- at 60s: an older note".to_owned()), true)] {
        let settings = ChatSettings { memory, ..ChatSettings::default() };
        let mut table = Table::<AutonomicAgent>::new(answers(), settings);
        table.hears(agent_task());
        table.hears(done("deployment.apps/catalogue restarted"));
        table.hears(agent_task());
        let messages = table.model.last_messages();
        assert_eq!(messages.len(), 2, "a new conversation");
        let Message::User { text } = &messages[1] else { panic!("{:?}", messages[1]) };
        for part in ["an older note", "root cause: catalogue, cpu-stress", "(deployment.apps/catalogue restarted)"] {
            assert_eq!(text.contains(part), knows, "{part}: {text}");
        }
    }
}

#[test]
fn a_manager_delegates_and_reads_the_answers() {
    let work = json!({"tasks": [
        {"component": "catalogue", "text": "Report the P99.", "goal": "report-p99"},
        {"component": "front-end", "text": "Report the P99.", "goal": "report-p99"},
    ]});
    let answers = vec![Ok(call("assign_tasks", &work)), Ok(call("conclude", &json!({"healthy": false})))];
    let critic = Puppet::in_order(vec![Ok(verdict(true))]);
    let mut table =
        Table::<GroupManager>::new(answers, ChatSettings { mechanism: Mechanism::Managed, ..ChatSettings::default() })
            .with_critic(&critic);
    let first = table.hears(manager_task());
    assert!(matches!(acted(&first), ManagerAction::Delegate(work) if work.len() == 2));
    let answer =
        |component: &str, outcome| GroupAnswer { component: component.to_owned(), goal: Goal::ReportP99, outcome };
    let measured = Conclusion { values: [("p99".to_owned(), 0.31)].into(), ..Conclusion::default() };
    let answers = vec![answer("catalogue", Ok(measured)), answer("front-end", Err("its steps are used up".into()))];
    let last = table.hears(ManagerHeard::Answers(answers));
    assert!(matches!(acted(&last), ManagerAction::Conclude(_)));
    assert_eq!(
        told(&table.model),
        ["catalogue reports: not healthy; p99: 0.31\nfront-end has no report: its steps are used up"]
    );
    assert_eq!(critic.asked().len(), 1, "a conclusion is no work for others");
}
