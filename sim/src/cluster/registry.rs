//! The container registry: which images exist, what they run, how long a pull takes.

use std::collections::BTreeMap;

use crate::ids::ServiceIx;
use crate::manifest::{Container, image_tag};
use crate::profile::Profile;
use crate::time::SimDuration;
use crate::units::Bytes;

/// A program in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Which service of the profile it is.
    pub service: ServiceIx,
    /// The port it listens on.
    pub port: u16,
}

/// An image that can be pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What it can run, with the name of the service; nothing, if it serves nothing.
    pub programs: Vec<(String, Program)>,
    /// Compressed size.
    pub size: Bytes,
}

/// Why an image cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The registry has no such repository.
    Repository,
    /// The repository has no such tag.
    Tag,
    /// The reference cannot be parsed.
    Malformed,
}

/// The image of a neighbour that burns CPU: the program `stress`, which spins in as many processes as `--cpu` says. It is
/// the same on a real cluster.
const STRESS: &str = "polinux/stress";
/// Its compressed size.
const STRESS_SIZE: Bytes = Bytes(4_000_000);

/// How many processes a container spins in; none where its image is another one.
///
/// # Errors
/// It is told to do something else, which the twin cannot play.
pub(crate) fn stress_workers(container: &Container) -> Result<u32, String> {
    if split(&container.image).0 != STRESS {
        return Ok(0);
    }
    let mut words = container.command.iter().chain(&container.args).map(String::as_str).filter(|w| *w != "stress");
    let mut workers = 0;
    while let Some(word) = words.next() {
        let (option, value) = word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        let value = value.or_else(|| words.next()).and_then(|value| value.parse().ok());
        match (option, value) {
            ("--cpu" | "-c", Some(value)) => workers = value,
            _ => return Err(format!("of the program in {STRESS} the twin knows `--cpu N` only, and not `{word}`")),
        }
    }
    Ok(workers)
}

/// What the registry holds.
#[derive(Clone, Debug)]
pub struct Registry {
    /// By repository: sets of tags (an empty set is any tag) with what they are.
    repositories: BTreeMap<String, Vec<(Vec<String>, Image)>>,
    /// To resolve a tag, or to learn that there is none.
    resolve_time: SimDuration,
}

impl Default for Registry {
    /// An empty one on the internet.
    fn default() -> Self {
        Self { repositories: BTreeMap::new(), resolve_time: RESOLVE }
    }
}

/// One way to a registry on the internet and back: resolving a tag (containerd: HEAD of a manifest, TLS included).
const RESOLVE: SimDuration = SimDuration::from_millis(300);
/// Rate at which a node pulls and unpacks.
const BYTES_PER_SECOND: f64 = 50e6;

impl Registry {
    /// The images of a profile.
    pub fn new(profile: &Profile) -> Self {
        let mut registry = Self::default();
        for image in &profile.images {
            let program = |name: &String| {
                let service = profile.services.keys().position(|key| key == name)?;
                let port = profile.services[name].port;
                Some((name.clone(), Program { service: ServiceIx(service as u32), port }))
            };
            let programs = image.runs.iter().filter_map(program).collect();
            registry.add(&image.image, &image.tags, Image { programs, size: image.size });
        }
        registry.add(STRESS, &[], Image { programs: Vec::new(), size: STRESS_SIZE });
        registry
    }

    /// Adds tags of a repository; no tags stands for any tag.
    pub fn add(&mut self, repository: &str, tags: &[String], image: Image) {
        let entries = self.repositories.entry(repository.to_owned()).or_default();
        entries.push((tags.to_vec(), image));
    }

    /// One that is as near as this: the time in which it resolves a tag, or answers that there is none.
    #[must_use]
    pub fn with_resolve_time(self, resolve_time: SimDuration) -> Self {
        Self { resolve_time, ..self }
    }

    /// How long a node pulls an image of whose layers it has none, or all; or how long it takes to learn that there is none.
    pub(crate) fn pull_time(&self, reference: &str, present: bool) -> SimDuration {
        match self.find(reference) {
            Ok(image) if !present => {
                self.resolve_time + SimDuration::from_secs_f64(image.size.0 as f64 / BYTES_PER_SECOND)
            }
            Ok(_) | Err(_) => self.resolve_time,
        }
    }

    /// What a reference leads to. An entry that names the tag wins over one for any tag.
    pub(crate) fn find(&self, reference: &str) -> Result<&Image, Missing> {
        if !is_reference(reference) {
            return Err(Missing::Malformed);
        }
        let (repository, tag) = split(reference);
        let entries = self.repositories.get(repository).ok_or(Missing::Repository)?;
        let named = entries.iter().find(|(tags, _)| tags.iter().any(|t| t == tag));
        let any = || entries.iter().find(|(tags, _)| tags.is_empty());
        named.or_else(any).map(|(_, image)| image).ok_or(Missing::Tag)
    }
}

impl Image {
    /// What a container of this name runs: of several programs the one that has its name.
    pub(crate) fn program(&self, container: &str) -> Option<Program> {
        match self.programs.as_slice() {
            [(_, only)] => Some(*only),
            several => several.iter().find(|(name, _)| name == container).map(|(_, program)| *program),
        }
    }
}

impl Missing {
    /// containerd's words.
    pub(crate) fn message(self, reference: &str) -> String {
        let full = qualified(reference);
        match self {
            Self::Tag => format!(
                "rpc error: code = NotFound desc = failed to pull and unpack image \"{full}\": failed to resolve \
                 reference \"{full}\": {full}: not found"
            ),
            Self::Repository => format!(
                "failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": pull access \
                 denied, repository does not exist or may require authorization: server message: \
                 insufficient_scope: authorization failed"
            ),
            Self::Malformed => format!(
                "Failed to apply default image tag \"{reference}\": couldn't parse image name \"{reference}\": \
                 invalid reference format"
            ),
        }
    }
}

/// Repository and tag; `latest` where there is none.
fn split(reference: &str) -> (&str, &str) {
    let reference = reference.split('@').next().unwrap_or(reference);
    let reference = reference.strip_prefix("docker.io/").unwrap_or(reference);
    match image_tag(reference) {
        Some(tag) => (&reference[..reference.len() - tag.len() - 1], tag),
        None => (reference, "latest"),
    }
}

/// With registry, library and tag, as containerd names it.
fn qualified(reference: &str) -> String {
    let (repository, tag) = split(reference);
    let first = repository.split('/').next().unwrap_or(repository);
    let has_registry = repository.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let prefix = match (has_registry, repository.contains('/')) {
        (true, _) => "",
        (false, true) => "docker.io/",
        (false, false) => "docker.io/library/",
    };
    format!("{prefix}{repository}:{tag}")
}

/// Whether the text has the form of an image reference (`distribution/reference`).
fn is_reference(text: &str) -> bool {
    let (repository, tag) = split(text);
    let path_ok = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-:".contains(&b))
            && part.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
    };
    let tag_ok = !tag.is_empty()
        && tag.len() <= 128
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !tag.starts_with(['.', '-']);
    repository.split('/').all(path_ok) && tag_ok
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_as_a_registry_does() {
        let mut registry = Registry::default();
        let image = |size| Image { programs: Vec::new(), size: Bytes(size) };
        registry.add("weaveworksdemos/catalogue", &["0.3.5".into()], image(1));
        registry.add("weaveworksdemos/catalogue", &["fake".into()], image(2));
        registry.add("mongo", &[], image(3));
        for (reference, found) in [
            ("weaveworksdemos/catalogue:0.3.5", Ok(1)),
            ("docker.io/weaveworksdemos/catalogue:fake", Ok(2)),
            ("weaveworksdemos/catalogue:0.3.6", Err(Missing::Tag)),
            ("weaveworksdemos/catalogue", Err(Missing::Tag)),
            ("mongo", Ok(3)),
            ("mongo:5.0.11", Ok(3)),
            ("catalogue:0.3.5", Err(Missing::Repository)),
            ("localhost:5000/mongo", Err(Missing::Repository)),
            ("Mongo", Err(Missing::Malformed)),
            ("mongo:", Err(Missing::Malformed)),
            ("a b", Err(Missing::Malformed)),
        ] {
            assert_eq!(registry.find(reference).map(|i| i.size.0), found, "{reference}");
        }
        assert_eq!(qualified("mongo"), "docker.io/library/mongo:latest");
        assert_eq!(qualified("localhost:5000/a:1"), "localhost:5000/a:1");
    }
}
