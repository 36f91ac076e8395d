//! Takes a lab away, whatever state it is in: running, killed in part, or left behind by a reboot.
//!
//! Order: processes first, since they hold mounts and namespaces; then mounts, network, control groups, files.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::cgroups;
use crate::directories::{Directories, create, write};
use crate::error::{LabError, Obstacle};
use crate::network;
use crate::run::run;

/// The file that says that a folder is a lab's to delete.
const MARKER: &str = ".sockpit-lab";
/// Where the CNI library notes the addresses of pods, whatever it is configured to.
const CNI_RESULTS: &str = "/var/lib/cni/results";
/// Where containerd's shims listen, whatever it is configured to.
const SHIM_SOCKETS: &str = "/run/containerd/s";

/// Makes the lab's folder, which must be empty or a lab's.
pub(crate) fn claim(directories: &Directories) -> Result<(), LabError> {
    let state = &directories.state;
    create(state)?;
    let mut entries = fs::read_dir(state).map_err(LabError::file(state))?;
    if !is_ours(directories) && entries.next().is_some() {
        return Err(LabError::Unfit(vec![Obstacle::new(
            format!("{} holds files that are not a lab's", state.display()),
            "name another folder in SOCKPIT_LAB_DIR, or empty this one: `lab down` deletes it",
        )]));
    }
    write(&state.join(MARKER), "The folder of `sockpit lab`; `sockpit lab down` deletes it.\n")
}

fn is_ours(directories: &Directories) -> bool {
    directories.state.join(MARKER).exists()
}

/// Takes everything away.
///
/// # Errors
/// Something will not go; it is named.
pub(crate) fn clear(directories: &Directories) -> Result<(), LabError> {
    cgroups::kill_all();
    for mount in mounts_below(&directories.state).iter().rev() {
        run(&format!("umount --lazy {}", mount.display()))?;
    }
    network::remove()?;
    let stubborn = cgroups::remove();
    remove_stray_files();
    let left: Vec<_> = stubborn.iter().map(|group| format!("control group {}", group.display())).collect();
    let left = if left.is_empty() { leftovers(directories) } else { left };
    if !left.is_empty() {
        return Err(LabError::Left(left));
    }
    if is_ours(directories) {
        fs::remove_dir_all(&directories.state).map_err(LabError::file(&directories.state))?;
    }
    Ok(())
}

/// What runs, is mounted or exists of a lab, a line each.
pub(crate) fn leftovers(directories: &Directories) -> Vec<String> {
    let processes = cgroups::processes().into_iter().map(|pid| format!("process {}", pid.as_raw_nonzero()));
    let mounts = mounts_below(&directories.state).into_iter().map(|path| format!("mount {}", path.display()));
    let namespaces = network::namespaces().into_iter().map(|name| format!("network namespace {name}"));
    let links = network::host_link().into_iter().map(|name| format!("network link {name}"));
    let groups = cgroups::groups().into_iter().map(|path| format!("control group {}", path.display()));
    processes.chain(mounts).chain(namespaces).chain(links).chain(groups).collect()
}

/// Mount points at or below a folder, outer ones first.
pub(crate) fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts_in(&mountinfo).into_iter().filter(|path| path.starts_with(folder)).collect()
}

fn mounts_in(mountinfo: &str) -> Vec<PathBuf> {
    // Field 5 is the mount point (proc(5)), with blanks as octal numbers.
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(|point| point.replace("\\040", " ").into()).collect()
}

/// Files that containerd and its helpers keep outside of the folders they are given.
fn remove_stray_files() {
    let entries = |folder: &str| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let results = entries(CNI_RESULTS)
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sockpit-lab-")));
    // A socket that nobody listens on, whoever's it was.
    let sockets = entries(SHIM_SOCKETS).filter(|path| UnixStream::connect(path).is_err());
    for path in results.chain(sockets) {
        // They do no harm: what cannot be removed may stay.
        fs::remove_file(path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_as_the_kernel_writes_them() {
        let mountinfo = "36 35 98:0 / /var/lib/sockpit-lab/node-1/run\\0401 rw,noatime master:1 - ext3 /dev/root rw\n37 36 0:3 net:[4026532] /run/netns rw - nsfs nsfs rw\n";
        let expected = ["/var/lib/sockpit-lab/node-1/run 1", "/run/netns"].map(PathBuf::from);
        assert_eq!(mounts_in(mountinfo), expected);
    }

    #[test]
    fn a_folder_with_other_files_is_never_taken() {
        let folder = tempfile::tempdir().unwrap();
        let directories = Directories { state: folder.path().join("lab"), cache: "/cache".into() };
        claim(&directories).unwrap();
        claim(&directories).unwrap();

        let foreign = Directories { state: folder.path().into(), ..directories };
        let refused = claim(&foreign).unwrap_err().to_string();
        assert!(
            refused.contains("holds files that are not a lab's\n  help: name another folder in SOCKPIT_LAB_DIR"),
            "{refused}"
        );
    }
}
