use sim::units::{Bytes, Millicores};

use super::*;

/// The main container, with two variables.
fn main(image: &str) -> Value {
    json!({ "name": "carts", "image": image, "env": [{ "name": "B" }, { "name": "C" }] })
}

/// A Deployment with two revisions and an autoscaler of another name.
fn current() -> Current {
    let template = |image: &str| {
        json!({
            "metadata": { "labels": { "name": "carts" } },
            "spec": { "containers": [{ "name": "proxy", "image": "p:1" }, main(image)] },
        })
    };
    let set = |revision: &str, image: &str| {
        let mut template = template(image);
        template["metadata"]["labels"]["pod-template-hash"] = json!(revision);
        let annotations = json!({ REVISION: revision, "kubernetes.io/change-cause": format!("to {image}") });
        json!({ "metadata": { "annotations": annotations }, "spec": { "template": template } })
    };
    Current {
        deployment: json!({
            "metadata": { "resourceVersion": "77", "annotations": { REVISION: "2", "other": "goes" } },
            "spec": { "template": template("c:2") },
        }),
        replica_sets: vec![set("2", "c:2"), set("1", "c:1")],
        autoscalers: vec![json!({
            "metadata": { "name": "carts-hpa" },
            "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "carts" } },
        })],
        node: Value::Null,
    }
}

fn planned(write: &Write, current: &Current) -> Result<Plan, Rejected> {
    let manifests =
        BTreeMap::from([("carts".to_owned(), json!({ "kind": "Deployment", "metadata": { "name": "carts" } }))]);
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    plan(write, current, &Context { namespace: "sock-shop", manifests: &manifests, now })
}

fn check(write: &Write, call: Call, answer: &str) {
    assert_eq!(planned(write, &current()), Ok(done(call, answer.to_owned())), "{write:?}");
}

fn carts() -> String {
    "carts".to_owned()
}

#[test]
fn fields_of_the_main_container_are_merged() {
    let merge = |fields: Value| {
        let mut container = json!({ "name": "carts" });
        container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let patch = json!({ "spec": { "template": { "spec": { "containers": [container] } } } });
        Call::Merge { name: carts(), patch }
    };
    check(
        &Write::SetImage { component: carts(), image: "c:3".to_owned() },
        merge(json!({ "image": "c:3" })),
        "deployment.apps/carts image updated",
    );
    let variable = |name: &str, value: Option<&str>| Write::SetEnv {
        component: carts(),
        name: name.to_owned(),
        value: value.map(str::to_owned),
    };
    let updated = "deployment.apps/carts env updated";
    let env = |variable: Value, order: &[&str]| {
        let order: Vec<_> = order.iter().map(|name| json!({ "name": name })).collect();
        merge(json!({ "env": [variable], "$setElementOrder/env": order }))
    };
    let set = |name: &str| json!({ "name": name, "value": "1", "valueFrom": null });
    check(&variable("A", Some("1")), env(set("A"), &["B", "C", "A"]), updated);
    check(&variable("B", Some("1")), env(set("B"), &["B", "C"]), updated);
    check(&variable("B", None), env(json!({ "name": "B", "$patch": "delete" }), &["C"]), updated);
    check(
        &Write::SetResources(ResourceChange {
            component: carts(),
            cpu_request: None,
            cpu_limit: Some(Millicores(1500)),
            memory_request: None,
            memory_limit: Some(Bytes::from_mebibytes(1024)),
        }),
        merge(json!({ "resources": { "limits": { "cpu": "1500m", "memory": "1Gi" } } })),
        "deployment.apps/carts resource requirements updated",
    );
}

#[test]
fn a_rollback_replaces_the_template_of_the_version_that_was_read() {
    let patch = json!([
        { "op": "replace", "path": "/metadata/resourceVersion", "value": "77" },
        { "op": "add", "path": "/metadata/annotations",
          "value": { REVISION: "2", "kubernetes.io/change-cause": "to c:1" } },
        { "op": "replace", "path": "/spec/template", "value": {
            "metadata": { "labels": { "name": "carts" } },
            "spec": { "containers": [{ "name": "proxy", "image": "p:1" }, main("c:1")] },
        } },
    ]);
    for revision in [None, Some(0), Some(1)] {
        let call = Call::Json { name: carts(), patch: patch.clone() };
        check(&Write::Rollback { component: carts(), revision }, call, "deployment.apps/carts rolled back");
    }
    let to_itself = planned(&Write::Rollback { component: carts(), revision: Some(2) }, &current()).unwrap();
    assert_eq!(to_itself.call, None, "{to_itself:?}");
}

#[test]
fn a_restart_stamps_the_template_once_a_second() {
    let stamp = "2027-01-15T08:00:00Z";
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": { RESTARTED_AT: stamp } } } } });
    let restart = Write::Restart { component: carts() };
    check(&restart, Call::Merge { name: carts(), patch }, "deployment.apps/carts restarted");
    let mut again = current();
    again.deployment["spec"]["template"]["metadata"]["annotations"] = json!({ RESTARTED_AT: stamp });
    let why = planned(&restart, &again).unwrap_err().0;
    assert!(why.contains("within the past second"), "{why}");
}

#[test]
fn an_autoscaler_is_found_by_what_it_scales() {
    let delete = Call::Delete { kind: Kind::Autoscaler, name: "carts-hpa".to_owned() };
    let answer = "horizontalpodautoscaler.autoscaling \"carts-hpa\" deleted";
    check(&Write::DeleteAutoscaler { component: carts() }, delete, answer);
    let spec = AutoscalerSpec { component: carts(), min_replicas: 1, max_replicas: 5, cpu_percent: 60 };
    let applied = planned(&Write::ApplyAutoscaler(spec), &current()).unwrap();
    let Some(Call::Apply { kind: Kind::Autoscaler, name, object }) = applied.call else { panic!("{applied:?}") };
    assert_eq!((name.as_str(), &object["spec"]["maxReplicas"]), ("carts-hpa", &json!(5)));
    assert_eq!(object["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
}

#[test]
fn whole_objects_go_to_the_namespace() {
    let object = json!({ "kind": "Deployment", "metadata": { "name": "carts", "namespace": "sock-shop" } });
    check(&Write::CreateDeployment { component: carts() }, Call::Create { object }, "deployment.apps/carts created");
    let service = |namespace: &str| {
        let manifest = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{ name: a, namespace: {namespace} }}\nspec:\n  ports: [{{ port: 1 }}]\n"
        );
        Write::Apply(AppliedObject { manifest })
    };
    let placed = planned(&service("default"), &current()).unwrap();
    let Some(Call::Apply { object, .. }) = placed.call else { panic!("{placed:?}") };
    assert_eq!((placed.answer.as_str(), &object["metadata"]["namespace"]), ("service/a", &json!("sock-shop")));
    let why = planned(&service("kube-system"), &current()).unwrap_err().0;
    assert!(why.contains("does not match the namespace \"sock-shop\""), "{why}");
}
