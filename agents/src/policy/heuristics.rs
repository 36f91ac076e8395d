//! Two simple rules that people use in place of thought: restart whatever looks bad, and leave
//! everything to the autoscaler.

use sim::environment::{AutoscalerSpec, Conclusion, Declaration, Observation, Query, Write};

use super::desk::{Desk, Procedure};
use super::{AutonomicAgent, Policy, SETTLE, TaskView};

/// Restarts its component when a pod is not ready or uses more than nine tenths of its CPU limit.
pub fn restart_whatever_looks_bad() -> impl Policy<AutonomicAgent> {
    Procedure::new("restart", |desk: Desk, task: TaskView| async move {
        let component = task.component.clone();
        let bad = looks_bad(&desk, &component).await;
        desk.declare(Declaration { healthy: !bad, component: bad.then(|| component.clone()), kind: None }).await;
        if bad {
            desk.write(Write::Restart { component: component.clone() }).await;
            desk.wait(SETTLE).await;
        }
        Conclusion {
            healthy: !bad || !looks_bad(&desk, &component).await,
            actions_taken: if bad { "restarted".into() } else { String::new() },
            ..Conclusion::default()
        }
    })
}

async fn looks_bad(desk: &Desk, component: &str) -> bool {
    let component = Some(component.to_owned());
    let pods = desk.see(Query::ListPods { component: component.clone() }).await;
    let Some(Observation::Pods(pods)) = pods else { return false };
    let usage = desk.see(Query::ResourceUsage { component }).await;
    let usage = if let Some(Observation::Usage(usage)) = usage { usage } else { Vec::new() };
    pods.is_empty()
        || pods.iter().any(|p| p.ready < p.containers)
        || usage.iter().any(|u| u.cpu_limit.is_some_and(|l| u.cpu.cores() > 0.9 * l.cores()))
}

/// Puts an autoscaler in place at the first task, and trusts it.
pub fn autoscale_only() -> impl Policy<AutonomicAgent> {
    Procedure::new("hpa", |desk: Desk, task: TaskView| async move {
        if task.evaluation == 1 {
            desk.write(Write::ApplyAutoscaler(AutoscalerSpec {
                component: task.component,
                min_replicas: 1,
                max_replicas: 10,
                cpu_percent: 50,
            }))
            .await;
        }
        desk.declare(Declaration { healthy: true, component: None, kind: None }).await;
        Conclusion { healthy: true, actions_taken: "autoscaler".into(), ..Conclusion::default() }
    })
}
