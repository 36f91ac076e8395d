//! What a scenario can name: the words of its application.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostics;
use crate::fault::Fault;
use crate::manifest::{Container, Deployment, ObjectSet};
use crate::profile::{ImageProfile, Level, Profile, ServiceProfile};
use crate::time::SimDuration;
use crate::workload::{Shape, Workload};

/// The words of an application that a scenario can use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppWords {
    /// Its overlays.
    pub overlays: Vec<String>,
    /// Its Deployments.
    pub components: Vec<ComponentWords>,
    /// The names under which loads can reach it: its Kubernetes Services.
    pub services: Vec<String>,
    /// User classes of its profile.
    pub user_classes: Vec<String>,
    /// Named loads of its profile.
    pub levels: BTreeMap<String, Level>,
    /// What its registry holds.
    pub images: Vec<ImageProfile>,
}

/// A Deployment, as far as scenarios speak of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComponentWords {
    /// Its name.
    pub name: String,
    /// Labels of its pods.
    pub labels: BTreeMap<String, String>,
    /// Its main container, as in the manifest.
    pub container: Option<Container>,
    /// What its main container runs, as in the profile.
    pub program: Option<ServiceProfile>,
}

impl ComponentWords {
    fn of(deployment: &Deployment, profile: &Profile) -> Self {
        let container = deployment.template.containers.get(deployment.main_container());
        let image = container.and_then(|c| Some((profile.image(&c.image).ok()?, &*c.name)));
        let service = image.and_then(|(image, name)| profile.services.get(image.service_in(name)?));
        Self {
            name: deployment.meta.name.clone(),
            labels: deployment.template.labels.clone(),
            container: container.cloned(),
            program: service.cloned(),
        }
    }

    /// The port on which its program listens.
    pub(crate) fn listens_on(&self) -> Option<u16> {
        self.program.as_ref().map(|program| program.port)
    }
}

/// Why an application's words are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppFailure {
    /// There is no such application; these ship.
    Unknown {
        /// Names.
        known: Vec<String>,
    },
    /// Its own files are broken.
    Broken(Diagnostics),
}

impl AppWords {
    /// The words of an application as it was loaded, and the names of all overlays it has.
    pub fn of(objects: &ObjectSet, profile: &Profile, overlays: Vec<String>) -> Self {
        Self {
            overlays,
            components: objects.deployments.iter().map(|deployment| ComponentWords::of(deployment, profile)).collect(),
            services: objects.services.iter().map(|service| service.meta.name.clone()).collect(),
            user_classes: profile.user_classes.keys().cloned().collect(),
            levels: profile.levels.clone(),
            images: profile.images.clone(),
        }
    }

    /// In which component a fault is.
    pub fn component_of(&self, fault: &Fault) -> Option<String> {
        fault.component(self.labelled()).map(str::to_owned)
    }

    /// The image of each component's main container, as in the manifest.
    pub fn images_by_component(&self) -> BTreeMap<String, String> {
        let image = |c: &ComponentWords| Some((c.name.clone(), c.container.as_ref()?.image.clone()));
        self.components.iter().filter_map(image).collect()
    }

    /// How long a load takes to reach its first full strength.
    pub fn ramp(&self, load: &Workload) -> SimDuration {
        match &load.shape {
            Shape::Level(name) => self.levels.get(name).map_or(SimDuration::ZERO, |level| {
                let users = level.users_by_target.get(&load.target).unwrap_or(&level.users);
                SimDuration::from_secs_f64(f64::from(*users) / level.spawn_rate)
            }),
            Shape::Users(users) => SimDuration::from_secs_f64(f64::from(users.users) / users.spawn_rate),
            Shape::Stages(stages) => stages.first().map_or(SimDuration::ZERO, |stage| stage.duration),
            Shape::Arrivals(_) | Shape::Trace(_) => SimDuration::ZERO,
        }
    }

    pub(crate) fn component_words(&self, name: &str) -> Option<&ComponentWords> {
        self.components.iter().find(|component| component.name == name)
    }

    pub(crate) fn component_names(&self) -> impl Iterator<Item = &str> {
        self.components.iter().map(|component| component.name.as_str())
    }

    /// The components with the labels of their pods.
    fn labelled(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
        self.components.iter().map(|component| (component.name.as_str(), &component.labels))
    }
}
