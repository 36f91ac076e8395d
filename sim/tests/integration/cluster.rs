//! The control plane over scripted machines.
//!
//! A [`Rig`] holds a cluster whose containers do as a [`Behaviour`](script::Behaviour) per program says. What happens is
//! told as a timeline of Kubernetes Events and of changes of the STATUS column, with generated names replaced by the
//! order of their creation: `rs1`, `pod1`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod autoscaler;
mod configuration;
mod disruption;
mod kubelet;
mod nodes;
mod pressure;
mod property;
mod quota;
mod rig;
mod rollout;
mod scheduler;
mod script;
mod writes;

use sim::cluster::NodeSpec;
use sim::environment::Write;
use sim::manifest;
use sim::time::SimTime;
use sim::units::{Bytes, Millicores};

use rig::{JOB, Rig, WEB};

fn at(seconds: f64) -> SimTime {
    SimTime::from_secs_f64(seconds)
}

fn node(name: &str, cpu: u64) -> NodeSpec {
    NodeSpec {
        name: name.to_owned(),
        labels: manifest::Labels::new(),
        allocatable_cpu: Millicores(cpu),
        allocatable_memory: Bytes::from_mebibytes(16_000),
    }
}

/// A Deployment `web` with its Service; `spec` and `container` are lines for the Deployment's specification and
/// its only container.
fn web(replicas: u32, spec: &[&str], container: &[&str]) -> String {
    deployment("web", "web:1", replicas, spec, container)
}

fn deployment(name: &str, image: &str, replicas: u32, spec: &[&str], container: &[&str]) -> String {
    let lines = |lines: &[&str], indent: usize| -> String {
        lines.iter().fold(String::new(), |text, line| text + &" ".repeat(indent) + line + "\n")
    };
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: sock-shop}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{name: {name}}}}}
{}  template:
    metadata: {{labels: {{name: {name}}}}}
    spec:
      containers:
      - name: {name}
        image: {image}
        ports: [{{containerPort: 80}}]
{}---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: sock-shop}}
spec:
  selector: {{name: {name}}}
  ports: [{{port: 80, targetPort: 80}}]
---
",
        lines(spec, 2),
        lines(container, 8),
    )
}

/// A readiness probe as the paper's copy of Sock Shop has it, with another delay.
const READINESS: &str =
    "readinessProbe: {httpGet: {path: /health, port: 80}, initialDelaySeconds: 2, periodSeconds: 3}";

fn set_image(component: &str, image: &str) -> Write {
    Write::SetImage { component: component.to_owned(), image: image.to_owned() }
}

fn scale(component: &str, replicas: u32) -> Write {
    Write::Scale { component: component.to_owned(), replicas }
}

fn undo(component: &str, revision: Option<u64>) -> Write {
    Write::Rollback { component: component.to_owned(), revision }
}
