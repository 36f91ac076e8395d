//! What kubectl and containerd took in a run. The lab plays several sequences at once on one machine, so that the same chore
//! takes from 0.4 to some seconds, whatever Kubernetes does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sim::cluster::Chore;
use sim::time::SimDuration;

use crate::trace::Line;
use crate::twin::Durations;

/// From the event of the scheduler to the kubelet's first step; what the twin models itself.
const BEFORE_SANDBOX: SimDuration = SimDuration::from_millis(10);

/// How the event begins that says that a container is asked to end with its pod.
const STOPPING: &str = "Stopping";

/// The pod of which a container is asked to end.
fn stopped(line: &Line) -> Option<&str> {
    match line {
        Line::Event { about, reason, message, .. } if reason == "Killing" && message.starts_with(STOPPING) => {
            Some(about)
        }
        _ => None,
    }
}

/// When things began and ended, in milliseconds, in the order in which they began.
#[derive(Default)]
struct Spans<'l> {
    begun: Vec<(&'l str, u64)>,
    ended: BTreeMap<&'l str, u64>,
}

impl<'l> Spans<'l> {
    fn begin(&mut self, of: &'l str, at: u64) {
        if self.begun.iter().all(|(begun, _)| *begun != of) {
            self.begun.push((of, at));
        }
    }

    fn end(&mut self, of: &'l str, at: u64) {
        self.ended.entry(of).or_insert(at);
    }

    /// Ends it, if it has begun.
    fn end_begun(&mut self, of: &'l str, at: u64) {
        if self.begun.iter().any(|(begun, _)| *begun == of) {
            self.end(of, at);
        }
    }

    /// How long each took, or `usual` where it did not end.
    fn durations(&self, usual: SimDuration) -> VecDeque<SimDuration> {
        let took = |(of, begun): &(&str, u64)| {
            self.ended.get(of).map_or(usual, |ended| SimDuration::from_millis(ended.saturating_sub(*begun)))
        };
        self.begun.iter().map(took).collect()
    }
}

/// Steps of containers, which each may go through several times: to create one, or to start it.
#[derive(Default)]
struct Steps<'l> {
    /// Of which pod, when it began, and when it was done.
    begun: Vec<(&'l str, u64, Option<u64>)>,
}

impl<'l> Steps<'l> {
    /// A step that began and was never done is none: the container was given up, and it is tried anew.
    fn begin(&mut self, of: &'l str, at: u64) {
        self.begun.retain(|(begun, _, done)| *begun != of || done.is_some());
        self.begun.push((of, at, None));
    }

    fn end(&mut self, of: &str, at: u64) {
        let is_meant = |(begun, _, done): &&mut (&str, u64, Option<u64>)| *begun == of && done.is_none();
        if let Some((_, _, done)) = self.begun.iter_mut().find(is_meant) {
            *done = Some(at);
        }
    }

    /// How long each took, in the order in which they began.
    fn durations(&self) -> VecDeque<SimDuration> {
        let took = |(_, begun, done): &(&str, u64, Option<u64>)| Some(SimDuration::from_millis((*done)? - begun));
        self.begun.iter().filter_map(took).collect()
    }
}

/// The durations of a run. The sandbox of a pod in which nothing runs is stopped at once when the pod is deleted, and its end
/// shows in a condition.
pub(super) fn of(lines: &[Line]) -> Durations {
    let (mut sandboxes, mut ends) = (Spans::default(), Spans::default());
    let (mut creates, mut starts) = (Steps::default(), Steps::default());
    let (mut kubectl, mut begun) = (VecDeque::new(), 0);
    let killed: BTreeSet<&str> = lines.iter().filter_map(stopped).collect();
    for line in lines {
        match line {
            Line::Step { at, .. } => begun = *at,
            Line::Done { at, .. } => kubectl.push_back(SimDuration::from_millis(at - begun)),
            Line::Event { at, about, reason, message, .. } => match reason.as_str() {
                "Scheduled" => sandboxes.begin(about, *at),
                "Pulling" => sandboxes.end(about, *at),
                "Pulled" => {
                    sandboxes.end(about, *at);
                    creates.begin(about, *at);
                }
                "Created" => {
                    creates.end(about, *at);
                    starts.begin(about, *at);
                }
                "Started" => starts.end(about, *at),
                "Killing" if message.starts_with(STOPPING) => ends.begin(about, *at),
                _ => {}
            },
            Line::Change { at, object, fields } if object.starts_with("pod/") => {
                let is = |field: &str, value| fields.get(field).and_then(Option::as_deref) == Some(value);
                if killed.contains(object.as_str()) {
                    if is("phase", "Succeeded") {
                        ends.end(object, *at);
                    }
                } else if fields.contains_key("deleted.grace") {
                    ends.begin(object, *at);
                } else if is("condition.PodReadyToStartContainers", "False") {
                    ends.end_begun(object, *at);
                }
            }
            _ => {}
        }
    }
    let sandboxes = sandboxes.durations(Chore::StartSandbox.usual()).into_iter();
    let sandboxes = sandboxes.map(|took| SimDuration(took.0.saturating_sub(BEFORE_SANDBOX.0))).collect();
    Durations {
        kubectl,
        sandboxes,
        creates: creates.durations(),
        starts: starts.durations(),
        ends: ends.durations(Chore::StopSandbox.usual()),
    }
}
