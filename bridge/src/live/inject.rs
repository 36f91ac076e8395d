//! Faults and premises, carried out: each is kept with how to take it back before it is done.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sim::environment::{AppliedObject, Failure, Write};
use sim::fault::{ObjectChange, Targets};
use sim::scenario::{Premise, PremiseStrategy};
use sim::time::SimDuration;
use sim::workload::Workload;

use super::Live;
use super::clients;
use super::faults::{Commands, Step, Stress, placed};
use super::json::{is_deleting, list, name, owned, text};
use super::recovery::{Recovery, changes, container_field, restore};
use crate::changes::Changes;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::exec::{Execution, Launched};
use crate::plan::main_container;
use crate::raw::{PatchKind, group};
use crate::write::Mode;

/// What Chaos Mesh puts in the place of a container's image
/// (`controllers/chaosimpl/podchaos/podfailure/impl.go`, `config.PauseImage`).
const PAUSE_IMAGE: &str = "gcr.io/google-containers/pause:latest";
/// Stress ends by itself so long after the episode at the latest.
const AFTERWARDS: SimDuration = SimDuration::from_secs(60);
/// What the API server adds to an object, which makes no part of one that is created.
const SERVERS_OWN: [&str; 6] =
    ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"];

/// What a recovery belongs to: the number of a fault; none for the start of the scenario.
pub(super) type Of = Option<usize>;

impl<C: Changes> Live<C> {
    /// Does one thing for a fault.
    pub(super) async fn carry_out(&mut self, fault: usize, step: Step) -> Result<(), Error> {
        match step {
            Step::Pause(targets) => self.pause(fault, &targets).await,
            Step::Delete(targets, grace) => self.kill(&targets, grace).await,
            Step::Stress(targets, stress) => self.stress(fault, &targets, stress).await,
            Step::Patch(change) => self.patch(fault, &change).await,
            Step::Apply { kind, name, manifest } => {
                self.keep(Some(fault), Recovery::Delete { kind, name })?;
                let write = Write::Apply(AppliedObject { manifest });
                match self.link.cluster.write(&write).await {
                    Ok(_) => Ok(()),
                    Err(Failure::Rejected(why)) => Err(Error::Refused(why.0)),
                    Err(Failure::Unavailable(why)) => Err(Error::Server(why.0)),
                }
            }
            Step::Load(load) => self.more_load(fault, &load).await,
            Step::Experiment { plural, manifest } => {
                let manifest = placed(manifest, self.link.cluster.namespace());
                let recovery = Recovery::Experiment { plural: plural.to_owned(), name: name(&manifest).to_owned() };
                self.keep(Some(fault), recovery)?;
                let path = self.link.cluster.path(group::CHAOS_MESH, plural);
                self.link.cluster.create(&path, &manifest, Mode::ForGood).await.map(drop)
            }
        }
    }

    /// The running pods that a fault hits: of those with the labels, in the order of their names, as many as it says.
    async fn chosen(&mut self, targets: &Targets) -> Result<Vec<Value>, Error> {
        let has_all = |pod: &Value| {
            targets.labels.iter().all(|(key, value)| pod["metadata"]["labels"][key.as_str()] == value.as_str())
        };
        let mut pods = self.pods().await?;
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
            let before: BTreeMap<String, String> =
                containers.iter().map(|container| (owned(&container["name"]), owned(&container["image"]))).collect();
            let paused: Vec<Value> =
                before.keys().map(|container| json!({ "name": container, "image": PAUSE_IMAGE })).collect();
            let recovery = Recovery::PodImages {
                pod: name(&pod).to_owned(),
                uid: owned(&pod["metadata"]["uid"]),
                image: PAUSE_IMAGE.to_owned(),
                before,
            };
            self.keep(Some(fault), recovery)?;
            let path = self.link.cluster.path_of(group::CORE, "pods", name(&pod));
            let patch = json!({ "spec": { "containers": paused } });
            // To patch it twice is to patch it once.
            let ask = async |cluster: &Cluster| cluster.patch(&path, PatchKind::Strategic, &patch, Mode::ForGood).await;
            self.link.patiently(ask).await?;
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
    async fn stress(&mut self, fault: usize, targets: &Targets, stress: Stress) -> Result<(), Error> {
        let left = self.scenario.horizon().since(self.clock.now()) + AFTERWARDS;
        let seconds = left.as_secs_f64().ceil() as u64;
        for pod in self.chosen(targets).await? {
            let container = owned(&list(&pod["spec"]["containers"]).first().unwrap_or(&Value::Null)["name"]);
            let place = Place { pod: name(&pod), uid: text(&pod["metadata"]["uid"]), container: &container };
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
        let recovery = Recovery::Command {
            pod: place.pod.to_owned(),
            uid: place.uid.to_owned(),
            container: place.container.to_owned(),
            stop: commands.stop.clone(),
        };
        self.keep(Some(fault), recovery.clone())?;
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
        self.forget(&recovery)?;
        Ok(Err(why))
    }

    /// A change of fields, as `kubectl patch` makes it.
    async fn patch(&mut self, fault: usize, change: &ObjectChange) -> Result<(), Error> {
        let (kind, object) = change.object();
        let (is_service, fields) = match change {
            ObjectChange::Container { fields, .. } => (false, fields),
            ObjectChange::Service { fields, .. } => (true, fields),
            ObjectChange::Applied { .. } => return Ok(()),
        };
        let path = if is_service {
            self.link.cluster.path_of(group::CORE, "services", object)
        } else {
            self.link.cluster.path_of(group::APPS, "deployments", object)
        };
        let ask = async |cluster: &Cluster| cluster.get("read an object", &path).await;
        let before = self.link.patiently(ask).await?;
        let main = owned(&main_container(object, &before)["name"]);
        let names = fields.as_object().into_iter().flatten().map(|(field, _)| field);
        let paths: Vec<String> = if is_service {
            names.map(|field| format!("/spec/{field}")).collect()
        } else {
            names.map(|field| container_field(&before, &main, field)).collect()
        };
        let patch = change.patch(&main);
        self.change_fields(Some(fault), kind, &path, &before, &patch, &paths).await
    }

    /// Patches an object: as a dry run, which says what it will be, and then for good.
    async fn change_fields(
        &mut self,
        of: Of,
        kind: &str,
        path: &str,
        before: &Value,
        patch: &Value,
        paths: &[String],
    ) -> Result<(), Error> {
        let after = self.link.cluster.patch(path, PatchKind::Strategic, patch, Mode::DryRun).await?;
        let fields = changes(before, &after, paths);
        if fields.is_empty() {
            return Ok(());
        }
        let recovery = Recovery::Fields {
            kind: kind.to_owned(),
            name: name(before).to_owned(),
            uid: owned(&before["metadata"]["uid"]),
            fields,
        };
        self.keep(of, recovery)?;
        // A merge of the same fields twice is one.
        let ask = async |cluster: &Cluster| cluster.patch(path, PatchKind::Strategic, patch, Mode::ForGood).await;
        self.link.patiently(ask).await.map(drop)
    }

    async fn more_load(&mut self, fault: usize, load: &Workload) -> Result<(), Error> {
        let loads = std::slice::from_ref(load);
        let targets = clients::targets(&mut self.link, &self.app, loads, &self.settings.targets).await?;
        self.clients.add(fault, &self.app, load, &targets, self.settings.seed)
    }

    /// Makes the start of the scenario of the application as it is deployed.
    pub(super) async fn make_start(&mut self) -> Result<(), Error> {
        let start = self.scenario.start.clone();
        for component in &start.absent {
            let path = self.link.cluster.path_of(group::APPS, "deployments", component);
            let ask = async |cluster: &Cluster| cluster.get_opt("read a Deployment", &path).await;
            let Some(object) = self.link.patiently(ask).await? else { continue };
            self.keep(None, Recovery::Create { object: as_created(object) })?;
            self.link.patiently(async |cluster: &Cluster| cluster.delete(&path, None).await).await?;
        }
        for premise in &start.premises {
            let path = self.link.cluster.path_of(group::APPS, "deployments", &premise.component);
            let ask = async |cluster: &Cluster| cluster.get("read a Deployment", &path).await;
            let before = self.link.patiently(ask).await?;
            let main = owned(&main_container(&premise.component, &before)["name"]);
            let mut paths = vec!["/spec/replicas".to_owned(), "/spec/strategy".to_owned()];
            paths.extend(["image", "resources", "env"].map(|field| container_field(&before, &main, field)));
            let patch = premise_patch(premise, &main);
            self.change_fields(None, "Deployment", &path, &before, &patch, &paths).await?;
        }
        Ok(())
    }

    /// Remembers how something is taken back, on disk before it is done.
    fn keep(&mut self, of: Of, recovery: Recovery) -> Result<(), Error> {
        self.recoveries.push((of, recovery));
        self.store()
    }

    /// What was to be taken back never came.
    fn forget(&mut self, recovery: &Recovery) -> Result<(), Error> {
        self.recoveries.retain(|(_, kept)| kept != recovery);
        self.store()
    }

    fn store(&mut self) -> Result<(), Error> {
        let all: Vec<Recovery> = self.recoveries.iter().map(|(_, recovery)| recovery.clone()).collect();
        (self.store)(&all).map_err(|error| {
            Error::Refused(format!("how to undo what is done to the cluster cannot be kept on disk: {error}"))
        })
    }

    /// Takes back what was done for a fault, or for the start, the latest first.
    pub(super) async fn take_back(&mut self, of: Of) -> Result<(), Error> {
        if let Some(fault) = of {
            self.clients.end(fault);
        }
        while let Some(at) = self.recoveries.iter().rposition(|(whose, _)| *whose == of) {
            let recovery = self.recoveries[at].1.clone();
            let restored = self.link.patiently(async |cluster: &Cluster| restore(cluster, &recovery).await).await?;
            self.restored.push(restored);
            self.recoveries.remove(at);
            self.store()?;
        }
        self.executions.retain(|(fault, _)| Some(*fault) != of);
        Ok(())
    }
}

/// A container.
struct Place<'a> {
    pod: &'a str,
    uid: &'a str,
    container: &'a str,
}

/// An object as somebody would create it.
fn as_created(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.retain(|field, _| !SERVERS_OWN.contains(&field.as_str()));
    }
    object
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

    #[test]
    fn what_is_created_again_has_nothing_of_the_server_s() {
        let object = json!({
            "metadata": { "name": "carts", "uid": "u", "resourceVersion": "7", "labels": { "name": "carts" } },
            "spec": { "replicas": 1 }, "status": { "replicas": 1 },
        });
        let expected =
            json!({ "metadata": { "name": "carts", "labels": { "name": "carts" } }, "spec": { "replicas": 1 } });
        assert_eq!(as_created(object), expected);
    }
}
