//! Where the lab keeps its files.
//!
//! ```text
//! STATE (/var/lib/sockpit-lab, SOCKPIT_LAB_DIR)        gone after `down`
//!   kubeconfig    lab.json    log/COMPONENT.log    credentials/    config/    etcd/ prometheus/ registry/ NODE/
//! CACHE (/var/cache/sockpit-lab, SOCKPIT_LAB_CACHE)    stays
//!   PROGRAM/HASH/    stand-in/
//! ```

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::LabError;

/// The two folders of a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// What a running lab consists of.
    pub state: PathBuf,
    /// What is worth keeping between labs: built programs.
    pub cache: PathBuf,
}

impl Directories {
    /// The folders that the environment names, or else the usual ones.
    pub fn from_environment() -> Self {
        let folder = |variable: &str, usual: &str| env::var_os(variable).map_or_else(|| usual.into(), PathBuf::from);
        Self {
            state: folder("SOCKPIT_LAB_DIR", "/var/lib/sockpit-lab"),
            cache: folder("SOCKPIT_LAB_CACHE", "/var/cache/sockpit-lab"),
        }
    }

    /// The kubeconfig of the lab's administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    /// The log of a component such as `node-1/kubelet`.
    pub fn log(&self, component: &str) -> PathBuf {
        self.state.join("log").join(format!("{}.log", component.replace('/', ".")))
    }

    pub(crate) fn credential(&self, name: &str) -> PathBuf {
        self.state.join("credentials").join(name)
    }

    pub(crate) fn config(&self, name: &str) -> PathBuf {
        self.state.join("config").join(name)
    }
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), LabError> {
    if let Some(folder) = path.parent() {
        create(folder)?;
    }
    fs::write(path, content).map_err(LabError::file(path))
}

/// Makes a folder and those above it.
pub(crate) fn create(folder: &Path) -> Result<(), LabError> {
    fs::create_dir_all(folder).map_err(LabError::file(folder))
}

/// Fills in the `{{name}}`s of a template.
pub(crate) fn render(template: &str, values: &[(&str, &str)]) -> String {
    let text =
        values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
    debug_assert!(!text.contains("{{"), "a value is missing: {text}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_in() {
        assert_eq!(render("a: {{one}}\nb: {{two}} {{one}}", &[("one", "1"), ("two", "2")]), "a: 1\nb: 2 1");
    }

    #[test]
    #[should_panic(expected = "a value is missing")]
    fn a_template_without_a_value_is_a_bug() {
        render("a: {{one}}", &[]);
    }

    #[test]
    fn a_component_has_a_log_of_its_own() {
        let directories = Directories { state: "/s".into(), cache: "/c".into() };
        assert_eq!(directories.log("node-1/kubelet"), Path::new("/s/log/node-1.kubelet.log"));
    }
}
