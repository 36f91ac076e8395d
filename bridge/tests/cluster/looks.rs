//! What the bridge sees.

use k8s_openapi::api::core::v1::Service;
use kube::api::PostParams;
use serde_json::json;
use sim::environment::Failure;

use crate::harness::in_the_lab;

#[test]
#[ignore = "needs the lab"]
fn pods_nodes_and_services_are_seen() {
    in_the_lab("looks", async |lab| {
        lab.deploy("one", 2).await;
        let nodes = lab.bridge.nodes().await.unwrap();
        let names: Vec<_> = nodes.iter().map(|node| node.name.clone()).collect();
        for node in &nodes {
            assert!(node.ready && node.allocatable_cpu.0 > 0 && node.allocatable_memory.0 > 0, "{node:?}");
            assert!(node.requested_cpu <= node.allocatable_cpu, "{node:?}");
        }
        for pod in lab.until_ready("one", 2).await {
            assert_eq!((pod.phase.as_str(), pod.qos_class.as_str()), ("Running", "Burstable"), "{pod:?}");
            assert!(
                names.contains(pod.node.as_ref().unwrap()) && pod.ip.is_some() && pod.started_at.is_some(),
                "{pod:?}"
            );
            assert_eq!((pod.restarts, &pod.waiting, &pod.last_termination), (0, &None, &None), "{pod:?}");
            let containers: Vec<_> = pod.containers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(containers, ["beside", "one"]);
            assert!(pod.containers.iter().all(|(_, id)| id.as_ref().is_some_and(|id| id.len() == 64)), "{pod:?}");
        }

        let service: Service = serde_json::from_value(json!({
            "metadata": { "name": "one" },
            "spec": { "selector": { "name": "one" }, "ports": [{ "port": 8080 }] },
        }))
        .unwrap();
        let service = lab.api::<Service>().create(&PostParams::default(), &service).await.unwrap();
        let address = lab.bridge.service_address("one").await.unwrap();
        assert_eq!(Some(format!("{}:8080", service.spec.unwrap().cluster_ip.unwrap())), Some(address.to_string()));
        let missing = lab.bridge.service_address("two").await.unwrap_err().into_failure();
        assert!(matches!(&missing, Failure::Rejected(why) if why.0 == "services \"two\" not found"), "{missing}");
    });
}
