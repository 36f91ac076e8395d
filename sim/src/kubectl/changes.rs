//! Commands that change objects: `scale`, `set`, `patch`, `label`, `create`.

use super::arguments::{Arguments, assignment};
use super::{Command, refusal};
use crate::environment::Rejected;
use crate::manifest::ResourceList;
use crate::units::{parse_bytes, parse_millicores};

pub(super) fn scale(words: &[&str]) -> Result<Command, Rejected> {
    let arguments = Arguments::read(words, &["replicas"])?;
    let (deployment, rest) = arguments.deployment()?;
    nothing_more(rest)?;
    let replicas = arguments.number("replicas")?;
    let replicas = replicas.ok_or_else(|| refusal("required flag(s) \"replicas\" not set"))?;
    Ok(Command::Scale { deployment, replicas })
}

pub(super) fn set_image(words: &[&str]) -> Result<Command, Rejected> {
    let arguments = Arguments::read(words, &[])?;
    let (deployment, rest) = arguments.deployment()?;
    let image = |word: &&str| match assignment(word) {
        Some((container, Some(image))) => Ok((container, image)),
        _ => Err(refusal(format!("expected CONTAINER=IMAGE, found \"{word}\""))),
    };
    let images = rest.iter().map(image).collect::<Result<Vec<_>, _>>()?;
    if images.is_empty() {
        return Err(refusal("at least one image update is required"));
    }
    Ok(Command::SetImage { deployment, images })
}

pub(super) fn set_resources(words: &[&str]) -> Result<Command, Rejected> {
    let arguments = Arguments::read(words, &["requests", "limits"])?;
    let (deployment, rest) = arguments.deployment()?;
    nothing_more(rest)?;
    let requests = arguments.parsed("requests", resources)?.unwrap_or_default();
    let limits = arguments.parsed("limits", resources)?.unwrap_or_default();
    if requests == ResourceList::default() && limits == ResourceList::default() {
        let message = "you must specify an update to requests or limits (in the form of --requests/--limits)";
        return Err(refusal(message));
    }
    Ok(Command::SetResources { deployment, requests, limits })
}

/// `cpu=100m,memory=64Mi`.
fn resources(text: &str) -> Result<ResourceList, String> {
    let mut list = ResourceList::default();
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("cpu", amount)) => list.cpu = Some(parse_millicores(amount)?),
            Some(("memory", amount)) => list.memory = Some(parse_bytes(amount)?),
            Some((name, _)) => return Err(format!("the twin has no resource \"{name}\"")),
            None => return Err("expected <resource>=<value>".to_owned()),
        }
    }
    Ok(list)
}

pub(super) fn set_env(words: &[&str]) -> Result<Command, Rejected> {
    let arguments = Arguments::read(words, &[])?;
    let (deployment, rest) = arguments.deployment()?;
    let variables = assignments(rest)?;
    if variables.is_empty() {
        return Err(refusal("at least one environment variable must be provided"));
    }
    Ok(Command::SetEnv { deployment, variables })
}

fn assignments(words: &[&str]) -> Result<Vec<(String, Option<String>)>, Rejected> {
    let read =
        |word: &&str| assignment(word).ok_or_else(|| refusal(format!("expected KEY=VALUE or KEY-, found \"{word}\"")));
    words.iter().map(read).collect()
}

pub(super) fn patch(words: &[&str]) -> Result<Command, Rejected> {
    let arguments = Arguments::read(words, &["patch", "type"])?;
    let (kind, name, rest) = arguments.object()?;
    nothing_more(rest)?;
    if let Some(other) = arguments.value("type").filter(|kind| *kind != "strategic") {
        return Err(refusal(format!("a patch of type {other} is not known here: strategic is")));
    }
    let text = arguments.value("patch").ok_or_else(|| refusal("must specify --patch or --patch-file"))?;
    let patch = serde_json::from_str(text).map_err(|why| refusal(format!("unable to parse \"{text}\": {why}")))?;
    Ok(Command::Patch { kind, name: name.to_owned(), patch })
}

pub(super) fn label(words: &[&str]) -> Result<Command, Rejected> {
    let arguments = Arguments::read(words, &["overwrite"])?;
    let ("Pod", name, rest) = arguments.object()? else {
        return Err(refusal("labels are set here for pods only"));
    };
    let labels = assignments(rest)?;
    if labels.is_empty() {
        return Err(refusal("at least one label update is required"));
    }
    Ok(Command::LabelPod { pod: name.to_owned(), labels, overwrite: arguments.switch("overwrite", false)? })
}

pub(super) fn create_config_map(words: &[&str]) -> Result<Command, Rejected> {
    let arguments = Arguments::read(words, &["from-literal"])?;
    let name = arguments.only("configmap")?.to_owned();
    let literal = |text: &str| {
        let pair = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        pair.ok_or_else(|| refusal(format!("invalid literal source {text}, expected key=value")))
    };
    let data = arguments.values("from-literal").map(literal).collect::<Result<Vec<_>, _>>()?;
    Ok(Command::CreateConfigMap { name, data })
}

/// There must be no more words.
pub(super) fn nothing_more(words: &[&str]) -> Result<(), Rejected> {
    match words.first() {
        None => Ok(()),
        Some(word) => Err(refusal(format!("unexpected argument \"{word}\""))),
    }
}
