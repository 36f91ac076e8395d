//! The kinds of change, as guards and permissions name them.

use std::fmt;

use serde::{Deserialize, Serialize};
use sim::environment::Write;

/// A kind of [`Write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteKind {
    /// `kubectl scale`.
    Scale,
    /// `kubectl set resources`.
    SetResources,
    /// `kubectl set image`.
    SetImage,
    /// `kubectl set env`.
    SetEnv,
    /// `kubectl rollout restart`.
    Restart,
    /// `kubectl rollout undo`.
    Rollback,
    /// An autoscaler is applied.
    ApplyAutoscaler,
    /// `kubectl delete hpa`.
    DeleteAutoscaler,
    /// A Deployment is created from its manifest.
    CreateDeployment,
    /// `kubectl delete deployment`.
    DeleteDeployment,
    /// `kubectl delete pod`.
    DeletePod,
    /// `kubectl apply` of an object of an allowed kind.
    Apply,
    /// `kubectl delete` of an object of an allowed kind.
    Delete,
    /// `kubectl cordon`.
    Cordon,
    /// `kubectl uncordon`.
    Uncordon,
    /// `kubectl drain`.
    Drain,
}

impl WriteKind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Scale,
        Self::SetResources,
        Self::SetImage,
        Self::SetEnv,
        Self::Restart,
        Self::Rollback,
        Self::ApplyAutoscaler,
        Self::DeleteAutoscaler,
        Self::CreateDeployment,
        Self::DeleteDeployment,
        Self::DeletePod,
        Self::Apply,
        Self::Delete,
        Self::Cordon,
        Self::Uncordon,
        Self::Drain,
    ];

    /// That of a change.
    pub const fn of(write: &Write) -> Self {
        match write {
            Write::Scale { .. } => Self::Scale,
            Write::SetResources(_) => Self::SetResources,
            Write::SetImage { .. } => Self::SetImage,
            Write::SetEnv { .. } => Self::SetEnv,
            Write::Restart { .. } => Self::Restart,
            Write::Rollback { .. } => Self::Rollback,
            Write::ApplyAutoscaler(_) => Self::ApplyAutoscaler,
            Write::DeleteAutoscaler { .. } => Self::DeleteAutoscaler,
            Write::CreateDeployment { .. } => Self::CreateDeployment,
            Write::DeleteDeployment { .. } => Self::DeleteDeployment,
            Write::DeletePod { .. } => Self::DeletePod,
            Write::Apply(_) => Self::Apply,
            Write::Delete { .. } => Self::Delete,
            Write::Cordon { .. } => Self::Cordon,
            Write::Uncordon { .. } => Self::Uncordon,
            Write::Drain { .. } => Self::Drain,
        }
    }

    /// As files name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scale => "scale",
            Self::SetResources => "set_resources",
            Self::SetImage => "set_image",
            Self::SetEnv => "set_env",
            Self::Restart => "restart",
            Self::Rollback => "rollback",
            Self::ApplyAutoscaler => "apply_autoscaler",
            Self::DeleteAutoscaler => "delete_autoscaler",
            Self::CreateDeployment => "create_deployment",
            Self::DeleteDeployment => "delete_deployment",
            Self::DeletePod => "delete_pod",
            Self::Apply => "apply",
            Self::Delete => "delete",
            Self::Cordon => "cordon",
            Self::Uncordon => "uncordon",
            Self::Drain => "drain",
        }
    }

    /// Whether it acts on a node, and so on more than one namespace.
    pub const fn is_of_nodes(self) -> bool {
        matches!(self, Self::Cordon | Self::Uncordon | Self::Drain)
    }
}

impl fmt::Display for WriteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A change in a few words.
pub(crate) fn described(write: &Write) -> String {
    let kind = WriteKind::of(write).name().replace('_', " ");
    match write {
        Write::Scale { component, replicas } => format!("{kind} {component} to {replicas}"),
        Write::SetImage { component, image } => format!("{kind} of {component} to {image}"),
        Write::SetEnv { component, name, .. } => format!("{kind} {name} of {component}"),
        Write::SetResources(change) => format!("{kind} of {}", change.component),
        Write::Rollback { component, .. } | Write::Restart { component } | Write::DeleteAutoscaler { component } => {
            format!("{kind} of {component}")
        }
        Write::ApplyAutoscaler(spec) => format!("{kind} of {}", spec.component),
        Write::CreateDeployment { component } | Write::DeleteDeployment { component } => format!("{kind} {component}"),
        Write::DeletePod { pod } => format!("{kind} {pod}"),
        Write::Apply(_) => format!("{kind} a manifest"),
        Write::Delete { kind: of, name } => format!("{kind} {} {name}", of.name()),
        Write::Cordon { node } | Write::Uncordon { node } | Write::Drain { node } => format!("{kind} {node}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_people_use_the_same_names() {
        for kind in WriteKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        let mut sorted = WriteKind::ALL;
        sorted.sort();
        assert_eq!(sorted, WriteKind::ALL);
    }

    #[test]
    fn changes_are_said_in_a_few_words() {
        let carts = || "carts".to_owned();
        assert_eq!(described(&Write::Scale { component: carts(), replicas: 3 }), "scale carts to 3");
        let image = Write::SetImage { component: carts(), image: "c:2".to_owned() };
        assert_eq!(described(&image), "set image of carts to c:2");
    }
}
