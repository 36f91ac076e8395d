//! Identities at run time: indices into tables that are made at load or as the world runs.
//!
//! Names exist at the edges only (files, observations, logs). An index of a running thing is never
//! given again to another one.

/// Declares index types.
macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// For indexing its table.
            #[inline]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

indices! {
    /// A service of the profile, in the order of their names.
    ServiceIx;
    /// An endpoint, over all services.
    EndpointIx;
    /// A node of the cluster, in the order in which the scenario lists them.
    NodeIx;
    /// A Kubernetes Service, in the order of their names.
    KubeServiceIx;
    /// A container that was started: one process with its own cgroup. A restart makes a new one.
    ContainerIx;
    /// A pod that was created.
    PodIx;
    /// A Deployment that was created.
    DeploymentIx;
    /// A `ReplicaSet` that was created.
    ReplicaSetIx;
    /// A `HorizontalPodAutoscaler` that was created.
    AutoscalerIx;
}
