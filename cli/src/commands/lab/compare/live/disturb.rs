//! What happens to the application while it is under load: the actions and the faults of a case.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use bridge::{Cluster, Execution, PodView};
use lab::Lab;
use sim::environment::{AppliedObject, Write};
use sim::fault::{Effect, NodeEffect, ObjectChange, PodEffect, Targets};
use sim::scenario::Scenario;
use sim::time::SimDuration;
use sim::workload::Workload;

use crate::commands::lab::compare::case::Case;

/// The image that Chaos Mesh puts in place of a container's for `pod-failure`.
const PAUSE_IMAGE: &str = "gcr.io/google-containers/pause:latest";
/// Stress outlives every measurement, and must end by itself.
const STRESS_SECONDS: u32 = 3600;

/// Something that happens at a time since the load began.
#[derive(Debug)]
pub(super) struct Disturbance {
    pub(super) at: SimDuration,
    what: What,
}

#[derive(Debug)]
enum What {
    Write(Write),
    Fault(Effect),
}

/// The loads that faults bring.
pub(super) fn traffic(scenario: &Scenario) -> impl Iterator<Item = Workload> + '_ {
    scenario.faults.iter().filter_map(|fault| match fault.effect() {
        Some(Effect::Load(workload)) => Some(workload),
        _ => None,
    })
}

impl Disturbance {
    /// All of a case, latest first.
    pub(super) fn all(case: &Case) -> Vec<Self> {
        let writes = case.actions.iter().map(|(at, write)| Self { at: *at, what: What::Write(write.clone()) });
        let faults = case.scenario.faults.iter().filter_map(|fault| {
            let effect = fault.effect().filter(|effect| !matches!(effect, Effect::Load(_)))?;
            Some(Self { at: fault.start.saturating_sub(case.begins), what: What::Fault(effect) })
        });
        let mut all: Vec<_> = writes.chain(faults).collect();
        all.sort_by_key(|disturbance| std::cmp::Reverse(disturbance.at));
        all
    }

    /// Makes it happen; what goes on afterwards inside the containers.
    pub(super) async fn apply(&self, place: &Place<'_>) -> Result<Vec<Execution>> {
        match &self.what {
            What::Write(write) => place.write(write).await,
            What::Fault(effect) => place.inject(effect).await,
        }
    }
}

/// Where things happen.
pub(super) struct Place<'a> {
    pub(super) case: &'a Case,
    pub(super) lab: &'a Lab,
    pub(super) cluster: &'a Cluster,
}

impl Place<'_> {
    async fn write(&self, write: &Write) -> Result<Vec<Execution>> {
        match write.pod_prefix() {
            None => self.cluster.write(write).await?,
            Some(prefix) => {
                let found = self.cluster.pods().await?.into_iter().find(|pod| pod.name.starts_with(prefix));
                let pod = found.with_context(|| format!("no pod's name begins with {prefix}"))?.name;
                self.cluster.write(&Write::DeletePod { pod }).await?
            }
        };
        Ok(Vec::new())
    }

    /// A fault as a cluster without Chaos Mesh can have it.
    async fn inject(&self, effect: &Effect) -> Result<Vec<Execution>> {
        match effect {
            Effect::Object(ObjectChange::Applied { manifest, .. }) => {
                self.write(&Write::Apply(AppliedObject { manifest: manifest.clone() })).await
            }
            Effect::Object(change) => self.change(change),
            Effect::Pods(targets, effect) => self.hit(targets, effect).await,
            Effect::Load(_) => Ok(Vec::new()),
            Effect::Program { .. } => bail!("the stand-in's programs have no faults of their own"),
            Effect::Node { node, effect: NodeEffect::Loss } => {
                self.lab.unplug(node)?;
                Ok(Vec::new())
            }
            Effect::Node { .. } => bail!("a comparison puts nothing on the lab's machines"),
            Effect::Together(_) => bail!("a comparison plays one fault at a time"),
        }
    }

    /// A change as `kubectl patch` makes it.
    fn change(&self, change: &ObjectChange) -> Result<Vec<Execution>> {
        let (kind, name) = change.object();
        let deployment = self.case.app.objects.deployments.iter().find(|deployment| deployment.meta.name == name);
        let main =
            deployment.map_or("", |deployment| &deployment.template.containers[deployment.main_container()].name);
        let patch = change.patch(main).to_string();
        let namespace = self.cluster.namespace();
        self.lab.kubectl(&["--namespace", namespace, "patch", kind, name, "--patch", &patch])?;
        Ok(Vec::new())
    }

    async fn hit(&self, targets: &Targets, effect: &PodEffect) -> Result<Vec<Execution>> {
        match *effect {
            PodEffect::StressCpu { workers, load } => {
                let millicores = (f64::from(workers) * load * 1e3).round();
                self.burn(targets, &["--cpu", &millicores.to_string()]).await
            }
            PodEffect::StressMemory { size, .. } => {
                let mebibytes = size.mebibytes().round();
                self.burn(targets, &["--memory", &mebibytes.to_string()]).await
            }
            PodEffect::Kill { grace } => {
                // `--force` goes with no grace at all only.
                let force = format!("--force={}", grace == SimDuration::ZERO);
                let grace = format!("--grace-period={}", grace.as_secs_f64());
                for pod in self.chosen(targets).await? {
                    let namespace = self.cluster.namespace();
                    let delete = ["delete", "pod", &pod.name, &grace, &force, "--wait=false"];
                    self.lab.kubectl(&[&["--namespace", namespace], &delete[..]].concat())?;
                }
                Ok(Vec::new())
            }
            PodEffect::KillContainer | PodEffect::Network { .. } | PodEffect::Http { .. } | PodEffect::Disk(_) => {
                bail!("only Chaos Mesh's daemon can do this to a pod")
            }
            PodEffect::Fail => {
                for pod in self.chosen(targets).await? {
                    let image = format!("{}={PAUSE_IMAGE}", container(&pod)?);
                    let namespace = self.cluster.namespace();
                    self.lab.kubectl(&["--namespace", namespace, "set", "image", "pod", &pod.name, &image])?;
                }
                Ok(Vec::new())
            }
        }
    }

    /// Starts the stand-in's `burn` in the containers of pods, beside what runs there.
    async fn burn(&self, targets: &Targets, what: &[&str]) -> Result<Vec<Execution>> {
        let seconds = STRESS_SECONDS.to_string();
        let mut command = vec!["/stand-in", "burn", "--seconds", &seconds];
        command.extend(what);
        let mut started = Vec::new();
        for pod in self.chosen(targets).await? {
            started.push(self.cluster.start(&pod.name, container(&pod)?, &command).await?);
        }
        Ok(started)
    }

    /// The pods that a fault hits.
    async fn chosen(&self, targets: &Targets) -> Result<Vec<PodView>> {
        let has_all = |labels: &BTreeMap<String, String>| targets.labels.iter().all(|(k, v)| labels.get(k) == Some(v));
        let components: Vec<&str> =
            self.case.words.labelled().filter(|(_, labels)| has_all(labels)).map(|(component, _)| component).collect();
        let mut pods = self.cluster.pods().await?;
        pods.retain(|pod| pod.component.as_deref().is_some_and(|component| components.contains(&component)));
        pods.truncate(targets.choice.of(pods.len() as u32) as usize);
        if pods.is_empty() {
            bail!("no pod has the labels {:?}", targets.labels);
        }
        Ok(pods)
    }
}

/// A pod's first container.
pub(super) fn container(pod: &PodView) -> Result<&str> {
    let (name, _) = pod.containers.first().with_context(|| format!("{} has no containers", pod.name))?;
    Ok(name)
}
