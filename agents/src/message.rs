//! What the maintainer, the group manager and the autonomic agents send each other: typed envelopes.
//!
//! There are three kinds. A *task* asks its receiver to reach a goal, an *issue* says that its sender could not, and a
//! *response* ends either: it goes back to who sent the task or the issue, and bears its id as
//! [`Envelope::correlation`]. The clock of an envelope is the world's, so that a log of messages depends on nothing else.
//!
//! Between processes an envelope travels as JSON with a version ([`Envelope::to_wire`]). A change to any type in it
//! raises [`WIRE_VERSION`], and a reader for the old one stays:
//!
//! - 1: the first.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sim::environment::{Component, Conclusion, Goal};
use sim::time::SimTime;

/// Version of the form in which envelopes travel.
pub const WIRE_VERSION: u32 = 1;

/// Who sends and receives messages. In text it is `maintainer`, `manager` or `agent/` with the component's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Address {
    /// Who gives the first task and gets the last response: the scenario.
    Maintainer,
    /// The group manager.
    Manager,
    /// The autonomic agent of a component.
    Agent(Component),
}

impl Address {
    /// The component of an agent.
    pub const fn component(&self) -> Option<&Component> {
        match self {
            Self::Agent(component) => Some(component),
            Self::Maintainer | Self::Manager => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Maintainer => f.write_str("maintainer"),
            Self::Manager => f.write_str("manager"),
            Self::Agent(component) => write!(f, "agent/{component}"),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "maintainer" => Ok(Self::Maintainer),
            "manager" => Ok(Self::Manager),
            _ => match text.strip_prefix("agent/") {
                Some(component) if !component.is_empty() => Ok(Self::Agent(component.to_owned())),
                _ => Err(format!("`{text}` is not an address: write maintainer, manager or agent/COMPONENT")),
            },
        }
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

/// One message on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Its identity: unique in the episode, and the same in every delivery.
    pub id: u64,
    /// Who sent it.
    pub from: Address,
    /// Who is to get it.
    pub to: Address,
    /// The id of the task or the issue that it belongs to; a first task's or issue's own.
    pub correlation: u64,
    /// When it was sent, on the world's clock.
    pub sent_at: SimTime,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Body {
    /// Something to do.
    Task {
        /// In words.
        text: String,
        /// Typed.
        goal: Goal,
        /// Which evaluation this is, from 1.
        evaluation: u32,
    },
    /// Something that its sender could not solve.
    Issue {
        /// In words.
        text: String,
    },
    /// What came of a task or an issue.
    Response {
        /// The report, or why there is none.
        outcome: Result<Conclusion, String>,
    },
}

/// A kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`Body::Task`].
    Task,
    /// [`Body::Issue`].
    Issue,
    /// [`Body::Response`].
    Response,
}

impl Kind {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Issue => "issue",
            Self::Response => "response",
        }
    }
}

impl Body {
    /// Which kind of message says this.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Task { .. } => Kind::Task,
            Self::Issue { .. } => Kind::Issue,
            Self::Response { .. } => Kind::Response,
        }
    }

    /// The numbers in it that JSON might not be able to write, each with what it is.
    fn numbers(&self) -> Vec<(&str, f64)> {
        match self {
            Self::Task { goal: Goal::ReduceCpu { below }, .. } => vec![("the goal's bound", *below)],
            Self::Response { outcome: Ok(conclusion) } => {
                conclusion.values.iter().map(|(name, value)| (name.as_str(), *value)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The versioned form in which an envelope travels.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<E> {
    version: u32,
    envelope: E,
}

/// The part of the form that every version has.
#[derive(Deserialize)]
struct WireVersion {
    version: u32,
}

/// Why an envelope cannot travel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// JSON has no infinite numbers and no NaN.
    #[error("`{0}` is not a finite number")]
    NotFinite(String),
    /// The form is of another version.
    #[error("the message has version {0}, and only versions 1 to {WIRE_VERSION} are known")]
    UnknownVersion(u32),
    /// The text is not a message.
    #[error("not a message: {0}")]
    Unreadable(String),
}

impl Envelope {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// Checks that it can travel: what is written can be read.
    ///
    /// # Errors
    /// A number in it is infinite or NaN.
    pub fn check(&self) -> Result<(), WireError> {
        match self.body.numbers().into_iter().find(|(_, value)| !value.is_finite()) {
            Some((name, _)) => Err(WireError::NotFinite(name.to_owned())),
            None => Ok(()),
        }
    }

    /// The form in which it travels between processes.
    ///
    /// # Errors
    /// It cannot travel ([`Self::check`]).
    pub fn to_wire(&self) -> Result<Vec<u8>, WireError> {
        self.check()?;
        serde_json::to_vec(&Wire { version: WIRE_VERSION, envelope: self })
            .map_err(|error| WireError::Unreadable(error.to_string()))
    }

    /// Reads that form.
    ///
    /// # Errors
    /// It is not that form, or of a version that is not known.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, WireError> {
        let unreadable = |error: serde_json::Error| WireError::Unreadable(error.to_string());
        let WireVersion { version } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if version != WIRE_VERSION {
            return Err(WireError::UnknownVersion(version));
        }
        let wire: Wire<Self> = serde_json::from_slice(bytes).map_err(unreadable)?;
        Ok(wire.envelope)
    }
}
