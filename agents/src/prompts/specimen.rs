//! Every prompt rendered for made-up tasks, so that a mistake in a template is found before anything is played.

use std::collections::{BTreeMap, BTreeSet};

use sim::environment::Goal;
use sim::slo::Slos;

use super::{Allowance, PromptError, Prompts, Proposal};
use crate::mechanism::Mechanism;
use crate::policy::{GroupTaskView, TaskView};
use crate::tools::ToolForm;

/// All mistakes, in the order of names and lines.
pub(super) fn mistakes(prompts: &Prompts) -> Vec<PromptError> {
    let mut found = BTreeSet::new();
    let mut look = |rendered: Result<String, PromptError>| found.extend(rendered.err());
    let budget = Allowance { steps: 30, answer_characters: 1_000 };
    for evaluation in [1, 2] {
        for objectives in [Slos::of(vec!["example".to_owned()]), bare()] {
            let (task, group) = (task(evaluation, &objectives), group(evaluation, &objectives));
            for mechanism in Mechanism::ALL {
                for form in ToolForm::ALL {
                    look(prompts.agent_system(&task, mechanism, form, budget));
                }
            }
            look(prompts.manager_system(&group, budget));
            look(prompts.agent_critic(&task));
            look(prompts.manager_critic(&group));
            for memory in [None, Some("- nothing")] {
                look(prompts.agent_task(&task, memory));
                look(prompts.manager_task(&group, memory));
                look(prompts.manager_issue("example", "text", memory));
            }
        }
    }
    for (transcript, cut) in [("", false), ("you: text", true)] {
        look(prompts.proposal(&Proposal { task: "text", transcript, cut, proposal: "text", steps_left: 1 }));
    }
    found.into_iter().collect()
}

/// Objectives with another side and nobody under test.
fn bare() -> Slos {
    let mut slos = Slos::of(Vec::new());
    slos.latency.side = sim::slo::Side::Caller;
    slos
}

fn task(evaluation: u32, objectives: &Slos) -> TaskView {
    TaskView {
        component: "example".to_owned(),
        namespace: "example".to_owned(),
        text: "text".to_owned(),
        goal: Goal::ReportCpu,
        objectives: objectives.clone(),
        kinds: vec!["pod-failure".to_owned(), "a word without a meaning".to_owned()],
        dashboards: BTreeMap::from([("cpu".to_owned(), "up{name=\"$component\"}".to_owned())]),
        evaluation,
    }
}

fn group(evaluation: u32, objectives: &Slos) -> GroupTaskView {
    GroupTaskView {
        components: objectives.components.clone(),
        about: objectives.components.clone(),
        text: "text".to_owned(),
        goal: Goal::ReportP99,
        objectives: objectives.clone(),
        kinds: Vec::new(),
        evaluation,
    }
}
