//! Nodes that run short of memory or disk.

use sim::ids::NodeIx;

use super::*;

const SMALL: &str = "resources: {requests: {memory: 100Mi}}";

/// `web`, which uses 20 MiB of the 100 that it requests, and `job`, which uses 300 and requests 10.
fn rig() -> Rig {
    let job = deployment("job", "job:1", 1, &[], &["resources: {requests: {memory: 10Mi}}"]);
    let mut rig = Rig::with(&(web(2, &[], &[SMALL]) + &job), &[node("a", 4000)], 1);
    rig.script.behaviours[JOB].memory = Bytes::from_mebibytes(300);
    rig.boot_ready();
    // So that what is evicted does not come back at once.
    rig.do_write(&Write::Cordon { node: "a".to_owned() });
    rig
}

fn uncordon() -> Write {
    Write::Uncordon { node: "a".to_owned() }
}

impl Rig {
    /// Lets something outside the pods leave so much memory of the only node.
    fn leave_memory(&mut self, mebibytes: i64) {
        let spare = self.cluster.spare_memory(self.now, NodeIx(0), &mut self.queue, &mut self.script);
        let occupied = spare.0 as i64 - mebibytes * 1024 * 1024;
        self.cluster.occupy_memory(NodeIx(0), Bytes(occupied.max(0) as u64));
    }

    fn pressure(&self) -> Vec<String> {
        self.cluster.list_nodes()[0].pressure.clone()
    }
}

#[test]
fn the_pod_that_uses_most_beyond_its_request_goes_first() {
    let mut rig = rig();
    rig.leave_memory(-50);
    rig.run(15.0);
    let evicted = rig.lines(&["Evicted"]);
    let message = "Evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. \
                   Container job was using 300Mi, request is 10Mi, has larger consumption of memory.";
    assert!(evicted.contains(message), "{evicted}");
    assert_eq!(rig.times("EvictionThresholdMet: Attempting to reclaim memory").len(), 1);
    rig.run(10.0);
    assert_eq!(rig.pressure(), ["MemoryPressure"]);
    // It ended with 143 after its SIGTERM, and is replaced by one that finds no node.
    assert_eq!(rig.pods(), ["0/1 Error", "0/1 Pending", "1/1 Running", "1/1 Running"]);
    rig.do_write(&uncordon());
    rig.run(3.0);
    assert!(rig.timeline.contains("untolerated taint {node.kubernetes.io/memory-pressure: }"), "{}", rig.timeline);
}

#[test]
fn the_pressure_is_over_five_minutes_after_it_was_last_seen() {
    let mut rig = rig();
    rig.leave_memory(-50);
    rig.run(30.0);
    rig.do_write(&uncordon());
    rig.cluster.occupy_memory(NodeIx(0), Bytes(0));
    rig.run(270.0);
    assert_eq!(rig.pressure(), ["MemoryPressure"]);
    rig.run(40.0);
    assert!(rig.pressure().is_empty());
    rig.run(20.0);
    assert_eq!(rig.cluster.component_state(rig.now, "job").available, 1);
}

#[test]
fn pods_go_one_after_the_other_until_there_is_enough() {
    let mut rig = rig();
    // Even without the job there is too little.
    rig.leave_memory(-305);
    rig.run(30.0);
    let evicted = rig.times(" Evicted: ");
    assert_eq!(evicted.len(), 2, "{}", rig.timeline);
    assert!(evicted[1] - evicted[0] >= 1.0, "{evicted:?}");
    assert!(rig.lines(&[" Evicted: "]).lines().next().unwrap().contains("Container job"));
}

#[test]
fn an_evicted_pod_can_be_deleted_and_counts_for_nothing() {
    let mut rig = rig();
    rig.leave_memory(-50);
    rig.run(20.0);
    let requested = rig.cluster.list_nodes()[0].requested_memory;
    assert_eq!(requested, Bytes::from_mebibytes(200));
    let failed = rig.cluster.list_pods(rig.now, Some("job")).into_iter().find(|pod| pod.status == "Error").unwrap();
    rig.do_write(&Write::DeletePod { pod: failed.name });
    rig.run(5.0);
    assert_eq!(rig.pods(), ["0/1 Pending", "1/1 Running", "1/1 Running"]);
}

#[test]
fn unused_images_go_before_pods_when_the_disk_is_full() {
    let mut rig = rig();
    rig.cluster.add_image("web:2");
    let spare = rig.cluster.spare_disk(NodeIx(0));
    rig.cluster.occupy_disk(NodeIx(0), spare + Bytes(1_000_000));
    rig.run(25.0);
    assert!(rig.times(" Evicted: ").is_empty(), "an image was enough");
    assert_eq!(rig.pressure(), ["DiskPressure"]);
    rig.cluster.occupy_disk(NodeIx(0), Bytes(0));
    let spare = rig.cluster.spare_disk(NodeIx(0));
    rig.cluster.occupy_disk(NodeIx(0), spare + Bytes(200_000_000));
    rig.run(60.0);
    let evicted = rig.lines(&[" Evicted: "]);
    assert!(evicted.contains("The node was low on resource: ephemeral-storage. Threshold quantity: "), "{evicted}");
    assert_eq!(rig.cluster.component_state(rig.now, "web").available, 0);
}
