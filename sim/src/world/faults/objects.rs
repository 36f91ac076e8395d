//! Changes that somebody makes to objects, and takes back.
//!
//! What is taken back is what the change wrote, field by field, as long as it still stands: what somebody else has
//! written since stays.

use crate::cluster::Object;
use crate::engine::Queue;
use crate::environment::{AppliedObject, DeletableKind, Rejected, Write};
use crate::fault::ObjectChange;
use crate::kubectl::Command;
use crate::manifest::{Container, Deployment, Service};
use crate::time::SimTime;

use super::{Event, Parts};

/// What was changed, and so how to take it back.
#[derive(Clone, Debug)]
pub(super) enum Changed {
    Patched(Box<Patched>),
    /// An object that was not there.
    Applied {
        kind: DeletableKind,
        name: String,
    },
}

/// An object before and after.
#[derive(Clone, Debug)]
pub(super) struct Patched {
    before: Object,
    after: Object,
}

/// Makes the change.
///
/// # Errors
/// Why the API server refuses it.
pub(super) fn change(
    now: SimTime,
    change: &ObjectChange,
    parts: &mut Parts,
    queue: &mut Queue<Event>,
) -> Result<Changed, Rejected> {
    let Parts { traffic, cluster, .. } = parts;
    if let ObjectChange::Applied { kind, name, manifest } = change {
        let write = Write::Apply(AppliedObject { manifest: manifest.clone() });
        cluster.write(now, &write, queue, traffic)?;
        return Ok(Changed::Applied { kind: *kind, name: name.clone() });
    }
    let (kind, name) = change.object();
    let before = cluster.object(kind, name)?;
    let patch = change.patch(main_container(&before));
    let command = Command::Patch { kind, name: name.to_owned(), patch };
    cluster.run(now, &command, queue, traffic)?;
    let after = cluster.object(kind, name)?;
    Ok(Changed::Patched(Box::new(Patched { before, after })))
}

fn main_container(object: &Object) -> &str {
    match object {
        Object::Deployment(deployment) => &deployment.template.containers[deployment.main_container()].name,
        Object::Service(_) => "",
    }
}

impl Changed {
    /// Forgets another change that is over: what was changed on top of it must not bring it back in the end.
    pub(super) fn forget(&mut self, over: &Self) {
        let (Self::Patched(own), Self::Patched(over)) = (self, over) else { return };
        for seen in [&mut own.before, &mut own.after] {
            if let Some(without) = restored(&over.before, &over.after, seen) {
                *seen = without;
            }
        }
    }
}

/// Takes the change back. An object that is gone has nothing to be taken back.
pub(super) fn restore(now: SimTime, changed: Changed, parts: &mut Parts, queue: &mut Queue<Event>) {
    let Parts { traffic, cluster, .. } = parts;
    let (before, after) = match changed {
        Changed::Patched(patched) => (patched.before, patched.after),
        Changed::Applied { kind, name } => {
            // Who has deleted it before has done this.
            drop(cluster.write(now, &Write::Delete { kind, name }, queue, traffic));
            return;
        }
    };
    let (kind, name) = match &before {
        Object::Deployment(deployment) => ("Deployment", &deployment.meta.name),
        Object::Service(service) => ("Service", &service.meta.name),
    };
    let Ok(current) = cluster.object(kind, name) else { return };
    let Some(restored) = restored(&before, &after, &current) else { return };
    // It exists: this was asked a moment ago.
    drop(cluster.replace(now, restored, queue, traffic));
}

/// The object without the change; none if it is not the one that was changed.
fn restored(before: &Object, after: &Object, now: &Object) -> Option<Object> {
    match (before, after, now) {
        (Object::Deployment(before), Object::Deployment(after), Object::Deployment(now))
            if before.meta.name == now.meta.name =>
        {
            Some(Object::Deployment(restored_deployment(before, after, now.clone())))
        }
        (Object::Service(before), Object::Service(after), Object::Service(now))
            if before.meta.name == now.meta.name =>
        {
            Some(Object::Service(restored_service(before, after, now.clone())))
        }
        _ => None,
    }
}

/// Gives fields that are as the change left them the value from before it.
macro_rules! restore_fields {
    ($before:expr, $after:expr, $now:expr; $($field:ident),*) => {
        $(if $now.$field == $after.$field {
            $now.$field.clone_from(&$before.$field);
        })*
    };
}

fn restored_deployment(before: &Deployment, after: &Deployment, mut now: Deployment) -> Deployment {
    let named = |containers: &[Container], name: &str| containers.iter().find(|c| c.name == name).cloned();
    for container in &mut now.template.containers {
        let before = named(&before.template.containers, &container.name);
        let after = named(&after.template.containers, &container.name);
        if let (Some(before), Some(after)) = (before, after) {
            restore_fields!(before, after, container; image, command, args, env, resources, liveness_probe,
                readiness_probe, startup_probe);
        }
    }
    now
}

fn restored_service(before: &Service, after: &Service, mut now: Service) -> Service {
    restore_fields!(before, after, now; selector, ports);
    now
}
