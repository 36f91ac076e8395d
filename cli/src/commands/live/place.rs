//! Where an episode is played: which cluster, which namespace, which Prometheus.

use std::path::PathBuf;

use bridge::Access;
use bridge::live::Settings;
use datasets::apps::AppFiles;
use datasets::scenarios::Loaded;
use lab::{Directories, Lab};
use sim::app::App;
use sim::manifest;
use sim::scenario::{AppChoice, Scenario};

use crate::arguments::LiveOptions;
use crate::commands::lab::failed;
use crate::output::{self, Failed};

/// The label that the pods of Sock Shop have, and that are found by it.
const LABEL: &str = "name";

/// Where to play.
pub(super) struct Place {
    pub(super) access: Access,
    pub(super) namespace: String,
    /// The URL of Prometheus.
    pub(super) prometheus: String,
    /// In words.
    pub(super) description: String,
    /// What has to be typed to mean it again.
    pub(super) typed: String,
    is_lab: bool,
}

impl Place {
    /// As the options say, or else the lab if its kubeconfig is there.
    pub(super) fn find(options: &LiveOptions, loaded: &Loaded) -> Result<Self, Failed> {
        let is_named = options.kubeconfig.is_some() || options.context.is_some();
        let of_lab: Option<PathBuf> = Some(Directories::from_environment().kubeconfig());
        let of_lab = of_lab.filter(|kubeconfig| options.lab || (!is_named && kubeconfig.is_file()));
        let lab = if of_lab.is_some() { Some(Lab::find().map_err(failed)?) } else { None };
        let prometheus = options.prometheus.clone().or_else(|| lab.as_ref().map(Lab::prometheus_url));
        let prometheus = prometheus.ok_or_else(|| {
            output::usage(
                "there is no Prometheus\n  help: say where it answers with --prometheus http://HOST:PORT, such as \
                 http://127.0.0.1:9090 behind `kubectl port-forward`",
            )
        })?;
        let deployments = &loaded.app.objects.deployments;
        let own = deployments.first().map_or("default", |deployment| deployment.meta.namespace.as_str());
        let namespace = options.namespace.clone().unwrap_or_else(|| own.to_owned());
        let cluster = match (&of_lab, &options.context) {
            (Some(_), _) => "the lab".to_owned(),
            (None, Some(context)) => format!("the cluster of the context {context}"),
            (None, None) => "the cluster of the current context".to_owned(),
        };
        let description = format!("playing on {cluster}, in namespace {namespace}");
        let is_lab = of_lab.is_some();
        let kubeconfig = of_lab.or_else(|| options.kubeconfig.clone());
        let flag = |name: &str, value: Option<String>| value.map(|value| format!(" --{name} {value}"));
        let typed = [
            flag("kubeconfig", kubeconfig.as_ref().map(|file| file.display().to_string())),
            flag("context", options.context.clone()),
        ];
        let typed = typed.into_iter().flatten().collect();
        // After an answer that was lost it is looked whether a change was made, before it is asked for again.
        let access = Access { kubeconfig, context: options.context.clone(), retries: false };
        Ok(Self { access, namespace, prometheus, description, typed, is_lab })
    }

    /// Writes into a scenario the machines that it is played on, as far as they are known, so that a twin can be set beside
    /// it.
    pub(super) fn fit(&self, scenario: &mut Scenario) -> Result<(), Failed> {
        if self.is_lab {
            scenario.cluster.nodes = lab::cluster().map_err(failed)?.nodes;
            // It names other machines, and is not made here.
            scenario.start.placement.clear();
        }
        Ok(())
    }
}

/// The objects of an application as one would apply them, which is what `create deployment` creates from.
///
/// # Errors
/// Mistakes in its files.
pub(in crate::commands) fn manifests(choice: &AppChoice) -> Result<String, Failed> {
    let files = AppFiles::find(&choice.name)?;
    let overlay = choice.overlay.as_ref().and_then(|overlay| files.overlays.get(overlay));
    let objects = manifest::merge(&files.manifests, overlay.map_or(&[][..], Vec::as_slice))?;
    // A document of JSON is one of YAML.
    Ok(objects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n"))
}

/// How an application is found: by a label that was named, or by the one that all its pods have.
pub(in crate::commands) fn settings(label: Option<&str>, app: &App) -> Settings {
    let label = match label {
        Some("") => None,
        Some(label) => Some(label.to_owned()),
        None => {
            let have_it = app.objects.deployments.iter().all(|d| d.template.labels.contains_key(LABEL));
            have_it.then(|| LABEL.to_owned())
        }
    };
    Settings { label, ..Settings::default() }
}
