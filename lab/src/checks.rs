//! What keeps this machine from holding a lab, all at once, each with its cure.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sim::units::Bytes;

use crate::cgroups;
use crate::directories::Directories;
use crate::error::{LabError, Obstacle};
use crate::layout::parse_meminfo;
use crate::network;
use crate::programs::Programs;
use crate::run::{output, run};

/// Programs of Debian's packages.
const PACKAGES: [(&str, &str); 14] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("docker-registry", "docker-registry"),
    ("prometheus", "prometheus"),
    ("conntrack", "conntrack"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("umount", "mount"),
    ("mount", "mount"),
    ("sysctl", "procps"),
    ("openssl", "openssl"),
];
/// The newest that a module in `lab/kubernetes` asks for.
const GO: (u32, u32, u32) = (1, 26, 4);
/// What the control plane, the nodes and a small application use.
const MEMORY: Bytes = Bytes(3 << 30);
/// Logs, images, metrics.
const DISK: Bytes = Bytes(2 << 30);
/// Go's caches and the programs.
const DISK_TO_BUILD: Bytes = Bytes(9 << 30);
/// A Unix socket's path has at most 107 bytes, and the longest here ends in `/node-1/containerd.sock`.
const STATE_LENGTH: usize = 80;

/// Debian's packages that are missing.
pub fn missing_packages() -> Vec<&'static str> {
    let mut missing: Vec<_> = PACKAGES.iter().filter(|(program, _)| find(program).is_none()).map(|(_, p)| *p).collect();
    missing.dedup();
    missing
}

/// Installs packages of Debian.
pub(crate) fn install(packages: &[&str]) -> Result<(), LabError> {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        // The run level keeps Debian from starting the packages' own services.
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        output(&mut command)
    };
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--yes", "--quiet", "--no-install-recommends"], packages].concat())?;
    Ok(())
}

/// Everything that is in the way of a lab.
pub(crate) fn obstacles(directories: &Directories, programs: &Programs) -> Vec<Obstacle> {
    let mut found = Vec::new();
    if !rustix::process::geteuid().is_root() {
        found.push(Obstacle::new(
            "a lab needs root: it makes network namespaces and control groups",
            "run it with sudo, or in a virtual machine or a container with all privileges",
        ));
    }
    let missing = missing_packages();
    if !missing.is_empty() {
        let list = missing.join(" ");
        found.push(Obstacle::new(
            format!("programs of these packages are missing: {list}"),
            format!("apt-get install --no-install-recommends {list}, or let `lab up --install` do it"),
        ));
    }
    if !programs.are_built() {
        found.extend(go(&run("go env GOVERSION").unwrap_or_default()));
    }
    found.extend(control_groups(&cgroups::missing_controllers()));
    found.extend(kernel());
    found.extend(network(&network::conflicts()));
    found.extend(room(directories, programs));
    let length = directories.state.as_os_str().len();
    if length > STATE_LENGTH {
        found.push(Obstacle::new(
            format!("{}: a path of {length} bytes is too long for the sockets below it", directories.state.display()),
            format!("name a folder of at most {STATE_LENGTH} bytes in SOCKPIT_LAB_DIR"),
        ));
    }
    found
}

fn find(program: &str) -> Option<PathBuf> {
    if program.starts_with('/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    // As root without a login these may be missing.
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&folders).chain(system).map(|folder| folder.join(program)).find(|path| path.exists())
}

fn go(version: &str) -> Option<Obstacle> {
    let (major, minor, patch) = GO;
    let cure = format!("install Go {major}.{minor}.{patch} or later (https://go.dev/dl) and put it in PATH");
    let text = version.trim().strip_prefix("go").unwrap_or_default();
    // `27rc1` is 27.
    let number = |part: &str| part.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    let mut numbers = text.split(['.', ' ', '-']).map(|part| number(part).unwrap_or(0));
    let found = (numbers.next()?, numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if text.is_empty() {
        return Some(Obstacle::new("Go is missing, which builds the cluster from source", cure));
    }
    (found < GO).then(|| Obstacle::new(format!("Go {text} is too old to build the cluster"), cure))
}

fn control_groups(missing: &[&str]) -> Option<Obstacle> {
    if missing.is_empty() {
        return None;
    }
    let problem = format!("control groups of version 1 are not mounted for: {}", missing.join(", "));
    let cure = "boot the kernel with `systemd.unified_cgroup_hierarchy=0` (GRUB_CMDLINE_LINUX in /etc/default/grub); \
                the lab's nodes do not run on version 2 alone";
    Some(Obstacle::new(problem, cure))
}

fn kernel() -> Vec<Obstacle> {
    let mut found = Vec::new();
    if !network::bridges_are_filtered() && run("modprobe br_netfilter").is_err() {
        let problem = "the kernel does not pass a bridge's packets to iptables (br_netfilter)";
        found.push(Obstacle::new(problem, "load it with `modprobe br_netfilter`, outside of any container"));
    }
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.lines().any(|line| line.ends_with("\toverlay")) && run("modprobe overlay").is_err() {
        let problem = "the kernel has no overlay filesystem, which containers' files are on";
        found.push(Obstacle::new(problem, "load it with `modprobe overlay`, outside of any container"));
    }
    found
}

fn network(conflicts: &[String]) -> Option<Obstacle> {
    if conflicts.is_empty() {
        return None;
    }
    let problem = format!("addresses that the lab uses are taken:\n    {}", conflicts.join("\n    "));
    let cure = "take that network down (`ip link delete NAME`, `ip route delete …`), or use another machine: the lab \
                needs 10.200.0.0/24, 10.244.0.0/16 and 10.96.0.0/16";
    Some(Obstacle::new(problem, cure))
}

fn room(directories: &Directories, programs: &Programs) -> Vec<Obstacle> {
    let mut found = Vec::new();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    if let Some(available) = parse_meminfo(&meminfo, "MemAvailable").filter(|available| *available < MEMORY) {
        let (available, needed) = (available.gibibytes(), MEMORY.gibibytes());
        found.push(Obstacle::new(
            format!("{available:.1} GiB of memory are available, and a lab needs {needed} GiB"),
            "end what uses the memory (`ps aux --sort=-rss | head`), or use a larger machine",
        ));
    }
    let mut disk = |folder: &Path, needed: Bytes, cure: &str| {
        if let Some(free) = free(folder).filter(|free| *free < needed) {
            let (free, needed) = (free.gibibytes(), needed.gibibytes());
            let problem = format!("{:.1} GiB are free for {}, and {needed} GiB are needed", free, folder.display());
            found.push(Obstacle::new(problem, cure));
        }
    };
    disk(&directories.state, DISK, "delete something, or name another folder in SOCKPIT_LAB_DIR");
    if !programs.are_built() {
        let cure = "delete something, or name other folders in SOCKPIT_LAB_CACHE, GOCACHE and GOMODCACHE";
        disk(&directories.cache, DISK_TO_BUILD, cure);
        for folder in run("go env GOCACHE GOMODCACHE").unwrap_or_default().lines() {
            disk(Path::new(folder), DISK_TO_BUILD, cure);
        }
    }
    found
}

/// What is free on the disk that a folder is on or would be on.
fn free(folder: &Path) -> Option<Bytes> {
    let existing = folder.ancestors().find(|ancestor| ancestor.exists())?;
    let disk = rustix::fs::statvfs(existing).ok()?;
    Some(Bytes(disk.f_bavail * disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_or_missing_go_is_said_with_its_cure() {
        let check = |version: &str, expected: Option<&str>| {
            assert_eq!(go(version).map(|obstacle| obstacle.problem).as_deref(), expected, "{version}");
        };
        check("go1.26.8\n", None);
        check("go1.27rc1", None);
        check("go1.26.3", Some("Go 1.26.3 is too old to build the cluster"));
        check("go1.19.8", Some("Go 1.19.8 is too old to build the cluster"));
        check("", Some("Go is missing, which builds the cluster from source"));
        assert!(go("").unwrap().cure.starts_with("install Go 1.26.4 or later"));
    }

    #[test]
    fn version_2_alone_is_said_with_its_cure() {
        assert_eq!(control_groups(&[]), None);
        let obstacle = control_groups(&["cpu", "memory"]).unwrap();
        assert_eq!(obstacle.problem, "control groups of version 1 are not mounted for: cpu, memory");
        assert!(obstacle.cure.contains("systemd.unified_cgroup_hierarchy=0"));
    }

    #[test]
    fn a_taken_network_is_named() {
        let line = "10.96.0.0/16 dev eth1 scope link".to_owned();
        let text = network(&[line]).unwrap().to_string();
        assert!(text.starts_with("addresses that the lab uses are taken:\n    10.96.0.0/16 dev eth1"), "{text}");
    }

    #[test]
    fn room_is_that_of_the_disk_a_folder_would_be_on() {
        assert!(free(Path::new("/no/such/folder")).unwrap() == free(Path::new("/")).unwrap());
    }
}
