//! The program that plays the services of an application, built without anything that is linked at run time, so that an
//! image holds nothing else.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::directories::Directories;
use crate::error::LabError;
use crate::run::output;
use crate::{Progress, Watcher};

/// Names a stand-in that is built already.
const PREBUILT: &str = "SOCKPIT_STAND_IN";
const PACKAGE: &str = "sockpit-stand-in";
const PROGRAM: &str = "stand-in";

/// The bytes of the program, built if need be.
pub(crate) fn program(directories: &Directories, watcher: Watcher<'_>) -> Result<Vec<u8>, LabError> {
    let path = match env::var_os(PREBUILT) {
        Some(path) => PathBuf::from(path),
        None => build(directories, watcher)?,
    };
    fs::read(&path).map_err(LabError::file(&path))
}

fn build(directories: &Directories, watcher: Watcher<'_>) -> Result<PathBuf, LabError> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace's folder");
    if !workspace.join("Cargo.toml").exists() {
        return Err(LabError::NotUp {
            problem: format!("the sources of the stand-in are not in {} any more", workspace.display()),
            cure: format!("build {PACKAGE} elsewhere and name the program in {PREBUILT}"),
        });
    }
    watcher(Progress::Step("building the stand-in"));
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    // A folder of its own, since other flags would have the workspace built anew, and one per checkout: of two that
    // share one, cargo takes the program of either for that of the other.
    let checkout = workspace.to_string_lossy().trim_start_matches('/').replace('/', "-");
    let folder = directories.cache.join("stand-in").join(checkout);
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--release", "--quiet", "--package", PACKAGE, "--target", &target, "--target-dir"])
        .arg(&folder)
        .current_dir(workspace)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    output(&mut command)?;
    Ok(folder.join(target).join("release").join(PROGRAM))
}
