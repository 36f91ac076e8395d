//! Network policies: what they drop, and what they let be.

use sim::diagnostic::Source;
use sim::manifest::read_objects;
use sim::time::SimDuration;
use sim::traffic::{Notice, PolicyMatrix, ProbeCall, ProbeResult};

use super::{BACK, FRONT, check_close, counts, mean, pair_world};
use crate::small_world::at;

#[test]
fn what_is_not_allowed_hangs_and_what_is_open_goes_on() {
    for (client, open) in [("timeout: 2s", false), ("timeout: 2s, connections: {pool: {}}", true)] {
        let mut world = pair_world(client, 512, "one", 1);
        world.traffic.set_policy_group(world.now, FRONT, 1);
        world.traffic.set_policy_group(world.now, BACK, 2);
        world.run(at(2_500));
        assert_eq!(counts(&world).1, 2, "{client}");
        // Nobody but group 3 may connect to the back.
        world.traffic.set_policies(world.now, PolicyMatrix::new(4, |client, server| server != 2 || client == 3));
        world.traffic.reset_statistics();
        world.run(at(9_900));
        let (_, ok, errors, _) = counts(&world);
        assert_eq!((ok > 0, errors > 0), (open, !open), "{client}");
        check_close(mean(&world), if open { 10.0 } else { 2_000.0 }, 0.001, client);
        // The kubelet always gets through.
        world.traffic.probe(world.now, &mut world.queue, 7, BACK, ProbeCall::Tcp, SimDuration::SECOND);
        world.run(at(9_950));
        let probed = (at(9_900), Notice::ProbeDone { token: 7, result: ProbeResult::Connected });
        assert!(world.notices.contains(&probed), "{:?}", world.notices);
        world.traffic.set_policies(world.now, PolicyMatrix::default());
        world.run(at(13_000));
        world.traffic.reset_statistics();
        world.run(at(16_900));
        assert_eq!(counts(&world).2, 0, "allowed again");
    }
}

#[test]
fn users_are_no_pod() {
    let mut world = pair_world("", 512, "one", 1);
    world.traffic.set_policy_group(world.now, FRONT, 1);
    world.traffic.set_policies(world.now, PolicyMatrix::new(2, |client, server| (client, server) != (0, 1)));
    world.run(at(9_900));
    assert_eq!((counts(&world).0, counts(&world).1), (1, 0), "its SYNs are dropped");
}

/// What is said about a policy with this specification.
fn refused(spec: &str) -> String {
    let text = format!("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p}}\nspec:\n{spec}\n");
    match read_objects(&Source { path: "p.yaml".into(), text }) {
        Ok((objects, _)) => {
            format!("{:?}", objects.network_policies.iter().map(|p| (&p.ingress, &p.egress)).collect::<Vec<_>>())
        }
        Err(mistakes) => {
            mistakes.0.iter().map(|d| [&*d.field, ": ", &*d.message, "\n"].concat()).collect::<Vec<_>>().concat()
        }
    }
}

#[test]
fn what_is_not_played_is_refused_by_name() {
    let check = |spec: &str, expected: &str| assert_eq!(refused(spec), expected, "{spec}");
    check("  podSelector: {}", "[(Some([]), None)]");
    check("  podSelector: {}\n  policyTypes: [Egress]", "[(None, Some([]))]");
    check(
        "  podSelector: {}\n  ingress: [{ports: [{port: 80}, {protocol: UDP, port: 53}]}]",
        "[(Some([PolicyRule { peers: [], ports: Some([80]) }]), None)]",
    );
    check("  podSelector: {}\n  egress: [{}]", "[(Some([]), Some([PolicyRule { peers: [], ports: None }]))]");
    check(
        "  podSelector: {}\n  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]",
        "spec.ingress[0].from[0].ipBlock: the twin does not play `ipBlock`\n",
    );
    check(
        "  podSelector: {}\n  egress: [{ports: [{port: 80, endPort: 90}]}]",
        "spec.egress[0].ports[0].endPort: the twin does not play ranges of ports\n",
    );
    check(
        "  podSelector: {}\n  ingress: [{ports: [{port: http}]}]",
        "spec.ingress[0].ports[0].port: the twin does not look up the port `http` by its name\n",
    );
    check("  podSelector: {}\n  ingress: [{from: [{}]}]", "spec.ingress[0].from[0]: it names nobody\n");
}
