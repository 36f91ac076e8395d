//! What is wrong with programs.

use crate::app::App;
use crate::engine::Queue;
use crate::environment::Rejected;
use crate::fault::ProgramChange;
use crate::ids::{ContainerIx, ServiceIx};
use crate::time::SimTime;
use crate::traffic::{ClientPolicy, Defect};

use super::{Event, Parts};

/// How to undo it.
#[derive(Clone, Debug)]
pub(super) enum Changed {
    Defect(ServiceIx),
    Aged(Vec<ContainerIx>),
    Clients { caller: ServiceIx, to: ServiceIx, before: ClientPolicy },
}

/// Makes the change to what a component runs.
///
/// # Errors
/// It runs nothing that can have it.
pub(super) fn change(
    now: SimTime,
    component: &str,
    change: ProgramChange,
    app: &App,
    parts: &mut Parts,
    queue: &mut Queue<Event>,
) -> Result<Changed, Rejected> {
    let Parts { traffic, cluster, .. } = parts;
    let service = app.service_of(component).ok_or_else(|| Rejected(format!("{component} runs no program")))?;
    match change {
        ProgramChange::Defect(defect) => {
            traffic.set_defect(now, queue, service, defect);
            Ok(Changed::Defect(service))
        }
        ProgramChange::Age { documents } => {
            let containers: Vec<_> = cluster.pods_of(component).filter_map(|pod| cluster.first_process(pod)).collect();
            for container in &containers {
                traffic.age(now, *container, Some(documents));
            }
            Ok(Changed::Aged(containers))
        }
        ProgramChange::Clients(client) => {
            let never = || Rejected(format!("{component} never calls {}", client.to));
            let to = app.service(&client.to).ok_or_else(never)?;
            let before = traffic.client_policy(service, to).ok_or_else(never)?;
            let policy = ClientPolicy {
                timeout: Some(client.timeout),
                retries: client.retries,
                retry_backoff: client.retry_backoff,
                ..before
            };
            traffic.set_client_policy(service, to, policy);
            Ok(Changed::Clients { caller: service, to, before })
        }
    }
}

/// Takes it back.
pub(super) fn restore(now: SimTime, changed: Changed, parts: &mut Parts, queue: &mut Queue<Event>) {
    let traffic = &mut parts.traffic;
    match changed {
        Changed::Defect(service) => traffic.set_defect(now, queue, service, Defect::default()),
        Changed::Aged(containers) => {
            for container in containers {
                traffic.age(now, container, None);
            }
        }
        Changed::Clients { caller, to, before } => {
            traffic.set_client_policy(caller, to, before);
        }
    }
}
