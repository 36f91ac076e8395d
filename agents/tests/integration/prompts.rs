//! What models are told: every prompt as it is rendered, and that it holds nothing that its reader may not know.

use std::collections::BTreeMap;

use agents::mechanism::Mechanism;
use agents::policy::{GroupTaskView, TaskView};
use agents::prompts::{Allowance, Prompts, Proposal};
use agents::tools::ToolForm;
use datasets::scenarios::Loaded;
use sim::environment::Goal;

use crate::leaks::{CANARY, faulty, renamed};
use crate::play::shipped;

const BUDGET: Allowance = Allowance { steps: 30, answer_characters: 16_000 };

fn agent(loaded: &Loaded) -> TaskView {
    TaskView { evaluation: 1, ..TaskView::of(&loaded.scenario.value, &loaded.app) }
}

fn group(loaded: &Loaded) -> GroupTaskView {
    GroupTaskView { evaluation: 1, ..GroupTaskView::of(&loaded.scenario.value, &[]) }
}

#[test]
fn an_agent_is_told_its_role_mechanism_and_form() {
    let prompts = Prompts::default();
    let task = agent(&shipped("acv/low/cpu-stress"));
    for mechanism in Mechanism::ALL {
        for form in ToolForm::ALL {
            let text = prompts.agent_system(&task, mechanism, form, BUDGET).unwrap();
            insta::assert_snapshot!(format!("agent_{}_{}", mechanism.name(), form.name()), text);
        }
    }
}

#[test]
fn a_manager_is_told_its_role() {
    let group = group(&shipped("acv/high/reduce-total-latency"));
    insta::assert_snapshot!("manager", Prompts::default().manager_system(&group, BUDGET).unwrap());
}

#[test]
fn critics_are_told_when_to_decline() {
    let prompts = Prompts::default();
    insta::assert_snapshot!("critic_of_agent", prompts.agent_critic(&agent(&shipped("acv/low/cpu-stress"))).unwrap());
    let group = group(&shipped("acv/high/reduce-total-latency"));
    insta::assert_snapshot!("critic_of_manager", prompts.manager_critic(&group).unwrap());
}

#[test]
fn tasks_are_told_with_what_was_noted() {
    let prompts = Prompts::default();
    let first = agent(&shipped("acv/low/cpu-stress"));
    let third = TaskView { evaluation: 3, ..first.clone() };
    let value = TaskView { goal: Goal::ReportP99, text: "Report the P99.".into(), ..first.clone() };
    let total = group(&shipped("acv/high/reduce-total-latency"));
    let note = Some("- at 3m4s: reported healthy; changes: none");
    let proposal = Proposal {
        task: "Scale catalogue to 3 replicas.",
        transcript: "it called list_pods with {}\nanswer: NAME READY",
        cut: true,
        proposal: "{\"scale\":{\"component\":\"catalogue\",\"replicas\":3}}",
        steps_left: 4,
    };
    let texts = [
        prompts.agent_task(&first, None),
        prompts.agent_task(&third, note),
        prompts.agent_task(&value, None),
        prompts.manager_task(&total, note),
        prompts.manager_issue("carts", "The database refuses connections.", None),
        prompts.proposal(&proposal),
    ];
    let texts: Vec<String> = texts.into_iter().map(Result::unwrap).collect();
    insta::assert_snapshot!("tasks", texts.join("\n\n-------- next --------\n\n"));
}

/// All that is told of a scenario.
fn everything(loaded: &Loaded) -> String {
    let prompts = Prompts::default();
    let (task, group) = (agent(loaded), group(loaded));
    let agents = Mechanism::ALL
        .into_iter()
        .flat_map(|mechanism| ToolForm::ALL.map(|form| prompts.agent_system(&task, mechanism, form, BUDGET)));
    let others = [
        prompts.agent_task(&task, None),
        prompts.agent_critic(&task),
        prompts.manager_system(&group, BUDGET),
        prompts.manager_task(&group, None),
        prompts.manager_critic(&group),
    ];
    agents.chain(others).map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_prompt_says_what_only_the_judge_knows() {
    for name in faulty() {
        let loaded = shipped(&name);
        let (plain, secret) = (everything(&loaded), everything(&renamed(&name)));
        assert!(plain == secret, "{name}: what is told depends on a name or a truth");
        assert!(!secret.contains(CANARY), "{name}");
        assert!(!plain.contains(&name), "{name}: its name is told");
        let description = &loaded.scenario.value.description;
        assert!(description.is_empty() || !plain.contains(description.as_str()), "{name}: its description is told");
    }
}

#[test]
fn a_prompt_can_be_replaced_and_its_mistakes_are_found_at_once() {
    let replaced = |texts: &[(&str, &str)]| {
        let texts: BTreeMap<String, String> = texts.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
        Prompts::replacing(&texts)
    };
    let task = agent(&shipped("acv/low/scale"));
    let own =
        replaced(&[("agent/task.j2", "Do: {{ text }}{% include \"own/end.j2\" %}"), ("own/end.j2", " Now.")]).unwrap();
    assert_eq!(own.agent_task(&task, None).unwrap(), "Do: Scale catalogue to 3 replicas. Now.");
    assert_ne!(own.digest(), Prompts::default().digest());
    assert_eq!(Prompts::default().digest(), Prompts::default().digest());
    assert_eq!(Prompts::default().digest().len(), 64);

    let mistakes = [
        &[("agent/tsk.j2", "x"), ("elsewhere.j2", "x")][..],
        &[("agent/task.j2", "one\n{% if text %}"), ("manager/task.j2", "{{ text | shout }}")],
        &[("agent/task.j2", "one\n{{ truth }}"), ("shared/kinds.j2", "\n\n{{ scenario.name }}")],
        &[("agent/task.j2", "{% include \"own/nowhere.j2\" %}")],
    ];
    let mistakes = mistakes.map(|texts| replaced(texts).unwrap_err().to_string());
    insta::assert_snapshot!("mistakes", mistakes.join("\n\n"));
}
