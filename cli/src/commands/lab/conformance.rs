//! `sockpit lab conformance`: the rules that every world keeps, on the lab through the bridge.
//!
//! The application is deployed once. Each check has a world of its own on it, which begins when the rollouts that the
//! check before it has left are over.

use std::sync::Arc;
use std::time::Instant;

use bridge::live::Live;
use bridge::{Access, Cluster, Prometheus};
use datasets::apps::AppFiles;
use lab::Lab;
use sim::environment::conformance::{self, Subject};

use super::failed;
use crate::arguments::LabConformanceOptions;
use crate::commands::live::{manifests, settings};
use crate::episodes::block_on;
use crate::output::{self, Failed};

/// How many checks there are, each on a world of its own.
const CHECKS: u32 = 7;

pub(super) fn run(options: &LabConformanceOptions) -> Result<(), Failed> {
    let loaded = crate::commands::load_scenario(&options.scenario, &[])?;
    let scenario = Arc::new(loaded.scenario.value.clone());
    let choice = &scenario.app;
    let files = AppFiles::find(&choice.name)?;
    let manifests = manifests(choice)?;
    let lab = Lab::find().map_err(failed)?;
    let subject = Subject {
        component: scenario.task.agent.clone(),
        image: options.image.clone(),
        fault: 0,
        settle: options.settle,
    };
    let namespace = loaded.app.objects.deployments.first().map_or("default", |d| d.meta.namespace.as_str());
    let access = Access { retries: false, ..Access::current(&lab.kubeconfig()) };
    let started = Instant::now();
    super::deploy_files(&lab, &files, &choice.name, choice.overlay.as_deref())?;
    let held = block_on(async {
        let cluster = Cluster::connect_to(&access, namespace).await.and_then(|c| c.with_manifests(&manifests));
        let cluster = cluster.map_err(|error| Failed::Run(error.into()))?;
        let mut check = 0;
        let make = || {
            check += 1;
            output::talk(&format!("check {check} of {CHECKS}, {:.0} s", started.elapsed().as_secs_f64()));
            let prometheus = Prometheus::new(&lab.prometheus_url());
            let (app, scenario) = (Arc::clone(&loaded.app), Arc::clone(&scenario));
            Live::new(cluster.clone(), cluster.clone(), prometheus, app, scenario, settings(None, &loaded.app))
        };
        conformance::all(make, &subject).await.map_err(|violation| Failed::Run(violation.into()))
    });
    held.map_err(Failed::Run)??;
    output::data(&format!("the lab conforms: {CHECKS} checks, {:.0} s", started.elapsed().as_secs_f64()))
}
