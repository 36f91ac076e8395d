//! The lab's network: a namespace per machine, a bridge between them, and a cable to the host.
//!
//! Nodes know the way to each other's pods, and the host to all pods and Services, as in any flat cluster network. No
//! namespace has a default route, so nothing gets out.

use std::fs;
use std::process::Command;

use crate::error::LabError;
use crate::layout::{CONTROL_PLANE, CONTROL_PLANE_NAMESPACE, HOST, NETWORK, NodeLayout, PODS, PREFIX, SERVICES};
use crate::run::run;

/// The end of the host's cable.
const HOST_LINK: &str = "sockpit-lab";
/// Where `ip netns` keeps named namespaces.
const NAMESPACES: &str = "/run/netns";

/// Builds the network.
pub(crate) fn create(nodes: &[NodeLayout]) -> Result<(), LabError> {
    let plane = CONTROL_PLANE_NAMESPACE;
    for line in [
        format!("ip netns add {plane}"),
        format!("ip -n {plane} link set lo up"),
        format!("ip -n {plane} link add name bridge type bridge"),
        format!("ip -n {plane} addr add {CONTROL_PLANE}/24 dev bridge"),
        format!("ip -n {plane} link set bridge up"),
    ] {
        run(&line)?;
    }
    plug_in_host()?;
    for node in nodes {
        plug_in_node(node)?;
    }
    // A Service's address is rewritten by the kube-proxy of whichever node is asked.
    let gateway = &nodes[0].address;
    for node in nodes {
        let way = format!("{} via {}", node.pods, node.address);
        run(&format!("ip -n {plane} route add {way}"))?;
        run(&format!("ip route add {way}"))?;
        for other in nodes.iter().filter(|other| other.name != node.name) {
            run(&format!("ip -n {} route add {way}", other.namespace()))?;
        }
        run(&format!("ip -n {} route add {SERVICES} dev eth0", node.namespace()))?;
    }
    run(&format!("ip -n {plane} route add {SERVICES} via {gateway}"))?;
    run(&format!("ip route add {SERVICES} via {gateway}"))?;
    Ok(())
}

fn plug_in_host() -> Result<(), LabError> {
    let plane = CONTROL_PLANE_NAMESPACE;
    for line in [
        format!("ip link add {HOST_LINK} type veth peer name host netns {plane}"),
        format!("ip -n {plane} link set host master bridge"),
        format!("ip -n {plane} link set host up"),
        format!("ip addr add {HOST}/24 dev {HOST_LINK}"),
        format!("ip link set {HOST_LINK} up"),
    ] {
        run(&line)?;
    }
    Ok(())
}

fn plug_in_node(node: &NodeLayout) -> Result<(), LabError> {
    let (plane, namespace, name) = (CONTROL_PLANE_NAMESPACE, node.namespace(), &node.name);
    for line in [
        format!("ip netns add {namespace}"),
        format!("ip -n {namespace} link set lo up"),
        format!("ip -n {namespace} link add eth0 type veth peer name {name} netns {plane}"),
        format!("ip -n {plane} link set {name} master bridge"),
        format!("ip -n {plane} link set {name} up"),
        format!("ip -n {namespace} addr add {}/24 dev eth0", node.address),
        format!("ip -n {namespace} link set eth0 up"),
    ] {
        run(&line)?;
    }
    inside(&namespace, "sysctl -q -w net.ipv4.ip_forward=1")?;
    // The host's way to a Service leads into a node and out of it by the same link, of which a redirect would tell the
    // host, at the expense of other ICMP messages: the kernel counts both in one place (`ip_rt_send_redirect`).
    for link in ["all", "default", "eth0"] {
        inside(&namespace, &format!("sysctl -q -w net.ipv4.conf.{link}.send_redirects=0"))?;
    }
    Ok(())
}

/// Plugs a node's cable in, or pulls it out: the node goes on and nobody hears of it, as of a machine that is gone.
pub(crate) fn plug(node: &NodeLayout, is_plugged: bool) -> Result<(), LabError> {
    let state = if is_plugged { "up" } else { "down" };
    run(&format!("ip -n {CONTROL_PLANE_NAMESPACE} link set {} {state}", node.name)).map(drop)
}

/// Runs a command line in a namespace. `ip netns exec` would hide `/sys/fs/cgroup`.
fn inside(namespace: &str, command_line: &str) -> Result<String, LabError> {
    run(&format!("nsenter --net={NAMESPACES}/{namespace} {command_line}"))
}

/// The file that is a namespace.
pub(crate) fn namespace_file(namespace: &str) -> String {
    format!("{NAMESPACES}/{namespace}")
}

/// The lab's namespaces that exist.
pub(crate) fn namespaces() -> Vec<String> {
    let names = fs::read_dir(NAMESPACES).into_iter().flatten().flatten();
    let mut names: Vec<_> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.starts_with(PREFIX));
    names.sort();
    names
}

/// Whether the host's cable exists.
pub(crate) fn host_link() -> Option<&'static str> {
    fs::exists(format!("/sys/class/net/{HOST_LINK}")).unwrap_or(false).then_some(HOST_LINK)
}

/// Takes the network away; routes go with their links. What is not there is no error.
pub(crate) fn remove() -> Result<(), LabError> {
    if let Some(link) = host_link() {
        run(&format!("ip link delete {link}"))?;
    }
    for namespace in namespaces() {
        run(&format!("ip netns delete {namespace}"))?;
    }
    // `ip netns` mounts the folder over itself for the first namespace, and leaves it so.
    let mounted = crate::cleanup::mounts_below(NAMESPACES.as_ref());
    let empty = fs::read_dir(NAMESPACES).is_ok_and(|mut entries| entries.next().is_none());
    if empty && !mounted.is_empty() {
        run(&format!("umount {NAMESPACES}"))?;
    }
    Ok(())
}

/// Addresses and routes of the host that lie in the lab's ranges but are not the lab's own.
pub(crate) fn conflicts() -> Vec<String> {
    let listed = |command: &str| run(command).unwrap_or_default();
    conflicts_in(&listed("ip -4 -o addr"), &listed("ip -4 -o route"))
}

fn conflicts_in(addresses: &str, routes: &str) -> Vec<String> {
    // The parts of an address that the ranges fix.
    let ranges: Vec<&str> =
        vec![NETWORK.trim_end_matches("0/24"), PODS.trim_end_matches("0.0/16"), SERVICES.trim_end_matches("0.0/16")];
    let taken = |line: &&str| {
        let words = line.split_whitespace();
        !line.contains(HOST_LINK) && words.into_iter().any(|word| ranges.iter().any(|range| word.starts_with(range)))
    };
    let mut lines: Vec<_> =
        addresses.lines().chain(routes.lines()).filter(taken).map(|l| l.trim().to_owned()).collect();
    lines.dedup();
    lines
}

/// A command that runs in a namespace.
pub(crate) fn command_inside(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", namespace_file(namespace))).arg(program);
    command
}

/// Whether the packets that a bridge carries within a node pass kube-proxy's rules, as they must.
pub(crate) fn bridges_are_filtered() -> bool {
    fs::exists("/proc/sys/net/bridge/bridge-nf-call-iptables").unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_others_in_the_labs_ranges_are_found() {
        let addresses = "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 192.168.7.2/24 scope global eth0\n";
        let own = "9: sockpit-lab    inet 10.200.0.2/24 scope global sockpit-lab\n";
        let routes = "default via 192.168.7.1 dev eth0\n10.244.1.0/24 via 10.200.0.11 dev sockpit-lab\n";
        assert_eq!(conflicts_in(&format!("{addresses}{own}"), routes), [""; 0]);
        let flannel = "10.244.0.0/24 dev cni0 proto kernel scope link src 10.244.0.1";
        assert_eq!(conflicts_in(addresses, flannel), [flannel]);
        let docker = "5: br-1    inet 10.200.0.1/16 scope global br-1";
        assert_eq!(conflicts_in(docker, ""), [docker]);
    }
}
