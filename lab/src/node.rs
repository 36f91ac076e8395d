//! A node's daemons: containerd, kubelet, kube-proxy, each with a folder of its own so that several nodes fit on a
//! machine.

use std::path::PathBuf;

use sim::units::{Bytes, Millicores};

use crate::cgroups;
use crate::component::Component;
use crate::directories::{Directories, create, render, write};
use crate::error::LabError;
use crate::layout::{DNS, EVICTION_THRESHOLD, Machine, NodeLayout, PODS, REGISTRY};
use crate::programs::Programs;

/// The image that holds a pod's namespaces, as the lab's registry has it.
pub(crate) const PAUSE: &str = "registry.k8s.io/pause:3.10";

fn folder(directories: &Directories, node: &NodeLayout) -> PathBuf {
    directories.state.join(&node.name)
}

/// The socket of a node's containerd.
pub(crate) fn socket(directories: &Directories, node: &NodeLayout) -> PathBuf {
    folder(directories, node).join("containerd.sock")
}

fn kubeconfig(directories: &Directories, node: &NodeLayout) -> PathBuf {
    directories.credential(&format!("{}.kubeconfig", node.name))
}

/// Writes the configuration of a node's daemons.
pub(crate) fn configure(directories: &Directories, machine: &Machine, node: &NodeLayout) -> Result<(), LabError> {
    let folder = folder(directories, node);
    create(&folder)?;
    let config = |file: &str| directories.config(&node.name).join(file);
    let socket = socket(directories, node);
    let registries = directories.config("registries");
    let [folder, socket, cni, registries] =
        [&folder, &socket, &config("cni"), &registries].map(|path| path.display().to_string());
    let proxy_kubeconfig = directories.credential("admin.kubeconfig").display().to_string();
    let (cpu, memory) = reserved(machine, node);

    let values = [
        ("folder", folder.as_str()),
        ("socket", &socket),
        ("cni", &cni),
        ("registries", &registries),
        ("pause", PAUSE),
        ("node", &node.name),
    ];
    write(&config("containerd.toml"), render(include_str!("../config/containerd.toml"), &values))?;
    let values = [("folder", folder.as_str()), ("node", &node.name), ("pods", &node.pods)];
    write(&config("cni").join("10-lab.conflist"), render(include_str!("../config/cni.conflist"), &values))?;
    let values = [
        ("folder", folder.as_str()),
        ("socket", &socket),
        ("authority", &directories.credential("ca.crt").display().to_string()),
        ("dns", DNS),
        ("group", &cgroups::node_group(node)),
        ("reserved-cpu", &cpu.0.to_string()),
        ("reserved-memory", &memory.0.to_string()),
        ("eviction", &EVICTION_THRESHOLD.0.to_string()),
    ];
    write(&config("kubelet.yaml"), render(include_str!("../config/kubelet.yaml"), &values))?;
    let values = [("pods", PODS), ("node", &node.name), ("kubeconfig", &proxy_kubeconfig)];
    write(&config("kube-proxy.yaml"), render(include_str!("../config/kube-proxy.yaml"), &values))?;
    for registry in ["docker.io", "_default"] {
        let hosts = render(include_str!("../config/hosts.toml"), &[("registry", REGISTRY)]);
        write(&directories.config("registries").join(registry).join("hosts.toml"), hosts)?;
    }
    Ok(())
}

/// What makes a kubelet see memory pressure on any machine. A soft threshold, since a hard one takes off what the node
/// offers.
const PRESSURE: &str = "evictionSoft: {memory.available: \"99%\"}\nevictionSoftGracePeriod: {memory.available: 5s}\n";

/// Writes a kubelet's configuration anew, with or without memory pressure from its next start on.
pub(crate) fn press(directories: &Directories, node: &str, is_pressed: bool) -> Result<(), LabError> {
    let path = directories.config(node).join("kubelet.yaml");
    let text = std::fs::read_to_string(&path).map_err(LabError::file(&path))?;
    let own = text.replace(PRESSURE, "");
    write(&path, if is_pressed { own + PRESSURE } else { own })
}

/// What a node must reserve so that it offers what its layout says.
fn reserved(machine: &Machine, node: &NodeLayout) -> (Millicores, Bytes) {
    let cpu = machine.processors.len() as u64 * 1000 - node.cores.0;
    let memory = machine.memory.0.saturating_sub(node.memory.0 + EVICTION_THRESHOLD.0);
    (Millicores(cpu), Bytes(memory))
}

/// A node's daemons, in the order of their needs.
pub(crate) fn components(directories: &Directories, programs: &Programs, node: &NodeLayout) -> Vec<Component> {
    let folder = folder(directories, node);
    let config = |file: &str| directories.config(&node.name).join(file).display().to_string();
    let component = |program: &str, path: PathBuf, arguments: Vec<String>| {
        Component::new(node.component(program), node.namespace(), path, arguments)
    };
    let kubelet = vec![
        format!("--config={}", config("kubelet.yaml")),
        format!("--kubeconfig={}", kubeconfig(directories, node).display()),
        format!("--hostname-override={}", node.name),
        format!("--node-ip={}", node.address),
        format!("--root-dir={}", folder.join("kubelet").display()),
        format!("--cert-dir={}", folder.join("kubelet-pki").display()),
        // Else its cAdvisor looks for the usual socket, and sees pods but no containers.
        format!("--containerd={}", socket(directories, node).display()),
    ];
    vec![
        component("containerd", "/usr/bin/containerd".into(), vec!["--config".into(), config("containerd.toml")]),
        component("kubelet", programs.path("kubelet"), kubelet),
        component("kube-proxy", programs.path("kube-proxy"), vec![format!("--config={}", config("kube-proxy.yaml"))]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_offer_adds_up_to_no_more_than_the_machine() {
        let machine = Machine { processors: vec![0, 1], memory: Bytes(23 << 30) };
        let nodes = machine.nodes();
        for node in &nodes {
            let (cpu, memory) = reserved(&machine, node);
            assert_eq!(2000 - cpu.0, node.cores.0);
            assert_eq!(machine.memory.0 - memory.0 - EVICTION_THRESHOLD.0, node.memory.0, "as the kubelet computes it");
        }
        assert!(nodes.iter().map(|n| n.cores.0).sum::<u64>() <= 2000);
        assert!(nodes.iter().map(|n| n.memory.0).sum::<u64>() < machine.memory.0);
    }

    #[test]
    fn configurations_are_complete() {
        let state = tempfile::tempdir().unwrap();
        let directories = Directories { state: state.path().into(), cache: "/cache".into() };
        let machine = Machine { processors: vec![0, 1], memory: Bytes(23 << 30) };
        for node in machine.nodes() {
            configure(&directories, &machine, &node).unwrap();
            let config = directories.config(&node.name);
            let kubelet = std::fs::read_to_string(config.join("kubelet.yaml")).unwrap();
            assert!(kubelet.contains("systemReserved: {cpu: 1000m, memory: \"16001269760\"}"), "{kubelet}");
            assert!(kubelet.contains(&format!("cgroupRoot: /sockpit-lab/{}\n", node.name)), "{kubelet}");
            for component in components(&directories, &Programs::of(&directories), &node) {
                assert_eq!(component.namespace, format!("sockpit-{}", node.name));
                let flag = component
                    .arguments
                    .iter()
                    .find_map(|a| a.strip_prefix("--config="))
                    .unwrap_or(&component.arguments[component.arguments.len() - 1]);
                assert!(std::fs::exists(flag).unwrap(), "{component:?}");
            }
        }
    }
}
