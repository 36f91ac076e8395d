//! Commands that look: `get`, `describe`, `logs`, `top`, `events`, `rollout history` and `rollout status`.

use sim::environment::{Action, LogQuery, Query};

use super::Kubectl;
use super::arguments::{Arguments, Form, bad, switch, value};
use super::namespace::Subject;
use super::objects::{Kind, deployment, kind, named, owner_of_pod, owner_of_set, selected, valid};
use super::refusal::Refusal;
use crate::render::MAX_ANSWER;

const GET: Form = Form {
    subject: Subject::Named,
    usage: "kubectl get KIND [NAME] [-l name=COMPONENT] [-o wide]",
    flags: &[
        value("output").short('o'),
        value("selector").short('l'),
        value("field-selector"),
        switch("all-namespaces").short('A'),
        value("sort-by").passed_over(),
        switch("no-headers").passed_over(),
        switch("show-kind").passed_over(),
        switch("ignore-not-found").passed_over(),
        value("chunk-size").passed_over(),
        switch("show-labels").refused("the labels of a component are in `describe deployment NAME`"),
        value("label-columns").short('L').refused("the labels of a component are in `describe deployment NAME`"),
    ],
};

const DESCRIBE: Form = Form {
    subject: Subject::Named,
    usage: "kubectl describe KIND NAME",
    flags: &[
        value("selector").short('l'),
        switch("show-events").passed_over(),
        switch("all-namespaces").short('A'),
        value("chunk-size").passed_over(),
    ],
};

const EVENTS: Form = Form {
    subject: Subject::Events,
    usage: "kubectl events [--for KIND/NAME]",
    flags: &[
        value("for"),
        switch("all-namespaces").short('A'),
        switch("no-headers").passed_over(),
        value("types").refused("the answer has both types, each event with its own; leave it out"),
    ],
};

const LOGS: Form = Form {
    subject: Subject::Logged,
    usage: "kubectl logs POD|deployment/NAME [--tail=N] [--previous]",
    flags: &[
        switch("previous").short('p'),
        value("tail"),
        value("container").short('c'),
        value("selector").short('l'),
        switch("all-containers").passed_over(),
        switch("prefix").passed_over(),
        switch("ignore-errors").passed_over(),
        value("max-log-requests").passed_over(),
        switch("follow").short('f').refused("it would never end; use `--tail=N`, and look again later"),
        value("since").refused("lines cannot be chosen by their age; use `--tail=N`"),
        value("since-time").refused("lines cannot be chosen by their age; use `--tail=N`"),
        switch("timestamps").refused("lines are shown as the program wrote them; leave it out"),
        value("limit-bytes").refused("lines are counted, not bytes; use `--tail=N`"),
        switch("all-pods").refused("the log of one pod is shown; name another one to see its log"),
    ],
};

const TOP: Form = Form {
    subject: Subject::Usage,
    usage: "kubectl top pods|nodes [NAME] [-l name=COMPONENT]",
    flags: &[
        value("selector").short('l'),
        switch("all-namespaces").short('A'),
        switch("containers").passed_over(),
        switch("no-headers").passed_over(),
        value("sort-by").passed_over(),
        switch("use-protocol-buffers").passed_over(),
    ],
};

const ROLLOUT_HISTORY: Form = Form {
    subject: Subject::Named,
    usage: "kubectl rollout history deployment/NAME",
    flags: &[value("revision").refused("the history shows all revisions, each with its image; leave it out")],
};

const ROLLOUT_STATUS: Form = Form {
    subject: Subject::Named,
    usage: "kubectl rollout status deployment/NAME",
    flags: &[
        // One look, whatever it says here.
        switch("watch").short('w').passed_over(),
        value("timeout").passed_over(),
        value("revision").refused("the newest revision is shown; leave it out"),
    ],
};

pub(super) fn get(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &GET)?;
    if let Some(other) = arguments.value("output").filter(|output| *output != "wide") {
        let problem = "the answer is always the wide table; `describe` shows the rest";
        return Err(bad("output", other, problem));
    }
    one_look(&arguments, got)
}

pub(super) fn describe(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    one_look(&kubectl.read(words, &DESCRIBE)?, described)
}

/// Looks at several objects are one look if they are answered with the same.
fn one_look(
    arguments: &Arguments,
    look: fn(&Arguments, Kind, Option<String>) -> Result<Query, Refusal>,
) -> Result<Action, Refusal> {
    let mut queries = Vec::new();
    for (kind, name) in named(arguments)? {
        let is_of_no_component =
            matches!(kind, Kind::Node | Kind::ResourceQuota | Kind::DisruptionBudget | Kind::NetworkPolicy);
        if let Some(selector) = arguments.value("selector").filter(|_| is_of_no_component || name.is_some()) {
            let instead = "it selects the pods and the objects of a component; leave it out where something is named";
            return Err(Refusal::Selector { selector: selector.to_owned(), instead });
        }
        let query = look(arguments, kind, name)?;
        if !queries.contains(&query) {
            queries.push(query);
        }
    }
    if queries.len() > 1 {
        let word = arguments.words.join(" ");
        return Err(Refusal::Unexpected { word, usage: arguments.usage });
    }
    queries.pop().map(Action::Observe).ok_or_else(|| arguments.missing("the kind of object"))
}

fn got(arguments: &Arguments, kind: Kind, name: Option<String>) -> Result<Query, Refusal> {
    let is_events = kind == Kind::Event;
    if let Some(selector) = arguments.value("field-selector").filter(|_| !is_events) {
        let instead = "leave it out; the table has the status and the node of each pod";
        return Err(Refusal::Selector { selector: selector.to_owned(), instead });
    }
    Ok(match (kind, name) {
        (Kind::Pod, Some(pod)) => Query::ListPods { component: Some(pods_component(&pod)?) },
        // A list of Deployments, or of everything, is seen by its pods.
        (Kind::Pod | Kind::All, None) => Query::ListPods { component: selected(arguments)? },
        (Kind::Deployment, None) => match selected(arguments)? {
            Some(component) => Query::Describe { component },
            None => Query::ListPods { component: None },
        },
        (Kind::All, Some(name)) => return Err(Refusal::Unexpected { word: name, usage: GET.usage }),
        (kind, name) => return shared(arguments, kind, name),
    })
}

fn described(arguments: &Arguments, kind: Kind, name: Option<String>) -> Result<Query, Refusal> {
    match (kind, name) {
        // As kubectl does, which describes whatever begins with the name.
        (Kind::Pod, Some(pod)) => Ok(Query::Describe { component: owner_of_pod(&pod).unwrap_or(&pod).to_owned() }),
        (Kind::All, _) => Err(arguments.missing("one kind of object")),
        (kind, name) => shared(arguments, kind, name),
    }
}

/// What `get` and `describe` answer alike.
fn shared(arguments: &Arguments, kind: Kind, name: Option<String>) -> Result<Query, Refusal> {
    let component = match kind {
        Kind::Node => return Ok(Query::Nodes),
        Kind::ResourceQuota | Kind::DisruptionBudget | Kind::NetworkPolicy => return Ok(Query::Policies),
        Kind::Event => {
            if let Some(word) = name {
                return Err(Refusal::Unexpected { word, usage: "kubectl get events -l name=COMPONENT" });
            }
            let component = about(arguments)?;
            return Ok(Query::Events { component: component.or(selected(arguments)?) });
        }
        Kind::ReplicaSet => match name {
            Some(set) => Some(owner_of_set(&set).unwrap_or(&set).to_owned()),
            None => selected(arguments)?,
        },
        Kind::Pod | Kind::Deployment | Kind::Service | Kind::Endpoints | Kind::Autoscaler | Kind::All => {
            name.map_or_else(|| selected(arguments), |name| Ok(Some(name)))?
        }
    };
    component
        .map(|component| Query::Describe { component })
        .ok_or_else(|| arguments.missing("the name of one component"))
}

/// The component of the pod of this name.
fn pods_component(pod: &str) -> Result<String, Refusal> {
    owner_of_pod(pod).map(ToOwned::to_owned).ok_or_else(|| Refusal::Name {
        kind: "pod",
        name: pod.to_owned(),
        instead: "a pod is named after its ReplicaSet, with five letters more; of a component write \
                  `get pods -l name=COMPONENT`, `describe deployment COMPONENT` or `logs deployment/COMPONENT`",
    })
}

/// The component whose events a field selector picks.
fn about(arguments: &Arguments) -> Result<Option<String>, Refusal> {
    let Some(selector) = arguments.value("field-selector") else { return Ok(None) };
    let mut component = None;
    for part in selector.split(',') {
        match part.split_once('=') {
            Some(("involvedObject.name" | "regarding.name", name)) => {
                component = Some(component_of(name.trim_start_matches('='))?);
            }
            Some(("involvedObject.kind" | "involvedObject.namespace" | "regarding.kind", _)) => {}
            _ => {
                let instead = "write `--field-selector involvedObject.name=NAME`, or leave it out: the answer has the \
                               type and the reason of each event";
                return Err(Refusal::Selector { selector: selector.to_owned(), instead });
            }
        }
    }
    Ok(component)
}

/// The component of an object that is named without its kind.
fn component_of(name: &str) -> Result<String, Refusal> {
    let name = valid(name)?;
    Ok(owner_of_pod(&name).or_else(|| owner_of_set(&name)).unwrap_or(&name).to_owned())
}

pub(super) fn events(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &EVENTS)?;
    arguments.nothing_more(&arguments.words)?;
    let component = match arguments.value("for") {
        Some(object) => {
            let (word, name) = object.split_once('/').ok_or_else(|| bad("for", object, "write KIND/NAME"))?;
            kind(word)?;
            Some(component_of(name)?)
        }
        None => None,
    };
    Ok(Action::Observe(Query::Events { component }))
}

pub(super) fn logs(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &LOGS)?;
    let (of, component, rest) = logged(&arguments)?;
    let container = match rest {
        [] => arguments.value("container"),
        [container] => Some(container.as_str()),
        [_, more, ..] => return Err(Refusal::Unexpected { word: more.clone(), usage: LOGS.usage }),
    };
    if let Some(container) = container.filter(|container| *container != component) {
        let problem = "the main container has the name of its component, and only its log is shown; leave -c out";
        return Err(bad("container", container, problem));
    }
    let lines = |text: &str| match text.parse::<i64>() {
        // All of them: an answer holds no more lines than characters.
        Ok(-1) => Ok(MAX_ANSWER as u32),
        Ok(lines) => u32::try_from(lines).map_err(|_| "not a number of 0 or more".to_owned()),
        Err(_) => Err("not a number of 0 or more".to_owned()),
    };
    // As kubectl does: the last ten lines of what is selected, all of what is named.
    let default = if arguments.value("selector").is_some() { 10 } else { MAX_ANSWER as u32 };
    let tail = arguments.parsed("tail", lines)?.unwrap_or(default);
    Ok(Action::Observe(Query::Logs(LogQuery { of, previous: arguments.is_set("previous")?, tail })))
}

/// Whose log is meant (a pod or a component), its component, and the words behind it.
fn logged(arguments: &Arguments) -> Result<(String, String, &[String]), Refusal> {
    let [first, rest @ ..] = arguments.words.as_slice() else {
        return match selected(arguments)? {
            Some(component) => Ok((component.clone(), component, arguments.words.as_slice())),
            None => Err(arguments.missing("the pod")),
        };
    };
    let Some((word, name)) = first.split_once('/') else {
        if let (Ok(Kind::Deployment | Kind::Pod), Some(name)) = (kind(first), rest.first()) {
            return Err(Refusal::Name {
                kind: "pod",
                name: format!("{first} {name}"),
                instead: "write the name of a pod alone, or `deployment/NAME` with a slash",
            });
        }
        let pod = valid(first)?;
        let component = pods_component(&pod)?;
        return Ok((pod, component, rest));
    };
    let name = valid(name)?;
    match kind(word)? {
        Kind::Pod => {
            let component = pods_component(&name)?;
            Ok((name, component, rest))
        }
        Kind::Deployment | Kind::Service => Ok((name.clone(), name, rest)),
        Kind::ReplicaSet => {
            let component = owner_of_set(&name).unwrap_or(&name).to_owned();
            Ok((component.clone(), component, rest))
        }
        other => Err(Refusal::Kind {
            kind: other.plural().to_owned(),
            instead: "a log is that of a pod or of `deployment/NAME`",
        }),
    }
}

pub(super) fn top(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &TOP)?;
    let query = match named(&arguments)?.as_slice() {
        [(Kind::Node, _)] => Query::Nodes,
        [(Kind::Pod, Some(pod))] => Query::ResourceUsage { component: Some(pods_component(pod)?) },
        [(Kind::Pod, None)] => Query::ResourceUsage { component: selected(&arguments)? },
        [(kind, _)] => {
            let instead = "usage is that of pods or nodes: `top pods -l name=COMPONENT`, `top nodes`";
            return Err(Refusal::Kind { kind: kind.plural().to_owned(), instead });
        }
        _ => return Err(Refusal::Unexpected { word: arguments.words.join(" "), usage: TOP.usage }),
    };
    Ok(Action::Observe(query))
}

pub(super) fn rollout_history(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let component = only_deployment(&kubectl.read(words, &ROLLOUT_HISTORY)?)?;
    Ok(Action::Observe(Query::RolloutHistory { component }))
}

pub(super) fn rollout_status(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let component = only_deployment(&kubectl.read(words, &ROLLOUT_STATUS)?)?;
    Ok(Action::Observe(Query::Describe { component }))
}

/// The one Deployment that is named.
pub(super) fn only_deployment(arguments: &Arguments) -> Result<String, Refusal> {
    let (component, rest) = deployment(arguments)?;
    arguments.nothing_more(rest)?;
    Ok(component)
}
