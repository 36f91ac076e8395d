//! An application on the lab: its images from the stand-in and its profile, then its manifests as they are.
//!
//! An image holds the stand-in at `/stand-in`, a link to it under every absolute path that a manifest names as a
//! command of a container of that image, and the profile at `/profile.yaml`. So the manifests' own image names, tags
//! and commands hold, and a tag that the profile does not list is not found.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use sim::app::App;
use sim::diagnostic::Source;
use sim::manifest::{self, image_tag};
use sim::profile::ImageProfile;

use crate::error::LabError;
use crate::http::send;
use crate::image::{Blob, Entry, Image, layer};
use crate::layout::REGISTRY;
use crate::run::{output_of_input, run};
use crate::up::Lab;
use crate::{Progress, Watcher, node, registry, stand_in};

const STAND_IN: &str = "/stand-in";
const PROFILE: &str = "/profile.yaml";

/// The files of an application.
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    /// What one would `kubectl apply`.
    pub manifests: &'a [Source],
    /// Changes over the manifests; may be empty.
    pub overlay: &'a [Source],
    /// How its services behave.
    pub profile: &'a Source,
}

/// An application that was deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Its Deployments, as namespace and name.
    pub deployments: Vec<(String, String)>,
    /// How many images it has in the registry.
    pub images: usize,
}

impl Lab {
    /// Deploys an application anew: images, then objects. What there was of it is deleted first, so that
    /// nothing of its past remains.
    ///
    /// # Errors
    /// Mistakes in the files, a stand-in that cannot be built, and what the registry or Kubernetes refuse.
    pub fn deploy(&self, application: &Application<'_>, watcher: Watcher<'_>) -> Result<Deployed, LabError> {
        let (app, _) = App::load(application.manifests, application.overlay, Some(application.profile))?;
        let program = stand_in::program(&self.directories, watcher)?;
        watcher(Progress::Step("pushing images"));
        let stand_in = layer(&[Entry::Program(STAND_IN, &program)]);
        let profile = layer(&[Entry::File(PROFILE, application.profile.text.as_bytes())]);
        for image in &app.profile.images {
            watcher(Progress::Detail(&image.image));
            self.push(&app, image, &[&stand_in, &profile])?;
        }
        self.undeploy(application, watcher)?;
        watcher(Progress::Step("applying the manifests"));
        let objects = list(application)?;
        output_of_input(self.kubectl_command().args(["apply", "--filename=-"]), &objects)?;
        let deployments = app.objects.deployments.iter().map(|d| (d.meta.namespace.clone(), d.meta.name.clone()));
        Ok(Deployed { deployments: deployments.collect(), images: app.profile.images.len() })
    }

    /// Deletes an application's objects, and waits until they are gone. That there are none is no error.
    ///
    /// # Errors
    /// Mistakes in the files, and what Kubernetes refuses.
    pub fn undeploy(&self, application: &Application<'_>, watcher: Watcher<'_>) -> Result<(), LabError> {
        watcher(Progress::Step("deleting what there is of the application"));
        let objects = list(application)?;
        let arguments = ["delete", "--filename=-", "--ignore-not-found", "--wait"];
        output_of_input(self.kubectl_command().args(arguments), &objects).map(drop)
    }

    /// Waits until every replica of an application is ready.
    ///
    /// # Errors
    /// Not all are in time: with what the pods wait for.
    pub fn wait_until_ready(
        &self,
        deployed: &Deployed,
        patience: Duration,
        watcher: Watcher<'_>,
    ) -> Result<(), LabError> {
        watcher(Progress::Step("waiting for the application to be ready"));
        let start = Instant::now();
        loop {
            let unready = self.unready(deployed)?;
            if unready.is_empty() {
                return Ok(());
            }
            watcher(Progress::Detail(&format!("not ready yet: {}", unready.join(", "))));
            if start.elapsed() > patience {
                let pods = self.kubectl(&["get", "pods", "--all-namespaces"])?;
                return Err(LabError::NotUp {
                    problem: format!("not ready after {} s: {}\n{pods}", patience.as_secs(), unready.join(", ")),
                    cure: "see what a pod waits for with `kubectl describe pod` and the lab's kubeconfig".into(),
                });
            }
            thread::sleep(Duration::from_millis(500));
        }
    }

    fn unready(&self, deployed: &Deployed) -> Result<Vec<String>, LabError> {
        let format = "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.spec.replicas} \
                      {.status.readyReplicas} {.status.updatedReplicas}{\"\\n\"}{end}";
        let listed = self.kubectl(&["get", "deployments", "--all-namespaces", "--output", format])?;
        let is_ready = |name: &str| {
            let counts = listed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let counts: Vec<_> = counts.unwrap_or_default().split(' ').collect();
            counts.len() == 3 && counts[0] == "0"
                || matches!(counts[..], [all, ready, new] if all == ready && all == new)
        };
        let names = deployed.deployments.iter().map(|(namespace, name)| format!("{namespace}/{name}"));
        Ok(names.filter(|name| !is_ready(name)).collect())
    }

    fn push(&self, app: &App, image: &ImageProfile, layers: &[&Blob]) -> Result<(), LabError> {
        let commands = commands(app, image);
        let mut layers: Vec<Blob> = layers.iter().map(|&layer| layer.clone()).collect();
        if !commands.is_empty() {
            let links: Vec<_> = commands.iter().map(|path| Entry::Link { path, target: STAND_IN }).collect();
            layers.push(layer(&links));
        }
        let environment = [format!("SOCKPIT_PROFILE={PROFILE}"), format!("SOCKPIT_IMAGE={}", image.image)];
        let built = Image::new(layers, &[STAND_IN], &environment);
        let repository = registry::repository(&image.image);
        let tags = tags(app, image);
        for tag in &tags {
            if is_outdated(&repository, tag, &built.manifest.digest)? {
                self.forget(&format!("{}:{tag}", reference(&image.image)));
            }
        }
        registry::push(&built, &repository, &tags)
    }

    /// Lets every node have an image.
    pub(crate) fn pull(&self, image: &str) -> Result<(), LabError> {
        let hosts = self.directories.config("registries");
        for node in &self.nodes {
            let socket = node::socket(&self.directories, node);
            let (socket, hosts, reference) = (socket.display(), hosts.display(), reference(image));
            run(&format!("ctr --address {socket} --namespace k8s.io images pull --hosts-dir {hosts} {reference}"))?;
        }
        Ok(())
    }

    /// Makes the nodes pull an image again.
    fn forget(&self, reference: &str) {
        for node in &self.nodes {
            let socket = node::socket(&self.directories, node);
            let remove = format!("ctr --address {} --namespace k8s.io images remove {reference}", socket.display());
            // A node that never had it is what is wanted.
            run(&remove).ok();
        }
    }
}

/// Whether the registry has another image under the tag.
fn is_outdated(repository: &str, tag: &str, digest: &str) -> Result<bool, LabError> {
    let answer = send("HEAD", REGISTRY, &format!("/v2/{repository}/manifests/{tag}"), None)?;
    Ok(answer.status == 200 && answer.header("docker-content-digest") != Some(digest))
}

/// The name under which containerd knows an image.
fn reference(image: &str) -> String {
    match image.split_once('/') {
        None => format!("docker.io/library/{image}"),
        Some((host, _)) if host.contains(['.', ':']) => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
    }
}

/// The absolute paths that containers of an image are started with.
fn commands(app: &App, image: &ImageProfile) -> BTreeSet<String> {
    let containers = app.objects.deployments.iter().flat_map(|deployment| &deployment.template.containers);
    let own = containers.filter(|container| app.profile.image(&container.image).is_ok_and(|found| found == image));
    own.filter_map(|container| container.command.first())
        .filter(|command| command.starts_with('/') && *command != STAND_IN)
        .cloned()
        .collect()
}

/// The tags under which an image is found: its own, or, where any will do, those that are asked for.
fn tags(app: &App, image: &ImageProfile) -> Vec<String> {
    if !image.tags.is_empty() {
        return image.tags.clone();
    }
    let containers = app.objects.deployments.iter().flat_map(|deployment| &deployment.template.containers);
    let own = containers.filter(|container| app.profile.image(&container.image).is_ok_and(|found| found == image));
    let asked = own.filter_map(|container| image_tag(&container.image)).map(str::to_owned);
    asked.chain(["latest".to_owned()]).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The objects as one list for kubectl.
fn list(application: &Application<'_>) -> Result<String, LabError> {
    let items = manifest::merge(application.manifests, application.overlay)?;
    Ok(serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())
}
