//! Whether objects and profile fit: images that the profile knows, names that resolve, ports that are open.

use super::{App, Listener, PROFILE_FILE};
use crate::diagnostic::{Diagnostic, Severity, nearest};
use crate::ids::{KubeServiceIx, ServiceIx};
use crate::input::{Document, Located};
use crate::manifest::{Container, Deployment, Probe, ProbeAction};
use crate::profile::{MissingImage, Profile};

/// Everything that does not fit.
pub(super) fn check(app: &App, profile: &Located<Profile>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for deployment in &app.objects.deployments {
        let document = app.objects.document("Deployment", &deployment.meta).expect("every object came from a document");
        for (i, container) in deployment.template.containers.iter().enumerate() {
            let field = format!("spec.template.spec.containers[{i}]");
            found.extend(image(app, document, &format!("{field}.image"), container));
        }
        found.extend(runs_something(app, document, deployment));
    }
    if app.objects.deployments.is_empty() {
        found.push(
            Diagnostic::error("", 0, "", "the manifests hold no Deployment: nothing would run")
                .help("add the Deployments of the services that the profile describes"),
        );
        return found;
    }
    if found.iter().any(|d| d.severity == Severity::Error) {
        // What else seems to be missing may be what these images hold.
        return found;
    }
    for (ix, name) in app.profile.services.keys().enumerate() {
        found.extend(reachable(app, profile, ServiceIx(ix as u32), name));
    }
    found
}

fn image(app: &App, document: &Document, field: &str, container: &Container) -> Option<Diagnostic> {
    let reference = &container.image;
    match app.profile.image(reference) {
        Ok(image) if image.runs.len() > 1 && image.service_in(&container.name).is_none() => {
            let services = image.runs.join("`, `");
            let message =
                format!("`{reference}` can run `{services}`, and container `{}` has the name of none", container.name);
            Some(document.error(field, message).help("give the container the name of the service that it runs"))
        }
        Ok(_) => None,
        Err(MissingImage::Tag) => {
            let message = format!("the registry does not have `{reference}`: its pods will not start (ErrImagePull)");
            let tags = app.profile.tags(reference).join("`, `");
            let help = format!("use one of the tags `{tags}`, or list this one under `images` in {PROFILE_FILE}");
            Some(document.warning(field, message).help(help))
        }
        Err(MissingImage::Repository) => {
            let known = app.profile.images.iter().map(|image| image.image.as_str());
            let near =
                nearest(reference, known).map_or_else(String::new, |near| format!("did you mean `{near}`? Otherwise "));
            let help = format!(
                "{near}add it to `images` in {PROFILE_FILE}, with the service that it `runs`; without `runs` it starts and serves nothing"
            );
            Some(document.error(field, format!("the profile does not know image `{reference}`")).help(help))
        }
    }
}

fn runs_something(app: &App, document: &Document, deployment: &Deployment) -> Vec<Diagnostic> {
    let listeners: Vec<_> = app.listeners(deployment).collect();
    let knows_all = deployment.template.containers.iter().all(|c| app.profile.image(&c.image).is_ok());
    if listeners.is_empty() && knows_all {
        let message =
            format!("`{}` runs no service of the profile: its pods start and answer nothing", deployment.meta.name);
        let help = format!("if it is part of the application, describe its service in {PROFILE_FILE}");
        return vec![document.warning("metadata.name", message).help(help)];
    }
    let mut found = Vec::new();
    for listener in &listeners {
        found.extend(memory(app, document, deployment, listener));
        found.extend(probes(app, document, deployment, listener));
    }
    found
}

fn container_field(deployment: &Deployment, container: &Container) -> String {
    let ix = deployment.template.containers.iter().position(|c| c.name == container.name).unwrap_or_default();
    format!("spec.template.spec.containers[{ix}]")
}

fn memory(app: &App, document: &Document, deployment: &Deployment, listener: &Listener<'_>) -> Option<Diagnostic> {
    let service = &app.programs.services[listener.service.index()];
    let limit = listener.container.resources.limits.memory?;
    (service.memory.base >= limit).then(|| {
        let field = format!("{}.resources.limits.memory", container_field(deployment, listener.container));
        let message = format!(
            "{limit} is less than the {} that `{}` needs: it will be OOMKilled",
            service.memory.base, service.name
        );
        document.warning(&field, message).help(format!("raise the limit above {}", service.memory.base))
    })
}

fn probes(app: &App, document: &Document, deployment: &Deployment, listener: &Listener<'_>) -> Vec<Diagnostic> {
    let container = listener.container;
    let service = &app.programs.services[listener.service.index()];
    let probes: [(&str, &Option<Probe>); 3] = [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    let mut found = Vec::new();
    for (kind, probe) in probes.into_iter().filter_map(|(kind, probe)| Some((kind, probe.as_ref()?))) {
        let field = format!("{}.{kind}", container_field(deployment, container));
        let (ProbeAction::HttpGet { port, .. } | ProbeAction::TcpSocket { port } | ProbeAction::Grpc { port }) =
            probe.action
        else {
            continue;
        };
        if port != listener.port {
            let message = format!(
                "it probes port {port}, and `{}` listens on {}: the probe will fail",
                service.name, listener.port
            );
            found.push(document.warning(&field, message).help(format!("probe port {}", listener.port)));
        } else if let ProbeAction::HttpGet { path, .. } = &probe.action
            && app.programs.endpoint(listener.service, &format!("GET {path}")).is_none()
        {
            let message = format!("`{}` will answer `GET {path}` with 404: the probe will fail", service.name);
            found.push(
                document
                    .warning(&field, message)
                    .help(format!("probe an endpoint of its profile, or add this one to {PROFILE_FILE}")),
            );
        }
    }
    found
}

/// Whether those who call a service find it.
fn reachable(app: &App, profile: &Located<Profile>, service: ServiceIx, name: &str) -> Option<Diagnostic> {
    let callers: Vec<_> =
        app.graph.needed_by(service).iter().map(|ix| app.programs.services[ix.index()].name.as_str()).collect();
    let callers = callers.join("`, `");
    let field = format!("services.{name}");
    let address = &app.addresses[service.index()];
    if address.deployments.is_empty() {
        return Some(if callers.is_empty() {
            profile
                .warning(&field, format!("no Deployment runs `{name}`"))
                .help("add its Deployment, or remove the service")
        } else {
            profile
                .error(&field, format!("no Deployment runs `{name}`, called by `{callers}`"))
                .help(format!("add a Deployment whose image runs `{name}`, or remove the calls"))
        });
    }
    if callers.is_empty() {
        return None;
    }
    let dns_name = &app.programs.services[service.index()].address;
    let Some(kube_service) = address.kube_service else {
        let message =
            format!("there is no Kubernetes Service `{dns_name}`: calls of `{callers}` to `{name}` will fail");
        return Some(
            profile
                .warning(&field, message)
                .help(format!("add a Service named `{dns_name}`, or set `address` to the one that leads to it")),
        );
    };
    let is_found = app.kube_services[kube_service.index()].leads_to == Some(service);
    (!is_found).then(|| led_astray(app, service, kube_service, &callers))
}

/// Why the Kubernetes Service whose name callers use does not lead them to a service.
fn led_astray(app: &App, service: ServiceIx, kube_service: KubeServiceIx, callers: &str) -> Diagnostic {
    let runs = &app.programs.services[service.index()];
    let (name, port) = (&runs.name, runs.port);
    let object = &app.objects.services[kube_service.index()];
    let document = app.objects.document("Service", &object.meta).expect("every object came from a document");
    let selects_it = app.selected(object).any(|d| app.listeners(d).any(|listener| listener.service == service));
    match app.kube_services[kube_service.index()].leads_to {
        _ if selects_it => document
            .warning(
                "spec.ports",
                format!("no port leads to {port}, where `{name}` listens: connections will be refused"),
            )
            .help(format!("set a `targetPort` to {port}")),
        Some(other) => {
            let other = &app.programs.services[other.index()].name;
            document
                .warning(
                    "spec.selector",
                    format!("it leads to `{other}`, and calls of `{callers}` to `{name}` go there"),
                )
                .help(format!(
                    "select the pods of `{}`, or set `address` of `{name}` in {PROFILE_FILE}",
                    app.component_of(service)
                ))
        }
        None => document
            .warning(
                "spec.selector",
                format!("it selects no pod that runs `{name}`: calls of `{callers}` will be refused"),
            )
            .help(format!("select the pods of `{}`", app.component_of(service))),
    }
}
