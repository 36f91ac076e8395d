//! Which image a reference in a manifest means, and which service a container of it runs.

use super::{ImageProfile, Profile};
use crate::manifest::image_tag;

/// Why a reference leads to no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingImage {
    /// The registry has no such repository.
    Repository,
    /// The repository has no such tag.
    Tag,
}

impl Profile {
    /// The image that a reference such as `mongo` or `weaveworksdemos/catalogue:0.3.5` means: without tag it is `latest`,
    /// without registry it is on docker.io. An entry that names the tag wins over one for any tag.
    ///
    /// # Errors
    /// What the registry does not have.
    pub fn image(&self, reference: &str) -> Result<&ImageProfile, MissingImage> {
        let (repository, tag) = repository_and_tag(reference);
        let mut missing = MissingImage::Repository;
        let mut any_tag = None;
        for image in self.entries(repository) {
            if image.tags.iter().any(|t| t == tag) {
                return Ok(image);
            }
            any_tag = any_tag.or(image.tags.is_empty().then_some(image));
            missing = MissingImage::Tag;
        }
        any_tag.ok_or(missing)
    }

    /// The same image with another tag: what the reference would mean if it had one that exists.
    pub fn image_with_any_tag(&self, reference: &str) -> Option<&ImageProfile> {
        self.image(reference).ok().or_else(|| self.entries(repository_and_tag(reference).0).next())
    }

    /// The tags that exist of the repository that a reference names.
    pub fn tags(&self, reference: &str) -> Vec<&str> {
        let entries = self.entries(repository_and_tag(reference).0);
        entries.flat_map(|image| &image.tags).map(String::as_str).collect()
    }

    fn entries<'a, 'r>(&'a self, repository: &'r str) -> impl Iterator<Item = &'a ImageProfile> + use<'a, 'r> {
        self.images.iter().filter(move |image| repository_and_tag(&image.image).0 == repository)
    }
}

impl ImageProfile {
    /// The service that a container of this image and this name runs. With one service any container
    /// runs it, with several the one that has the container's name.
    pub fn service_in(&self, container: &str) -> Option<&str> {
        match self.runs.as_slice() {
            [service] => Some(service),
            several => several.iter().find(|service| *service == container).map(String::as_str),
        }
    }
}

/// `docker.io/library/mongo` is `mongo`. A digest does not count.
fn repository_and_tag(reference: &str) -> (&str, &str) {
    let tag = image_tag(reference);
    let name = reference.split('@').next().unwrap_or(reference);
    let name = tag.map_or(name, |tag| &name[..name.len() - tag.len() - 1]);
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    (name.strip_prefix("library/").unwrap_or(name), tag.unwrap_or("latest"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_find_their_image_as_in_a_registry() {
        let image = |image: &str, tags: &[&str], runs: &[&str]| ImageProfile {
            image: image.into(),
            tags: tags.iter().map(ToString::to_string).collect(),
            runs: runs.iter().map(ToString::to_string).collect(),
            size: crate::units::Bytes(0),
        };
        let profile = Profile {
            images: vec![
                image("mongo", &[], &["carts-db", "orders-db"]),
                image("shop/carts", &["1.0", "latest"], &["carts"]),
                image("shop/carts", &["fake"], &[]),
                image("localhost:5000/mongo", &["3"], &["other"]),
            ],
            ..crate::input::parse(&crate::diagnostic::Source {
                path: String::new(),
                text: "{apiVersion: sockpit/v1alpha1, kind: Profile, images: [], services: {}}".into(),
            })
            .unwrap()
            .value
        };
        let check = |reference: &str, container: &str, expected: Result<Option<&str>, MissingImage>| {
            let found = profile.image(reference).map(|image| image.service_in(container));
            assert_eq!(found, expected, "{reference} in {container}");
        };
        check("mongo", "carts-db", Ok(Some("carts-db")));
        check("docker.io/library/mongo:5.0.11", "orders-db", Ok(Some("orders-db")));
        check("mongo@sha256:00", "db", Ok(None));
        check("shop/carts", "anything", Ok(Some("carts")));
        check("docker.io/shop/carts:fake", "carts", Ok(None));
        check("shop/carts:2.0", "carts", Err(MissingImage::Tag));
        check("localhost:5000/mongo:3", "db", Ok(Some("other")));
        check("carts", "carts", Err(MissingImage::Repository));
    }
}
