//! `sockpit doctor`: whether a chat model can play, or a cluster has what it takes, and what to do where not.

use agents::model::probe::{self, Finding, Outcome};
use agents::render::Table;
use anyhow::anyhow;
use bridge::doctor::{self, Wanted};
use bridge::{Cluster, Prometheus};
use datasets::apps::AppFiles;

use crate::arguments::DoctorOptions;
use crate::contender::Models;
use crate::episodes::block_on;
use crate::output::{self, Failed};

pub(crate) fn run(options: &DoctorOptions) -> Result<(), Failed> {
    match (&options.rbac, &options.model) {
        (Some(grant), _) => output::data(grant.manifest_for(&options.namespace).trim_end()),
        (None, Some(model)) => of_model(model, options),
        (None, None) => of_cluster(options),
    }
}

fn of_model(model: &str, options: &DoctorOptions) -> Result<(), Failed> {
    let model = Models::load(options.models.models.as_deref(), None)?.open(model)?;
    let findings = block_on(probe::probe(&model, probe::LONG_PROMPT)).map_err(Failed::Run)?;
    if options.json {
        output::json(&findings)?;
    } else {
        output::data(&text(&findings))?;
    }
    judged(findings.iter().filter(|finding| finding.outcome == Outcome::Failed).count(), findings.len())
}

fn of_cluster(options: &DoctorOptions) -> Result<(), Failed> {
    let wanted = wanted(&options.app)?;
    let findings = block_on(examined(options, &wanted)).map_err(Failed::Run)?;
    if options.json {
        output::json(&findings)?;
    } else {
        output::data(&cluster_text(&findings))?;
    }
    judged(findings.iter().filter(|finding| finding.outcome == doctor::Outcome::Failed).count(), findings.len())
}

async fn examined(options: &DoctorOptions, wanted: &Wanted) -> Vec<doctor::Finding> {
    let access = &options.cluster;
    let cluster =
        Cluster::connect_as(access.kubeconfig.as_deref(), access.context.as_deref(), &options.namespace).await;
    match cluster {
        Ok(cluster) => {
            let prometheus = options.prometheus.as_deref().map(Prometheus::new);
            doctor::evaluate(&cluster.examine(wanted, prometheus.as_ref()).await, wanted)
        }
        Err(error) => vec![doctor::unreachable(&error)],
    }
}

/// What an app should have on a cluster.
fn wanted(app: &str) -> Result<Wanted, Failed> {
    let (app, _) = AppFiles::find(app)?.load(None)?;
    let deployments = app.objects.deployments.iter();
    let image = |deployment: &sim::manifest::Deployment| {
        let main = deployment.template.containers.get(deployment.main_container());
        main.map_or_else(String::new, |container| container.image.clone())
    };
    Ok(Wanted {
        images: deployments.map(|deployment| (deployment.meta.name.clone(), image(deployment))).collect(),
        histograms: app.profile.services.values().filter_map(|s| Some(s.metrics.as_ref()?.histogram.clone())).collect(),
    })
}

/// A check that failed is a run that failed.
fn judged(failed: usize, of: usize) -> Result<(), Failed> {
    if failed > 0 {
        return Err(Failed::Run(anyhow!("{failed} of {of} checks failed")));
    }
    Ok(())
}

fn text(findings: &[Finding]) -> String {
    let mut table = table();
    for Finding { name, outcome, detail, cure } in findings {
        let outcome = match outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        };
        table.row([(*name).to_owned(), outcome.to_owned(), detail.clone(), cure.clone()]);
    }
    table.text("nothing was checked")
}

fn cluster_text(findings: &[doctor::Finding]) -> String {
    let mut table = table();
    for doctor::Finding { name, outcome, detail, cure } in findings {
        let outcome = match outcome {
            doctor::Outcome::Passed => "passed",
            doctor::Outcome::Failed => "failed",
            doctor::Outcome::Optional => "optional",
            doctor::Outcome::Unknown => "unknown",
        };
        table.row([name.clone(), outcome.to_owned(), detail.clone(), cure.clone()]);
    }
    table.text("nothing was checked")
}

fn table() -> Table {
    Table::new(["CHECK", "OUTCOME", "FOUND", "WHAT TO DO"])
}
