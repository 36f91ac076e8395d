//! Containers of pods, and their processes one after the other.

use std::collections::VecDeque;

use crate::ids::ContainerIx;
use crate::log::Entry;
use crate::time::SimTime;

use super::super::registry::Program;
use super::BackOff;
use super::probes::Worker;
use super::status::{Shown, Waiting};

/// Of a process whose end nobody has seen (`unknownExitCode` in containerd's `internal/cri/server/restart.go`).
const UNKNOWN_EXIT_CODE: u8 = 255;

/// A container of a pod: its processes one after the other.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Container {
    /// The image of the newest process.
    pub(in super::super) image: String,
    /// What that runs.
    pub(in super::super) program: Option<Program>,
    pub(super) process: Process,
    /// How the process before the newest ended.
    pub(super) last_exit: Option<Exit>,
    pub(in super::super) restarts: u32,
    /// Why the last sync could not start it.
    pub(super) waiting: Option<Waiting>,
    pub(super) crash_back_off: Option<BackOff>,
    /// By image.
    pub(super) pull_back_off: Option<(String, BackOff)>,
    pub(super) probes: [Option<Worker>; 3],
    /// Whether the address of its newest process is gone with its machine.
    pub(super) has_lost_address: bool,
    /// What the newest process wrote.
    pub(in super::super) log: Log,
    /// What the one before wrote.
    pub(in super::super) previous_log: Option<Log>,
    /// What the API shows.
    pub(in super::super) shown: Shown,
}

/// What a process has written, as far as it is kept.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Log {
    /// Which process; none where no program ran.
    pub(in super::super) process: Option<ContainerIx>,
    /// Its image.
    pub(in super::super) image: String,
    /// Oldest first.
    pub(in super::super) entries: VecDeque<Entry>,
}

/// Entries of a process's log that are kept.
const LOG_ENTRIES: usize = 200;

impl Log {
    /// Adds one. The oldest are dropped.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.len() == LOG_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }
}

/// The newest process of a container.
#[derive(Clone, Debug, Default)]
pub(super) enum Process {
    /// There was none yet.
    #[default]
    None,
    Running {
        container: ContainerIx,
        since: SimTime,
        /// The kernel is killing it for its memory.
        out_of_memory: bool,
    },
    Exited(Exit),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Exit {
    pub(in super::super) container: ContainerIx,
    pub(in super::super) code: u8,
    pub(in super::super) out_of_memory: bool,
    /// Whether it was gone when containerd came back (`unknownExitReason` in `internal/cri/server/restart.go`).
    pub(in super::super) is_unknown: bool,
    pub(in super::super) finished: SimTime,
}

impl Exit {
    /// `Completed`, `Error`, `OOMKilled` or `Unknown`.
    pub(in super::super) fn reason(&self) -> &'static str {
        if self.is_unknown {
            return "Unknown";
        }
        match (self.out_of_memory, self.code) {
            (true, _) => "OOMKilled",
            (false, 0) => "Completed",
            (false, _) => "Error",
        }
    }
}

impl Container {
    /// Its process is gone with its machine.
    pub(super) fn lose(&mut self, now: SimTime) {
        if let Process::Running { container, .. } = self.process {
            let exit =
                Exit { container, code: UNKNOWN_EXIT_CODE, out_of_memory: false, is_unknown: true, finished: now };
            self.process = Process::Exited(exit);
        }
        self.has_lost_address = true;
    }

    /// What a kubelet had in its memory about it is gone with it.
    pub(super) fn forget(&mut self) {
        self.probes = [const { None }; 3];
        self.crash_back_off = None;
        self.pull_back_off = None;
        self.waiting = None;
    }

    /// Of a container that has ended only the newest process is kept, once the kubelet has seen its end
    /// (`containerDeletor` in `pkg/kubelet/pod_container_deletor.go`).
    pub(super) fn forget_older(&mut self) {
        if matches!(self.process, Process::Exited(_)) {
            self.last_exit = None;
        }
    }

    /// The live process.
    pub(in super::super) fn running(&self) -> Option<ContainerIx> {
        match self.process {
            Process::Running { container, .. } => Some(container),
            _ => None,
        }
    }

    /// Since when the live process runs.
    pub(in super::super) fn running_since(&self) -> Option<SimTime> {
        match self.process {
            Process::Running { since, .. } => Some(since),
            _ => None,
        }
    }

    /// Whether there was no process yet, in this pod's life.
    pub(super) fn has_never_run(&self) -> bool {
        matches!(self.process, Process::None) && self.last_exit.is_none()
    }

    /// The live process, or the last one.
    pub(in super::super) fn newest_process(&self) -> Option<ContainerIx> {
        match &self.process {
            Process::None => None,
            Process::Running { container, .. } => Some(*container),
            Process::Exited(exit) => Some(exit.container),
        }
    }
}
