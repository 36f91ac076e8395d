//! What the checks ask: a look of each kind, and what names nothing that exists.

use crate::environment::{Action, Conclusion, LogQuery, MetricQuery, Observation, Query, ResourceChange, Write};
use crate::time::SimDuration;
use crate::units::Millicores;

/// A name that no object has.
pub(super) const NOBODY: &str = "conformance-nobody";

/// One look of each kind.
pub(super) fn looks(component: &str) -> Vec<Query> {
    let own = || Some(component.to_owned());
    let metrics = |range| Query::Metrics(MetricQuery { promql: "sum(up)".into(), range, step: None });
    vec![
        Query::ListPods { component: None },
        Query::ListPods { component: own() },
        Query::Describe { component: component.into() },
        Query::Logs(LogQuery { of: component.into(), previous: false, tail: 10 }),
        Query::Events { component: None },
        Query::Events { component: own() },
        Query::ResourceUsage { component: own() },
        Query::Nodes,
        metrics(None),
        metrics(Some(SimDuration::from_secs(60))),
        Query::Dependencies { component: component.into() },
        Query::Policies,
        Query::RolloutHistory { component: component.into() },
    ]
}

/// Whether a look is answered in its own kind.
pub(super) fn answers(query: &Query, seen: &Observation) -> bool {
    matches!(
        (query, seen),
        (Query::ListPods { .. }, Observation::Pods(_))
            | (Query::Describe { .. }, Observation::Description(_))
            | (Query::Logs(_), Observation::Logs { .. })
            | (Query::Events { .. }, Observation::Events(_))
            | (Query::ResourceUsage { .. }, Observation::Usage(_))
            | (Query::Nodes, Observation::Nodes(_))
            | (Query::Metrics(_), Observation::Metrics(_))
            | (Query::Dependencies { .. }, Observation::Dependencies(_))
            | (Query::Policies, Observation::Policies(_))
            | (Query::RolloutHistory { .. }, Observation::RolloutHistory(_))
    )
}

/// What is asked of a component that is not there.
pub(super) fn of_nobody() -> Vec<Action> {
    let component = || NOBODY.to_owned();
    let write = Action::Write;
    vec![
        Action::Observe(Query::Describe { component: component() }),
        Action::Observe(Query::Dependencies { component: component() }),
        Action::Observe(Query::RolloutHistory { component: component() }),
        Action::Observe(Query::Logs(LogQuery { of: component(), previous: false, tail: 10 })),
        write(Write::Scale { component: component(), replicas: 1 }),
        write(Write::SetResources(ResourceChange {
            component: component(),
            cpu_limit: Some(Millicores(100)),
            ..ResourceChange::default()
        })),
        write(Write::SetImage { component: component(), image: "any:1".into() }),
        write(Write::SetEnv { component: component(), name: "A".into(), value: None }),
        write(Write::Restart { component: component() }),
        write(Write::Rollback { component: component(), revision: None }),
        write(Write::DeleteAutoscaler { component: component() }),
        write(Write::CreateDeployment { component: component() }),
        write(Write::DeleteDeployment { component: component() }),
        write(Write::DeletePod { pod: component() }),
        Action::Report(Conclusion::default()),
    ]
}
