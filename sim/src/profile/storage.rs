//! What a service keeps on disk: what a request reads and writes there, and what a full disk does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::SimDuration;

/// The disk of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The directory of its data: where a volume is mounted, or the image has one.
    pub path: String,
    /// What happens when a write finds no space.
    pub when_full: WhenFull,
}

/// What a service does when a write finds no space (ENOSPC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WhenFull {
    /// The request is answered with this status.
    Respond(u16),
    /// The process ends.
    Exit {
        /// With this code.
        code: u8,
        /// So long after the request was answered: a journal is written by and by.
        within: SimDuration,
    },
    /// The request waits, and tries again so often.
    Wait(SimDuration),
}

/// What a request does on its service's disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskUse {
    /// Reads that the request waits for, one after the other. What lies in memory is none.
    #[serde(default)]
    pub reads: u32,
    /// Writes that the request waits for, one after the other.
    #[serde(default)]
    pub writes: u32,
    /// It changes data that is written after it was answered.
    #[serde(default)]
    pub journals: bool,
}

/// How a request's cost and the service's data grow together. Both count only in a world in which the service ages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Documents that each request leaves behind.
    #[serde(default)]
    pub adds: u32,
    /// CPU time that each document that is there adds to the request's first burst (a query without an index).
    #[serde(default)]
    pub scans: SimDuration,
}
