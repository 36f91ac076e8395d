//! Kubernetes Events, as agents see them and as the log keeps them.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use sim::environment::EventView;
use sim::time::SimTime;

use super::json::{component_of_pod, count, name, owned, since, text, timestamp};

/// Which component an object belongs to, by its kind and name.
pub(super) struct Owners<'a> {
    /// The components there are, Deployments that are gone included.
    components: Vec<&'a str>,
    pods: &'a [Value],
    autoscalers: &'a [Value],
}

impl<'a> Owners<'a> {
    pub(super) fn new(components: Vec<&'a str>, pods: &'a [Value], autoscalers: &'a [Value]) -> Self {
        Self { components, pods, autoscalers }
    }

    /// The component of an object. One that is gone is known by its name, which begins with that of its Deployment; of two
    /// that fit (`carts`, `carts-db`) the longer one is meant.
    fn of(&self, kind: &str, object: &str) -> Option<String> {
        let by_name = || {
            let fits = |component: &&&str| match object.strip_prefix(**component) {
                Some("") => true,
                Some(rest) => matches!(kind, "Pod" | "ReplicaSet") && rest.starts_with('-'),
                None => false,
            };
            self.components.iter().filter(fits).max_by_key(|component| component.len()).map(|found| (*found).to_owned())
        };
        match kind {
            "Deployment" => Some(object.to_owned()),
            "Pod" => {
                let pod = self.pods.iter().find(|pod| name(pod) == object);
                pod.and_then(component_of_pod).map(str::to_owned).or_else(by_name)
            }
            "ReplicaSet" => by_name(),
            "HorizontalPodAutoscaler" => {
                let autoscaler = self.autoscalers.iter().find(|autoscaler| name(autoscaler) == object);
                autoscaler.map(|autoscaler| owned(&autoscaler["spec"]["scaleTargetRef"]["name"])).or_else(by_name)
            }
            _ => None,
        }
    }
}

/// The time zero of the episode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zero(pub(super) Timestamp);

impl Zero {
    /// A time of the cluster on the clock of the episode; none if it was before. The API's times have whole seconds, so
    /// what happened in the second in which the episode began counts as of its beginning.
    pub(super) fn clock(self, at: Timestamp) -> Option<SimTime> {
        (at.as_second() >= self.0.as_second()).then(|| SimTime(since(at, self.0).0))
    }
}

/// `kubectl get events`, oldest first: of one component or all, and of what was seen since the episode began. What was
/// before belongs to another world, as the twin's begins with the episode.
pub(super) fn event_views(
    events: &[Value],
    owners: &Owners<'_>,
    component: Option<&str>,
    zero: Zero,
) -> Vec<EventView> {
    let view = |event: &Value| {
        let last_seen = zero.clock(last_seen(event)?)?;
        let about = &event["involvedObject"];
        let (kind, object) = (text(&about["kind"]), text(&about["name"]));
        let series = count(&event["series"]["count"]);
        Some(EventView {
            last_seen,
            count: series.max(count(&event["count"])).max(1),
            severity: owned(&event["type"]),
            reason: owned(&event["reason"]),
            object: format!("{}/{object}", kind.to_lowercase()),
            component: owners.of(kind, object),
            message: owned(&event["message"]),
        })
    };
    let is_asked = |event: &EventView| component.is_none() || event.component.as_deref() == component;
    let mut views: Vec<EventView> = events.iter().filter_map(view).filter(is_asked).collect();
    views.sort_by(|a, b| (a.last_seen, &a.object, &a.reason).cmp(&(b.last_seen, &b.object, &b.reason)));
    views
}

/// Old reporters set `lastTimestamp`, new ones `eventTime` and a series.
fn last_seen(event: &Value) -> Option<Timestamp> {
    let times = [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"]];
    let known = times.into_iter().filter_map(timestamp).max();
    known.or_else(|| timestamp(&event["metadata"]["creationTimestamp"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sim::time::SimDuration;

    use super::*;

    fn event(kind: &str, object: &str, fields: &Value) -> Value {
        let mut event = json!({
            "metadata": { "creationTimestamp": "2026-12-01T01:00:00Z" },
            "involvedObject": { "kind": kind, "name": object }, "type": "Warning", "reason": "R", "message": "m",
        });
        for (field, value) in fields.as_object().unwrap() {
            event[field.as_str()] = value.clone();
        }
        event
    }

    #[test]
    fn events_belong_to_components_and_to_the_episode() {
        let events = [
            event("Pod", "carts-db-7d4b9c-x2x4z", &json!({ "lastTimestamp": "2026-12-01T01:01:10Z", "count": 3 })),
            event("ReplicaSet", "carts-7d4b9c", &json!({ "lastTimestamp": "2026-12-01T01:01:05Z", "count": 1 })),
            event("Deployment", "carts", &json!({ "lastTimestamp": "2026-12-01T01:00:59Z" })),
            event(
                "Pod",
                "user-1-a",
                &json!({ "eventTime": "2026-12-01T01:01:01.500000Z",
                    "series": { "count": 7, "lastObservedTime": "2026-12-01T01:01:20.250000Z" } }),
            ),
            event("Node", "node-1", &json!({ "lastTimestamp": "2026-12-01T01:01:00Z" })),
            event("HorizontalPodAutoscaler", "scaler", &json!({ "lastTimestamp": "2026-12-01T01:01:02Z" })),
        ];
        let autoscalers = [json!({
            "metadata": { "name": "scaler" }, "spec": { "scaleTargetRef": { "name": "carts" } },
        })];
        let owners = Owners::new(vec!["carts", "carts-db", "user"], &[], &autoscalers);
        let zero = Zero("2026-12-01T01:01:00.4Z".parse().unwrap());
        let all = event_views(&events, &owners, None, zero);
        let seen: Vec<(f64, &str, Option<&str>, u32)> = all
            .iter()
            .map(|e| (e.last_seen.as_secs_f64(), e.object.as_str(), e.component.as_deref(), e.count))
            .collect();
        assert_eq!(
            seen,
            [
                (0.0, "node/node-1", None, 1),
                (1.6, "horizontalpodautoscaler/scaler", Some("carts"), 1),
                (4.6, "replicaset/carts-7d4b9c", Some("carts"), 1),
                (9.6, "pod/carts-db-7d4b9c-x2x4z", Some("carts-db"), 3),
                (19.85, "pod/user-1-a", Some("user"), 7)
            ]
        );
        let of_carts = event_views(&events, &owners, Some("carts"), zero);
        assert_eq!(of_carts.len(), 2, "{of_carts:?}");
        assert_eq!(zero.clock(zero.0), Some(SimTime::ZERO));
        assert_eq!(
            zero.clock("2026-12-01T01:01:03.4Z".parse().unwrap()),
            Some(SimTime::ZERO + SimDuration::from_secs(3))
        );
    }
}
