//! Changes under guard, and the way back.

use std::fs;
use std::path::Path;

use bridge::guard::{Extent, Guarded, Guards, Mode, Verdict};
use bridge::{Changes, Cluster};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ResourceQuota, Service};
use kube::api::{ListParams, Patch, PatchParams};
use serde::Serialize;
use serde_json::{Value, json};
use sim::environment::{AppliedObject, AutoscalerSpec, DeletableKind, Failure, ResourceChange, Write};
use sim::units::Millicores;

use crate::harness::{IMAGE, Lab, in_the_lab};

fn one() -> String {
    "one".to_owned()
}

fn guarded(lab: &Lab, folder: &Path) -> Guarded<Cluster> {
    let guards = Guards { mode: Mode::Write, max_changes_per_minute: 1000, ..Guards::default() };
    Guarded::open(lab.bridge.clone(), guards, folder).unwrap()
}

/// What of objects no controller made: specs, labels and annotations.
async fn made_by_users(lab: &Lab) -> Vec<Value> {
    let listing = ListParams::default();
    let mut made = of_users(lab.api::<Deployment>().list(&listing).await.unwrap().items);
    made.extend(of_users(lab.api::<HorizontalPodAutoscaler>().list(&listing).await.unwrap().items));
    made.extend(of_users(lab.api::<Service>().list(&listing).await.unwrap().items));
    made.extend(of_users(lab.api::<ResourceQuota>().list(&listing).await.unwrap().items));
    made
}

fn of_users(objects: Vec<impl Serialize>) -> Vec<Value> {
    let each = objects.into_iter().map(|object| {
        let mut object = serde_json::to_value(object).unwrap();
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.retain(|name, _| !name.starts_with("deployment.kubernetes.io/"));
        }
        let metadata = &object["metadata"];
        let annotations = metadata["annotations"].as_object().filter(|annotations| !annotations.is_empty());
        json!({
            "name": metadata["name"], "labels": metadata["labels"], "annotations": annotations, "spec": object["spec"],
        })
    });
    each.collect()
}

fn apply(kind: &str, spec: &str) -> Write {
    let manifest = format!("apiVersion: v1\nkind: {kind}\nmetadata: {{ name: one }}\nspec: {spec}\n");
    Write::Apply(AppliedObject { manifest })
}

#[test]
#[ignore = "needs the lab"]
fn undo_restores_all_that_was_changed() {
    in_the_lab("undo", async |lab| {
        lab.deploy("one", 1).await;
        let before = made_by_users(&lab).await;
        let folder = tempfile::tempdir().unwrap();
        let session = guarded(&lab, folder.path());
        let spec = AutoscalerSpec { component: one(), min_replicas: 1, max_replicas: 1, cpu_percent: 90 };
        let change = ResourceChange { component: one(), cpu_limit: Some(Millicores(150)), ..ResourceChange::default() };
        let set_env = |name: &str, value: Option<&str>| Write::SetEnv {
            component: one(),
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        let writes = [
            Write::Scale { component: one(), replicas: 2 },
            Write::SetResources(change),
            set_env("FROM_FIELD", None),
            set_env("NEW", Some("1")),
            Write::Restart { component: one() },
            Write::SetImage { component: one(), image: format!("{IMAGE}-missing") },
            Write::Rollback { component: one(), revision: Some(1) },
            Write::ApplyAutoscaler(spec),
            apply("Service", "{ selector: { name: one }, ports: [{ port: 80 }] }"),
            apply("Service", "{ selector: { name: one }, ports: [{ port: 81 }] }"),
            apply("ResourceQuota", "{ hard: { pods: 50 } }"),
            Write::Delete { kind: DeletableKind::ResourceQuota, name: one() },
            Write::DeleteAutoscaler { component: one() },
            Write::CreateDeployment { component: "spare".to_owned() },
            Write::DeleteDeployment { component: one() },
        ];
        for write in &writes {
            session.change(write).await.unwrap_or_else(|failure| panic!("{write:?}: {failure}"));
        }
        drop(session);
        let tried = lab.bridge.undo(folder.path(), Extent::DryRun).await.unwrap();
        assert!(tried.failures.is_empty(), "{tried:#?}");
        assert_ne!(made_by_users(&lab).await, before);
        let undone = lab.bridge.undo(folder.path(), Extent::ForGood).await.unwrap();
        assert!(undone.failures.is_empty() && undone.unrecorded.is_none(), "{undone:#?}");
        let mut findings = undone.steps.iter().flat_map(|step| &step.findings);
        assert!(!findings.any(|found| matches!(found.verdict, Verdict::Conflict(_))), "{undone:#?}");
        assert_eq!(made_by_users(&lab).await, before);
        let again = lab.bridge.undo(folder.path(), Extent::ForGood).await.unwrap();
        assert!(again.steps.is_empty(), "{again:#?}");
    });
}

#[test]
#[ignore = "needs the lab"]
fn a_crash_in_a_change_and_somebody_else_s_changes_are_told_apart() {
    in_the_lab("crash", async |lab| {
        lab.deploy("one", 1).await;
        let before = made_by_users(&lab).await;
        let folder = tempfile::tempdir().unwrap();
        let session = guarded(&lab, folder.path());
        session.change(&Write::Scale { component: one(), replicas: 2 }).await.unwrap();
        session.change(&Write::SetImage { component: one(), image: format!("{IMAGE}-no") }).await.unwrap();
        drop(session);
        // As a kill leaves it: the change was made, and what came of it was not written down.
        let path = folder.path().join("audit.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        fs::write(&path, format!("{}\n", lines[..lines.len() - 1].join("\n"))).unwrap();
        // Somebody else scales.
        let patch = json!({ "spec": { "replicas": 3 } });
        lab.api::<Deployment>().patch("one", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        let undone = lab.bridge.undo(folder.path(), Extent::ForGood).await.unwrap();
        assert!(undone.failures.is_empty(), "{undone:#?}");
        let verdicts = undone.steps.iter().flat_map(|step| &step.findings);
        let conflicts: Vec<_> = verdicts.filter(|found| matches!(found.verdict, Verdict::Conflict(_))).collect();
        assert_eq!(conflicts.len(), 1, "{undone:#?}");
        let mut after = made_by_users(&lab).await;
        assert_eq!(after[0]["spec"]["replicas"], 3);
        after[0]["spec"]["replicas"] = json!(1);
        assert_eq!(after, before);
    });
}

#[test]
#[ignore = "needs the lab"]
fn what_guards_refuse_changes_nothing() {
    in_the_lab("guards", async |lab| {
        lab.deploy("one", 1).await;
        let before = lab.deployment("one").await.metadata.generation;
        let scale = Write::Scale { component: one(), replicas: 2 };
        let refused = async |guards: Guards, write: &Write, why: &str| {
            let folder = tempfile::tempdir().unwrap();
            match Guarded::open(lab.bridge.clone(), guards, folder.path()).unwrap().change(write).await {
                Err(Failure::Rejected(rejected)) if rejected.0.contains(why) => {}
                other => panic!("{write:?} should be refused with `{why}`: {other:?}"),
            }
        };
        let writing = || Guards { mode: Mode::Write, ..Guards::default() };
        let elsewhere = Guards { namespace: Some("elsewhere".to_owned()), ..writing() };
        refused(elsewhere, &scale, "guard `namespace`").await;
        refused(Guards { components: Some(["two".to_owned()].into()), ..writing() }, &scale, "guard `components`")
            .await;
        refused(Guards { max_changes: 0, ..writing() }, &scale, "guard `max_changes`").await;
        refused(writing(), &Write::Drain { node: "node-1".to_owned() }, "guard `nodes`").await;
        refused(Guards { mode: Mode::Approve, ..writing() }, &scale, "declined").await;
        let folder = tempfile::tempdir().unwrap();
        let advised = Guarded::open(lab.bridge.clone(), Guards::default(), folder.path()).unwrap();
        assert_eq!(advised.change(&scale).await.as_deref(), Ok("accepted, not applied (advisory)"));
        assert_eq!(lab.deployment("one").await.metadata.generation, before);
    });
}
