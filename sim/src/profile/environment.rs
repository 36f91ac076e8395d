//! What a service makes of its environment variables when it starts.
//!
//! An image brings the right values of its own, so a variable that a manifest does not mention does no harm unless the
//! profile says that it must be given. What the profile does not list has no effect.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a variable means to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Variable {
    /// Where it finds this service: a host name with or without port, also within a URL. A name that does not resolve, or
    /// another service's, has the effect that it has there: its calls fail, or reach the wrong one.
    AddressOf(String),
    /// The port that it listens on in place of its own. Kubernetes goes on asking at the old one, where connections are
    /// refused. Below 1024 a process without privileges may not listen: it exits.
    Port,
    /// The process exits with this code unless the variable is set to something.
    Required(u8),
    /// Only these values are valid.
    OneOf {
        /// They.
        values: Vec<String>,
        /// The code with which the process exits at any other. Default: it goes on trying and never listens.
        #[serde(default)]
        exits: Option<u8>,
    },
    /// Options of a Java virtual machine, which exits with code 1 if it does not understand them.
    JavaOptions,
}

impl Variable {
    /// The only values that it may have; none where there is no such list.
    pub(crate) fn allowed(&self) -> &[String] {
        match self {
            Self::OneOf { values, .. } => values,
            Self::AddressOf(_) | Self::Port | Self::Required(_) | Self::JavaOptions => &[],
        }
    }
}
