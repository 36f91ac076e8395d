//! Words and flags of a command, sorted by what the command takes.
//!
//! A flag is read, passed over because it changes nothing that can be told apart here, or refused because it means
//! something that cannot be done. A flag that nobody named is refused too: none is passed over in silence.

use std::str::FromStr;

use super::namespace::Subject;
use super::refusal::Refusal;

/// A flag that a command knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    name: &'static str,
    short: Option<char>,
    takes_value: bool,
    effect: Effect,
}

#[derive(Clone, Copy, Debug)]
enum Effect {
    Read,
    PassedOver,
    Refused(&'static str),
}

/// A flag with a value.
pub(super) const fn value(name: &'static str) -> Flag {
    Flag { name, short: None, takes_value: true, effect: Effect::Read }
}

/// A flag that stands alone; `=true` and the like may be written behind it.
pub(super) const fn switch(name: &'static str) -> Flag {
    Flag { name, short: None, takes_value: false, effect: Effect::Read }
}

impl Flag {
    /// With a short name.
    pub(super) const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    /// It changes nothing here.
    pub(super) const fn passed_over(mut self) -> Self {
        self.effect = Effect::PassedOver;
        self
    }

    /// It means what cannot be done.
    pub(super) const fn refused(mut self, reason: &'static str) -> Self {
        self.effect = Effect::Refused(reason);
        self
    }
}

const ONE_CLUSTER: &str = "there is one cluster and one user; leave it out";
const ONE_LOOK: &str = "a command looks once; let time pass with the tool `wait`, then look again";
const ONE_OBJECT: &str = "name the one object that is meant";
const GRACE: &str = "pods get their grace period; leave out --force, --grace-period and --now";

/// What kubectl's commands have in common. What a command knows itself comes first.
static COMMON: [Flag; 32] = [
    value("namespace").short('n'),
    switch("all-namespaces").short('A').refused("only the namespace of the application is yours; leave it out"),
    value("output").short('o').refused("the answer always has the same form; leave it out"),
    switch("dry-run").refused("a change is made or not; nothing can be tried out, leave it out"),
    switch("local").refused("a change is made in the cluster or not at all; leave it out"),
    switch("watch").short('w').refused(ONE_LOOK),
    switch("watch-only").refused(ONE_LOOK),
    switch("all").refused(ONE_OBJECT),
    value("selector").short('l').refused(ONE_OBJECT),
    value("field-selector").refused(ONE_OBJECT),
    value("filename").short('f').refused("only `create` and `apply` read a manifest; name the object"),
    value("kustomize").short('k').refused("there are no files; the manifest follows `apply -f -` behind a line break"),
    switch("recursive").short('R').refused("there are no directories; leave it out"),
    switch("force").refused(GRACE),
    switch("now").refused(GRACE),
    value("grace-period").refused(GRACE),
    value("context").refused(ONE_CLUSTER),
    value("cluster").refused(ONE_CLUSTER),
    value("kubeconfig").refused(ONE_CLUSTER),
    value("server").short('s').refused(ONE_CLUSTER),
    value("user").refused(ONE_CLUSTER),
    value("token").refused(ONE_CLUSTER),
    value("as").refused(ONE_CLUSTER),
    value("template").refused("the answer always has the same form; leave it out"),
    value("raw").refused("the API server's paths cannot be read; use `get` and `describe`"),
    switch("help").short('h').refused("there is no help; the description of this tool says what it takes"),
    value("request-timeout").passed_over(),
    value("field-manager").passed_over(),
    switch("record").passed_over(),
    switch("show-managed-fields").passed_over(),
    value("v").short('v').passed_over(),
    switch("warnings-as-errors").passed_over(),
];

/// What a command takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// What it asks the API server for.
    pub(super) subject: Subject,
    /// How it is written.
    pub(super) usage: &'static str,
    /// Flags that it has beside the common ones, or treats in its own way.
    pub(super) flags: &'static [Flag],
}

/// The words of a command, sorted.
#[derive(Debug)]
pub(super) struct Arguments {
    /// Those that are no flags.
    pub(super) words: Vec<String>,
    /// Those that are read, in the order written.
    flags: Vec<(&'static str, String)>,
    pub(super) usage: &'static str,
}

/// Whether a flag before the command takes the next word.
pub(super) fn takes_next(word: &str) -> bool {
    let name = word.trim_start_matches('-');
    let is_meant = |flag: &&Flag| match word.strip_prefix("--") {
        Some(_) => flag.name == name,
        None => flag.short.is_some_and(|short| name.chars().eq([short])),
    };
    COMMON.iter().find(is_meant).is_some_and(|flag| flag.takes_value)
}

impl Arguments {
    /// Sorts words.
    pub(super) fn read(words: &[String], form: &Form) -> Result<Self, Refusal> {
        let mut arguments = Self { words: Vec::new(), flags: Vec::new(), usage: form.usage };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                arguments.words.extend(words.by_ref().cloned());
            } else if let Some(flag) = word.strip_prefix("--") {
                let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
                let flag = find(form, word, |flag| flag.name == name)?;
                arguments.take(flag, &format!("--{name}"), value, &mut words)?;
            } else if let Some(cluster) = word.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
                arguments.short(form, cluster, &mut words)?;
            } else {
                arguments.words.push(word.clone());
            }
        }
        Ok(arguments)
    }

    /// `-n NAME`, `-nNAME`, `-n=NAME`, `-Aw`.
    fn short<'w>(
        &mut self,
        form: &Form,
        mut cluster: &str,
        words: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), Refusal> {
        while let Some(letter) = cluster.chars().next() {
            let written = format!("-{letter}");
            let flag = find(form, &written, |flag| flag.short == Some(letter))?;
            let behind = &cluster[letter.len_utf8()..];
            let value = behind.strip_prefix('=').or((flag.takes_value && !behind.is_empty()).then_some(behind));
            cluster = if value.is_some() { "" } else { behind };
            self.take(flag, &written, value, words)?;
        }
        Ok(())
    }

    fn take<'w>(
        &mut self,
        flag: &Flag,
        written: &str,
        value: Option<&str>,
        words: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), Refusal> {
        let value = match value {
            Some(value) => value,
            None if !flag.takes_value => "true",
            None => match words.next() {
                Some(word) => word.as_str(),
                None => return Err(Refusal::NoValue { flag: written.to_owned(), usage: self.usage }),
            },
        };
        match flag.effect {
            Effect::PassedOver => {}
            Effect::Read => self.flags.push((flag.name, value.to_owned())),
            // What holds anyway may be said.
            Effect::Refused(_) if !flag.takes_value && matches!(value, "false" | "none") => {}
            Effect::Refused(_) if flag.name == "grace-period" && value == "-1" => {}
            Effect::Refused(reason) => return Err(Refusal::ClosedFlag { flag: written.to_owned(), reason }),
        }
        Ok(())
    }

    /// All values of a flag that may be repeated.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.flags.iter().filter(move |(flag, _)| *flag == name).map(|(_, value)| value.as_str())
    }

    /// A flag's value, the last one if it is repeated.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last()
    }

    /// A flag whose value is read from its text.
    pub(super) fn parsed<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Refusal> {
        let read = |value: &str| read(value).map_err(|problem| bad(name, value, problem));
        self.value(name).map(read).transpose()
    }

    /// A flag whose value is a number.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        self.parsed(name, |text| text.parse().map_err(|_| "not a number of 0 or more".to_owned()))
    }

    /// Whether a switch is set.
    pub(super) fn is_set(&self, name: &str) -> Result<bool, Refusal> {
        let read = |text: &str| text.parse().map_err(|_| "not true or false".to_owned());
        Ok(self.parsed(name, read)?.unwrap_or(false))
    }

    /// Something is not there that must be.
    pub(super) fn missing(&self, what: &'static str) -> Refusal {
        Refusal::Missing { what, usage: self.usage }
    }

    /// There must be no more words.
    pub(super) fn nothing_more(&self, words: &[String]) -> Result<(), Refusal> {
        match words.first() {
            None => Ok(()),
            Some(word) => Err(Refusal::Unexpected { word: word.clone(), usage: self.usage }),
        }
    }
}

/// A value that cannot be read, or cannot be honoured.
pub(super) fn bad(flag: &str, value: &str, problem: impl Into<String>) -> Refusal {
    Refusal::Value { flag: format!("--{flag}"), value: value.to_owned(), problem: problem.into() }
}

fn find(form: &Form, written: &str, is_meant: impl Fn(&Flag) -> bool) -> Result<&'static Flag, Refusal> {
    let known = || form.flags.iter().chain(&COMMON);
    known().find(|flag| is_meant(flag)).ok_or_else(|| {
        let name = written.trim_start_matches('-');
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        // A short name is too short to be taken for another.
        let nearest = (name.len() > 1).then(|| sim::diagnostic::nearest(name, known().map(|flag| flag.name)));
        Refusal::UnknownFlag { flag: written.to_owned(), nearest: nearest.flatten(), usage: form.usage }
    })
}
