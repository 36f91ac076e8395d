//! The data plane as the machines of the control plane: translates between the two vocabularies.

use crate::cluster::{self, Backend, ContainerRuntime, ContainerUsage, ProbeOutcome, ProbeTarget, ProcessSpec};
use crate::engine::Queue;
use crate::ids::{ContainerIx, KubeServiceIx, NodeIx};
use crate::manifest::{Container, EnvValue, EnvVar};
use crate::program::Setting;
use crate::time::{SimDuration, SimTime};
use crate::traffic::{self, Failure, ProbeCall, ProbeResult, Traffic};

use super::Event;

impl ContainerRuntime<Event> for Traffic {
    fn start(
        &mut self,
        now: SimTime,
        queue: &mut Queue<Event>,
        spec: &ProcessSpec,
        container: &Container,
    ) -> ContainerIx {
        let spins = spec.spins;
        let spec = traffic::ProcessSpec {
            node: spec.node,
            runs: spec.runs,
            cpu_limit: spec.cpu_limit,
            cpu_request: spec.cpu_request,
            memory_limit: spec.memory_limit,
            is_alone: spec.is_alone,
            replaces: spec.replaces,
        };
        let environment: Vec<_> = container.env.iter().map(setting).collect();
        let process = self.start_with_environment(now, queue, spec, &environment);
        if spins > 0 {
            self.stress(now, queue, process, spins, 1.0);
        }
        process
    }

    fn terminate(&mut self, now: SimTime, queue: &mut Queue<Event>, container: ContainerIx) {
        Self::terminate(self, now, queue, container);
    }

    fn kill(&mut self, now: SimTime, queue: &mut Queue<Event>, container: ContainerIx) {
        Self::kill(self, now, queue, container);
    }

    fn lose(&mut self, now: SimTime, queue: &mut Queue<Event>, container: ContainerIx) {
        Self::lose(self, now, queue, container);
    }

    fn remove_address(&mut self, now: SimTime, _: &mut Queue<Event>, container: ContainerIx) {
        Self::remove_address(self, now, container);
    }

    fn set_backends(
        &mut self,
        now: SimTime,
        _: &mut Queue<Event>,
        node: NodeIx,
        service: KubeServiceIx,
        backends: &[Backend],
    ) {
        let backends: Vec<_> = backends.iter().map(|b| traffic::Backend { container: b.container }).collect();
        Self::set_backends(self, now, node, service, &backends);
    }

    fn probe(
        &mut self,
        now: SimTime,
        queue: &mut Queue<Event>,
        token: u32,
        container: ContainerIx,
        target: ProbeTarget<'_>,
        timeout: SimDuration,
    ) {
        let programs = std::sync::Arc::clone(self.programs());
        let service = self.service_of(container);
        let listens = |port: u16| service.filter(|s| programs.services[s.index()].port == port);
        let call = match target {
            ProbeTarget::Http { path, port } => {
                listens(port).map(|s| ProbeCall::Http(programs.endpoint_or_not_found(s, &format!("GET {path}"))))
            }
            ProbeTarget::Tcp { port } => listens(port).map(|_| ProbeCall::Tcp),
            // A command needs no port: it succeeds while the container runs.
            ProbeTarget::Exec => {
                let result = ProbeResult::Connected;
                return self.notices.push(traffic::Notice::ProbeDone { token, result });
            }
        };
        if let Some(call) = call {
            Self::probe(self, now, queue, token, container, call, timeout);
        } else {
            let result = ProbeResult::Failed(Failure::Refused);
            self.notices.push(traffic::Notice::ProbeDone { token, result });
        }
    }

    fn set_policy_group(&mut self, now: SimTime, container: ContainerIx, group: u32) {
        Self::set_policy_group(self, now, container, group);
    }

    fn set_policies(&mut self, now: SimTime, groups: u32, allows: &dyn Fn(u32, u32) -> bool) {
        Self::set_policies(self, now, traffic::PolicyMatrix::new(groups, allows));
    }

    fn usage(&mut self, now: SimTime, container: ContainerIx) -> ContainerUsage {
        let stats = self.stats(now, container);
        ContainerUsage { cpu: stats.cpu.usage, working_set: stats.working_set }
    }
}

/// A variable with its value, unless that comes from another object, which is not resolved.
fn setting(variable: &EnvVar) -> Setting<'_> {
    let value = match &variable.value {
        EnvValue::Text(text) => Some(text.as_str()),
        EnvValue::Key(_) | EnvValue::From(_) => None,
    };
    (&variable.name, value)
}

/// What the control plane hears of it.
pub(super) fn notice_of(notice: traffic::Notice) -> cluster::Notice {
    match notice {
        traffic::Notice::ProbeDone { token, result } => {
            cluster::Notice::ProbeDone { token, outcome: outcome_of(result) }
        }
        traffic::Notice::Exited { container, code } => cluster::Notice::Exited { container, code },
        traffic::Notice::Listening { container } => cluster::Notice::Listening { container },
        traffic::Notice::Wrote { container, entry } => cluster::Notice::Wrote { container, entry },
        traffic::Notice::OverLimit { container } => cluster::Notice::OverLimit { container },
    }
}

fn outcome_of(result: ProbeResult) -> ProbeOutcome {
    match result {
        ProbeResult::Connected => ProbeOutcome::Connected,
        ProbeResult::Status(status) => ProbeOutcome::Status(status),
        ProbeResult::Failed(Failure::Reset) => ProbeOutcome::Reset,
        ProbeResult::Failed(Failure::TimedOut | Failure::Unreachable) => ProbeOutcome::TimedOut,
        ProbeResult::Failed(Failure::Refused | Failure::UnknownHost | Failure::BreakerOpen) => ProbeOutcome::Refused,
    }
}
