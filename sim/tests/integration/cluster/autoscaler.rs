//! The horizontal pod autoscaler with metrics-server.

use super::*;

const REQUEST: &str = "resources: {requests: {cpu: 100m}, limits: {cpu: 500m}}";

fn autoscaler(component: &str, extra: &str) -> String {
    format!(
        "apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: {component}, namespace: sock-shop}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {component}}}
  minReplicas: 1
  maxReplicas: 6
  metrics:
  - type: Resource
    resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 50}}}}
{extra}---
"
    )
}

fn conditions(rig: &Rig, component: &str) -> Vec<String> {
    let view = rig.cluster.describe(rig.now, component).unwrap().autoscaler.unwrap();
    view.conditions.into_iter().map(|(kind, status, reason)| format!("{kind} {status} {reason}")).collect()
}

#[test]
fn it_grows_at_once_and_shrinks_after_five_minutes() {
    let mut rig = Rig::new(&(web(1, &[], &[REQUEST]) + &autoscaler("web", "")));
    rig.boot_ready();
    rig.run(120.0);
    assert_eq!(rig.timeline.matches("Rescale").count(), 0);
    let (now, busy) = (rig.now, 0.2);
    rig.script.set_cores(now, WEB, busy);
    rig.tell("$ busy");
    rig.run(400.0);
    // 200 % of the request on each pod, whatever their number: it goes on to the maximum.
    assert_eq!(rig.cluster.list_pods(rig.now, None).len(), 6);
    let view = rig.cluster.describe(rig.now, "web").unwrap().autoscaler.unwrap();
    assert_eq!((view.current_percent, view.desired_replicas), (Some(200), 6));
    assert_eq!(
        conditions(&rig, "web"),
        [
            "AbleToScale True ReadyForNewScale",
            "ScalingActive True ValidMetricFound",
            "ScalingLimited True TooManyReplicas"
        ]
    );
    let now = rig.now;
    rig.script.set_cores(now, WEB, 0.001);
    rig.tell("$ idle");
    rig.run(200.0);
    assert_eq!(conditions(&rig, "web")[0], "AbleToScale True ScaleDownStabilized");
    rig.run(300.0);
    insta::assert_snapshot!(rig.lines(&["Rescale", "$", "Scaled"]), @r"
    122.0 $ busy
    135.0 horizontalpodautoscaler/web SuccessfulRescale: New size: 2; reason: cpu resource utilization (percentage of request) above target
    135.0 deployment/web ScalingReplicaSet: Scaled up replica set rs1 from 1 to 2
    150.0 horizontalpodautoscaler/web SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target
    150.0 deployment/web ScalingReplicaSet: Scaled up replica set rs1 from 2 to 4
    165.0 horizontalpodautoscaler/web SuccessfulRescale: New size: 6; reason: cpu resource utilization (percentage of request) above target
    165.0 deployment/web ScalingReplicaSet: Scaled up replica set rs1 from 4 to 6
    522.0 $ idle
    840.0 horizontalpodautoscaler/web SuccessfulRescale: New size: 1; reason: All metrics below target
    840.0 deployment/web ScalingReplicaSet: Scaled down replica set rs1 from 6 to 1
    ");
}

#[test]
fn a_small_deviation_is_tolerated() {
    let mut rig = Rig::new(&(web(2, &[], &[REQUEST]) + &autoscaler("web", "")));
    rig.script.behaviours[WEB].cores = 0.0525;
    rig.boot_ready();
    rig.run(900.0);
    assert_eq!(rig.cluster.list_pods(rig.now, None).len(), 2);
    let usage = rig.cluster.usage(Some("web"));
    assert_eq!(usage.iter().map(|u| u.cpu.0).collect::<Vec<_>>(), [53, 53]);
}

#[test]
fn behavior_limits_the_rate() {
    let extra = "  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      policies: [{type: Pods, value: 1, periodSeconds: 60}]
    scaleDown: {selectPolicy: Disabled}
";
    let mut rig = Rig::new(&(web(1, &[], &[REQUEST]) + &autoscaler("web", extra)));
    rig.boot_ready();
    rig.run(60.0);
    let now = rig.now;
    rig.script.set_cores(now, WEB, 0.3);
    rig.run(400.0);
    let rescales = rig.times("SuccessfulRescale");
    assert!(rescales.windows(2).all(|pair| pair[1] - pair[0] >= 60.0), "{rescales:?}");
    assert!(rescales.len() >= 4, "{rescales:?}");
    let now = rig.now;
    rig.script.set_cores(now, WEB, 0.0);
    let before = rig.cluster.list_pods(rig.now, None).len();
    rig.run(900.0);
    assert_eq!(rig.cluster.list_pods(rig.now, None).len(), before);
}

#[test]
fn it_says_why_it_cannot_scale() {
    let manifests = web(1, &[], &[]) + &autoscaler("web", "") + &autoscaler("cart", "");
    let mut rig = Rig::new(&manifests);
    rig.boot();
    rig.run(16.0);
    let first = rig.lines(&["horizontalpodautoscaler"]);
    rig.run(100.0);
    assert_eq!(
        conditions(&rig, "web"),
        ["AbleToScale True SucceededGetScale", "ScalingActive False FailedGetResourceMetric"]
    );
    insta::assert_snapshot!(first, @r#"
    15.0 horizontalpodautoscaler/cart FailedGetScale: deployments.apps "cart" not found
    15.0 horizontalpodautoscaler/web FailedGetResourceMetric: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API
    15.0 horizontalpodautoscaler/web FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API
    "#);
    let without_request = "failed to get cpu utilization: missing request for cpu in container web of Pod";
    assert!(rig.timeline.contains(without_request), "{}", rig.timeline);
}

#[test]
fn a_target_scaled_to_zero_is_left_alone() {
    let mut rig = Rig::new(&(web(1, &[], &[REQUEST]) + &autoscaler("web", "")));
    rig.boot_ready();
    rig.do_write(&scale("web", 0));
    rig.run(60.0);
    assert!(rig.pods().is_empty());
    assert!(conditions(&rig, "web").contains(&"ScalingActive False ScalingDisabled".to_owned()));
    rig.do_write(&scale("web", 20));
    rig.run(25.0);
    insta::assert_snapshot!(rig.lines(&["Rescale"]), @r"
      75.0 horizontalpodautoscaler/web SuccessfulRescale: New size: 6; reason: Current number of replicas above Spec.MaxReplicas
    ");
}
