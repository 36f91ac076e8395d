//! A namespace of its own for each test, which goes with it.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use bridge::{Cluster, PodView};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use sim::environment::Write;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often it is looked.
const PERIOD: Duration = Duration::from_millis(100);

/// A program that does nothing until it is told to stop, and is on every node.
pub(crate) const IMAGE: &str = "registry.k8s.io/pause:3.10";

/// A namespace of the lab, and the raw API beside the bridge.
#[derive(Clone)]
pub(crate) struct Lab {
    pub(crate) bridge: Cluster,
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

/// Runs a test in a namespace of its own.
pub(crate) fn in_the_lab<F>(name: &str, body: impl FnOnce(Lab) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let lab = Lab::new(name).await;
        let outcome = tokio::task::spawn_local(body(lab.clone())).await;
        lab.delete_namespace().await;
        if let Err(failure) = outcome {
            std::panic::resume_unwind(failure.into_panic());
        }
    });
}

impl Lab {
    async fn new(name: &str) -> Self {
        let path = kubeconfig();
        let file = Kubeconfig::read_from(&path).expect("bring the lab up first: sockpit lab up");
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let marker: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
        marker.get("sockpit-lab").await.expect("only a lab is touched, and this cluster does not say that it is one");
        let namespace = format!("bridge-test-{name}");
        let bridge = Cluster::connect(&path, &namespace).await.unwrap();
        let bridge = bridge.with_manifests(&manifest("spare", 1)).unwrap();
        let lab = Self { bridge, client, namespace };
        lab.delete_namespace().await;
        let object = serde_json::from_value(json!({ "metadata": { "name": lab.namespace } })).unwrap();
        lab.namespaces().create(&PostParams::default(), &object).await.unwrap();
        lab
    }

    fn namespaces(&self) -> Api<Namespace> {
        Api::all(self.client.clone())
    }

    async fn delete_namespace(&self) {
        let namespaces = self.namespaces();
        namespaces.delete(&self.namespace, &DeleteParams::default()).await.ok();
        until("the namespace is gone", async || namespaces.get_opt(&self.namespace).await.unwrap().is_none()).await;
    }

    /// Objects of a kind in the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a Deployment that does nothing, and waits until it is Ready.
    pub(crate) async fn deploy(&self, name: &str, replicas: u32) {
        let object: DynamicObject = serde_saphyr::from_str(&manifest(name, replicas)).unwrap();
        let deployment: Deployment = object.try_parse().unwrap();
        self.api().create(&PostParams::default(), &deployment).await.unwrap();
        self.until_ready(name, replicas).await;
    }

    /// Waits until a component has as many pods as it should, all Ready and none on its way out.
    pub(crate) async fn until_ready(&self, component: &str, replicas: u32) -> Vec<PodView> {
        let ready = async || {
            let pods = self.pods_of(component).await;
            pods.len() == replicas as usize && pods.iter().all(|pod| pod.ready && !pod.deleting)
        };
        until(&format!("{component} has {replicas} Ready pods"), ready).await;
        self.pods_of(component).await
    }

    pub(crate) async fn pods_of(&self, component: &str) -> Vec<PodView> {
        let pods = self.bridge.pods().await.unwrap();
        pods.into_iter().filter(|pod| pod.component.as_deref() == Some(component)).collect()
    }

    pub(crate) async fn deployment(&self, name: &str) -> Deployment {
        self.api().get(name).await.unwrap()
    }

    /// Makes a change that must work, and has this answer.
    pub(crate) async fn write(&self, write: &Write, answer: &str) {
        assert_eq!(self.bridge.write(write).await.as_deref(), Ok(answer), "{write:?}");
    }
}

/// The lab's kubeconfig, or the one that is named instead.
pub(crate) fn kubeconfig() -> PathBuf {
    std::env::var_os("SOCKPIT_TEST_KUBECONFIG")
        .map_or_else(|| PathBuf::from("/var/lib/sockpit-lab/kubeconfig"), PathBuf::from)
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(PERIOD).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "not within {PATIENCE:?}: {what}");
}

/// A Deployment whose main container is its second, which bears its name.
pub(crate) fn manifest(name: &str, replicas: u32) -> String {
    format!(
        r"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{ name: {name} }}
  template:
    metadata:
      labels: {{ name: {name} }}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: beside
          image: {IMAGE}
        - name: {name}
          image: {IMAGE}
          resources:
            limits: {{ cpu: 100m, memory: 64Mi }}
            requests: {{ cpu: 10m, memory: 16Mi }}
          env:
            - {{ name: FROM_FIELD, valueFrom: {{ fieldRef: {{ fieldPath: metadata.name }} }} }}
"
    )
}
