//! How the agents of a group work together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who gives out the work, and to whom an agent turns that cannot go on alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// The task goes straight to one agent, and nobody helps it.
    #[default]
    Solo,
    /// A group manager gives tasks to the agents, in rounds; an agent raises to it what it cannot solve.
    Managed,
    /// There is no manager; the agents ask each other.
    Peers,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Solo, Self::Managed, Self::Peers];

    /// As strategies and tables name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Solo => "solo",
            Self::Managed => "managed",
            Self::Peers => "peers",
        }
    }
}
