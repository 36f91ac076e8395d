//! A control group with a CPU quota, in either layout of the kernel.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where the `cpu` controller is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    /// `cpu.cfs_quota_us`, `cpu.shares`.
    V1,
    /// `cpu.max`, `cpu.weight`.
    V2,
}

/// The counters of `cpu.stat`, and the CPU time used.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Counters {
    pub(crate) usage_ns: u64,
    pub(crate) nr_periods: u64,
    pub(crate) nr_throttled: u64,
    pub(crate) throttled_ns: u64,
}

/// A parent with the highest weight there is, so that only the quota of its child ever limits, and
/// the limited child. Both are removed on drop; their processes must be gone by then.
#[derive(Debug)]
pub(crate) struct Cgroup {
    layout: Layout,
    parent: PathBuf,
    limited: PathBuf,
}

impl Layout {
    pub(crate) fn detect() -> Result<Self> {
        let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
        if controllers.split_whitespace().any(|name| name == "cpu") {
            return Ok(Self::V2);
        }
        if Path::new("/sys/fs/cgroup/cpu/cpu.shares").exists() || Path::new("/sys/fs/cgroup/cpu/tasks").exists() {
            return Ok(Self::V1);
        }
        bail!("no cpu controller under /sys/fs/cgroup: mount cgroup2 there, or cgroup v1 at /sys/fs/cgroup/cpu")
    }

    fn root(self) -> &'static Path {
        Path::new(match self {
            Self::V1 => "/sys/fs/cgroup/cpu",
            Self::V2 => "/sys/fs/cgroup",
        })
    }
}

impl Cgroup {
    /// Makes a group that may use `quota_us` of CPU time in each 100 ms.
    pub(crate) fn new(layout: Layout, quota_us: u64) -> Result<Self> {
        let parent = layout.root().join(format!("sockpit-cpu-quota-{}", std::process::id()));
        let limited = parent.join("limited");
        let made = Self { layout, parent, limited };
        fs::create_dir_all(&made.limited).context("making a control group needs root")?;
        match layout {
            Layout::V1 => {
                write(&made.parent, "cpu.shares", "262144")?;
                write(&made.limited, "cpu.cfs_period_us", "100000")?;
                write(&made.limited, "cpu.cfs_quota_us", &quota_us.to_string())?;
            }
            Layout::V2 => {
                write(layout.root(), "cgroup.subtree_control", "+cpu")?;
                write(&made.parent, "cgroup.subtree_control", "+cpu")?;
                write(&made.parent, "cpu.weight", "10000")?;
                write(&made.limited, "cpu.max", &format!("{quota_us} 100000"))?;
            }
        }
        Ok(made)
    }

    /// Moves a process in, with all its threads.
    pub(crate) fn adopt(&self, process: u32) -> Result<()> {
        write(&self.limited, "cgroup.procs", &process.to_string())
    }

    /// Lifts the limit, so that what is frozen inside can end.
    pub(crate) fn unlimit(&self) -> Result<()> {
        match self.layout {
            Layout::V1 => write(&self.limited, "cpu.cfs_quota_us", "-1"),
            Layout::V2 => write(&self.limited, "cpu.max", "max 100000"),
        }
    }

    pub(crate) fn counters(&self) -> Result<Counters> {
        let text = fs::read_to_string(self.limited.join("cpu.stat"))?;
        let field = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .find(|(key, _)| *key == name)
                .and_then(|(_, value)| value.trim().parse::<u64>().ok())
                .with_context(|| format!("cpu.stat has no `{name}`"))
        };
        let (usage_ns, throttled_ns) = match self.layout {
            // The usage of v1 lives in another controller, mounted elsewhere: the caller sums threads.
            Layout::V1 => (0, field("throttled_time")?),
            Layout::V2 => (field("usage_usec")? * 1000, field("throttled_usec")? * 1000),
        };
        Ok(Counters { usage_ns, nr_periods: field("nr_periods")?, nr_throttled: field("nr_throttled")?, throttled_ns })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in [&self.limited, &self.parent] {
            if let Err(error) = fs::remove_dir(directory) {
                crate::report::warn(&format!("cannot remove {}: {error}", directory.display()));
            }
        }
    }
}

fn write(directory: &Path, file: &str, text: &str) -> Result<()> {
    let path = directory.join(file);
    fs::write(&path, text).with_context(|| format!("cannot write `{text}` to {}", path.display()))
}
