//! Generated names, as Kubernetes makes them.

use crate::chance::Key;
use crate::manifest::PodTemplate;

/// The letters of generated names: no vowels, so no words
/// (`k8s.io/apimachinery/pkg/util/rand`, `alphanums`).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// `pod-template-hash` of a template: FNV-1a of its content in 32 bits, whose decimal digits are
/// written in the alphabet (`SafeEncodeString`). The hash itself is not the one of Kubernetes, which
/// hashes a dump of Go structures. A field that is left out counts nothing, so that a field which is read from now on
/// changes no name.
pub(super) fn template_hash(template: &PodTemplate) -> String {
    let PodTemplate { labels, annotations, containers, node_selector, termination_grace, tolerations } = template;
    let mut content = format!(
        "PodTemplate {{ labels: {labels:?}, annotations: {annotations:?}, containers: {containers:?}, node_selector: \
         {node_selector:?}, termination_grace: {termination_grace:?} }}"
    );
    if !tolerations.is_empty() {
        content.extend([format!("{tolerations:?}")]);
    }
    let digest = content.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    digest.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// The five letters behind a pod's `generateName`.
pub(super) fn random_suffix(key: Key) -> String {
    let mut draw = key.draw();
    (0..5).map(|_| char::from(ALPHABET[draw.below(ALPHABET.len() as u64) as usize])).collect()
}

/// A UID in the form of a UUID.
pub(super) fn uid(key: Key) -> String {
    let mut draw = key.draw();
    let (high, low) = (draw.bits(), draw.bits());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | low >> 48 & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}
