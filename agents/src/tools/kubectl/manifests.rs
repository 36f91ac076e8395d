//! Commands that make objects and take them away: `create`, `apply`, `delete`.

use sim::environment::{Action, AppliedObject, DeletableKind, Write};

use super::Kubectl;
use super::arguments::{Arguments, Form, switch, value};
use super::line::Line;
use super::namespace::{self, Subject};
use super::objects::{Kind, object, valid};
use super::refusal::Refusal;

const APPLY: Form = Form {
    subject: Subject::Made,
    usage: "kubectl apply -f -, a line break, and the manifest",
    flags: &[
        value("filename").short('f'),
        switch("validate").passed_over(),
        switch("server-side").passed_over(),
        switch("force-conflicts").passed_over(),
        switch("overwrite").passed_over(),
        switch("save-config").passed_over(),
        switch("wait").passed_over(),
        value("timeout").passed_over(),
        switch("prune").refused("nothing is deleted by the way; use `delete`"),
        switch("edit").refused("there is no editor; leave it out"),
    ],
};

const CREATE: Form = Form { subject: Subject::Made, usage: "kubectl create -f NAME.yaml", flags: APPLY.flags };

const DELETE: Form = Form {
    subject: Subject::Deleted,
    usage: "kubectl delete pod|deployment|hpa|quota|pdb|netpol NAME",
    flags: &[
        switch("wait").passed_over(),
        switch("ignore-not-found").passed_over(),
        switch("interactive").short('i').refused("nobody is there to confirm; leave it out"),
        value("timeout").passed_over(),
        value("cascade"),
    ],
};

/// `apply -f`, of a Deployment's own manifest by its file, or of another object by its text.
pub(super) fn apply(kubectl: &Kubectl, line: &Line, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &APPLY)?;
    arguments.nothing_more(&arguments.words)?;
    match (file(&arguments)?, &line.input) {
        ("-", Some(manifest)) => {
            namespace::may_apply(&kubectl.namespace, &arguments, manifest)?;
            applied(manifest)
        }
        ("-", None) => {
            Err(Refusal::Manifest { problem: "write it behind `apply -f -` and a line break, in the same command" })
        }
        (path, input) => created(kubectl, &arguments, path, input.as_ref()),
    }
}

/// `create -f`, of a Deployment's own manifest.
pub(super) fn create(kubectl: &Kubectl, line: &Line, words: &[String]) -> Result<Action, Refusal> {
    if !words.iter().any(|word| word.starts_with("-f") || word.starts_with("--filename")) {
        return Err(Refusal::Closed {
            command: "create".to_owned(),
            reason: "without -f nothing is created: a Deployment is created from its own manifest with `create -f NAME.yaml`; a Service, hpa, quota, \
                     pdb or netpol with `apply -f -`, a line break, and the manifest",
        });
    }
    let arguments = kubectl.read(words, &CREATE)?;
    arguments.nothing_more(&arguments.words)?;
    match file(&arguments)? {
        "-" => Err(Refusal::Manifest { problem: "what follows a line break is applied: write `apply -f -`" }),
        path => created(kubectl, &arguments, path, line.input.as_ref()),
    }
}

fn file(arguments: &Arguments) -> Result<&str, Refusal> {
    let mut files = arguments.values("filename").flat_map(|files| files.split(','));
    let first = files.next().ok_or_else(|| arguments.missing("-f"))?;
    match files.next() {
        None => Ok(first),
        Some(more) => Err(Refusal::Unexpected { word: more.to_owned(), usage: arguments.usage }),
    }
}

fn applied(manifest: &str) -> Result<Action, Refusal> {
    let kind = manifest.lines().find_map(|line| line.strip_prefix("kind:"));
    if kind.is_some_and(|kind| kind.trim().trim_matches(['"', '\'']) == "Deployment") {
        let problem = "a Deployment is created from its own manifest with `create -f NAME.yaml`, and changed with \
                       `scale`, `set image`, `set env`, `set resources` or `patch`";
        return Err(Refusal::Manifest { problem });
    }
    Ok(Action::Write(Write::Apply(AppliedObject { manifest: manifest.to_owned() })))
}

/// The Deployment whose own manifest is meant by the name of a file: `catalogue.yaml`, `manifests/04-catalogue-dep.yaml`.
fn created(kubectl: &Kubectl, arguments: &Arguments, path: &str, input: Option<&String>) -> Result<Action, Refusal> {
    if path.contains("://") {
        return Err(Refusal::Manifest { problem: "there is no network here; write it behind `apply -f -`" });
    }
    if input.is_some() {
        let problem = "a file and lines behind the command cannot both be meant; for the lines write `apply -f -`";
        return Err(Refusal::Manifest { problem });
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, "yaml" | "yml" | "json")) = name.rsplit_once('.') else {
        return Err(Refusal::Manifest {
            problem: "there are no directories, only the manifest of each Deployment as NAME.yaml",
        });
    };
    let stem = stem.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(['-', '_']);
    let endings = ["-dep", "-deploy", "-deployment", "-manifest"];
    let component = endings.iter().find_map(|ending| stem.strip_suffix(*ending)).unwrap_or(stem);
    let of_another_kind = ["-svc", "-service", "-hpa", "-ns", "-namespace", "-pdb", "-quota", "-netpol", "-configmap"];
    if of_another_kind.iter().any(|ending| component.ends_with(*ending)) {
        return Err(Refusal::Manifest {
            problem: "there are only the manifests of Deployments; write another one behind `apply -f -` and a line \
                      break",
        });
    }
    let component = valid(component)?;
    namespace::may_create(&kubectl.namespace, arguments, &component)?;
    Ok(Action::Write(Write::CreateDeployment { component }))
}

pub(super) fn delete(kubectl: &Kubectl, words: &[String]) -> Result<Action, Refusal> {
    let arguments = kubectl.read(words, &DELETE)?;
    if let Some(orphan @ ("orphan" | "false")) = arguments.value("cascade") {
        return Err(super::arguments::bad("cascade", orphan, "pods go with their Deployment; leave it out"));
    }
    let (kind, name, rest) = object(&arguments)?;
    arguments.nothing_more(rest)?;
    let of = |kind, name| Write::Delete { kind, name };
    Ok(Action::Write(match kind {
        Kind::Pod => Write::DeletePod { pod: name },
        Kind::Deployment => Write::DeleteDeployment { component: name },
        Kind::Autoscaler => Write::DeleteAutoscaler { component: name },
        Kind::ResourceQuota => of(DeletableKind::ResourceQuota, name),
        Kind::DisruptionBudget => of(DeletableKind::PodDisruptionBudget, name),
        Kind::NetworkPolicy => of(DeletableKind::NetworkPolicy, name),
        Kind::ReplicaSet | Kind::Service | Kind::Endpoints | Kind::Event | Kind::Node | Kind::All => {
            return Err(Refusal::Kind {
                kind: kind.plural().to_owned(),
                instead: "what can be deleted is one pod, deployment, hpa, quota, pdb or netpol",
            });
        }
    }))
}
