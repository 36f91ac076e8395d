//! Words and flags of a command line.

use std::str::FromStr;

use super::refusal;
use crate::environment::Rejected;

/// The words of a command, sorted.
#[derive(Debug, Default)]
pub(super) struct Arguments<'w> {
    pub(super) words: Vec<&'w str>,
    /// In the order written; a flag without a value is `true`.
    flags: Vec<(&'w str, &'w str)>,
    /// What follows `--`.
    pub(super) behind_dashes: Vec<&'w str>,
}

/// Flags that stand alone.
const SWITCHES: [&str; 6] = ["all", "force", "ignore-daemonsets", "delete-emptydir-data", "overwrite", "wait"];

impl<'w> Arguments<'w> {
    /// Sorts words; only these flags are allowed.
    pub(super) fn read(words: &[&'w str], allowed: &[&str]) -> Result<Self, Rejected> {
        let mut arguments = Self::default();
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            if word == "--" {
                arguments.behind_dashes.extend(words.by_ref());
                break;
            }
            let Some(flag) = word.strip_prefix("--") else {
                arguments.words.push(word);
                continue;
            };
            let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
            if !allowed.contains(&name) {
                return Err(refusal(format!("unknown flag: --{name}")));
            }
            let value = match value {
                Some(value) => value,
                None if SWITCHES.contains(&name) => "true",
                None => words.next().ok_or_else(|| refusal(format!("flag needs an argument: --{name}")))?,
            };
            arguments.flags.push((name, value));
        }
        Ok(arguments)
    }

    /// All values of a flag that may be repeated.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'w str> {
        self.flags.iter().filter(move |(flag, _)| *flag == name).map(|(_, value)| *value)
    }

    /// A flag's value, the last one if it is repeated.
    pub(super) fn value(&self, name: &str) -> Option<&'w str> {
        self.values(name).last()
    }

    /// A flag whose value is read from its text.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Rejected> {
        let read = |value: &str| {
            read(value).map_err(|why| refusal(format!("invalid argument \"{value}\" for \"--{name}\" flag: {why}")))
        };
        self.value(name).map(read).transpose()
    }

    /// A flag whose value is a number.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Rejected> {
        self.parsed(name, |text| text.parse().map_err(|_| "not a number of 0 or more".to_owned()))
    }

    /// A switch, with what holds if it is not there.
    pub(super) fn switch(&self, name: &str, default: bool) -> Result<bool, Rejected> {
        let read = |text: &str| text.parse().map_err(|_| "not true or false".to_owned());
        Ok(self.parsed(name, read)?.unwrap_or(default))
    }

    /// The one word there is.
    pub(super) fn only(&self, what: &str) -> Result<&'w str, Rejected> {
        match self.words.as_slice() {
            [word] => Ok(word),
            [] => Err(refusal(format!("{what} name must be specified"))),
            [_, more, ..] => Err(refusal(format!("unexpected argument \"{more}\""))),
        }
    }

    /// The object that comes first, as `kind/name` or `kind name`, with the words behind it.
    pub(super) fn object(&self) -> Result<(&'static str, &'w str, &[&'w str]), Rejected> {
        let [first, rest @ ..] = self.words.as_slice() else {
            return Err(refusal("one or more resources must be specified as <resource> <name> or <resource>/<name>"));
        };
        if let Some((word, name)) = first.split_once('/') {
            return Ok((kind(word)?, name, rest));
        }
        let kind = kind(first)?;
        match rest {
            [name, rest @ ..] => Ok((kind, name, rest)),
            [] => Err(refusal("resource(s) were provided, but no name was specified")),
        }
    }

    /// The Deployment that comes first, with the words behind it.
    pub(super) fn deployment(&self) -> Result<(String, &[&'w str]), Rejected> {
        match self.object()? {
            ("Deployment", name, rest) => Ok((name.to_owned(), rest)),
            (kind, ..) => Err(refusal(format!("this is known here for a Deployment only, and not for a {kind}"))),
        }
    }
}

/// A kind by one of kubectl's names for it.
pub(super) fn kind(word: &str) -> Result<&'static str, Rejected> {
    Ok(match word {
        "deployment" | "deployments" | "deploy" | "deployment.apps" | "deployments.apps" => "Deployment",
        "pod" | "pods" | "po" => "Pod",
        "service" | "services" | "svc" => "Service",
        "resourcequota" | "resourcequotas" | "quota" => "ResourceQuota",
        "poddisruptionbudget" | "poddisruptionbudgets" | "pdb" | "poddisruptionbudget.policy" => "PodDisruptionBudget",
        "networkpolicy" | "networkpolicies" | "netpol" | "networkpolicy.networking.k8s.io" => "NetworkPolicy",
        "configmap" | "configmaps" | "cm" => "ConfigMap",
        _ => return Err(refusal(format!("the server doesn't have a resource type \"{word}\""))),
    })
}

/// `KEY=VALUE` sets, `KEY-` removes.
pub(super) fn assignment(word: &str) -> Option<(String, Option<String>)> {
    match (word.split_once('='), word.strip_suffix('-')) {
        (Some((key, value)), _) => Some((key.to_owned(), Some(value.to_owned()))),
        (None, Some(key)) => Some((key.to_owned(), None)),
        (None, None) => None,
    }
}
