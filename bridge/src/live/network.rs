//! Services and autoscalers, as agents see them.

use serde_json::{Map, Value};
use sim::environment::{AutoscalerView, ServiceView};

use super::json::{conditions, count, list, name, owned, pairs, text, texts, written};

/// The label of an `EndpointSlice` that names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// What `kubectl describe` leaves out of annotations.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The Service that selects a Deployment's pods, or else the one of its name.
pub(super) fn service_of<'a>(deployment: &Value, services: &'a [Value]) -> Option<&'a Value> {
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    let selects = |service: &&Value| {
        let selector = service["spec"]["selector"].as_object();
        selector.is_some_and(|selector| {
            !selector.is_empty() && selector.iter().all(|(key, value)| labels[key.as_str()] == *value)
        })
    };
    // One of its name that leads elsewhere, or nowhere, is what one looks at next.
    let by_name = || services.iter().find(|service| name(service) == name(deployment));
    services.iter().find(selects).or_else(by_name)
}

pub(super) fn service_view(service: &Value, slices: &[Value]) -> ServiceView {
    let (meta, spec) = (&service["metadata"], &service["spec"]);
    let own = slices.iter().filter(|slice| slice["metadata"]["labels"][SERVICE_NAME] == *name(service));
    let is_ready = |endpoint: &&Value| endpoint["conditions"]["ready"] != false;
    let ready = own.flat_map(|slice| list(&slice["endpoints"])).filter(is_ready);
    let mut endpoints: Vec<String> = ready.flat_map(|endpoint| texts(&endpoint["addresses"])).collect();
    endpoints.sort();
    let port = |port: &Value| {
        let to = if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] };
        format!("{} -> {}", written(&port["port"]), written(to))
    };
    let shown: Map<String, Value> = match meta["annotations"].as_object() {
        Some(annotations) => {
            annotations.iter().filter(|(key, _)| *key != LAST_APPLIED).map(|(k, v)| (k.clone(), v.clone())).collect()
        }
        None => Map::new(),
    };
    ServiceView {
        name: name(service).to_owned(),
        namespace: owned(&meta["namespace"]),
        labels: pairs(&meta["labels"]),
        annotations: pairs(&Value::Object(shown)),
        selector: pairs(&spec["selector"]),
        ports: list(&spec["ports"]).iter().map(port).collect(),
        endpoints,
    }
}

/// The autoscaler that scales a component.
pub(super) fn autoscaler_of<'a>(component: &str, autoscalers: &'a [Value]) -> Option<&'a Value> {
    autoscalers.iter().find(|autoscaler| {
        let target = &autoscaler["spec"]["scaleTargetRef"];
        target["kind"] == "Deployment" && target["name"] == component
    })
}

pub(super) fn autoscaler_view(autoscaler: &Value) -> AutoscalerView {
    let (spec, status) = (&autoscaler["spec"], &autoscaler["status"]);
    let is_cpu = |metric: &&Value| metric["type"] == "Resource" && text(&metric["resource"]["name"]) == "cpu";
    let cpu_of = |metrics: &Value, side: &str| {
        let metric = list(metrics).iter().find(is_cpu)?;
        let percent = metric["resource"][side]["averageUtilization"].as_u64()?;
        u32::try_from(percent).ok()
    };
    AutoscalerView {
        name: name(autoscaler).to_owned(),
        // The API server's default.
        min_replicas: if spec["minReplicas"].is_null() { 1 } else { count(&spec["minReplicas"]) },
        max_replicas: count(&spec["maxReplicas"]),
        current_percent: cpu_of(&status["currentMetrics"], "current"),
        target_percent: cpu_of(&spec["metrics"], "target").unwrap_or(0),
        desired_replicas: count(&status["desiredReplicas"]),
        conditions: conditions(&status["conditions"]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(name: &str, selector: &Value) -> Value {
        json!({
            "metadata": {
                "name": name, "namespace": "sock-shop", "labels": { "name": name },
                "annotations": { "prometheus.io/scrape": "true", LAST_APPLIED: "{}" },
            },
            "spec": { "selector": selector, "ports": [{ "port": 80, "targetPort": 8080 }, { "port": 81 }] },
        })
    }

    fn deployment() -> Value {
        json!({
            "metadata": { "name": "carts" },
            "spec": { "template": { "metadata": { "labels": { "name": "carts", "tier": "back" } } } },
        })
    }

    #[test]
    fn the_service_is_the_one_that_leads_there_or_else_the_namesake() {
        let leads = service("basket", &json!({ "name": "carts" }));
        let namesake = service("carts", &json!({ "name": "x" }));
        let services = [service("none", &json!({})), namesake, leads];
        assert_eq!(service_of(&deployment(), &services).map(name), Some("basket"));
        assert_eq!(service_of(&deployment(), &services[..2]).map(name), Some("carts"));
        assert_eq!(service_of(&deployment(), &services[..1]), None);
    }

    #[test]
    fn a_service_shows_the_addresses_of_ready_pods() {
        let slice = |of: &str, endpoints: Value| json!({ "metadata": { "labels": { SERVICE_NAME: of } }, "endpoints": endpoints });
        let slices = [
            slice(
                "carts",
                json!([
                    { "addresses": ["10.244.2.9"], "conditions": { "ready": true } },
                    { "addresses": ["10.244.1.7"], "conditions": {} },
                    { "addresses": ["10.244.1.8"], "conditions": { "ready": false } },
                ]),
            ),
            slice("user", json!([{ "addresses": ["10.244.1.1"], "conditions": { "ready": true } }])),
        ];
        let view = service_view(&service("carts", &json!({ "name": "carts" })), &slices);
        assert_eq!(view.endpoints, ["10.244.1.7", "10.244.2.9"]);
        assert_eq!(view.ports, ["80 -> 8080", "81 -> 81"]);
        assert_eq!(
            (view.selector, view.annotations),
            (vec!["name=carts".to_owned()], vec!["prometheus.io/scrape=true".to_owned()])
        );
    }

    #[test]
    fn an_autoscaler_tells_its_cpu_target_and_what_it_measured() {
        let autoscaler = json!({
            "metadata": { "name": "carts-hpa" },
            "spec": {
                "scaleTargetRef": { "kind": "Deployment", "name": "carts" }, "maxReplicas": 5,
                "metrics": [
                    { "type": "Pods", "pods": {} },
                    { "type": "Resource", "resource": { "name": "cpu", "target": { "averageUtilization": 60 } } },
                ],
            },
            "status": {
                "desiredReplicas": 2,
                "currentMetrics": [
                    { "type": "Resource", "resource": { "name": "cpu", "current": { "averageUtilization": 93 } } },
                ],
                "conditions": [{ "type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale" }],
            },
        });
        let all = [autoscaler];
        let view = autoscaler_view(autoscaler_of("carts", &all).unwrap());
        assert_eq!((view.min_replicas, view.max_replicas, view.desired_replicas), (1, 5, 2));
        assert_eq!((view.current_percent, view.target_percent), (Some(93), 60));
        assert_eq!(view.conditions.len(), 1);
        assert_eq!(autoscaler_of("user", &all), None);
    }
}
