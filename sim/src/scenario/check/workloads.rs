//! Loads: names that the profile knows, numbers that can be played.

use super::{AppWords, Checker};
use crate::workload::{Shape, Workload};

/// Most users or arrivals per second that one load may have: far beyond what the shop can take, and
/// still played in reasonable time.
const MOST: f64 = 100_000.0;

impl Checker<'_> {
    pub(crate) fn workload(&mut self, field: &str, load: &Workload, words: &AppWords) {
        let classes = words.user_classes.iter().map(String::as_str);
        self.known(&format!("{field}.user_class"), "user class", &load.user_class, classes);
        self.known(&format!("{field}.target"), "service", &load.target, words.services.iter().map(String::as_str));
        let shape = format!("{field}.shape");
        match &load.shape {
            Shape::Level(level) => {
                self.known(&format!("{shape}.level"), "load level", level, words.levels.keys().map(String::as_str));
            }
            Shape::Users(users) => {
                self.within(&format!("{shape}.users.users"), f64::from(users.users), 1.0, MOST);
                self.positive(&format!("{shape}.users.spawn_rate"), users.spawn_rate);
            }
            Shape::Stages(stages) => {
                self.some(&format!("{shape}.stages"), stages.len());
                for (i, stage) in stages.iter().enumerate() {
                    let at = format!("{shape}.stages[{i}]");
                    self.within(&format!("{at}.users"), f64::from(stage.users), 0.0, MOST);
                    self.positive(&format!("{at}.spawn_rate"), stage.spawn_rate);
                    self.length(&format!("{at}.duration"), stage.duration);
                }
            }
            Shape::Arrivals(arrivals) => {
                self.some(&format!("{shape}.arrivals.stages"), arrivals.stages.len());
                for (i, stage) in arrivals.stages.iter().enumerate() {
                    let at = format!("{shape}.arrivals.stages[{i}]");
                    self.within(&format!("{at}.rate"), stage.rate, 0.0, MOST);
                    self.length(&format!("{at}.duration"), stage.duration);
                }
            }
            Shape::Trace(times) => {
                if let Some(i) = times.windows(2).position(|pair| pair[0] > pair[1]) {
                    self.refuse(
                        &format!("{shape}.trace[{}]", i + 1),
                        format!("{} comes after {}", times[i + 1], times[i]),
                        "sort the arrivals by time",
                    );
                }
            }
        }
    }

    fn some(&mut self, field: &str, length: usize) {
        if length == 0 {
            self.refuse(field, "the list is empty", "write at least one stage");
        }
    }
}
