//! Which service of the profile this process plays.
//!
//! An image says it with its `runs` list. An image of several (two databases of one image) leaves it to the pod's
//! name, which begins with the name of the service; `SOCKPIT_SERVICE` overrides both.

use sim::diagnostic::{Diagnostic, nearest};
use sim::profile::Profile;

use crate::config::Config;

/// What to play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// This service.
    Service(String),
    /// A program that starts, serves nothing and stays up.
    Idle,
}

/// Decides it.
///
/// # Errors
/// Names that lead nowhere, and an environment that leaves it open.
pub(crate) fn identify(profile: &Profile, config: &Config) -> Result<Identity, Diagnostic> {
    if let Some(name) = &config.service {
        return named(profile, name);
    }
    let Some(image) = &config.image else {
        let help = "set it to the service to play, or SOCKPIT_IMAGE to an image of the profile";
        return Err(Diagnostic::error("environment", 0, "SOCKPIT_SERVICE", "it is not set").help(help));
    };
    let mut runs: Vec<_> = profile.images.iter().filter(|i| i.image == *image).flat_map(|i| &i.runs).collect();
    runs.dedup();
    if !profile.images.iter().any(|i| i.image == *image) {
        let help = suggestion(image, profile.images.iter().map(|i| i.image.as_str()));
        return Err(Diagnostic::error("environment", 0, "SOCKPIT_IMAGE", format!("no image `{image}`")).help(help));
    }
    match runs.as_slice() {
        [] => Ok(Identity::Idle),
        [service] => Ok(Identity::Service((*service).clone())),
        several => {
            let hostname = config.hostname.as_deref().unwrap_or_default();
            let belongs = |service: &&&String| {
                hostname.strip_prefix(service.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            };
            // Of `db` and `db-copy` the longer one is meant by `db-copy-5d8f-x2x`.
            let service = several.iter().filter(belongs).max_by_key(|service| service.len());
            service.map(|service| Identity::Service((*service).clone())).ok_or_else(|| {
                let names: Vec<_> = several.iter().map(|s| s.as_str()).collect();
                let message = format!("`{hostname}` is a pod of none of {}, which `{image}` runs", names.join(", "));
                Diagnostic::error("environment", 0, "HOSTNAME", message)
                    .help("name the Deployment after the service, or set SOCKPIT_SERVICE")
            })
        }
    }
}

fn named(profile: &Profile, name: &str) -> Result<Identity, Diagnostic> {
    if profile.services.contains_key(name) {
        return Ok(Identity::Service(name.to_owned()));
    }
    let help = suggestion(name, profile.services.keys().map(String::as_str));
    Err(Diagnostic::error("environment", 0, "SOCKPIT_SERVICE", format!("no service `{name}`")).help(help))
}

fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    nearest(word, known.clone()).map_or_else(
        || format!("use one of the profile's: {}", known.collect::<Vec<_>>().join(", ")),
        |near| format!("did you mean `{near}`?"),
    )
}

#[cfg(test)]
mod tests {
    use sim::diagnostic::Source;

    use super::*;

    const PROFILE: &str = "
apiVersion: sockpit/v1alpha1
kind: Profile
images:
  - {image: web, runs: [web]}
  - {image: mongo, tags: ['4'], runs: [db, db-copy]}
  - {image: mongo, tags: ['5'], runs: [db, db-copy]}
  - {image: exporter}
services:
  web: {port: 80, runtime: {model: threads}, memory: {base: 1Mi}}
  db: {port: 81, runtime: {model: threads}, memory: {base: 1Mi}}
  db-copy: {port: 81, runtime: {model: threads}, memory: {base: 1Mi}}
";

    fn check(service: &str, image: &str, hostname: &str, expected: &str) {
        let source = Source { path: "profile.yaml".into(), text: PROFILE.into() };
        let profile = Profile::load(&source).unwrap().0.value;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let config = Config {
            service: some(service),
            image: some(image),
            hostname: some(hostname),
            ..Config::from_environment().unwrap()
        };
        let found = match identify(&profile, &config) {
            Ok(Identity::Service(name)) => name,
            Ok(Identity::Idle) => "idle".to_owned(),
            Err(why) => why.field,
        };
        assert_eq!(found, expected, "service {service:?}, image {image:?}, host {hostname:?}");
    }

    #[test]
    fn the_image_or_the_pod_says_which_service_it_is() {
        check("", "web", "anything", "web");
        check("", "mongo", "db-6d5f-abc", "db");
        check("", "mongo", "db-copy-6d5f-abc", "db-copy");
        check("", "mongo", "dbase-6d5f-abc", "HOSTNAME");
        check("", "exporter", "x", "idle");
        check("db", "mongo", "web-1", "db");
        check("dv", "", "", "SOCKPIT_SERVICE");
        check("", "", "", "SOCKPIT_SERVICE");
        check("", "wbe", "", "SOCKPIT_IMAGE");
    }
}
