//! One daemon of the lab: its command line, its start, its life, its log.
//!
//! A component lives in a control group of its own (`cgroups`), so that whether it lives is known without a file that
//! says so, and in a process group of its own, so that a Ctrl-C in the terminal does not reach it.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cgroups;
use crate::directories::{Directories, create};
use crate::error::LabError;
use crate::network;
use crate::run::{failed, tail};

/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How much of a log is read for its last lines.
const LOG_END: u64 = 16 << 10;
/// Lines of a log that an error shows.
const LOG_LINES: usize = 8;
/// How long a daemon may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// A daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    /// Its name, such as `etcd` or `node-1/kubelet`.
    pub(crate) name: String,
    /// The network namespace that it runs in.
    pub(crate) namespace: String,
    /// What is run.
    pub(crate) program: PathBuf,
    /// With what.
    pub(crate) arguments: Vec<String>,
}

impl Component {
    pub(crate) fn new(
        name: impl Into<String>,
        namespace: impl Into<String>,
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            name: name.into(),
            namespace: namespace.into(),
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
        }
    }

    /// Starts it, unless it runs.
    pub(crate) fn start(&self, directories: &Directories) -> Result<(), LabError> {
        if self.is_alive() {
            return Ok(());
        }
        let groups = cgroups::component_groups(&self.name)?;
        let path = directories.log(&self.name);
        if let Some(folder) = path.parent() {
            create(folder)?;
        }
        let log = File::options().create(true).append(true).open(&path).map_err(LabError::file(&path))?;
        let errors = log.try_clone().map_err(LabError::file(&path))?;
        // The shell joins the groups before it becomes the daemon, so that no child is born outside of them.
        let mut command = network::command_inside(&self.namespace, "sh");
        command
            .args(["-c", "while [ \"$1\" != -- ]; do echo $$ > \"$1\" || exit; shift; done; shift; exec \"$@\"", "sh"])
            .args(groups)
            .arg("--")
            .arg(&self.program)
            .args(&self.arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0);
        let mut child = command.spawn().map_err(|why| failed(&command, &why.to_string()))?;
        // Somebody must take its end notice while this process lives.
        thread::spawn(move || child.wait());
        Ok(())
    }

    /// The daemon itself, not its children.
    fn main_process(&self) -> Option<Pid> {
        let name = self.program.file_name()?.to_string_lossy().into_owned();
        let is_it = |pid: &Pid| {
            let words = fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
            words.split('\0').next().is_some_and(|program| program.rsplit('/').next() == Some(&name))
        };
        cgroups::processes_of(&self.name).into_iter().find(is_it)
    }

    /// Whether it runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.main_process().is_some()
    }

    /// Ends it: by request, and if need be by force.
    pub(crate) fn stop(&self) {
        if let Some(pid) = self.main_process() {
            // The only failure is that it has just died.
            kill_process(pid, Signal::TERM).ok();
            let start = Instant::now();
            while self.is_alive() && start.elapsed() < GRACE {
                thread::sleep(LOOK);
            }
        }
        cgroups::kill(self.main_process().as_slice());
    }

    /// Waits until `is_ready` says that it is.
    ///
    /// # Errors
    /// It ended, or is not ready in time: with the end of its log, and what `is_ready` last said.
    pub(crate) fn wait(
        &self,
        directories: &Directories,
        patience: Duration,
        mut is_ready: impl FnMut() -> Result<(), String>,
    ) -> Result<(), LabError> {
        let start = Instant::now();
        loop {
            let Err(reason) = is_ready() else { return Ok(()) };
            // A daemon that has just been started is a shell for a moment.
            let ended = start.elapsed() > Duration::from_secs(1) && !self.is_alive();
            if ended || start.elapsed() > patience {
                let reason = if ended { "it has ended".to_owned() } else { reason };
                return Err(self.not_ready(directories, start.elapsed(), reason));
            }
            thread::sleep(LOOK);
        }
    }

    fn not_ready(&self, directories: &Directories, waited: Duration, reason: String) -> LabError {
        let log = directories.log(&self.name);
        let tail = log_tail(&log);
        LabError::NotReady { component: self.name.clone(), seconds: waited.as_secs(), reason, log, tail }
    }
}

fn log_tail(log: &PathBuf) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_END)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map_or_else(|why| why.to_string(), |text| tail(&text, LOG_LINES))
}
