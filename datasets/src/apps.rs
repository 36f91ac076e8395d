//! Applications as folders: the shipped ones, which are inside the binary, and any on disk.
//!
//! ```text
//! my-app/
//!   profile.yaml            how its services behave
//!   manifests/…             what one would `kubectl apply`; any folders and names, or right here
//!   overlays/NAME/…         changes over the manifests, to be asked for by name
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use sim::app::{App, PROFILE_FILE};
use sim::diagnostic::{Diagnostic, Diagnostics, Source, nearest};

use crate::embedded;

/// The files of an application, not yet looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppFiles {
    /// The manifests, in the order of their paths.
    pub manifests: Vec<Source>,
    /// The overlays by name.
    pub overlays: BTreeMap<String, Vec<Source>>,
    /// The profile, if there is one.
    pub profile: Option<Source>,
}

/// The application that is meant when none is named.
pub const DEFAULT_APP: &str = "sock-shop";

/// The names of the shipped applications.
pub fn shipped() -> Vec<String> {
    let mut names: Vec<_> =
        embedded::below("apps").filter_map(|f| Some(f.path.split_once('/')?.0.to_owned())).collect();
    names.dedup();
    names
}

impl AppFiles {
    /// The application that `app` means: a shipped one by name, or else a folder on disk.
    ///
    /// # Errors
    /// No such application or folder, and files that cannot be read.
    pub fn find(app: &str) -> Result<Self, Diagnostics> {
        let names = shipped();
        if names.iter().any(|name| name == app) {
            return Ok(Self::sort(embedded::below(&format!("apps/{app}")), app));
        }
        if Path::new(app).exists() {
            return Self::read(Path::new(app));
        }
        let near = nearest(app, names.iter().map(String::as_str))
            .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        let help =
            format!("{near}name a folder with manifests and a {PROFILE_FILE}, or a shipped app: {}", names.join(", "));
        Err(Diagnostics(vec![Diagnostic::error(app, 0, "", "there is no such app and no such folder").help(help)]))
    }

    /// The files of a folder. Names that begin with a dot are passed over.
    ///
    /// # Errors
    /// What is no folder, and files that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Diagnostics> {
        let mut paths = Vec::new();
        let mut mistakes = Vec::new();
        if folder.is_dir() {
            collect(folder, &mut paths, &mut mistakes);
        } else {
            mistakes.push(
                Diagnostic::error(folder.display().to_string(), 0, "", "it is not a folder")
                    .help(format!("name the folder that holds the manifests and the {PROFILE_FILE}")),
            );
        }
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            match fs::read_to_string(&path) {
                Ok(text) => files.push(Source { path: relative(&path, folder), text }),
                Err(why) => mistakes.push(unreadable(&path, &why)),
            }
        }
        if !mistakes.is_empty() {
            return Err(Diagnostics(mistakes));
        }
        let found = Self::sort(files.into_iter(), &folder.display().to_string());
        if found.manifests.is_empty() {
            let help = format!("put the app's manifests (.yaml or .yml) into it, beside its {PROFILE_FILE}");
            return Err(Diagnostics(vec![
                Diagnostic::error(folder.display().to_string(), 0, "", "the folder holds no manifests").help(help),
            ]));
        }
        Ok(found)
    }

    /// Loads the application, with one of its overlays if one is named. Beside it come warnings.
    ///
    /// # Errors
    /// No such overlay, and every mistake in the files.
    pub fn load(&self, overlay: Option<&str>) -> Result<(App, Vec<Diagnostic>), Diagnostics> {
        let patches = match overlay {
            None => &[],
            Some(name) => self.overlays.get(name).ok_or_else(|| Diagnostics(vec![self.no_overlay(name)]))?.as_slice(),
        };
        App::load(&self.manifests, patches, self.profile.as_ref())
    }

    fn no_overlay(&self, name: &str) -> Diagnostic {
        let known = self.overlays.keys().map(String::as_str);
        let help = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.overlays.is_empty() => format!("the app has no overlays: put one into overlays/{name}"),
            None => format!("use one of: {}", known.collect::<Vec<_>>().join(", ")),
        };
        Diagnostic::error(format!("overlays/{name}"), 0, "", format!("the app has no overlay `{name}`")).help(help)
    }

    /// Tells the files of a folder apart by their paths, and shows them below the folder's name.
    fn sort(files: impl Iterator<Item = Source>, folder: &str) -> Self {
        let mut sorted = Self::default();
        for Source { path, text } in files {
            let shown = Source { path: format!("{}/{path}", folder.trim_end_matches('/')), text };
            match path.strip_prefix("overlays/").and_then(|rest| rest.split_once('/')) {
                _ if path == PROFILE_FILE => sorted.profile = Some(shown),
                Some((overlay, _)) => sorted.overlays.entry(overlay.to_owned()).or_default().push(shown),
                None => sorted.manifests.push(shown),
            }
        }
        sorted
    }
}

/// Every YAML file below a folder.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>, mistakes: &mut Vec<Diagnostic>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(why) => return mistakes.push(unreadable(folder, &why)),
    };
    for entry in entries {
        match entry.map(|e| e.path()) {
            Ok(path) if is_hidden(&path) => {}
            Ok(path) if path.is_dir() => collect(&path, paths, mistakes),
            Ok(path) if path.extension().is_some_and(|e| e == "yaml" || e == "yml") => paths.push(path),
            Ok(_) => {}
            Err(why) => mistakes.push(unreadable(folder, &why)),
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn relative(path: &Path, folder: &Path) -> String {
    let parts = path.strip_prefix(folder).unwrap_or(path).components();
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn unreadable(path: &Path, why: &io::Error) -> Diagnostic {
    let help = if why.kind() == io::ErrorKind::InvalidData {
        "save it as UTF-8 text"
    } else {
        "check that it exists and that you may read it"
    };
    Diagnostic::error(path.display().to_string(), 0, "", format!("it cannot be read: {why}")).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_apps_load_with_each_overlay() {
        assert!(shipped().contains(&DEFAULT_APP.to_owned()), "{:?}", shipped());
        for app in shipped() {
            let files = AppFiles::find(&app).unwrap();
            for overlay in [None].into_iter().chain(files.overlays.keys().map(|name| Some(name.as_str()))) {
                if let Err(mistakes) = files.load(overlay) {
                    panic!("{app} with {overlay:?}:\n{mistakes}");
                }
            }
        }
    }

    #[test]
    fn what_does_not_exist_is_named_with_a_cure() {
        let check = |mistake: Diagnostics, expected: &str| assert_eq!(mistake.to_string(), expected);
        check(
            AppFiles::find("sock-shp").unwrap_err(),
            "error: sock-shp: there is no such app and no such folder\n  help: did you mean `sock-shop`? name a folder with manifests and a profile.yaml, or a shipped app: sock-shop",
        );
        let shop = AppFiles::find(DEFAULT_APP).unwrap();
        check(
            shop.load(Some("acw")).unwrap_err(),
            "error: overlays/acw: the app has no overlay `acw`\n  help: did you mean `acv`?",
        );
    }

    #[test]
    fn folders_on_disk_are_read_in_the_order_of_their_paths() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = AppFiles::read(&root.join("../sim/tests/fixtures/apps/bookshop")).unwrap();
        let names: Vec<_> = files.manifests.iter().filter_map(|f| f.path.rsplit('/').next()).collect();
        assert_eq!(names, ["books.yaml", "store.yaml", "web.yaml"]);
        let (app, warnings) = files.load(None).unwrap();
        assert_eq!((app.objects.deployments.len(), warnings), (3, Vec::new()));

        let refused = |path: &str| AppFiles::read(&root.join(path)).unwrap_err().0.remove(0);
        assert_eq!(refused("build.rs").message, "it is not a folder");
        let empty = refused("src");
        assert_eq!(empty.message, "the folder holds no manifests");
        assert!(empty.help.contains("profile.yaml") && empty.path.ends_with("src"), "{empty}");
    }
}
