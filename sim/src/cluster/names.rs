//! Generated names, as Kubernetes makes them.

use crate::chance::Key;
use crate::manifest::{Container, PodTemplate};

/// The letters of generated names: no vowels, so no words
/// (`k8s.io/apimachinery/pkg/util/rand`, `alphanums`).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// `pod-template-hash` of a template: FNV-1a of its content in 32 bits, whose decimal digits are
/// written in the alphabet (`SafeEncodeString`). The hash itself is not the one of Kubernetes, which
/// hashes a dump of Go structures. A field that is left out counts nothing, so that a field which is read from now on
/// changes no name.
pub(super) fn template_hash(template: &PodTemplate) -> String {
    let PodTemplate { labels, annotations, containers, node_selector, termination_grace, tolerations } = template;
    let containers: Vec<_> = containers.iter().map(container_content).collect();
    let containers = containers.join(", ");
    let mut content = format!(
        "PodTemplate {{ labels: {labels:?}, annotations: {annotations:?}, containers: [{containers}], node_selector: \
         {node_selector:?}, termination_grace: {termination_grace:?} }}"
    );
    if !tolerations.is_empty() {
        content.extend([format!("{tolerations:?}")]);
    }
    let digest = content.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    digest.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// What of a container counts for the hash of its template.
fn container_content(container: &Container) -> String {
    let Container {
        name,
        image,
        image_pull_policy,
        command,
        args,
        env,
        env_from,
        ports,
        resources,
        liveness_probe,
        readiness_probe,
        startup_probe,
    } = container;
    let mut content = format!(
        "Container {{ name: {name:?}, image: {image:?}, image_pull_policy: {image_pull_policy:?}, command: {command:?}, \
         args: {args:?}, env: {env:?}, ports: {ports:?}, resources: {resources:?}, liveness_probe: {liveness_probe:?}, \
         readiness_probe: {readiness_probe:?}, startup_probe: {startup_probe:?} }}"
    );
    if !env_from.is_empty() {
        content.extend([format!("{env_from:?}")]);
    }
    content
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;
    use crate::manifest::read_objects;

    const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {name: web}}
  template:
    metadata: {labels: {name: web}}
    spec:
      containers:
      - name: web
        image: web:1
        args: [--verbose]
        env: [{name: COLOR, value: red}]
        ports: [{containerPort: 80}]
        resources: {limits: {memory: 64Mi}}
        readinessProbe: {tcpSocket: {port: 80}}
";

    #[test]
    fn a_field_that_is_left_out_counts_nothing() {
        let source = Source { path: "test.yaml".into(), text: DEPLOYMENT.into() };
        let (objects, _) = read_objects(&source).unwrap();
        let container = &objects.deployments[0].template.containers[0];
        assert_eq!(container_content(container), format!("{container:?}").replace(", env_from: []", ""));
    }
}
