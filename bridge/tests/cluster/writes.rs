//! Each write, with the objects that it leaves.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Container, Service};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use sim::environment::{AppliedObject, AutoscalerSpec, Failure, ResourceChange, Write};
use sim::units::{Bytes, Millicores};

use crate::harness::{IMAGE, Lab, in_the_lab, until};

/// The main container of `one`; the other one is never touched.
async fn container(lab: &Lab) -> Container {
    let containers = lab.deployment("one").await.spec.unwrap().template.spec.unwrap().containers;
    let [beside, main] = <[_; 2]>::try_from(containers).unwrap();
    assert_eq!((beside.image.as_deref(), &beside.env, main.name.as_str()), (Some(IMAGE), &None, "one"));
    main
}

async fn rejected(lab: &Lab, write: Write, why: &str) {
    match lab.bridge.write(&write).await {
        Err(Failure::Rejected(rejected)) if rejected.0.contains(why) => {}
        other => panic!("{write:?} should be rejected with `{why}`: {other:?}"),
    }
}

fn one() -> String {
    "one".to_owned()
}

#[test]
#[ignore = "needs the lab"]
fn a_deployment_is_scaled_and_its_template_changed_and_rolled_back() {
    in_the_lab("template", async |lab| {
        lab.deploy("one", 1).await;
        let first = lab.deployment("one").await.spec.unwrap().template;

        lab.write(&Write::Scale { component: one(), replicas: 2 }, "deployment.apps/one scaled").await;
        lab.until_ready("one", 2).await;

        let change = ResourceChange {
            component: one(),
            cpu_request: None,
            cpu_limit: Some(Millicores(150)),
            memory_request: Some(Bytes::from_mebibytes(20)),
            memory_limit: None,
        };
        lab.write(&Write::SetResources(change.clone()), "deployment.apps/one resource requirements updated").await;
        let resources = container(&lab).await.resources.unwrap();
        let quantities = |cpu: &str, memory: &str| {
            Some([("cpu", cpu), ("memory", memory)].map(|(name, q)| (name.to_owned(), Quantity(q.to_owned()))).into())
        };
        assert_eq!(resources.requests, quantities("10m", "20Mi"));
        assert_eq!(resources.limits, quantities("150m", "64Mi"));

        let set = |name: &str, value: Option<&str>| Write::SetEnv {
            component: one(),
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        lab.write(&set("FROM_FIELD", Some("text")), "deployment.apps/one env updated").await;
        lab.write(&set("NEW", Some("1")), "deployment.apps/one env updated").await;
        let env = container(&lab).await.env.unwrap();
        let env: Vec<_> = env.iter().map(|v| (v.name.as_str(), v.value.as_deref(), v.value_from.is_some())).collect();
        assert_eq!(env, [("FROM_FIELD", Some("text"), false), ("NEW", Some("1"), false)]);
        lab.write(&set("FROM_FIELD", None), "deployment.apps/one env updated").await;
        let names: Vec<_> = container(&lab).await.env.unwrap().into_iter().map(|v| v.name).collect();
        assert_eq!(names, ["NEW"]);

        let image = format!("{IMAGE}-missing");
        lab.write(&Write::SetImage { component: one(), image: image.clone() }, "deployment.apps/one image updated")
            .await;
        assert_eq!(container(&lab).await.image, Some(image));
        until("the image is not found", async || {
            let pods = lab.pods_of("one").await;
            pods.iter().any(|pod| matches!(pod.waiting.as_deref(), Some("ErrImagePull" | "ImagePullBackOff")))
        })
        .await;

        let back = |revision| Write::Rollback { component: one(), revision };
        lab.write(&back(None), "deployment.apps/one rolled back").await;
        assert_eq!(container(&lab).await.image.as_deref(), Some(IMAGE));
        lab.until_ready("one", 2).await;
        lab.write(&back(Some(1)), "deployment.apps/one rolled back").await;
        assert_eq!(lab.deployment("one").await.spec.unwrap().template, first);
        until("revision 1 is the newest again", async || {
            let annotations = lab.deployment("one").await.metadata.annotations.unwrap();
            annotations["deployment.kubernetes.io/revision"] != "1"
        })
        .await;
        rejected(&lab, back(Some(99)), "unable to find specified revision 99 in history").await;

        lab.write(&Write::Restart { component: one() }, "deployment.apps/one restarted").await;
        let template = lab.deployment("one").await.spec.unwrap().template;
        assert!(template.metadata.unwrap().annotations.unwrap().contains_key("kubectl.kubernetes.io/restartedAt"));

        pause(&lab).await;
        rejected(&lab, Write::Restart { component: one() }, "can't restart paused deployment").await;
        rejected(&lab, back(None), "you cannot rollback a paused deployment").await;
    });
}

async fn pause(lab: &Lab) {
    let patch = json!({ "spec": { "paused": true } });
    lab.api::<Deployment>().patch("one", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

#[test]
#[ignore = "needs the lab"]
fn objects_are_created_applied_and_deleted() {
    in_the_lab("objects", async |lab| {
        let spare = || "spare".to_owned();
        lab.write(&Write::CreateDeployment { component: spare() }, "deployment.apps/spare created").await;
        rejected(&lab, Write::CreateDeployment { component: spare() }, "deployments.apps \"spare\" already exists")
            .await;
        rejected(&lab, Write::CreateDeployment { component: one() }, "the path \"one.yaml\" does not exist").await;

        let [pod] = <[_; 1]>::try_from(lab.until_ready("spare", 1).await).unwrap();
        let delete = Write::DeletePod { pod: pod.name.clone() };
        lab.write(&delete, &format!("pod \"{}\" deleted", pod.name)).await;
        until("another pod has come", async || {
            let pods = lab.pods_of("spare").await;
            pods.len() == 1 && pods[0].uid != pod.uid && pods[0].ready
        })
        .await;
        rejected(&lab, delete, &format!("pods \"{}\" not found", pod.name)).await;

        let autoscaler = |max_replicas| {
            Write::ApplyAutoscaler(AutoscalerSpec {
                component: spare(),
                min_replicas: 1,
                max_replicas,
                cpu_percent: 70,
            })
        };
        let answer = |outcome: &str| format!("horizontalpodautoscaler.autoscaling/spare {outcome}");
        lab.write(&autoscaler(3), &answer("created")).await;
        lab.write(&autoscaler(4), &answer("configured")).await;
        rejected(&lab, autoscaler(0), "must be greater than").await;
        let stored = lab.api::<HorizontalPodAutoscaler>().get("spare").await.unwrap().spec.unwrap();
        assert_eq!((stored.min_replicas, stored.max_replicas), (Some(1), 4));
        let gone = Write::DeleteAutoscaler { component: spare() };
        lab.write(&gone, "horizontalpodautoscaler.autoscaling \"spare\" deleted").await;
        rejected(&lab, gone, "horizontalpodautoscalers.autoscaling \"spare\" not found").await;

        let service = |port: u16| {
            let manifest = format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{ name: spare }}\nspec:\n  selector: {{ name: spare }}\n  \
                 ports: [{{ port: {port} }}]\n"
            );
            Write::Apply(AppliedObject { manifest })
        };
        lab.write(&service(80), "service/spare created").await;
        lab.write(&service(80), "service/spare unchanged").await;
        lab.write(&service(81), "service/spare configured").await;
        let ports = lab.api::<Service>().get("spare").await.unwrap().spec.unwrap().ports.unwrap();
        assert_eq!(ports.iter().map(|port| port.port).collect::<Vec<_>>(), [81]);

        lab.write(&Write::DeleteDeployment { component: spare() }, "deployment.apps \"spare\" deleted").await;
        until("its pods are gone", async || lab.pods_of("spare").await.is_empty()).await;
        rejected(&lab, Write::Scale { component: spare(), replicas: 1 }, "deployments.apps \"spare\" not found").await;
    });
}

#[test]
#[ignore = "needs the lab"]
fn what_the_api_server_refuses_changes_nothing() {
    in_the_lab("refused", async |lab| {
        lab.deploy("one", 1).await;
        let before = lab.deployment("one").await.metadata.generation;
        rejected(&lab, Write::Scale { component: one(), replicas: u32::MAX }, "cannot unmarshal number").await;
        // Anything else may be an image as far as a template goes: of blanks around it only pods are refused.
        rejected(&lab, Write::SetImage { component: one(), image: String::new() }, "image: Required value").await;
        let set = Write::SetEnv { component: one(), name: "A=B".to_owned(), value: Some(String::new()) };
        rejected(&lab, set, "a valid environment variable name must consist only of").await;
        let mut change = ResourceChange {
            component: one(),
            cpu_request: Some(Millicores(900)),
            cpu_limit: None,
            memory_request: None,
            memory_limit: None,
        };
        rejected(&lab, Write::SetResources(change.clone()), "must be less than or equal to cpu limit of 100m").await;
        change.cpu_request = None;
        rejected(&lab, Write::SetResources(change), "you must specify an update to requests or limits").await;
        let elsewhere = "apiVersion: v1\nkind: Service\nmetadata: { name: a, namespace: kube-system }\nspec:\n  ports: \
                         [{ port: 1 }]\n";
        let elsewhere = Write::Apply(AppliedObject { manifest: elsewhere.to_owned() });
        rejected(&lab, elsewhere, "does not match the namespace").await;
        assert_eq!(lab.deployment("one").await.metadata.generation, before);
    });
}
