//! Writes: planned, tried as a dry run, then made.

mod preview;

use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Node, Pod, ResourceQuota, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::Value;
use sim::environment::{Failure, Rejected, Write};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::plan::{Call, Context, Current, Kind, Plan, plan};

/// Who owns the fields that are written here.
pub(crate) const FIELD_MANAGER: &str = "sockpit";
/// How long it is waited before a write that met another one is tried again: as client-go does where controllers write to
/// the same object (`util/retry/util.go`, `DefaultBackoff`), and once more.
pub(crate) const PAUSES: [Duration; 4] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(250), Duration::from_millis(1250)];

/// Whether a call changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What it would do is worked out and refused or not; nothing is stored.
    DryRun,
    /// It is.
    ForGood,
}

impl Cluster {
    /// Makes a change, with the meaning that it has in the twin. The answer is `kubectl`'s.
    ///
    /// # Errors
    /// Rejected, in the API server's or `kubectl`'s words: nothing has changed. Unavailable: the cluster failed, and the
    /// change may or may not have been made.
    pub async fn write(&self, write: &Write) -> Result<String, Failure> {
        // What is to be written depends on what somebody else wrote.
        past_conflicts(|| self.write_once(write)).await.map_err(Error::into_failure)
    }

    async fn write_once(&self, write: &Write) -> Result<String, Error> {
        let current = self.current(write).await?;
        let context = Context { namespace: &self.namespace, manifests: &self.manifests, now: Timestamp::now() };
        let Plan { call, answer } = plan(write, &current, &context).map_err(|Rejected(why)| Error::Refused(why))?;
        let answer = match call {
            Some(call) => self.make(&call, answer).await?,
            None => answer,
        };
        match write {
            Write::Drain { node } => Ok(format!("{answer}\n{}", self.evict_pods_of(node).await?)),
            _ => Ok(answer),
        }
    }

    /// Makes a call that has worked as a dry run. Returns the answer, with what an apply did.
    async fn make(&self, call: &Call, answer: String) -> Result<String, Error> {
        let before = self.version(call).await?;
        self.send(call, Mode::DryRun).await?;
        let after = self.send(call, Mode::ForGood).await?.and_then(|object| object.metadata.resource_version);
        Ok(match call {
            Call::Apply { .. } => format!("{answer} {}", outcome(before.as_deref(), after.as_deref())),
            _ => answer,
        })
    }

    /// What a write depends on.
    async fn current(&self, write: &Write) -> Result<Current, Error> {
        let mut current = Current::default();
        match write {
            Write::SetResources(_) | Write::SetImage { .. } | Write::SetEnv { .. } | Write::Restart { .. } => {
                current.deployment = self.deployment(write.component().unwrap_or_default()).await?;
            }
            Write::Rollback { component, .. } => {
                current.deployment = self.deployment(component).await?;
                current.replica_sets = self.replica_sets_of(&current.deployment).await?;
            }
            Write::ApplyAutoscaler(_) | Write::DeleteAutoscaler { .. } => {
                let list = self.objects(Kind::Autoscaler);
                let list = self.bounded("list autoscalers", list.list(&ListParams::default())).await?;
                current.autoscalers = list.items.iter().map(value).collect::<Result<_, _>>()?;
            }
            Write::Cordon { node } | Write::Uncordon { node } | Write::Drain { node } => {
                current.node = value(&self.bounded("read a node", self.nodes_api().get(node)).await?)?;
            }
            Write::Scale { .. }
            | Write::CreateDeployment { .. }
            | Write::DeleteDeployment { .. }
            | Write::DeletePod { .. }
            | Write::Delete { .. }
            | Write::Apply(_) => {}
        }
        Ok(current)
    }

    async fn deployment(&self, name: &str) -> Result<Value, Error> {
        value(&self.bounded("read a Deployment", self.objects(Kind::Deployment).get(name)).await?)
    }

    async fn replica_sets_of(&self, deployment: &Value) -> Result<Vec<Value>, Error> {
        let resource = ApiResource::erase::<ReplicaSet>(&());
        let sets: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let list = self.bounded("list ReplicaSets", sets.list(&ListParams::default())).await?;
        let owner = deployment["metadata"]["uid"].as_str().unwrap_or_default();
        let is_owned = |set: &&DynamicObject| set.metadata.owner_references.iter().flatten().any(|o| o.uid == owner);
        list.items.iter().filter(is_owned).map(value).collect()
    }

    /// The version of the object that an apply changes; none if there is none yet.
    async fn version(&self, call: &Call) -> Result<Option<String>, Error> {
        let Call::Apply { kind, name, .. } = call else { return Ok(None) };
        let found = self.bounded("read the object", self.objects(*kind).get_opt(name)).await?;
        Ok(found.and_then(|object| object.metadata.resource_version))
    }

    /// Sends a call; the object afterwards, if it is still there. Of a scale it is not said.
    async fn send(&self, call: &Call, mode: Mode) -> Result<Option<DynamicObject>, Error> {
        let dry_run = mode == Mode::DryRun;
        let manager = Some(FIELD_MANAGER.to_owned());
        let patching = PatchParams { dry_run, field_manager: manager.clone(), ..PatchParams::default() };
        let what = if dry_run { "try a change" } else { "make a change" };
        let deployments = self.objects(Kind::Deployment);
        let object = match call {
            Call::Scale { name, patch } => {
                self.bounded(what, deployments.patch_scale(name, &patching, &Patch::Merge(patch))).await?;
                return Ok(None);
            }
            Call::Merge { name, patch } => {
                self.bounded(what, deployments.patch(name, &patching, &Patch::Strategic(patch))).await?
            }
            Call::Json { name, patch } => {
                let malformed = |error: serde_json::Error| Error::Malformed {
                    what: "a patch".to_owned(),
                    reason: error.to_string(),
                };
                let patch = Patch::Json::<()>(serde_json::from_value(patch.clone()).map_err(malformed)?);
                self.bounded(what, deployments.patch(name, &patching, &patch)).await?
            }
            Call::Apply { kind, name, object } => {
                let patching = PatchParams { force: true, ..patching };
                self.bounded(what, self.objects(*kind).patch(name, &patching, &Patch::Apply(object))).await?
            }
            Call::Create { object } => {
                let malformed = |error: serde_json::Error| Error::Refused(format!("error validating data: {error}"));
                let object: DynamicObject = serde_json::from_value(object.clone()).map_err(malformed)?;
                let params = PostParams { dry_run, field_manager: manager };
                self.bounded(what, deployments.create(&params, &object)).await?
            }
            Call::Cordon { node, patch } => {
                self.bounded(what, self.nodes_api().patch(node, &patching, &Patch::Strategic(patch))).await?
            }
            Call::Delete { kind, name } => {
                let params = DeleteParams { dry_run, ..DeleteParams::background() };
                self.bounded(what, self.objects(*kind).delete(name, &params)).await?;
                return Ok(None);
            }
        };
        Ok(Some(object))
    }

    fn nodes_api(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::erase::<Node>(&()))
    }

    /// Objects with all their fields, those that this program does not know included.
    fn objects(&self, kind: Kind) -> Api<DynamicObject> {
        let resource = match kind {
            Kind::Deployment => ApiResource::erase::<Deployment>(&()),
            Kind::Pod => ApiResource::erase::<Pod>(&()),
            Kind::Service => ApiResource::erase::<Service>(&()),
            Kind::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            Kind::Autoscaler => ApiResource::erase::<HorizontalPodAutoscaler>(&()),
            Kind::ResourceQuota => ApiResource::erase::<ResourceQuota>(&()),
            Kind::DisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
        };
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }
}

/// Tries what reads an object and writes it until nobody else was faster, a few times.
///
/// # Errors
/// What was tried fails, at last also because somebody else was faster.
pub(crate) async fn past_conflicts<T, F>(attempt: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    for pause in PAUSES {
        match attempt().await {
            Err(Error::Conflict(_)) => tokio::time::sleep(pause).await,
            done => return done,
        }
    }
    attempt().await
}

fn value(object: &DynamicObject) -> Result<Value, Error> {
    serde_json::to_value(object)
        .map_err(|error| Error::Malformed { what: "an object".to_owned(), reason: error.to_string() })
}

/// What `kubectl apply` says that it did.
fn outcome(before: Option<&str>, after: Option<&str>) -> &'static str {
    match before {
        None => "created",
        Some(_) if before == after => "unchanged",
        Some(_) => "configured",
    }
}
