//! The lab's control groups (version 1): one per daemon, so that its processes are found again, and one per node,
//! below which its kubelet puts the pods.
//!
//! ```text
//! /sys/fs/cgroup/HIERARCHY/sockpit-lab/components/NAME      in `pids` only, and `components` in `cpu`
//! /sys/fs/cgroup/HIERARCHY/sockpit-lab/NODE/kubepods/…      in all
//! /sys/fs/cgroup/HIERARCHY/sockpit-lab/load                 in `cpu` only: who loads and measures, and DNS
//! ```
//!
//! What pods do is what is compared with the twin, whose nodes have nothing else to do. So the daemons, which on a real
//! cluster are elsewhere or on processors reserved for them, give way to the pods, and everything else on the machine
//! gives way to the lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::gettid;

use crate::directories::create;
use crate::error::LabError;
use crate::layout::NodeLayout;

/// The lab's group in each hierarchy.
const ROOT: &str = "sockpit-lab";
/// The component whose answers are part of what is measured.
const DNS: &str = "coredns";
/// `cpu.shares` in the lab's group. Where both want all of it, the daemons get a ninth of a processor.
const COMPONENT_SHARES: u64 = 128;
const LOAD_SHARES: u64 = 8 * NODE_SHARES;
/// What the kernel gives a new group.
const NODE_SHARES: u64 = 1024;
/// Of the lab's group beside the machine's other processes, each of which has 1024.
const ROOT_SHARES: u64 = 32 * 1024;
/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(20);

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    pub(crate) path: PathBuf,
    /// The controllers and names it was mounted with; empty for version 2.
    pub(crate) controllers: Vec<String>,
}

/// The mounted hierarchies of both versions.
pub(crate) fn hierarchies() -> Vec<Hierarchy> {
    parse_mounts(&fs::read_to_string("/proc/self/mounts").unwrap_or_default())
}

fn parse_mounts(mounts: &str) -> Vec<Hierarchy> {
    let hierarchy = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let (path, kind, options) = (words.get(1)?, words.get(2)?, words.get(3)?);
        let generic = ["rw", "ro", "nosuid", "nodev", "noexec", "relatime", "noatime", "xattr"];
        let controllers = match *kind {
            "cgroup" => options.split(',').filter(|option| !generic.contains(option)).map(str::to_owned).collect(),
            "cgroup2" => Vec::new(),
            _ => return None,
        };
        Some(Hierarchy { path: (*path).into(), controllers })
    };
    mounts.lines().filter_map(hierarchy).collect()
}

fn with(controller: &str) -> impl Iterator<Item = PathBuf> {
    let has = move |hierarchy: &Hierarchy| hierarchy.controllers.iter().any(|c| c == controller);
    hierarchies().into_iter().filter(has).map(|hierarchy| hierarchy.path)
}

/// The controllers of version 1 that a node needs and that are not mounted.
pub(crate) fn missing_controllers() -> Vec<&'static str> {
    let needed = ["cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio"];
    let found = hierarchies();
    needed.into_iter().filter(|n| !found.iter().any(|h| h.controllers.iter().any(|c| c == n))).collect()
}

/// Says who gets how much of the processors.
pub(crate) fn share_processors() -> Result<(), LabError> {
    for hierarchy in with("cpu") {
        let root = hierarchy.join(ROOT);
        for (group, shares) in
            [(root.clone(), ROOT_SHARES), (root.join("components"), COMPONENT_SHARES), (root.join("load"), LOAD_SHARES)]
        {
            create(&group)?;
            let file = group.join("cpu.shares");
            fs::write(&file, shares.to_string()).map_err(LabError::file(&file))?;
        }
    }
    Ok(())
}

/// While this lives, the lab's daemons run only when no pod wants the processor (`SCHED_IDLE`), and this process loads
/// and measures without waiting for others.
#[derive(Debug)]
pub struct Calm(());

impl Calm {
    pub(crate) fn begin() -> Result<Self, LabError> {
        for hierarchy in with("cpu") {
            let file = hierarchy.join(ROOT).join("load/cgroup.procs");
            fs::write(&file, std::process::id().to_string()).map_err(LabError::file(&file))?;
        }
        let calm = Self(());
        set_components_idle(true)?;
        Ok(calm)
    }

    /// This thread only watches from now on, and gives way too; threads that it starts later do as well.
    ///
    /// # Errors
    /// It cannot join the daemons' control group.
    pub fn step_aside(&self) -> Result<(), LabError> {
        move_thread(&format!("{ROOT}/components"))
    }
}

/// Moves this thread into a control group.
fn move_thread(group: &str) -> Result<(), LabError> {
    for hierarchy in with("cpu") {
        let file = hierarchy.join(group).join("tasks");
        fs::write(&file, gettid().as_raw_nonzero().to_string()).map_err(LabError::file(&file))?;
    }
    Ok(())
}

impl Drop for Calm {
    fn drop(&mut self) {
        // The lab may have gone down meanwhile.
        set_components_idle(false).ok();
        move_thread("").ok();
    }
}

fn set_components_idle(is_idle: bool) -> Result<(), LabError> {
    for hierarchy in with("cpu") {
        let group = hierarchy.join(ROOT).join("components");
        let file = group.join("cpu.idle");
        // Kernels before 5.15 have no such groups; there the daemons have their small share.
        if file.exists() {
            fs::write(&file, u8::from(is_idle).to_string()).map_err(LabError::file(&file))?;
            if !is_idle {
                let shares = group.join("cpu.shares");
                fs::write(&shares, COMPONENT_SHARES.to_string()).map_err(LabError::file(&shares))?;
            }
        }
    }
    Ok(())
}

/// The group that a node's kubelet is given, as a path within each hierarchy.
pub(crate) fn node_group(node: &NodeLayout) -> String {
    format!("/{ROOT}/{}", node.name)
}

/// Makes the groups of the nodes, in all hierarchies of version 1.
pub(crate) fn create_nodes(nodes: &[NodeLayout]) -> Result<(), LabError> {
    for Hierarchy { path, controllers } in hierarchies().into_iter().filter(|h| !h.controllers.is_empty()) {
        let root = path.join(ROOT);
        let groups = [root.clone()].into_iter().chain(nodes.iter().map(|node| root.join(&node.name)));
        for group in groups {
            create(&group)?;
            if controllers.iter().any(|c| c == "cpuset") {
                // A new cpuset is empty, and nothing can run in it.
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    let all = fs::read_to_string(path.join(file)).map_err(LabError::file(&path))?;
                    fs::write(group.join(file), all.trim()).map_err(LabError::file(&group))?;
                }
            }
        }
    }
    Ok(())
}

/// The group of a pod in the hierarchy of a controller, wherever its quality of service puts it.
pub(crate) fn pod(controller: &str, node: &NodeLayout, uid: &str) -> Option<PathBuf> {
    let classes = ["", "burstable", "besteffort"];
    let kubepods = with(controller).next()?.join(ROOT).join(&node.name).join("kubepods");
    classes.iter().map(|class| kubepods.join(class).join(format!("pod{uid}"))).find(|path| path.is_dir())
}

/// Confines the pods of a node to its processors. Once its kubelet is ready: it gives its pods' group all processors
/// when it starts, which would fail in a narrower group; later groups copy those above them.
pub(crate) fn confine(node: &NodeLayout) -> Result<(), LabError> {
    let mut groups = Vec::new();
    for hierarchy in with("cpuset") {
        collect(&hierarchy.join(ROOT).join(&node.name), &mut groups);
    }
    for group in groups {
        let file = group.join("cpuset.cpus");
        fs::write(&file, &node.processors).map_err(LabError::file(&file))?;
    }
    Ok(())
}

/// The files by which a process joins the groups of a component such as `node-1/kubelet`, made if need be.
pub(crate) fn component_groups(component: &str) -> Result<Vec<PathBuf>, LabError> {
    let own = component_path(component);
    create(&own)?;
    // Pods wait for the answers of DNS.
    let class = if component == DNS { "load" } else { "components" };
    let shared = with("cpu").map(|hierarchy| hierarchy.join(ROOT).join(class));
    Ok([own].into_iter().chain(shared).map(|group| group.join("cgroup.procs")).collect())
}

fn component_path(component: &str) -> PathBuf {
    let pids = with("pids").next().unwrap_or_else(|| "/sys/fs/cgroup/pids".into());
    pids.join(ROOT).join("components").join(component.replace('/', "."))
}

/// The processes of a component, its children included.
pub(crate) fn processes_of(component: &str) -> Vec<Pid> {
    processes_in(&component_path(component))
}

/// All processes of the lab, pods included.
pub(crate) fn processes() -> Vec<Pid> {
    let mut all: Vec<_> = groups().iter().flat_map(|group| processes_in(group)).collect();
    all.sort_by_key(|pid| pid.as_raw_nonzero());
    all.dedup();
    all
}

fn processes_in(group: &Path) -> Vec<Pid> {
    let listed = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    listed.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect()
}

/// All groups of the lab, in every hierarchy, inner ones first.
pub(crate) fn groups() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for hierarchy in hierarchies() {
        collect(&hierarchy.path.join(ROOT), &mut found);
    }
    found
}

fn collect(group: &Path, found: &mut Vec<PathBuf>) {
    if !group.is_dir() {
        return;
    }
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        }
    }
    found.push(group.to_owned());
}

/// Kills all processes of the lab, and waits until they are gone.
pub(crate) fn kill_all() {
    let start = Instant::now();
    // Processes may be born while others are killed.
    loop {
        for group in groups() {
            // A frozen process cannot die.
            let frozen = group.join("freezer.state");
            if frozen.exists() {
                // The only failure is that the group has just gone.
                fs::write(&frozen, "THAWED").ok();
            }
        }
        let alive = processes();
        if alive.is_empty() || start.elapsed() > PATIENCE {
            return;
        }
        kill(&alive);
        thread::sleep(Duration::from_millis(50));
    }
}

/// Kills processes; those that are gone already are no error.
pub(crate) fn kill(processes: &[Pid]) {
    for pid in processes {
        // The only failure is that it has just died.
        kill_process(*pid, Signal::KILL).ok();
    }
}

/// Removes all groups of the lab, and returns those that would not go.
pub(crate) fn remove() -> Vec<PathBuf> {
    let start = Instant::now();
    loop {
        let left: Vec<_> = groups().into_iter().filter(|group| fs::remove_dir(group).is_err()).collect();
        if left.is_empty() || start.elapsed() > Duration::from_secs(5) {
            return left;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_told_from_other_mounts() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 \
                      0\ncgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 \
                      rw,relatime 0 0\n";
        let found = parse_mounts(mounts);
        let expected: [(&str, &[&str]); 3] = [
            ("/sys/fs/cgroup/cpu,cpuacct", &["cpu", "cpuacct"]),
            ("/sys/fs/cgroup/systemd", &["name=systemd"]),
            ("/sys/fs/cgroup/unified", &[]),
        ];
        assert_eq!(found.len(), expected.len());
        for (hierarchy, (path, controllers)) in found.iter().zip(expected) {
            assert_eq!(hierarchy.path, Path::new(path));
            assert_eq!(hierarchy.controllers, controllers);
        }
    }
}
