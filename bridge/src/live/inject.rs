//! Faults and premises, carried out on a cluster: how each is taken back is remembered before it is done, on disk if there
//! is a list there.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, ResourceQuota, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use sim::environment::{AppliedObject, DeletableKind, Failure, Write};
use sim::fault::{Fault, ObjectChange, Targets};
use sim::scenario::{Premise, PremiseStrategy, StartState};
use sim::time::SimDuration;

use super::faults::{Commands, Step, Stress, placed, steps};
use super::json::{is_deleting, list, name, owned, text};
use super::link::{Link, Patience};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::exec::{Execution, Launched};
use crate::guard::{Cure, Finding, ObjectId, Recoveries, Recovery};
use crate::plan::main_container;
use crate::raw::group;
use crate::write::Mode;

/// What Chaos Mesh puts in the place of a container's image
/// (`controllers/chaosimpl/podchaos/podfailure/impl.go`, `config.PauseImage`).
const PAUSE_IMAGE: &str = "gcr.io/google-containers/pause:latest";
/// What a recovery belongs to: the number of a fault; none for the start of the scenario.
type Of = Option<usize>;

/// What does to a cluster what faults ask for, and knows how it is taken back.
#[derive(Debug)]
pub struct Hand {
    pub(super) link: Link,
    /// The list on disk of how things are taken back.
    pub(super) recoveries: Option<Recoveries>,
    /// What is to be taken back, oldest first.
    open: Vec<Open>,
    /// What became of what was taken back.
    findings: Vec<Finding>,
    /// What runs in containers, by the fault's number.
    executions: Vec<(usize, Execution)>,
}

impl Hand {
    /// One that has done nothing yet.
    pub fn new(cluster: Cluster, patience: Patience) -> Self {
        let link = Link::new(cluster, patience);
        Self { link, recoveries: None, open: Vec::new(), findings: Vec::new(), executions: Vec::new() }
    }

    /// Does what a fault asks for where there is no Chaos Mesh. Stress ends by itself after so long. A load is not the
    /// cluster's, and left to whoever has clients.
    ///
    /// # Errors
    /// The cluster cannot have the fault, or does not take it.
    pub async fn play(&mut self, number: usize, fault: &Fault, stress_for: SimDuration) -> Result<(), Error> {
        for step in steps(fault, false).map_err(Error::Refused)? {
            self.carry_out(number, step, stress_for).await?;
        }
        Ok(())
    }

    /// Does one thing for a fault.
    pub(super) async fn carry_out(&mut self, fault: usize, step: Step, stress_for: SimDuration) -> Result<(), Error> {
        match step {
            Step::Pause(targets) => self.pause(fault, &targets).await,
            Step::Delete(targets, grace) => self.kill(&targets, grace).await,
            Step::Stress(targets, stress) => self.stress(fault, &targets, stress, stress_for).await,
            Step::Patch(change) => self.patch(fault, &change).await,
            Step::Apply { kind, name, manifest } => {
                let object = self.object_of(kind, &name);
                let what = format!("{} {name} of fault {fault}", kind.name());
                self.keep(Some(fault), Recovery { what, how: Cure::Delete { object } })?;
                let write = Write::Apply(AppliedObject { manifest });
                match self.link.cluster.write(&write).await {
                    Ok(_) => Ok(()),
                    Err(Failure::Rejected(why)) => Err(Error::Refused(why.0)),
                    Err(Failure::Unavailable(why)) => Err(Error::Server(why.0)),
                }
            }
            Step::Load(_) => Ok(()),
            Step::Experiment { plural, manifest } => {
                let namespace = self.link.cluster.namespace();
                let manifest = placed(manifest, namespace);
                let kind = GroupVersionKind::gvk("chaos-mesh.org", "v1alpha1", text(&manifest["kind"]));
                let resource = ApiResource::from_gvk_with_plural(&kind, plural);
                let object = ObjectId::of(resource, Some(namespace), name(&manifest));
                let what = format!("the experiment {} of fault {fault}", name(&manifest));
                self.keep(Some(fault), Recovery { what, how: Cure::Delete { object } })?;
                let path = self.link.cluster.path(group::CHAOS_MESH, plural);
                self.link.cluster.create(&path, &manifest, Mode::ForGood).await.map(drop)
            }
        }
    }

    fn object_of(&self, kind: DeletableKind, name: &str) -> ObjectId {
        let namespace = self.link.cluster.namespace();
        match kind {
            DeletableKind::ResourceQuota => ObjectId::namespaced::<ResourceQuota>(namespace, name),
            DeletableKind::PodDisruptionBudget => ObjectId::namespaced::<PodDisruptionBudget>(namespace, name),
            DeletableKind::NetworkPolicy => ObjectId::namespaced::<NetworkPolicy>(namespace, name),
        }
    }

    /// The running pods that a fault hits: of those with the labels, in the order of their names, as many as it says.
    async fn chosen(&mut self, targets: &Targets) -> Result<Vec<Value>, Error> {
        let has_all = |pod: &Value| {
            targets.labels.iter().all(|(key, value)| pod["metadata"]["labels"][key.as_str()] == value.as_str())
        };
        let path = self.link.cluster.path(group::CORE, "pods");
        let mut pods = self.link.items("list pods", &path).await?;
        pods.retain(|pod| has_all(pod) && !is_deleting(pod) && pod["status"]["phase"] == "Running");
        pods.truncate(targets.choice.of(pods.len() as u32) as usize);
        if pods.is_empty() {
            return Err(Error::Refused(format!("no running pod has the labels {:?}", targets.labels)));
        }
        Ok(pods)
    }

    async fn pause(&mut self, fault: usize, targets: &Targets) -> Result<(), Error> {
        for pod in self.chosen(targets).await? {
            let containers = list(&pod["spec"]["containers"]);
            let paused: Vec<Value> =
                containers.iter().map(|container| json!({ "name": container["name"], "image": PAUSE_IMAGE })).collect();
            let patch = json!({ "spec": { "containers": paused } });
            let path = self.link.cluster.path_of(group::CORE, "pods", name(&pod));
            let object = ObjectId::namespaced::<Pod>(self.link.cluster.namespace(), name(&pod));
            self.change(Some(fault), object, &path, &pod, &patch).await?;
        }
        Ok(())
    }

    async fn kill(&mut self, targets: &Targets, grace: SimDuration) -> Result<(), Error> {
        let seconds = grace.as_secs_f64() as u64;
        for pod in self.chosen(targets).await? {
            let path = self.link.cluster.path_of(group::CORE, "pods", name(&pod));
            self.link.patiently(async |cluster: &Cluster| cluster.delete(&path, Some(seconds)).await).await?;
        }
        Ok(())
    }

    /// Starts the stand-in's `burn` in the first containers of pods, or loops of a shell where there is none.
    async fn stress(
        &mut self,
        fault: usize,
        targets: &Targets,
        stress: Stress,
        stress_for: SimDuration,
    ) -> Result<(), Error> {
        let seconds = stress_for.as_secs_f64().ceil() as u64;
        for pod in self.chosen(targets).await? {
            let container = owned(&list(&pod["spec"]["containers"]).first().unwrap_or(&Value::Null)["name"]);
            let place = Place { pod: name(&pod), container: &container };
            let mut why = String::new();
            for commands in [stress.by_stand_in(seconds), stress.by_shell(seconds)] {
                match self.command(fault, &place, &commands).await? {
                    Ok(execution) => {
                        self.executions.push((fault, execution));
                        why.clear();
                        break;
                    }
                    Err(failed) => why = failed,
                }
            }
            if !why.is_empty() {
                let message = format!(
                    "{} of pod {} holds neither the stand-in nor a shell that can stress it: {why}. Use Chaos Mesh for \
                     this fault",
                    place.container, place.pod
                );
                return Err(Error::Refused(message));
            }
        }
        Ok(())
    }

    /// Starts a command in a container that goes on; inside: why it does not.
    async fn command(
        &mut self,
        fault: usize,
        place: &Place<'_>,
        commands: &Commands,
    ) -> Result<Result<Execution, String>, Error> {
        let how = Cure::Exec {
            pod: place.pod.to_owned(),
            container: place.container.to_owned(),
            command: commands.stop.clone(),
        };
        self.keep(Some(fault), Recovery { what: format!("what runs for fault {fault}"), how })?;
        let start: Vec<&str> = commands.start.iter().map(String::as_str).collect();
        let why = match self.link.cluster.launch(place.pod, place.container, &start).await {
            Ok(Launched::Runs(execution)) => return Ok(Ok(execution)),
            Ok(Launched::Ended(output)) => {
                let said = if output.stderr.is_empty() { output.stdout } else { output.stderr };
                format!("`{}` ended with {}: {}", commands.start[0], output.exit_code, said.trim())
            }
            Err(Error::Exec { reason, .. }) => reason,
            Err(error) => return Err(error),
        };
        self.forget_latest()?;
        Ok(Err(why))
    }

    /// A change of fields, as `kubectl patch` makes it.
    async fn patch(&mut self, fault: usize, change: &ObjectChange) -> Result<(), Error> {
        let (_, name) = change.object();
        let cluster = &self.link.cluster;
        let (path, object) = match change {
            ObjectChange::Container { .. } => (
                cluster.path_of(group::APPS, "deployments", name),
                ObjectId::namespaced::<Deployment>(cluster.namespace(), name),
            ),
            ObjectChange::Service { .. } => (
                cluster.path_of(group::CORE, "services", name),
                ObjectId::namespaced::<Service>(cluster.namespace(), name),
            ),
            ObjectChange::Applied { .. } => return Ok(()),
        };
        let ask = async |cluster: &Cluster| cluster.get("read an object", &path).await;
        let before = self.link.patiently(ask).await?;
        let main = owned(&main_container(name, &before)["name"]);
        self.change(Some(fault), object, &path, &before, &change.patch(&main)).await
    }

    /// Patches an object: as a dry run, which says what it will be, and then for good.
    async fn change(
        &mut self,
        of: Of,
        object: ObjectId,
        path: &str,
        before: &Value,
        patch: &Value,
    ) -> Result<(), Error> {
        let after = self.link.cluster.patch(path, patch, Mode::DryRun).await?;
        let what = match of {
            Some(fault) => format!("fault {fault}"),
            None => "the start of the scenario".to_owned(),
        };
        // One that lists have brought does not say of what kind it is.
        let mut before = before.clone();
        for field in ["apiVersion", "kind"] {
            before[field] = after[field].clone();
        }
        let recovery = Recovery::of_change(what, object, &before, &after);
        if matches!(&recovery.how, Cure::Restore { fields, .. } if fields.is_empty()) {
            return Ok(());
        }
        self.keep(of, recovery)?;
        // A merge of the same fields twice is one.
        let ask = async |cluster: &Cluster| cluster.patch(path, patch, Mode::ForGood).await;
        self.link.patiently(ask).await.map(drop)
    }

    /// Makes the start of a scenario of the application as it is deployed.
    pub(super) async fn make_start(&mut self, start: &StartState) -> Result<(), Error> {
        let namespace = self.link.cluster.namespace().to_owned();
        let object = |component: &str| ObjectId::namespaced::<Deployment>(&namespace, component);
        for component in &start.absent {
            let path = self.link.cluster.path_of(group::APPS, "deployments", component);
            let ask = async |cluster: &Cluster| cluster.get_opt("read a Deployment", &path).await;
            let Some(before) = self.link.patiently(ask).await? else { continue };
            let what = format!("{component}, which is absent at the start");
            self.keep(None, Recovery::of_deletion(what, object(component), &before))?;
            self.link.patiently(async |cluster: &Cluster| cluster.delete(&path, None).await).await?;
        }
        for premise in &start.premises {
            let component = &premise.component;
            let path = self.link.cluster.path_of(group::APPS, "deployments", component);
            let ask = async |cluster: &Cluster| cluster.get("read a Deployment", &path).await;
            let before = self.link.patiently(ask).await?;
            let patch = premise_patch(premise, text(&main_container(component, &before)["name"]));
            self.change(None, object(component), &path, &before, &patch).await?;
        }
        Ok(())
    }

    /// Remembers how something is taken back, before it is done.
    fn keep(&mut self, of: Of, recovery: Recovery) -> Result<(), Error> {
        let number = match &mut self.recoveries {
            Some(recoveries) => Some(recoveries.plan(recovery.clone())?),
            None => None,
        };
        self.open.push(Open { of, number, recovery });
        Ok(())
    }

    /// What was to be taken back never came.
    fn forget_latest(&mut self) -> Result<(), Error> {
        match self.open.pop() {
            Some(open) => self.close(&open),
            None => Ok(()),
        }
    }

    fn close(&mut self, open: &Open) -> Result<(), Error> {
        match (&mut self.recoveries, open.number) {
            (Some(recoveries), Some(number)) => recoveries.done(number),
            _ => Ok(()),
        }
    }

    /// Takes everything back, the latest first. What became of each, those that were taken back before included.
    ///
    /// # Errors
    /// What is left open.
    pub(super) async fn take_all_back(&mut self) -> Result<Vec<Finding>, Error> {
        while let Some(of) = self.open.last().map(|open| open.of) {
            self.take_back(of).await?;
        }
        Ok(std::mem::take(&mut self.findings))
    }

    /// Takes back what was done for a fault, or for the start, the latest first.
    pub(super) async fn take_back(&mut self, of: Of) -> Result<(), Error> {
        while let Some(at) = self.open.iter().rposition(|open| open.of == of) {
            let open = self.open[at].clone();
            let recovery = &open.recovery;
            match self.link.patiently(async |cluster: &Cluster| cluster.recover(recovery).await).await {
                Ok(findings) => self.findings.extend(findings),
                // A container that does not run runs nothing beside its program either.
                Err(Error::Exec { .. }) => {}
                Err(error) => return Err(error),
            }
            self.open.remove(at);
            self.close(&open)?;
        }
        self.executions.retain(|(fault, _)| Some(*fault) != of);
        Ok(())
    }
}

/// Something that is to be taken back.
#[derive(Clone, Debug)]
struct Open {
    of: Of,
    /// In the list on disk, if there is one.
    number: Option<u64>,
    recovery: Recovery,
}

/// A container.
struct Place<'a> {
    pod: &'a str,
    container: &'a str,
}

/// A premise as a strategic merge patch of its Deployment.
fn premise_patch(premise: &Premise, main: &str) -> Value {
    let mut container = json!({ "name": main });
    if let Some(image) = &premise.image {
        container["image"] = json!(image);
    }
    let quantities = [
        ("requests", "cpu", premise.cpu_request.map(|cpu| cpu.to_string())),
        ("limits", "cpu", premise.cpu_limit.map(|cpu| cpu.to_string())),
        ("requests", "memory", premise.memory_request.map(|memory| memory.to_string())),
        ("limits", "memory", premise.memory_limit.map(|memory| memory.to_string())),
    ];
    for (section, resource, quantity) in quantities {
        if let Some(quantity) = quantity {
            container["resources"][section][resource] = json!(quantity);
        }
    }
    if !premise.env.is_empty() {
        let variables =
            premise.env.iter().map(|(name, value)| json!({ "name": name, "value": value, "valueFrom": null }));
        container["env"] = variables.collect();
    }
    let mut spec = json!({ "template": { "spec": { "containers": [container] } } });
    if let Some(replicas) = premise.replicas {
        spec["replicas"] = json!(replicas);
    }
    match premise.strategy {
        Some(PremiseStrategy::Recreate) => spec["strategy"] = json!({ "type": "Recreate", "rollingUpdate": null }),
        Some(PremiseStrategy::RollingUpdate) => {
            let rolling = json!({ "maxSurge": "25%", "maxUnavailable": "25%" });
            spec["strategy"] = json!({ "type": "RollingUpdate", "rollingUpdate": rolling });
        }
        None => {}
    }
    json!({ "spec": spec })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sim::units::Millicores;

    use super::*;

    #[test]
    fn a_premise_is_a_patch_of_what_it_names() {
        let premise = Premise {
            component: "carts".into(),
            replicas: Some(2),
            strategy: Some(PremiseStrategy::Recreate),
            cpu_limit: Some(Millicores(120)),
            env: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            ..Premise::default()
        };
        let container = json!({
            "name": "main", "resources": { "limits": { "cpu": "120m" } },
            "env": [{ "name": "A", "value": "1", "valueFrom": null }],
        });
        let expected = json!({ "spec": {
            "replicas": 2, "strategy": { "type": "Recreate", "rollingUpdate": null },
            "template": { "spec": { "containers": [container] } },
        } });
        assert_eq!(premise_patch(&premise, "main"), expected);
        let nothing = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "main" }] } } } });
        assert_eq!(premise_patch(&Premise::default(), "main"), nothing);
    }
}
