//! Bringing the lab up, finding it, taking it down.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use crate::cgroups::{self, Calm};
use crate::checks;
use crate::cleanup;
use crate::component::Component;
use crate::directories::{Directories, create};
use crate::error::LabError;
use crate::http::is_well;
use crate::image::{Entry, Image, layer};
use crate::layout::{CONTROL_PLANE, Machine, NodeLayout, PROMETHEUS, REGISTRY};
use crate::programs::{self, Programs};
use crate::run::output;
use crate::status::{self, ComponentStatus, NodeStatus, Status};
use crate::{Progress, Watcher, add_ons, control_plane, credentials, network, node, registry};

/// How long a component may take to be ready on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// How the lab is brought up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Install Debian's packages that are missing.
    pub install: bool,
}

/// A lab that is up.
#[derive(Clone, Debug)]
pub struct Lab {
    pub(crate) directories: Directories,
    pub(crate) programs: Programs,
    pub(crate) nodes: Vec<NodeLayout>,
}

impl Lab {
    /// Brings the lab up, or finds that it is. One that is not whole is cleared away first.
    ///
    /// # Errors
    /// The machine cannot hold a lab, a program cannot be built, or a component does not come up.
    pub fn up(options: &Options, watcher: Watcher<'_>) -> Result<Self, LabError> {
        let lab = Self::on_this_machine()?;
        if options.install {
            let missing = checks::missing_packages();
            if !missing.is_empty() {
                watcher(Progress::Step(&format!("installing {}", missing.join(" "))));
                checks::install(&missing)?;
            }
        }
        let _lock = lab.lock(watcher)?;
        if lab.is_whole() {
            watcher(Progress::Step("the lab is up already"));
            return Ok(lab);
        }
        if !rustix::process::geteuid().is_root() {
            return Err(LabError::Unfit(checks::obstacles(&lab.directories, &lab.programs)));
        }
        if !cleanup::leftovers(&lab.directories).is_empty() {
            watcher(Progress::Step("clearing away what is left of an earlier lab"));
            cleanup::clear(&lab.directories)?;
        }
        let obstacles = checks::obstacles(&lab.directories, &lab.programs);
        if !obstacles.is_empty() {
            return Err(LabError::Unfit(obstacles));
        }
        programs::prepare(&lab.directories)?;
        lab.programs.build(watcher)?;
        lab.start(watcher)?;
        Ok(lab)
    }

    /// The lab that is up.
    ///
    /// # Errors
    /// There is none, or it is not whole.
    pub fn find() -> Result<Self, LabError> {
        let lab = Self::on_this_machine()?;
        let dead: Vec<_> = lab.components().into_iter().filter(|c| !c.is_alive()).map(|c| c.name).collect();
        let cure = "bring it up: `sockpit lab up`".to_owned();
        if dead.len() == lab.components().len() {
            return Err(LabError::NotUp { problem: "no lab is up on this machine".into(), cure });
        }
        if !dead.is_empty() {
            return Err(LabError::NotUp { problem: format!("the lab is not whole: {} ended", dead.join(", ")), cure });
        }
        Ok(lab)
    }

    /// Takes away whatever there is of a lab.
    ///
    /// # Errors
    /// Something will not go.
    pub fn down(watcher: Watcher<'_>) -> Result<(), LabError> {
        let lab = Self::on_this_machine()?;
        let _lock = lab.lock(watcher)?;
        watcher(Progress::Step("taking the lab down"));
        cleanup::clear(&lab.directories)
    }

    /// What runs.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn status() -> Result<Status, LabError> {
        let lab = Self::on_this_machine()?;
        let up = lab.is_whole();
        Ok(Status {
            up,
            directory: lab.directories.state.clone(),
            kubeconfig: lab.directories.kubeconfig(),
            prometheus: lab.prometheus_url(),
            components: lab.components().iter().map(|c| ComponentStatus::of(c, lab.directories.log(&c.name))).collect(),
            nodes: if up { lab.node_status()? } else { Vec::new() },
            leftovers: if up { Vec::new() } else { cleanup::leftovers(&lab.directories) },
        })
    }

    /// The kubeconfig of its administrator, for clients in the host's network namespace.
    pub fn kubeconfig(&self) -> std::path::PathBuf {
        self.directories.kubeconfig()
    }

    /// Where Prometheus answers, such as `http://10.200.0.1:9090`.
    pub fn prometheus_url(&self) -> String {
        format!("http://{PROMETHEUS}")
    }

    /// Runs kubectl as the administrator and returns what it prints.
    ///
    /// # Errors
    /// It fails: with what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, LabError> {
        output(self.kubectl_command().args(arguments))
    }

    /// A kubectl of the cluster's own version, without arguments yet.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(self.programs.path("kubectl"));
        command.arg(format!("--kubeconfig={}", self.kubeconfig().display()));
        command.arg(format!("--cache-dir={}", self.directories.state.join("kubectl-cache").display()));
        command
    }

    /// Ends a component, such as `node-2/kubelet`: the loss of a node, an API server that is away. The lab is not whole
    /// until it is started again.
    ///
    /// # Errors
    /// There is no such component.
    pub fn stop_component(&self, name: &str) -> Result<(), LabError> {
        self.named(name)?.stop();
        Ok(())
    }

    /// Starts a component that was ended.
    ///
    /// # Errors
    /// There is no such component, or it cannot be started.
    pub fn start_component(&self, name: &str) -> Result<(), LabError> {
        self.named(name)?.start(&self.directories)
    }

    /// Lets this process load the lab and measure, and the pods work, without waiting for the lab's daemons, until what
    /// is returned is dropped.
    ///
    /// # Errors
    /// The control groups for that are not there.
    pub fn calm(&self) -> Result<Calm, LabError> {
        Calm::begin()
    }

    /// Restarts a node's kubelet with an eviction threshold that any machine is below, or with its own again.
    ///
    /// # Errors
    /// There is no such node, or its kubelet cannot be started.
    pub fn press(&self, node: &str, is_pressed: bool) -> Result<(), LabError> {
        let kubelet = format!("{node}/kubelet");
        self.stop_component(&kubelet)?;
        node::press(&self.directories, node, is_pressed)?;
        self.start_component(&kubelet)
    }

    /// Pulls a node's cable out: the loss of a machine, as all others see it.
    ///
    /// # Errors
    /// There is no such node.
    pub fn unplug(&self, node: &str) -> Result<(), LabError> {
        let all = || self.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = self.nodes.iter().find(|layout| layout.name == node).ok_or_else(|| LabError::NotUp {
            problem: format!("the lab has no node `{node}`"),
            cure: format!("name one of: {}", all()),
        })?;
        network::plug(found, false)
    }

    /// Plugs all nodes in, and waits until they are Ready. Those that are stay so.
    ///
    /// # Errors
    /// A node does not become Ready.
    pub fn plug_in(&self) -> Result<(), LabError> {
        for node in &self.nodes {
            network::plug(node, true)?;
        }
        for node in &self.nodes {
            self.wait_for(&node.component("kubelet"), || self.node_is_ready(&node.name))?;
        }
        Ok(())
    }

    fn named(&self, name: &str) -> Result<Component, LabError> {
        let components = self.components();
        let names: Vec<_> = components.iter().map(|component| component.name.clone()).collect();
        components.into_iter().find(|component| component.name == name).ok_or_else(|| LabError::NotUp {
            problem: format!("the lab has no component `{name}`"),
            cure: format!("name one of: {}", names.join(", ")),
        })
    }

    fn on_this_machine() -> Result<Self, LabError> {
        let directories = Directories::from_environment();
        let programs = Programs::of(&directories);
        Ok(Self { programs, directories, nodes: Machine::this()?.nodes() })
    }

    /// Keeps two of `up`, `down` apart.
    fn lock(&self, watcher: Watcher<'_>) -> Result<File, LabError> {
        create(&self.directories.cache)?;
        let path = self.directories.cache.join("lock");
        let file = File::create(&path).map_err(LabError::file(&path))?;
        if file.try_lock().is_err() {
            watcher(Progress::Step("waiting for another `sockpit lab` to end"));
            file.lock().map_err(LabError::file(&path))?;
        }
        Ok(file)
    }

    /// All daemons, in the order in which they are started.
    pub(crate) fn components(&self) -> Vec<Component> {
        let mut all = vec![add_ons::registry(&self.directories)];
        all.extend(control_plane::components(&self.directories, &self.programs));
        for node in &self.nodes {
            all.extend(node::components(&self.directories, &self.programs, node));
        }
        all.extend(add_ons::components(&self.directories, &self.programs));
        all
    }

    /// Whether all daemons run and the API server is ready.
    fn is_whole(&self) -> bool {
        self.components().iter().all(Component::is_alive) && self.api_is_ready().is_ok()
    }

    fn start(&self, watcher: Watcher<'_>) -> Result<(), LabError> {
        cleanup::claim(&self.directories)?;
        watcher(Progress::Step("making networks, control groups and certificates"));
        network::create(&self.nodes)?;
        cgroups::create_nodes(&self.nodes)?;
        cgroups::share_processors()?;
        credentials::create_all(&self.directories, &self.nodes)?;
        add_ons::configure(&self.directories)?;
        let machine = Machine::this()?;
        for node in &self.nodes {
            node::configure(&self.directories, &machine, node)?;
        }
        watcher(Progress::Step("starting the control plane"));
        for component in control_plane::components(&self.directories, &self.programs) {
            component.start(&self.directories)?;
        }
        let registry = add_ons::registry(&self.directories);
        registry.start(&self.directories)?;
        registry.wait(&self.directories, PATIENCE, || is_well(REGISTRY, "/v2/"))?;
        self.push_pause()?;
        // A kubelet ends if it finds no container runtime.
        for node in &self.nodes {
            let socket = node::socket(&self.directories, node);
            let listens = || UnixStream::connect(&socket).map(drop).map_err(|why| why.to_string());
            self.start_component(&node.component("containerd"))?;
            self.wait_for(&node.component("containerd"), listens)?;
        }
        self.wait_for("kube-apiserver", || self.api_is_ready())?;

        watcher(Progress::Step("starting the nodes and add-ons"));
        add_ons::announce(&mut self.kubectl_command())?;
        for component in self.components() {
            component.start(&self.directories)?;
        }
        self.wait_for("prometheus", || is_well(PROMETHEUS, "/-/ready"))?;
        self.wait_for("coredns", || is_well(&format!("{CONTROL_PLANE}:8181"), "/ready"))?;
        self.wait_for("kube-state-metrics", || is_well(&format!("{CONTROL_PLANE}:8080"), "/healthz"))?;
        for node in &self.nodes {
            self.wait_for(&node.component("kubelet"), || self.node_is_ready(&node.name))?;
            cgroups::confine(node)?;
        }
        self.wait_for("metrics-server", || self.metrics_are_served())
    }

    /// Waits for a component, whose log is shown if it is not ready in time.
    fn wait_for(&self, name: &str, is_ready: impl FnMut() -> Result<(), String>) -> Result<(), LabError> {
        self.named(name)?.wait(&self.directories, PATIENCE, is_ready)
    }

    fn api_is_ready(&self) -> Result<(), String> {
        self.kubectl(&["get", "--raw=/readyz"]).map(drop).map_err(|why| first_line(&why))
    }

    fn node_status(&self) -> Result<Vec<NodeStatus>, LabError> {
        Ok(status::nodes(&self.kubectl(&["get", "nodes", "--output=json"])?))
    }

    fn node_is_ready(&self, name: &str) -> Result<(), String> {
        let nodes = self.node_status().map_err(|why| first_line(&why))?;
        let ready = nodes.iter().any(|node| node.name == name && node.ready);
        if ready { Ok(()) } else { Err(format!("{name} is not Ready")) }
    }

    /// That metrics are there at once is not waited for: a usage takes two looks, 15 s apart.
    fn metrics_are_served(&self) -> Result<(), String> {
        self.kubectl(&["get", "--raw=/apis/metrics.k8s.io/v1beta1"]).map(drop).map_err(|why| first_line(&why))
    }

    fn push_pause(&self) -> Result<(), LabError> {
        let path = self.programs.path("pause");
        let program = std::fs::read(&path).map_err(LabError::file(&path))?;
        let image = Image::new(vec![layer(&[Entry::Program("/pause", &program)])], &["/pause"], &[]);
        let (name, tag) = node::PAUSE.rsplit_once(':').expect("the image of pause has a tag");
        registry::push(&image, &registry::repository(name), &[tag.to_owned()])
    }
}

fn first_line(why: &LabError) -> String {
    why.to_string().lines().next().unwrap_or_default().to_owned()
}
