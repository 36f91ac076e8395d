//! Plays sequences on the lab and records what Kubernetes does.
//!
//! ```text
//! kubectl get KIND --watch   ──┐
//! (one per kind, all namespaces)├──▶ by namespace ──▶ Recorder of a run ──▶ NAME.RUN.jsonl
//!                               │
//! steps of a run ───────────────┘ (its own namespace)
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::directories::{create, write};
use crate::error::LabError;
use crate::image::{Entry, Image, layer};
use crate::run::{output, output_of_input};
use crate::sequence::{Sequence, Step, words};
use crate::trace::{Line, Recorder, VERSION};
use crate::up::Lab;
use crate::{Progress, Watcher, registry};

const KINDS: [&str; 7] =
    ["deployments", "replicasets", "pods", "endpointslices", "horizontalpodautoscalers", "events", "nodes"];
/// The tags of the sequences' image.
pub(crate) const TAGS: [&str; 3] = ["1", "2", "3"];
/// What goes on after the last step is recorded for this long.
pub(crate) const TAIL: Duration = Duration::from_secs(5);
/// Rest between the objects' readiness and the first step.
pub(crate) const CALM: Duration = Duration::from_secs(3);

/// How sequences are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recording {
    /// How often each is played.
    pub runs: u32,
    /// How many are played at once, those that run alone excepted.
    pub parallel: usize,
}

/// The recorders of the runs that go on, by namespace.
type Recorders = Arc<Mutex<BTreeMap<String, Recorder>>>;

/// The time since the first time that somebody asked.
fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

fn lock(recorders: &Recorders) -> MutexGuard<'_, BTreeMap<String, Recorder>> {
    // A thread that panicked has not left a recorder half changed that anybody still reads.
    recorders.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lab {
    /// Plays sequences and writes what happened into `folder`, as `NAME.RUN.jsonl`.
    ///
    /// # Errors
    /// A sequence cannot be set up, or a file cannot be written. A step that fails is part of the trace.
    pub fn record(
        &self,
        sequences: &[(String, Sequence)],
        recording: Recording,
        folder: &Path,
        watcher: Watcher<'_>,
    ) -> Result<(), LabError> {
        create(folder)?;
        self.programs.build(watcher)?;
        self.push_actor()?;
        let recorders = Recorders::default();
        let watches = Watches::start(self, &recorders)?;
        let runs = |alone: bool| -> Vec<(&str, &Sequence, u32)> {
            let wanted = sequences.iter().filter(|(_, sequence)| sequence.alone == alone);
            (1..=recording.runs).flat_map(|run| wanted.clone().map(move |(name, s)| (name.as_str(), s, run))).collect()
        };
        watcher(Progress::Step(&format!("recording {} sequences, {} times each", sequences.len(), recording.runs)));
        for (runs, parallel) in [(runs(false), recording.parallel), (runs(true), 1)] {
            self.play_all(&runs, parallel, &recorders, folder, watcher)?;
            // Those that run alone are to see nothing of what ends after the others.
            for (name, _, run) in &runs {
                self.kubectl(&["delete", "namespace", &namespace(name, *run), "--ignore-not-found", "--wait"])?;
            }
        }
        watches.stop();
        Ok(())
    }

    /// Plays runs, some at once, in their order.
    fn play_all(
        &self,
        runs: &[(&str, &Sequence, u32)],
        parallel: usize,
        recorders: &Recorders,
        folder: &Path,
        watcher: Watcher<'_>,
    ) -> Result<(), LabError> {
        let next = Mutex::new(runs.iter());
        let (sender, results) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..parallel.max(1) {
                let (next, sender) = (&next, sender.clone());
                scope.spawn(move || {
                    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    while let Some((name, sequence, run)) = take() {
                        let played = self.play(name, sequence, *run, recorders, folder);
                        if sender.send((format!("{name}.{run}"), played)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (i, (name, played)) in results.iter().enumerate() {
                played?;
                watcher(Progress::Step(&format!("{}/{} {name}", i + 1, runs.len())));
            }
            Ok(())
        })
    }

    fn play(
        &self,
        name: &str,
        sequence: &Sequence,
        run: u32,
        recorders: &Recorders,
        folder: &Path,
    ) -> Result<(), LabError> {
        let namespace = namespace(name, run);
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": sequence.objects()?}).to_string();
        let kubectl = |arguments: &[&str]| self.kubectl(&[&["--namespace", &namespace], arguments].concat());
        self.kubectl(&["delete", "namespace", &namespace, "--ignore-not-found", "--wait"])?;
        self.kubectl(&["create", "namespace", &namespace])?;
        kubectl(&["wait", "--for=create", "serviceaccount/default", "--timeout=30s"])?;
        lock(recorders).insert(namespace.clone(), Recorder::default());
        let apply = || {
            let mut command = self.kubectl_command();
            output_of_input(command.args(["--namespace", &namespace, "apply", "--filename=-"]), &objects)
        };
        if !sequence.cold {
            apply()?;
            // Not the condition Available: with an unavailability of 100 % it holds before there is a pod.
            kubectl(&["rollout", "status", "deployment", "--timeout=120s"])?;
            thread::sleep(CALM);
        }
        with(recorders, &namespace, |recorder| recorder.start(now()));
        if sequence.cold {
            note_step(recorders, &namespace, "apply the objects", &|| apply().map(drop));
        }
        for step in &sequence.steps {
            self.take(step, &namespace, recorders);
        }
        thread::sleep(TAIL);
        let recorder = lock(recorders).remove(&namespace).unwrap_or_default();
        let waits = if sequence.alone { "--wait" } else { "--wait=false" };
        self.kubectl(&["delete", "namespace", &namespace, waits])?;
        let kubernetes = node_version(&self.kubectl(&["version", "--output=json"])?);
        let header = Line::Trace { version: VERSION, sequence: name.into(), run, kubernetes };
        let mut text = String::new();
        for line in [&header].into_iter().chain(recorder.lines()) {
            let line = serde_json::to_string(line).expect("a line has only texts and numbers");
            writeln!(text, "{line}").expect("a text can be written to");
        }
        write(&folder.join(format!("{name}.{run}.jsonl")), text)
    }

    fn take(&self, step: &Step, namespace: &str, recorders: &Recorders) {
        let note = |act: &dyn Fn() -> Result<(), LabError>| note_step(recorders, namespace, &step.to_string(), act);
        match step {
            Step::Wait(time) => thread::sleep(Duration::from_secs_f64(time.as_secs_f64().max(0.0))),
            Step::Kubectl(line) => {
                let arguments: Vec<_> = words(line).iter().map(|word| given(recorders, namespace, word)).collect();
                note(&|| {
                    let mut command = self.kubectl_command();
                    output(command.args(["--namespace", namespace]).args(&arguments)).map(drop)
                });
            }
            Step::Stop(name) => note(&|| self.stop_component(name)),
            Step::Start(name) => note(&|| self.start_component(name)),
            Step::Press(node) => note(&|| self.press(node, true)),
            Step::Relieve(node) => note(&|| self.press(node, false)),
        }
    }

    fn push_actor(&self) -> Result<(), LabError> {
        let path = self.programs.path("actor");
        let program = std::fs::read(&path).map_err(LabError::file(&path))?;
        let image = Image::new(vec![layer(&[Entry::Program("/actor", &program)])], &["/actor"], &[]);
        registry::push(&image, &registry::repository("actor"), &TAGS.map(str::to_owned))?;
        // What is on a node is not pulled, and the twin's nodes have them all: runs do not depend on those before them.
        TAGS.iter().try_for_each(|tag| self.pull(&format!("actor:{tag}")))
    }
}

/// That of a run.
fn namespace(sequence: &str, run: u32) -> String {
    format!("{sequence}-{run}")
}

fn with(recorders: &Recorders, namespace: &str, act: impl FnOnce(&mut Recorder)) {
    if let Some(recorder) = lock(recorders).get_mut(namespace) {
        act(recorder);
    }
}

/// Takes a step, with a line before and a line after it.
fn note_step(recorders: &Recorders, namespace: &str, step: &str, act: &dyn Fn() -> Result<(), LabError>) {
    let note = |line: &dyn Fn(u64) -> Line| with(recorders, namespace, |recorder| recorder.note(now(), line));
    note(&|at| Line::Step { at, step: step.to_owned() });
    let failed = act().err().map(|why| match why {
        LabError::Command { output, .. } => output,
        why => why.to_string(),
    });
    note(&|at| Line::Done { at, failed: failed.clone() });
}

/// A word of a command line with the names that Kubernetes gave in place of `{web.r1.p2}`.
fn given(recorders: &Recorders, namespace: &str, word: &str) -> String {
    let recorders = lock(recorders);
    recorders.get(namespace).map_or_else(|| word.to_owned(), |recorder| recorder.with_given_names(word))
}

fn node_version(json: &str) -> String {
    let version: Value = serde_json::from_str(json).unwrap_or_default();
    version.pointer("/serverVersion/gitVersion").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// One kubectl per kind, which reports every change.
struct Watches {
    children: Vec<Arc<Mutex<Child>>>,
    over: Arc<AtomicBool>,
}

impl Watches {
    fn start(lab: &Lab, recorders: &Recorders) -> Result<Self, LabError> {
        let over = Arc::new(AtomicBool::new(false));
        let mut children = Vec::new();
        for kind in KINDS {
            let child = Arc::new(Mutex::new(watch(lab, kind)?));
            children.push(Arc::clone(&child));
            let (lab, recorders, over) = (lab.clone(), Arc::clone(recorders), Arc::clone(&over));
            thread::spawn(move || follow(&lab, kind, &child, &recorders, &over));
        }
        Ok(Self { children, over })
    }

    fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        for child in self.children {
            // That it has just ended is what is wanted.
            child.lock().unwrap_or_else(PoisonError::into_inner).kill().ok();
        }
    }
}

fn watch(lab: &Lab, kind: &str) -> Result<Child, LabError> {
    let mut command = lab.kubectl_command();
    let flags = ["--all-namespaces", "--watch", "--output-watch-events", "--output=json"];
    command.args(["get", kind]).args(flags).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().map_err(|why| crate::run::failed(&command, &why.to_string()))
}

/// Passes on what a watch reports. The API server ends each after a while; a new one begins with what there is, of
/// which only what has changed makes a line.
fn follow(lab: &Lab, kind: &str, child: &Mutex<Child>, recorders: &Recorders, over: &AtomicBool) {
    loop {
        let stdout = child.lock().unwrap_or_else(PoisonError::into_inner).stdout.take();
        let changes = stdout.map(|stdout| serde_json::Deserializer::from_reader(BufReader::new(stdout)).into_iter());
        for change in changes.into_iter().flatten().map_while(Result::<Value, _>::ok) {
            pass_on(recorders, &change);
        }
        if over.load(Ordering::Relaxed) {
            return;
        }
        let Ok(again) = watch(lab, kind) else { return };
        // The one before has ended.
        std::mem::replace(&mut *child.lock().unwrap_or_else(PoisonError::into_inner), again).wait().ok();
    }
}

fn pass_on(recorders: &Recorders, change: &Value) {
    let now = now();
    let (kind, object) = (change["type"].as_str().unwrap_or_default(), &change["object"]);
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    match text("/metadata/namespace") {
        // Nodes, and events about them, which Kubernetes keeps in `default`.
        None | Some("default") => {
            if object["kind"] == "Node" || text("/involvedObject/kind") == Some("Node") {
                lock(recorders).values_mut().for_each(|recorder| recorder.observe(now, kind, object));
            }
        }
        Some(namespace) => with(recorders, namespace, |recorder| recorder.observe(now, kind, object)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_named_by_their_order_in_command_lines() {
        let recorders = Recorders::default();
        lock(&recorders).insert("one".into(), Recorder::default());
        let pod = json!({"kind": "Pod", "metadata": {"name": "web-5c-aaaaa", "namespace": "one"}});
        pass_on(&recorders, &json!({"type": "ADDED", "object": pod}));
        let word = |namespace, word| given(&recorders, namespace, word);
        assert_eq!(word("one", "pod/{web.r1.p1}"), "pod/web-5c-aaaaa");
        assert_eq!(word("one", "pod/{web.r1.p2}"), "pod/{web.r1.p2}", "kubectl will say that it is not there");
        assert_eq!(word("two", "scale"), "scale");
    }
}
