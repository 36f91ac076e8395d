//! The manifest of permissions, on a cluster: what it grants is enough, and without it nothing goes.

use std::fs;

use bridge::Cluster;
use bridge::doctor::{Outcome, Wanted, evaluate};
use bridge::guard::permissions::Grant;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::PostParams;
use serde_json::{Value, json};
use sim::environment::{Failure, Write};

use crate::harness::{Lab, in_the_lab, kubeconfig, until};

/// Connects as the service account of the manifest.
async fn as_sockpit(lab: &Lab) -> Cluster {
    let request: TokenRequest = serde_json::from_value(json!({ "metadata": {}, "spec": { "audiences": [] } })).unwrap();
    let accounts = lab.api::<ServiceAccount>();
    let answer = accounts.create_token_request("sockpit", &PostParams::default(), &request).await.unwrap();
    let token = answer.status.unwrap().token;
    let mut file: Value = serde_saphyr::from_str(&fs::read_to_string(kubeconfig()).unwrap()).unwrap();
    let user = file["contexts"][0]["context"]["user"].clone();
    file["users"] = json!([{ "name": user, "user": { "token": token } }]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    fs::write(&path, file.to_string()).unwrap();
    Cluster::connect(&path, &lab.namespace).await.unwrap()
}

#[test]
#[ignore = "needs the lab"]
fn the_manifest_grants_enough_and_nothing_goes_without_it() {
    in_the_lab("rights", async |lab| {
        lab.deploy("one", 1).await;
        let objects: Vec<Value> = serde_saphyr::from_multiple(&Grant::Namespace.manifest_for(&lab.namespace)).unwrap();
        let [account, role, binding] = <[_; 3]>::try_from(objects).unwrap();
        let params = PostParams::default();
        let account: ServiceAccount = serde_json::from_value(account).unwrap();
        lab.api().create(&params, &account).await.unwrap();
        let sockpit = as_sockpit(&lab).await;
        let scale = Write::Scale { component: "one".to_owned(), replicas: 2 };
        match sockpit.write(&scale).await {
            Err(Failure::Rejected(why)) if why.0.contains("forbidden") => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(lab.deployment("one").await.spec.unwrap().replicas, Some(1));

        let role: Role = serde_json::from_value(role).unwrap();
        lab.api().create(&params, &role).await.unwrap();
        let binding: RoleBinding = serde_json::from_value(binding).unwrap();
        lab.api().create(&params, &binding).await.unwrap();
        until("the role is in force", async || sockpit.write(&scale).await.is_ok()).await;
        let facts = sockpit.examine(&Wanted::default(), None).await;
        let optional = ["may cordon", "may uncordon", "may drain", "may faults by Chaos Mesh"];
        for found in evaluate(&facts, &Wanted::default()).iter().filter(|found| found.name.starts_with("may ")) {
            let expected = match found.name.as_str() {
                "may nodes" => Outcome::Failed,
                name if optional.contains(&name) => Outcome::Optional,
                _ => Outcome::Passed,
            };
            assert_eq!(found.outcome, expected, "{found:?}");
        }
        for write in [
            Write::Restart { component: "one".to_owned() },
            Write::Rollback { component: "one".to_owned(), revision: Some(1) },
            Write::DeleteDeployment { component: "one".to_owned() },
        ] {
            sockpit.write(&write).await.unwrap_or_else(|failure| panic!("{write:?}: {failure}"));
        }
        match sockpit.write(&Write::Cordon { node: "node-1".to_owned() }).await {
            Err(Failure::Rejected(why)) if why.0.contains("forbidden") => {}
            other => panic!("{other:?}"),
        }
    });
}
