//! What a fault's file says, and what it means.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::node::{Neighbour, NodeLoss, NodePressure};
use super::policy::{PolicyChange, QuotaChange};
use super::program::{DatabaseAgeing, EagerClient, MemoryLeak, RetryOverload, SlowDatabase};
use super::variable::VariableChange;
use super::{
    ChaosManifest, Effect, FaultKind, ImageChange, LimitChange, PortChange, ProbeChange, SelectorChange, load,
};
use crate::scenario::{AppWords, Checker};
use crate::time::SimDuration;
use crate::workload::Workload;

/// What sockpit's own words say.
pub(super) trait Written {
    /// What the world has to do at `start`.
    fn effect(&self, start: SimDuration, severity: f64) -> Effect;

    /// The component that it is in; none for a fault of a machine, where the scenario says which is meant.
    fn component(&self) -> Option<&str>;

    /// Whether it has a number that a severity can multiply.
    fn can_be_scaled(&self) -> bool {
        true
    }
}

/// Declares the faults that Chaos Mesh has no kind for. The field of each has the name of its kind.
macro_rules! injections {
    ($($(#[$doc:meta])* $kind:ident($written:ty) checked by $check:path;)*) => {
        /// What goes wrong, as the file says it.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub enum Injection {
            /// A Chaos Mesh manifest, as `kubectl apply` takes it.
            ChaosMesh(Box<ChaosManifest>),
            $($(#[$doc])* $kind($written),)*
        }

        impl Injection {
            /// Its kind; none for a Chaos Mesh manifest that is not one of the kinds played here, which the loader
            /// refuses.
            pub fn kind(&self) -> Option<FaultKind> {
                match self {
                    Self::ChaosMesh(manifest) => manifest.fault_kind(),
                    $(Self::$kind(_) => Some(FaultKind::$kind),)*
                }
            }

            /// What sockpit's own words say; none for a manifest of Chaos Mesh.
            fn written(&self) -> Option<&dyn Written> {
                match self {
                    Self::ChaosMesh(_) => None,
                    $(Self::$kind(written) => Some(written),)*
                }
            }

            /// Refuses what makes no sense; `at` is the field `inject`.
            pub(crate) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
                match self {
                    Self::ChaosMesh(manifest) => manifest.check(checker, &format!("{at}.chaos-mesh"), words),
                    $(Self::$kind(written) => {
                        $check(written, checker, &format!("{at}.{}", FaultKind::$kind), words);
                    })*
                }
            }
        }
    };
}

injections! {
    /// The Deployment gets an image that starts and serves nothing.
    FakeImage(ImageChange) checked by ImageChange::check_fake;
    /// The Deployment gets an image that cannot be pulled.
    BadTag(ImageChange) checked by ImageChange::check_missing;
    /// A probe of the Deployment asks for something that is not there.
    WrongProbe(ProbeChange) checked by ProbeChange::check;
    /// The Deployment gets limits that are too small.
    TooSmallLimit(LimitChange) checked by LimitChange::check;
    /// The Deployment gets a variable with which its program does not work.
    BadEnvironment(VariableChange) checked by VariableChange::check;
    /// The Deployment gets a variable with which its program exits at once.
    CrashOnStart(VariableChange) checked by VariableChange::check_crash;
    /// The Service leads to a port on which nobody listens.
    WrongPort(PortChange) checked by PortChange::check;
    /// The Service selects other pods, or none.
    WrongSelector(SelectorChange) checked by SelectorChange::check;
    /// A quota of the namespace is used up.
    QuotaExceeded(QuotaChange) checked by QuotaChange::check;
    /// A network policy lets nobody connect to the component's pods.
    BlockedByPolicy(PolicyChange) checked by PolicyChange::check;
    /// The program loses memory.
    MemoryLeak(MemoryLeak) checked by MemoryLeak::check;
    /// The database's work costs more.
    SlowDatabase(SlowDatabase) checked by SlowDatabase::check;
    /// The database's data has grown.
    DatabaseAgeing(DatabaseAgeing) checked by DatabaseAgeing::check;
    /// The program gives its calls up early, and tries them again.
    RetryStorm(EagerClient) checked by EagerClient::check;
    /// The same, set off by a burst of load, and staying when that is over.
    RetryOverload(RetryOverload) checked by RetryOverload::check;
    /// A machine fails.
    NodeLoss(NodeLoss) checked by NodeLoss::check;
    /// Something outside the pods takes a machine's memory or disk.
    NodePressure(NodePressure) checked by NodePressure::check;
    /// Somebody else's pod takes a machine's CPU.
    NoisyNeighbour(Neighbour) checked by Neighbour::check;
    /// Another load comes on top.
    RisingTraffic(Workload) checked by load::check;
    /// Another load comes on top, all of it at once, and goes again at the fault's `end`.
    TrafficBurst(Workload) checked by load::check;
}

impl Injection {
    /// What the world has to do at `start`; none where the kind is none.
    pub(super) fn effect(&self, start: SimDuration, severity: f64) -> Option<Effect> {
        match self {
            Self::ChaosMesh(manifest) => manifest.effect(severity),
            _ => self.written().map(|written| written.effect(start, severity)),
        }
    }

    /// The component it is in, among those that have these pod labels.
    pub(super) fn component<'a>(
        &'a self,
        mut labelled: impl Iterator<Item = (&'a str, &'a BTreeMap<String, String>)>,
    ) -> Option<&'a str> {
        match self {
            Self::ChaosMesh(manifest) => {
                labelled.find(|(_, labels)| manifest.spec.selector.matches(labels)).map(|(name, _)| name)
            }
            _ => self.written().and_then(Written::component),
        }
    }

    /// Whether it has a number that a severity can multiply.
    pub(crate) fn can_be_scaled(&self) -> bool {
        self.written().is_none_or(Written::can_be_scaled)
    }
}
