//! Container images, written from files: layers as tar archives, a config, a manifest, each named by its digest
//! (OCI image specification 1.0).

use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Bytes with their name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) bytes: Vec<u8>,
    /// `sha256:…`.
    pub(crate) digest: String,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let digest = format!("sha256:{}", sha256(&bytes));
        Self { bytes, digest }
    }

    fn descriptor(&self, kind: &str) -> serde_json::Value {
        json!({"mediaType": kind, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// What is in a layer: absolute paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    Program(&'a str, &'a [u8]),
    File(&'a str, &'a [u8]),
    Link { path: &'a str, target: &'a str },
}

/// A layer: the same entries give the same bytes, on any day and machine.
pub(crate) fn layer(entries: &[Entry<'_>]) -> Blob {
    let mut archive = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_ustar();
        header.set_mtime(0);
        let (path, content) = match entry {
            Entry::Program(path, content) => {
                header.set_mode(0o755);
                (path, *content)
            }
            Entry::File(path, content) => {
                header.set_mode(0o644);
                (path, *content)
            }
            Entry::Link { path, target } => {
                header.set_mode(0o777);
                header.set_entry_type(EntryType::Symlink);
                header.set_link_name(target).expect("the target of a link is a short path of ours");
                (path, &[][..])
            }
        };
        header.set_size(content.len() as u64);
        archive
            .append_data(&mut header, path.trim_start_matches('/'), content)
            .expect("writing to memory cannot fail, and the caller's paths are relative and without ..");
    }
    Blob::new(archive.into_inner().expect("writing to memory cannot fail"))
}

/// An image, ready to be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) layers: Vec<Blob>,
    pub(crate) config: Blob,
    pub(crate) manifest: Blob,
}

impl Image {
    /// An image that runs `entrypoint` with `environment` (`NAME=value`).
    pub(crate) fn new(layers: Vec<Blob>, entrypoint: &[&str], environment: &[String]) -> Self {
        let digests: Vec<_> = layers.iter().map(|layer| &layer.digest).collect();
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {"Entrypoint": entrypoint, "Env": environment},
            "rootfs": {"type": "layers", "diff_ids": digests},
        });
        let config = Blob::new(config.to_string().into_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(CONFIG),
            "layers": layers.iter().map(|layer| layer.descriptor(LAYER)).collect::<Vec<_>>(),
        });
        Self { layers, config, manifest: Blob::new(manifest.to_string().into_bytes()) }
    }
}

/// This machine's, as Go and so the image specification name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(profile: &str) -> Image {
        let files = [
            Entry::Program("/stand-in", b"\x7fELF"),
            Entry::File("/profile.yaml", profile.as_bytes()),
            Entry::Link { path: "/app", target: "/stand-in" },
        ];
        Image::new(vec![layer(&files)], &["/stand-in"], &["SOCKPIT_IMAGE=mongo".to_owned()])
    }

    #[test]
    fn a_digest_is_that_of_the_bytes() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            Blob::new(b"abc".to_vec()).digest,
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn the_same_files_make_the_same_image() {
        assert_eq!(example("services: []"), example("services: []"));
        assert_ne!(example("services: []").manifest.digest, example("services: [a]").manifest.digest);
    }

    #[test]
    fn the_manifest_names_its_parts_by_digest_and_size() {
        let image = example("");
        let manifest: serde_json::Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
        for (descriptor, blob) in [(&manifest["config"], &image.config), (&manifest["layers"][0], &image.layers[0])] {
            assert_eq!(descriptor["digest"], blob.digest);
            assert_eq!(descriptor["size"], blob.bytes.len());
        }
        let config: serde_json::Value = serde_json::from_slice(&image.config.bytes).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], image.layers[0].digest, "an uncompressed layer is its own diff");
        assert_eq!(config["config"]["Env"][0], "SOCKPIT_IMAGE=mongo");
    }

    #[test]
    fn a_layer_holds_what_was_put_in() {
        let image = example("hello");
        let mut archive = tar::Archive::new(image.layers[0].bytes.as_slice());
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            if entry.path().unwrap().ends_with("profile.yaml") {
                std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
            }
            let target = entry.link_name().unwrap().map(|t| t.display().to_string()).unwrap_or_default();
            found.push((entry.path().unwrap().display().to_string(), entry.header().mode().unwrap(), text, target));
        }
        let row =
            |path: &str, mode, text: &str, target: &str| (path.to_owned(), mode, text.to_owned(), target.to_owned());
        assert_eq!(
            found,
            [
                row("stand-in", 0o755, "", ""),
                row("profile.yaml", 0o644, "hello", ""),
                row("app", 0o777, "", "/stand-in")
            ]
        );
    }
}
