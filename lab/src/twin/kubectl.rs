//! The command lines of a sequence, each in the time that was recorded of it.

use serde_json::Value;
use sim::kubectl::{self, Command};
use sim::time::{SimDuration, SimTime};

use super::{KUBECTL, PATIENCE, Play, text};
use crate::sequence::words;

/// From the answer to its last request to the end of kubectl.
const KUBECTL_END: SimDuration = SimDuration::from_millis(30);
/// What one of its requests takes.
const KUBECTL_REQUEST: SimDuration = SimDuration::from_millis(10);
/// Between two requests of `kubectl drain` for a pod that its budget holds.
const DRAIN_RETRY: SimDuration = SimDuration::from_secs(5);
/// Between two looks of it whether a pod is gone.
const DRAIN_POLL: SimDuration = SimDuration::SECOND;

impl Play {
    /// One command line. It acts near its end, since kubectl first reads and writes last,
    /// unless it then waits for what it has done.
    pub(super) fn kubectl(&mut self, line: &str, duration: SimDuration) -> Result<(), String> {
        let words: Vec<_> = words(line).iter().map(|word| self.recorder.with_given_names(word)).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let command = kubectl::parse(&words).map_err(|why| format!("error: {}", why.0))?;
        if let Command::RolloutStatus { deployment, .. } = &command {
            return self.wait_for_rollout(deployment, duration);
        }
        if let Command::Drain { node, timeout } = &command {
            return self.drain(node, *timeout);
        }
        if let Command::DeletePods { pods: None, grace_seconds, wait: false } = command {
            self.delete_all_pods(grace_seconds, duration);
            return Ok(());
        }
        let end = self.now + duration;
        let waits = matches!(command, Command::DeletePods { wait: true, .. });
        let acts_after =
            if waits { duration.min(KUBECTL) } else { SimDuration(duration.0.saturating_sub(KUBECTL_END.0)) };
        self.run_for(acts_after);
        let done = match &command {
            Command::Exec { pod, command } => self.exec(pod, command),
            command => {
                let done = self.cluster.run(self.now, command, &mut self.queue, &mut self.actors);
                done.map(drop).map_err(|why| format!("error: {}", why.0))
            }
        };
        self.look();
        self.run_until(end, |_| false);
        done
    }

    /// `kubectl delete pods --all` deletes one after the other, in the order of their names.
    fn delete_all_pods(&mut self, grace_seconds: Option<u64>, duration: SimDuration) {
        let end = self.now + duration;
        let mut names = self.pod_names(|_| true);
        names.sort();
        let takes = KUBECTL_END + KUBECTL_REQUEST * names.len() as u64;
        self.run_for(SimDuration(duration.0.saturating_sub(takes.0)));
        for name in names {
            let command = Command::DeletePods { pods: Some(vec![name]), grace_seconds, wait: false };
            // One that has gone meanwhile is what is wanted (`--all` ignores what is not found).
            self.cluster.run(self.now, &command, &mut self.queue, &mut self.actors).ok();
            self.look();
            self.run_for(KUBECTL_REQUEST);
        }
        if self.now < end {
            self.run_until(end, |_| false);
        }
    }

    /// `kubectl drain` asks for one pod after the other, again every five seconds for those that their budgets hold, and
    /// looks every second whether all are gone (`kubectl/pkg/drain/drain.go`).
    fn drain(&mut self, node: &str, timeout: Option<SimDuration>) -> Result<(), String> {
        self.run_for(KUBECTL);
        let end = timeout.map_or(SimTime::NEVER, |timeout| self.now + timeout);
        let cordon = Command::Cordon { node: node.to_owned(), unschedulable: true };
        let cordoned = self.cluster.run(self.now, &cordon, &mut self.queue, &mut self.actors);
        cordoned.map_err(|why| format!("error: {}", why.0))?;
        self.look();
        loop {
            let again = if self.evict_all(node) { SimTime::NEVER } else { self.now + DRAIN_RETRY };
            while self.now < again {
                if self.now >= end {
                    return Err("error: global timeout reached".into());
                }
                self.run_for(DRAIN_POLL);
                if again == SimTime::NEVER && !self.cluster.has_pods(node) {
                    return Ok(());
                }
            }
        }
    }

    /// Asks once for each pod of a node. Returns whether none of them is held.
    fn evict_all(&mut self, node: &str) -> bool {
        let is_meant =
            |pod: &Value| text(pod, "/spec/nodeName") == node && pod.pointer("/metadata/deletionTimestamp").is_none();
        let mut all = true;
        for name in self.pod_names(is_meant) {
            self.run_for(KUBECTL_REQUEST);
            all &= self.cluster.evict_pod(self.now, &name, &mut self.queue, &mut self.actors).is_ok();
            self.look();
        }
        all
    }

    fn pod_names(&self, is_meant: impl Fn(&Value) -> bool) -> Vec<String> {
        let objects = self.cluster.api_objects();
        let pods = objects.iter().filter(|object| text(object, "/kind") == "Pod" && is_meant(object));
        pods.map(|pod| text(pod, "/metadata/name").to_owned()).collect()
    }

    fn wait_for_rollout(&mut self, deployment: &str, recorded: SimDuration) -> Result<(), String> {
        let limit = self.now + recorded + PATIENCE;
        let is_over = |play: &Self| play.cluster.rollout_progress(deployment).is_ok_and(|progress| progress.is_over);
        let ends = |play: &Self| is_over(play) || play.cluster.rollout_progress(deployment).is_err();
        match (self.run_until(limit, ends), self.cluster.rollout_progress(deployment)) {
            (true, Ok(_)) => Ok(()),
            (true, Err(why)) => Err(format!("error: {}", why.0)),
            (false, _) => Err("error: timed out waiting for the condition".into()),
        }
    }

    fn exec(&mut self, pod: &str, command: &[String]) -> Result<(), String> {
        let container = self.cluster.running_containers().find(|c| c.pod_name == pod).map(|c| c.process);
        let container = container.ok_or_else(|| format!("error: no container of pod \"{pod}\" runs"))?;
        match command {
            [program, set, what] if program == "/actor" && set == "set" => {
                self.actors.set(self.now, &mut self.queue, container, what)
            }
            _ => Err(format!("error: the actor's image has no {}", command.join(" "))),
        }
    }
}
