//! Commands that change a Deployment, its autoscaler or a node.

use sim::environment::{Action, AutoscalerSpec, ResourceChange, Write};
use sim::units::{parse_bytes, parse_millicores};

use super::Kubectl;
use super::arguments::{Form, bad, switch, value};
use super::looks::only_deployment;
use super::namespace::Subject;
use super::objects::{deployment, node};
use super::refusal::Refusal;

const SCALE: Form = Form {
    subject: Subject::Named,
    usage: "kubectl scale deployment/NAME --replicas=N",
    flags: &[
        value("replicas"),
        value("timeout").passed_over(),
        value("current-replicas").refused("a change is made whatever the replicas are now; leave it out"),
        value("resource-version").refused("a change is made whatever the version is now; leave it out"),
    ],
};

const AUTOSCALE: Form = Form {
    subject: Subject::Named,
    usage: "kubectl autoscale deployment/NAME --min=N --max=N --cpu-percent=N",
    flags: &[
        value("min"),
        value("max"),
        value("cpu-percent"),
        value("cpu"),
        value("name"),
        value("memory").refused("an autoscaler goes by CPU here; use --cpu-percent"),
    ],
};

const SET_IMAGE: Form =
    Form { subject: Subject::Named, usage: "kubectl set image deployment/NAME NAME=IMAGE:TAG", flags: &[] };

const SET_RESOURCES: Form = Form {
    subject: Subject::Named,
    usage: "kubectl set resources deployment/NAME --limits=cpu=200m,memory=512Mi --requests=cpu=100m,memory=256Mi",
    flags: &[value("limits"), value("requests"), value("containers").short('c')],
};

const SET_ENV: Form = Form {
    subject: Subject::Named,
    usage: "kubectl set env deployment/NAME KEY=VALUE, or KEY- to remove it",
    flags: &[
        value("env").short('e'),
        value("containers").short('c'),
        switch("overwrite").passed_over(),
        switch("list").refused("`describe deployment NAME` shows the variables"),
        switch("resolve").refused("`describe deployment NAME` shows the variables"),
        value("from").refused("write the variable itself as KEY=VALUE"),
        value("prefix").refused("write the variable itself as KEY=VALUE"),
        value("keys").refused("write the variable itself as KEY=VALUE"),
    ],
};

const RESTART: Form = Form { subject: Subject::Named, usage: "kubectl rollout restart deployment/NAME", flags: &[] };

const UNDO: Form = Form {
    subject: Subject::Named,
    usage: "kubectl rollout undo deployment/NAME [--to-revision=N]",
    flags: &[value("to-revision")],
};

const CORDON: Form = Form { subject: Subject::Node, usage: "kubectl cordon NODE", flags: &[] };
const UNCORDON: Form = Form { subject: Subject::Node, usage: "kubectl uncordon NODE", flags: &[] };

const DRAIN: Form = Form {
    subject: Subject::Node,
    usage: "kubectl drain NODE --ignore-daemonsets --delete-emptydir-data",
    flags: &[
        switch("ignore-daemonsets").passed_over(),
        switch("delete-emptydir-data").passed_over(),
        switch("delete-local-data").passed_over(),
        // Every pod here has a controller, so that there is nothing to force.
        switch("force").passed_over(),
        value("timeout").passed_over(),
        value("skip-wait-for-delete-timeout").passed_over(),
        switch("disable-eviction").refused("disruption budgets hold; leave it out, or delete the budget"),
        value("pod-selector").refused("a drain is of all pods of the node; leave it out, or delete one pod"),
    ],
};

pub(super) fn scale(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &SCALE)?;
    let component = only_deployment(&arguments)?;
    let replicas = arguments.number::<u32>("replicas")?.ok_or_else(|| arguments.missing("--replicas"))?;
    Ok(Action::Write(Write::Scale { component, replicas }))
}

pub(super) fn autoscale(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &AUTOSCALE)?;
    let component = only_deployment(&arguments)?;
    if let Some(other) = arguments.value("name").filter(|name| *name != component) {
        return Err(bad("name", other, "an autoscaler has the name of its component; leave it out"));
    }
    let max_replicas = arguments.number::<u32>("max")?.ok_or_else(|| arguments.missing("--max"))?;
    let percent = |text: &str| {
        let wrong = || "write the percentage of the CPU request that is aimed at, such as 50%".to_owned();
        text.strip_suffix('%').ok_or_else(wrong)?.parse::<u32>().map_err(|_| wrong())
    };
    let cpu_percent = match arguments.number::<u32>("cpu-percent")? {
        Some(number) => number,
        // What the API server takes if nothing is said (`autoscaling/v1/defaults.go`).
        None => arguments.parsed("cpu", percent)?.unwrap_or(80),
    };
    let min_replicas = arguments.number::<u32>("min")?.unwrap_or(1);
    let spec = AutoscalerSpec { component, min_replicas, max_replicas, cpu_percent };
    Ok(Action::Write(Write::ApplyAutoscaler(spec)))
}

pub(super) fn set_image(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &SET_IMAGE)?;
    let (component, rest) = deployment(&arguments)?;
    let [word, rest @ ..] = rest else { return Err(arguments.missing("the image")) };
    arguments.nothing_more(rest)?;
    let Some((container, image)) = word.split_once('=').filter(|(_, image)| !image.is_empty()) else {
        return Err(Refusal::Unexpected { word: word.clone(), usage: SET_IMAGE.usage });
    };
    if container != "*" {
        main_container(container, &component)?;
    }
    Ok(Action::Write(Write::SetImage { component, image: image.to_owned() }))
}

/// There must be no container named but the main one, which has the name of its component.
pub(super) fn main_container(container: &str, component: &str) -> Result<(), Refusal> {
    if container == component {
        return Ok(());
    }
    Err(Refusal::Name {
        kind: "container that can be changed",
        name: container.to_owned(),
        instead: "the main container has the name of its component; write that name",
    })
}

pub(super) fn set_resources(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &SET_RESOURCES)?;
    let component = only_deployment(&arguments)?;
    if let Some(container) = arguments.value("containers").filter(|container| *container != "*") {
        main_container(container, &component)?;
    }
    let mut change = ResourceChange { component, ..ResourceChange::default() };
    for list in arguments.values("limits") {
        amounts("limits", list, &mut change.cpu_limit, &mut change.memory_limit)?;
    }
    for list in arguments.values("requests") {
        amounts("requests", list, &mut change.cpu_request, &mut change.memory_request)?;
    }
    change.check().map_err(|_| arguments.missing("--limits or --requests"))?;
    Ok(Action::Write(Write::SetResources(change)))
}

/// `cpu=100m,memory=64Mi`.
fn amounts(
    flag: &'static str,
    list: &str,
    cpu: &mut Option<sim::units::Millicores>,
    memory: &mut Option<sim::units::Bytes>,
) -> Result<(), Refusal> {
    for part in list.split(',') {
        let wrong = |problem: String| bad(flag, list, problem);
        match part.trim().split_once('=') {
            Some(("cpu", amount)) => *cpu = Some(parse_millicores(amount).map_err(wrong)?),
            Some(("memory", amount)) => *memory = Some(parse_bytes(amount).map_err(wrong)?),
            Some((other, _)) => return Err(wrong(format!("`{other}` cannot be set here; `cpu` and `memory` can"))),
            None => return Err(wrong("write cpu=AMOUNT,memory=AMOUNT".to_owned())),
        }
    }
    Ok(())
}

pub(super) fn set_env(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &SET_ENV)?;
    let (component, rest) = deployment(&arguments)?;
    if let Some(container) = arguments.value("containers").filter(|container| *container != "*") {
        main_container(container, &component)?;
    }
    let variables: Vec<&str> = arguments.values("env").chain(rest.iter().map(String::as_str)).collect();
    let variable = match variables.as_slice() {
        [] => return Err(arguments.missing("the variable")),
        [variable] => *variable,
        [_, more, ..] => {
            let usage = "kubectl set env deployment/NAME KEY=VALUE, one variable per command";
            return Err(Refusal::Unexpected { word: (*more).to_owned(), usage });
        }
    };
    let (name, value) = match (variable.split_once('='), variable.strip_suffix('-')) {
        (Some((name, value)), _) => (name, Some(value.to_owned())),
        (None, Some(name)) => (name, None),
        (None, None) => ("", None),
    };
    if !is_variable(name) {
        return Err(Refusal::Unexpected { word: variable.to_owned(), usage: SET_ENV.usage });
    }
    Ok(Action::Write(Write::SetEnv { component, name: name.to_owned(), value }))
}

/// Whether the API server takes it for the name of a variable.
fn is_variable(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    name.chars().all(allowed) && name.chars().next().is_some_and(|c| !c.is_ascii_digit())
}

pub(super) fn restart(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let component = only_deployment(&kubectl.read(words, &RESTART)?)?;
    Ok(Action::Write(Write::Restart { component }))
}

pub(super) fn undo(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &UNDO)?;
    let component = only_deployment(&arguments)?;
    // 0 is kubectl's word for the revision before.
    let revision = arguments.number::<u64>("to-revision")?.filter(|revision| *revision > 0);
    Ok(Action::Write(Write::Rollback { component, revision }))
}

pub(super) fn cordon(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let node = node(&kubectl.read(words, &CORDON)?)?;
    Ok(Action::Write(Write::Cordon { node }))
}

pub(super) fn uncordon(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let node = node(&kubectl.read(words, &UNCORDON)?)?;
    Ok(Action::Write(Write::Uncordon { node }))
}

pub(super) fn drain(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let node = node(&kubectl.read(words, &DRAIN)?)?;
    Ok(Action::Write(Write::Drain { node }))
}
