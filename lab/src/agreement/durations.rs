//! What kubectl and containerd took in a run. The lab plays several sequences at once on one machine, so that the same chore
//! takes from 0.4 to some seconds, whatever Kubernetes does.

use std::collections::{BTreeSet, VecDeque};

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

/// Something that a pod went through. Times are in milliseconds.
struct Span<'l> {
    of: &'l str,
    begun: u64,
    ended: Option<u64>,
}

/// What pods went through, in the order in which it began.
#[derive(Default)]
struct Spans<'l>(Vec<Span<'l>>);

impl<'l> Spans<'l> {
    /// Begins what each pod goes through once: the start of its sandbox, or its end.
    fn begin(&mut self, of: &'l str, at: u64) {
        if self.0.iter().all(|span| span.of != of) {
            self.0.push(Span { of, begun: at, ended: None });
        }
    }

    /// Begins what a pod may go through several times: to create a container, or to start it. A step that began and was
    /// never done is none: the container was given up, and it is tried anew.
    fn begin_anew(&mut self, of: &'l str, at: u64) {
        self.0.retain(|span| span.of != of || span.ended.is_some());
        self.0.push(Span { of, begun: at, ended: None });
    }

    /// Ends it, if it has begun.
    fn end(&mut self, of: &str, at: u64) {
        if let Some(span) = self.0.iter_mut().find(|span| span.of == of && span.ended.is_none()) {
            span.ended = Some(at);
        }
    }

    /// How long each took. Where one did not end it is `usual`, and without that it is left out.
    fn durations(&self, usual: Option<SimDuration>) -> VecDeque<SimDuration> {
        let took = |span: &Span<'_>| span.ended.map(|ended| SimDuration::from_millis(ended - span.begun)).or(usual);
        self.0.iter().filter_map(took).collect()
    }
}

/// The durations of a run. The sandbox of a pod in which nothing runs is stopped at once when the pod is deleted, and its end
/// shows in a condition.
pub(super) fn of(lines: &[Line]) -> Durations {
    let (mut sandboxes, mut ends) = (Spans::default(), Spans::default());
    let (mut creates, mut starts) = (Spans::default(), Spans::default());
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
                    creates.begin_anew(about, *at);
                }
                "Created" => {
                    creates.end(about, *at);
                    starts.begin_anew(about, *at);
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
                    ends.end(object, *at);
                }
            }
            _ => {}
        }
    }
    let sandboxes = sandboxes.durations(Some(Chore::StartSandbox.usual())).into_iter();
    let sandboxes = sandboxes.map(|took| SimDuration(took.0.saturating_sub(BEFORE_SANDBOX.0))).collect();
    Durations {
        kubectl,
        sandboxes,
        creates: creates.durations(None),
        starts: starts.durations(None),
        ends: ends.durations(Some(Chore::StopSandbox.usual())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_counts_once_and_a_container_from_its_last_try() {
        let events = [
            (0, "Scheduled"),
            (510, "Pulling"),
            (900, "Pulled"),
            // The container was given up; what is tried anew is done, and is done again after a crash.
            (2000, "Pulled"),
            (2010, "Created"),
            (2060, "Started"),
            (5000, "Pulled"),
            (5020, "Created"),
        ];
        let lines = events.map(|(at, reason)| Line::Event {
            at,
            about: "pod/web.r1.p1".into(),
            reason: reason.into(),
            message: String::new(),
            count: 1,
            by: "kubelet".into(),
        });
        let took = of(&lines);
        assert_eq!(took.sandboxes, [500].map(SimDuration::from_millis));
        assert_eq!(took.creates, [10, 20].map(SimDuration::from_millis));
        assert_eq!(took.starts, [50].map(SimDuration::from_millis));
        assert!(took.ends.is_empty());
    }
}
