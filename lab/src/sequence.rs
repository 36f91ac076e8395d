//! Sequences: what somebody does to a cluster, step by step, as data. The twin is to answer them as Kubernetes does.
//!
//! A sequence is a YAML file. It begins with the objects of `lab/sequences/base.yaml`, with its own `overlay` over them,
//! and goes through its steps, which are kubectl's command lines (a wait for a state is kubectl's too), rests, and
//! components of the lab that are ended or started.

mod random;

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use sim::diagnostic::{Diagnostic, Diagnostics, Source, nearest};
use sim::input;
use sim::manifest;
use sim::time::SimDuration;

const BASE: &str = include_str!("../sequences/base.yaml");
const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sequences.rs"));

/// What is done to a cluster.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// What happens, and what it is to show.
    pub description: String,
    /// Changes over the base objects, as an application's overlay.
    #[serde(default)]
    pub overlay: String,
    /// Whether creating the objects is the first step, instead of being over before the clock starts.
    #[serde(default)]
    pub cold: bool,
    /// Whether it disturbs others, such as by the loss of a node, or would be disturbed, so that it runs alone; nodes are
    /// recorded too.
    #[serde(default)]
    pub alone: bool,
    /// What is done, one after the other.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A command line for kubectl in the sequence's namespace. `{web.r1.p2}` stands for a pod: the second one of the
    /// Deployment's first `ReplicaSet`, in the order of their creation.
    Kubectl(String),
    /// Nothing, for a time.
    Wait(SimDuration),
    /// A component such as `node-2/kubelet` is ended.
    Stop(String),
    /// It is started again.
    Start(String),
    /// The kubelet of a node such as `node-2` is restarted, and sees memory pressure.
    Press(String),
    /// It is restarted once more, and sees none.
    Relieve(String),
}

impl Step {
    /// What is done, in a word.
    pub(crate) const fn verb(&self) -> &'static str {
        match self {
            Self::Kubectl(_) => "kubectl",
            Self::Wait(_) => "wait",
            Self::Stop(_) => "stop",
            Self::Start(_) => "start",
            Self::Press(_) => "press",
            Self::Relieve(_) => "relieve",
        }
    }
}

impl fmt::Display for Step {
    /// As it stands in a trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait(time) => write!(f, "{} {time}", self.verb()),
            Self::Kubectl(what) | Self::Stop(what) | Self::Start(what) | Self::Press(what) | Self::Relieve(what) => {
                write!(f, "{} {what}", self.verb())
            }
        }
    }
}

impl Sequence {
    /// Reads a sequence from its file.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn load(file: &Source) -> Result<Self, Diagnostics> {
        let sequence = input::parse::<Self>(file)?.value;
        sequence.objects()?;
        Ok(sequence)
    }

    /// A shipped sequence.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn shipped(name: &str) -> Result<Self, Diagnostics> {
        let Some((path, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) else {
            let near = nearest(name, names()).map_or_else(|| names().collect::<Vec<_>>().join(", "), str::to_owned);
            let help = format!("there are: {near}");
            return Err(Diagnostics(vec![Diagnostic::error(name, 0, "", "there is no such sequence").help(help)]));
        };
        Self::load(&Source { path: format!("lab/sequences/{path}.yaml"), text: (*text).to_owned() })
    }

    /// What it begins with, for `kubectl apply`.
    pub(crate) fn objects(&self) -> Result<Vec<serde_json::Value>, Diagnostics> {
        let base = Source { path: "lab/sequences/base.yaml".into(), text: BASE.into() };
        let overlay = Source { path: "overlay".into(), text: self.overlay.clone() };
        manifest::merge(&[base], &[overlay])
    }
}

/// The names of the shipped sequences.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// Splits a command line into words; single quotes hold a word together.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty())),
            _ => word.push(character),
        }
    }
    words.extend(Some(word).filter(|w| !w.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_sequences_are_right_and_enough() {
        assert!(names().count() >= 40, "{}", names().count());
        for name in names() {
            if let Err(mistakes) = Sequence::shipped(name) {
                panic!("{name}: {mistakes}");
            }
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let mistakes = Sequence::shipped("scale-upp").unwrap_err().to_string();
        assert_eq!(mistakes, "error: scale-upp: there is no such sequence\n  help: there are: scale-up");
    }

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(words("patch x --patch='{\"a\": 1}'  -v"), ["patch", "x", "--patch={\"a\": 1}", "-v"]);
    }
}
