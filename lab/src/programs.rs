//! The programs of a cluster, built from the Go modules in `lab/kubernetes`, which are inside this library: nothing but
//! Go and its module proxy is needed, and the committed `go.sum`s say what may come from there.
//!
//! Each program is built once into the cache, below a hash of its sources.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::directories::{Directories, create, write};
use crate::error::LabError;
use crate::image::hex;
use crate::run::{failed, tail};
use crate::{Progress, Watcher};

/// A Go module and what is built from it.
struct Module {
    name: &'static str,
    /// What `go build` is given.
    package: &'static str,
    /// Variables that the linker sets.
    variables: &'static [(&'static str, &'static str)],
    files: &'static [(&'static str, &'static str)],
    /// Names by which the program is also called.
    links: &'static [&'static str],
    /// How long a cold build takes on two cores, for people who wait.
    takes: &'static str,
}

macro_rules! files {
    ($module:literal: $($file:literal),*) => {
        &[$(($file, include_str!(concat!("../kubernetes/", $module, "/", $file)))),*]
    };
}

/// The version of Kubernetes; clients refuse a server that does not say its own.
const VERSION: &[(&str, &str)] = &[
    ("k8s.io/component-base/version.gitVersion", "v1.34.4"),
    ("k8s.io/component-base/version.gitMajor", "1"),
    ("k8s.io/component-base/version.gitMinor", "34"),
];

const MODULES: [Module; 7] = [
    Module {
        name: "kubernetes",
        package: ".",
        variables: VERSION,
        files: files!("kubernetes": "go.mod", "go.sum", "main.go"),
        links: &[
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
            "kubectl",
        ],
        takes: "5 minutes",
    },
    Module {
        name: "coredns",
        package: ".",
        variables: &[],
        files: files!("coredns": "go.mod", "go.sum", "main.go"),
        links: &[],
        takes: "a minute",
    },
    Module {
        name: "metrics-server",
        package: "sigs.k8s.io/metrics-server/cmd/metrics-server",
        variables: &[],
        files: files!("metrics-server": "go.mod", "go.sum"),
        links: &[],
        takes: "2 minutes",
    },
    Module {
        name: "kube-state-metrics",
        package: "k8s.io/kube-state-metrics/v2",
        variables: &[],
        files: files!("kube-state-metrics": "go.mod", "go.sum"),
        links: &[],
        takes: "2 minutes",
    },
    Module {
        name: "discovery",
        package: ".",
        variables: &[],
        files: files!("discovery": "go.mod", "go.sum", "main.go"),
        links: &[],
        takes: "a minute",
    },
    Module {
        name: "pause",
        package: ".",
        variables: &[],
        files: files!("pause": "go.mod", "main.go"),
        links: &[],
        takes: "a second",
    },
    Module {
        name: "actor",
        package: ".",
        variables: &[],
        files: files!("actor": "go.mod", "main.go"),
        links: &[],
        takes: "a few seconds",
    },
];

/// Where the programs are, built or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Programs {
    folders: Vec<(&'static str, PathBuf)>,
}

impl Programs {
    pub(crate) fn of(directories: &Directories) -> Self {
        let folder = |module: &Module| directories.cache.join(module.name).join(module.hash());
        Self { folders: MODULES.iter().map(|module| (module.name, folder(module))).collect() }
    }

    /// A program by its name, such as `kubelet`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let has = |module: &&Module| module.name == name || module.links.contains(&name);
        let module = MODULES.iter().find(has).expect("callers name programs of the table above");
        self.folder(module).join(name)
    }

    fn folder(&self, module: &Module) -> &Path {
        let (_, folder) = self.folders.iter().find(|(name, _)| *name == module.name).expect("there is one per module");
        folder
    }

    /// Whether all are built.
    pub(crate) fn are_built(&self) -> bool {
        self.unbuilt().next().is_none()
    }

    fn unbuilt(&self) -> impl Iterator<Item = &'static Module> {
        MODULES.iter().filter(|module| !self.path(module.name).exists())
    }

    /// Builds those that are not.
    pub(crate) fn build(&self, watcher: Watcher<'_>) -> Result<(), LabError> {
        for module in self.unbuilt() {
            let (name, takes) = (module.name, module.takes);
            watcher(Progress::Step(&format!("building {name}, once: about {takes} on two cores")));
            module.build(self.folder(module), watcher)?;
        }
        Ok(())
    }
}

impl Module {
    /// Of all that the program depends on, but for the compiler.
    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        let texts = self.files.iter().chain(self.variables).flat_map(|(name, text)| [*name, *text]);
        for text in texts.chain(self.links.iter().copied()).chain([self.package]) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hex(&hash.finalize()[..6])
    }

    fn build(&self, folder: &Path, watcher: Watcher<'_>) -> Result<(), LabError> {
        let source = folder.join("source");
        for (name, text) in self.files {
            write(&source.join(name), text)?;
        }
        let partial = folder.join("partial");
        let set: Vec<_> = self.variables.iter().map(|(name, value)| format!(" -X {name}={value}")).collect();
        let mut command = Command::new("go");
        command
            .args(["build", "-v", "-trimpath", "-ldflags", &format!("-s -w{}", set.concat()), "-o"])
            .arg(&partial)
            .arg(self.package)
            .current_dir(&source)
            .env("CGO_ENABLED", "0")
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=readonly");
        compile(&mut command, watcher)?;
        for link in self.links {
            let path = folder.join(link);
            if !path.exists() {
                symlink(self.name, &path).map_err(LabError::file(&path))?;
            }
        }
        // Last, since the program's presence says that it is built.
        let path = folder.join(self.name);
        fs::rename(&partial, &path).map_err(LabError::file(&path))
    }
}

/// Runs `go build -v`, which prints a line for each package that it compiles or module that it fetches.
fn compile(command: &mut Command, watcher: Watcher<'_>) -> Result<(), LabError> {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|why| failed(command, &why.to_string()))?;
    let mut printed = String::new();
    let stderr = child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines());
    for (i, line) in stderr.map_while(Result::ok).enumerate() {
        watcher(Progress::Detail(&format!("{}: {line}", i + 1)));
        printed.push_str(&line);
        printed.push('\n');
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(failed(command, &tail(&printed, 8))),
        Err(why) => Err(failed(command, &why.to_string())),
    }
}

/// Makes the folder of the cache, to see that it can be.
pub(crate) fn prepare(directories: &Directories) -> Result<(), LabError> {
    create(&directories.cache)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> Programs {
        Programs::of(&Directories { state: "/state".into(), cache: "/cache".into() })
    }

    #[test]
    fn every_name_of_a_program_is_in_its_modules_folder() {
        let (kubelet, kubectl) = (programs().path("kubelet"), programs().path("kubectl"));
        assert_eq!(kubelet.parent(), kubectl.parent());
        assert!(kubelet.starts_with("/cache/kubernetes"), "{}", kubelet.display());
        assert!(programs().path("pause").ends_with("pause"));
    }

    #[test]
    fn a_changed_source_is_another_build() {
        let with = |text| Module { files: text, ..MODULES[5] };
        let one = with(&[("main.go", "package main")]).hash();
        assert_eq!(one, with(&[("main.go", "package main")]).hash());
        assert_ne!(one, with(&[("main.go", "package main\n")]).hash());
        assert_ne!(one, with(&[("main.gop", "ackage main")]).hash(), "a name does not run into its text");
    }

    #[test]
    fn versions_are_pinned() {
        for (module, pin) in [
            (0, "k8s.io/kubernetes v1.34.4"),
            (1, "github.com/coredns/coredns v1.14.7"),
            (2, "sigs.k8s.io/metrics-server v0.9.0"),
            (3, "k8s.io/kube-state-metrics/v2 v2.15.0"),
            (4, "github.com/prometheus/prometheus v0.307.3"),
        ] {
            let (_, text) = MODULES[module].files[0];
            assert!(text.contains(pin), "{pin}");
        }
    }
}
