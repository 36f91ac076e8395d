//! The lab's image registry, which its nodes take for every registry there is: docker.io, `registry.k8s.io` and so on.
//!
//! Images are pushed by the OCI distribution specification 1.0: each blob by a POST that opens an upload and a PUT that
//! fills it, then the manifest under each tag.

use crate::error::LabError;
use crate::http::{Answer, send};
use crate::image::{Blob, Image, MANIFEST};
use crate::layout::REGISTRY;

/// The repository below the registry that a reference without its tag means: `mongo` is `library/mongo`,
/// `registry.k8s.io/pause` is `pause`.
pub(crate) fn repository(image: &str) -> String {
    match image.split_once('/') {
        None => format!("library/{image}"),
        // A first part is a registry's name if it could be a host's (as in Docker's reference grammar).
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => path.to_owned(),
        Some(_) => image.to_owned(),
    }
}

/// Pushes an image under some tags.
pub(crate) fn push(image: &Image, repository: &str, tags: &[String]) -> Result<(), LabError> {
    for blob in image.layers.iter().chain([&image.config]) {
        push_blob(blob, repository)?;
    }
    for tag in tags {
        let path = format!("/v2/{repository}/manifests/{tag}");
        expect(201, "PUT", &path, Some((MANIFEST, &image.manifest.bytes)))?;
    }
    Ok(())
}

fn push_blob(blob: &Blob, repository: &str) -> Result<(), LabError> {
    let digest = &blob.digest;
    if send("HEAD", REGISTRY, &format!("/v2/{repository}/blobs/{digest}"), None)?.status == 200 {
        return Ok(());
    }
    let path = format!("/v2/{repository}/blobs/uploads/");
    let answer = expect(202, "POST", &path, None)?;
    let location = answer.header("location").unwrap_or_default();
    // A full URL or a path, and with a query already.
    let path = location.split_once(REGISTRY).map_or(location, |(_, path)| path);
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{separator}digest={digest}");
    expect(201, "PUT", &path, Some(("application/octet-stream", &blob.bytes)))?;
    Ok(())
}

fn expect(status: u16, method: &str, path: &str, content: Option<(&str, &[u8])>) -> Result<Answer, LabError> {
    let answer = send(method, REGISTRY, path, content)?;
    if answer.status == status {
        return Ok(answer);
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let problem = format!("the registry answers {} instead of {status}: {body}", answer.status);
    Err(LabError::Http { url: format!("{method} http://{REGISTRY}{path}"), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_leads_to_the_repository_that_a_node_asks_for() {
        for (image, expected) in [
            ("mongo", "library/mongo"),
            ("weaveworksdemos/catalogue", "weaveworksdemos/catalogue"),
            ("registry.k8s.io/pause", "pause"),
            ("k8s.gcr.io/kube-state-metrics/kube-state-metrics", "kube-state-metrics/kube-state-metrics"),
            ("localhost:5000/mine/app", "mine/app"),
        ] {
            assert_eq!(repository(image), expected);
        }
    }
}
