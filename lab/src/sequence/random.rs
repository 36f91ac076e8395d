//! Sequences made by chance: what somebody might do to a Deployment that nobody has thought of.
//!
//! They are texts, so that they can be read, kept and played again like any other.

use std::fmt::Write;

use sim::chance::Key;
use sim::diagnostic::{Diagnostics, Source};

use super::Sequence;

/// Steps of a sequence, at least.
const FEWEST_STEPS: u64 = 3;
/// How many more there may be.
const MORE_STEPS: u64 = 4;
/// The most pods that are wanted.
const MOST_REPLICAS: u64 = 6;

/// What is done next.
#[derive(Clone, Copy)]
enum Act {
    Image,
    MissingImage,
    Environment,
    Scale,
    Restart,
    Undo,
    PauseOrResume,
    DeletePods,
}

/// Each act as often as it stands here.
const ACTS: [Act; 12] = [
    Act::Image,
    Act::Image,
    Act::Image,
    Act::MissingImage,
    Act::Environment,
    Act::Scale,
    Act::Scale,
    Act::Restart,
    Act::Undo,
    Act::PauseOrResume,
    Act::PauseOrResume,
    Act::DeletePods,
];

/// The random bits of one sequence, one draw after the other.
struct Dice {
    key: Key,
    thrown: u64,
}

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.thrown += 1;
        self.key.with(self.thrown).draw().below(bound)
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

impl Sequence {
    /// The text of the `number`-th sequence of a seed. It is always the same.
    ///
    /// # Errors
    /// None that is known: what is made is read as a file would be.
    pub fn random(seed: u64, number: u64) -> Result<(String, Self), Diagnostics> {
        let mut dice = Dice { key: Key::root(seed).with_str("sequence").with(number), thrown: 0 };
        let mut text = format!("description: >-\n  Made by chance: seed {seed}, number {number}.\noverlay: |\n");
        text.push_str(&overlay(&mut dice));
        text.push_str("steps:\n");
        for step in steps(&mut dice) {
            writeln!(text, "- {step}").expect("a text can be written to");
        }
        let path = format!("random-{seed}-{number}.yaml");
        let sequence = Self::load(&Source { path, text: text.clone() })?;
        Ok((text, sequence))
    }
}

/// The Deployment: its size, its strategy, and how long its pods take to become ready.
fn overlay(dice: &mut Dice) -> String {
    let replicas = 1 + dice.below(MOST_REPLICAS - 1);
    let strategy = match dice.below(6) {
        0 => "{type: Recreate}".to_owned(),
        1 | 2 => "{}".to_owned(),
        _ => {
            let surge = dice.one_of(&["0", "1", "2", "50%"]);
            // Both may not be zero.
            let unavailable = dice.one_of(if surge == "0" { &["1", "2", "50%"] } else { &["0", "1", "50%"] });
            format!("{{rollingUpdate: {{maxSurge: {surge}, maxUnavailable: {unavailable}}}}}")
        }
    };
    let min_ready = dice.one_of(&[0, 0, 0, 3]);
    let ready_after = dice.below(4);
    format!(
        "  apiVersion: apps/v1\n  kind: Deployment\n  metadata:\n    name: web\n  spec:\n    replicas: {replicas}\n    \
         minReadySeconds: {min_ready}\n    strategy: {strategy}\n    template:\n      spec:\n        containers:\n        \
         - name: web\n          args: [--ready-after={ready_after}s]\n"
    )
}

fn steps(dice: &mut Dice) -> Vec<String> {
    let mut steps = Vec::new();
    let mut is_paused = false;
    for _ in 0..FEWEST_STEPS + dice.below(MORE_STEPS) {
        let line = match dice.one_of(&ACTS) {
            Act::Image => format!("set image deployment/web web=actor:{}", 1 + dice.below(3)),
            Act::MissingImage => "set image deployment/web web=actor:9".to_owned(),
            Act::Environment => format!("set env deployment/web COLOUR={}", dice.below(4)),
            Act::Scale => format!("scale deployment/web --replicas={}", dice.below(MOST_REPLICAS + 1)),
            Act::Restart => "rollout restart deployment/web".to_owned(),
            Act::Undo => "rollout undo deployment/web".to_owned(),
            Act::PauseOrResume => {
                is_paused = !is_paused;
                format!("rollout {} deployment/web", if is_paused { "pause" } else { "resume" })
            }
            Act::DeletePods => "delete pods --all --wait=false".to_owned(),
        };
        steps.push(format!("kubectl: \"{line}\""));
        // Some steps come while the one before is still at work.
        steps.push(format!("wait: {}s", dice.one_of(&[1, 2, 4, 8, 15])));
    }
    if is_paused {
        steps.push("kubectl: rollout resume deployment/web".to_owned());
    }
    let last = format!("set image deployment/web web=actor:{}", 1 + dice.below(3));
    steps.push(format!("kubectl: \"{last}\""));
    steps.push("kubectl: rollout status deployment/web --timeout=120s".to_owned());
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin;

    #[test]
    fn a_seed_makes_sequences_that_differ_and_stay_the_same() {
        let text = |number| Sequence::random(7, number).unwrap().0;
        let all: Vec<_> = (1..=50).map(text).collect();
        assert!((1..=50).map(text).eq(all.iter().cloned()));
        let mut different = all.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), all.len());
        for act in
            ["actor:9", "Recreate", "rollout undo", "rollout pause", "rollout resume", "delete pods", "--replicas=0"]
        {
            assert!(all.iter().any(|text| text.contains(act)), "{act}");
        }
    }

    #[test]
    fn the_twin_plays_any_of_them_to_the_end() {
        for number in 1..=40 {
            let (text, sequence) = Sequence::random(3, number).unwrap();
            let (lines, _) = twin::play("random", &sequence, &twin::Durations::default(), 1).unwrap();
            let done = lines.iter().filter(|line| matches!(line, crate::trace::Line::Done { .. })).count();
            let commands = sequence.steps.iter().filter(|step| matches!(step, crate::Step::Kubectl(_))).count();
            assert_eq!(done, commands, "{text}");
        }
    }
}
