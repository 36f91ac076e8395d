//! How much load there is when: arrivals of open loads, numbers of users of closed ones.
//!
//! The n-th arrival is where the integral of the rate reaches the sum of n unit exponentials
//! (Poisson), or n (constant): exact inversion stage by stage, no thinning. Each exponential is
//! drawn under its own number.

use std::sync::Arc;

use super::{ArrivalProcess, Arrivals, Shape, Stage, unknown};
use crate::chance::Key;
use crate::profile::Level;
use crate::time::{SimDuration, SimTime};

/// How the number of users or arrivals of a load develops.
#[derive(Clone, Debug)]
pub enum Course {
    /// Users.
    Closed(Staircase),
    /// Arrivals at a rate.
    Open(Schedule),
    /// Arrivals at these times since the start, ascending.
    Trace(Arc<[SimDuration]>),
}

impl Course {
    /// The course of a load on `target` that starts at `start`.
    ///
    /// # Errors
    /// A level that is not among `levels`, or a closed load that can never start a user.
    pub fn new(shape: &Shape, levels: &[(String, Level)], target: &str, start: SimTime) -> Result<Self, String> {
        let flat = |users, spawn_rate| vec![Stage { duration: SimDuration::ZERO, users, spawn_rate }];
        let stages = match shape {
            Shape::Level(name) => {
                let level = levels.iter().find(|(known, _)| known == name);
                let (_, level) =
                    level.ok_or_else(|| unknown("level", name, levels.iter().map(|(known, _)| known.as_str())))?;
                flat(level.users_by_target.get(target).copied().unwrap_or(level.users), level.spawn_rate)
            }
            Shape::Users(users) => flat(users.users, users.spawn_rate),
            Shape::Stages(stages) => stages.clone(),
            Shape::Arrivals(arrivals) => return Ok(Self::Open(Schedule::new(arrivals))),
            Shape::Trace(times) => return Ok(Self::Trace(times.clone().into())),
        };
        if stages.is_empty() {
            return Err("a closed load needs a stage".into());
        }
        // Also refuses what is not a number.
        if !stages.iter().all(|stage| stage.spawn_rate > 0.0) {
            return Err("the spawn rate must be above zero".into());
        }
        Ok(Self::Closed(Staircase::new(stages, start)))
    }

    /// When arrival `number` comes, since the start of the load; none if there will not be any more, or for users. To
    /// be asked for each number once, in order; `load` is the load's [key](super::load_key).
    pub fn arrival(&mut self, load: Key, number: u64) -> Option<SimDuration> {
        match self {
            Self::Closed(_) => None,
            Self::Open(schedule) => schedule.next(load.with_str("arrivals"), number),
            Self::Trace(times) => times.get(number as usize).copied(),
        }
    }
}

/// An open load under way.
#[derive(Clone, Debug)]
pub struct Schedule {
    process: ArrivalProcess,
    /// Start in seconds, rate there, rate at the end.
    stages: Vec<(f64, f64, f64)>,
    current: usize,
    /// Where the last arrival was, in seconds since the start.
    position: f64,
}

impl Schedule {
    fn new(arrivals: &Arrivals) -> Self {
        let (mut start, mut previous) = (0.0, 0.0);
        let mut stages: Vec<_> = Vec::new();
        for stage in &arrivals.stages {
            stages.push((start, if stage.ramp { previous } else { stage.rate }, stage.rate));
            start += stage.duration.as_secs_f64();
            previous = stage.rate;
        }
        stages.push((start, previous, previous));
        Self { process: arrivals.process, stages, current: 0, position: 0.0 }
    }

    /// Time of arrival `number` since the start; none if there will not be any more.
    fn next(&mut self, key: Key, number: u64) -> Option<SimDuration> {
        let mut area = match self.process {
            ArrivalProcess::Poisson => key.with(number).draw().exponential(),
            ArrivalProcess::Constant => 1.0,
        };
        loop {
            let (start, from, to) = self.stages[self.current];
            let end = self.stages.get(self.current + 1).map_or(f64::INFINITY, |next| next.0);
            let slope = if end > start && end.is_finite() { (to - from) / (end - start) } else { 0.0 };
            let rate = from + slope * (self.position - start);
            let left = (end - self.position) * (rate + to) / 2.0;
            if area <= left && rate.max(to) > 0.0 {
                // The positive root of `slope/2 · y² + rate · y = area`, in its stable form.
                self.position += 2.0 * area / (rate + (rate * rate + 2.0 * slope * area).max(0.0).sqrt());
                return Some(SimDuration::from_secs_f64(self.position));
            }
            if end.is_infinite() {
                return None;
            }
            area -= left;
            self.position = end;
            self.current += 1;
        }
    }
}

/// A closed load under way: the number of users that it wants, over time.
#[derive(Clone, Debug)]
pub struct Staircase {
    stages: Vec<Stage>,
    current: usize,
    /// End of the current stage.
    until: SimTime,
}

/// What a closed load does at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It starts a user.
    Start,
    /// It asks the user that was started last to stop.
    Stop,
}

impl Staircase {
    fn new(stages: Vec<Stage>, start: SimTime) -> Self {
        let until = Self::end(&stages, 0, start);
        Self { stages, current: 0, until }
    }

    fn end(stages: &[Stage], ix: usize, start: SimTime) -> SimTime {
        if ix + 1 < stages.len() { start + stages[ix].duration } else { SimTime::NEVER }
    }

    /// The users that are wanted at `now`, how long one takes to start or stop, and when that
    /// changes.
    fn at(&mut self, now: SimTime) -> (u32, SimDuration, SimTime) {
        while self.until <= now {
            self.current += 1;
            self.until = Self::end(&self.stages, self.current, self.until);
        }
        let stage = self.stages[self.current];
        (stage.users, SimDuration::from_secs_f64(1.0 / stage.spawn_rate), self.until)
    }

    /// What to do at `now`, with so many `active` users that were not asked to stop, and when to ask again.
    pub fn tick(&mut self, now: SimTime, active: u32) -> (Option<Change>, SimTime) {
        let (wanted, step, until) = self.at(now);
        let change = match active.cmp(&wanted) {
            std::cmp::Ordering::Less => Some(Change::Start),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Change::Stop),
        };
        let left = active.abs_diff(wanted).saturating_sub(1);
        (change, if left > 0 { until.min(now + step) } else { until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::RateStage;

    fn schedule(process: ArrivalProcess, stages: &[(u64, f64, bool)]) -> Schedule {
        let stages =
            stages.iter().map(|&(s, rate, ramp)| RateStage { duration: SimDuration::from_secs(s), rate, ramp });
        Schedule::new(&Arrivals { process, stages: stages.collect() })
    }

    #[test]
    fn constant_arrivals_follow_steps_and_ramps() {
        let mut arrivals =
            schedule(ArrivalProcess::Constant, &[(2, 1.0, false), (2, 0.0, false), (4, 2.0, true), (1, 2.0, false)]);
        let times: Vec<_> = (0..9).map(|n| arrivals.next(Key::root(1), n).unwrap().as_secs_f64()).collect();
        // The ramp's integral after y seconds is y² / 4: 1, 2, 3 and 4 at 2, 2.83, 3.46 and 4 s.
        let expected = [1.0, 2.0, 6.0, 4.0 + 8_f64.sqrt(), 4.0 + 12_f64.sqrt(), 8.0, 8.5, 9.0, 9.5];
        for (time, expected) in times.iter().zip(expected) {
            assert!((time - expected).abs() < 1e-8, "{times:?}");
        }
        let mut ends = schedule(ArrivalProcess::Constant, &[(2, 1.0, false), (1, 0.0, false)]);
        assert!(ends.next(Key::root(1), 0).is_some() && ends.next(Key::root(1), 1).is_some());
        assert_eq!(ends.next(Key::root(1), 2), None);
    }

    /// Counts in a ramp: Poisson with mean and variance equal to the integral of the rate.
    #[test]
    fn poisson_arrivals_have_the_right_mean_and_variance() {
        let counts: Vec<f64> = (0..4000)
            .map(|seed| {
                let mut arrivals = schedule(ArrivalProcess::Poisson, &[(10, 4.0, true), (10, 4.0, false)]);
                let key = Key::root(seed);
                (0..).map_while(|n| arrivals.next(key, n)).take_while(|t| *t < SimDuration::from_secs(10)).count()
                    as f64
            })
            .collect();
        let mean = counts.iter().sum::<f64>() / 4000.0;
        let variance = counts.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / 3999.0;
        // Standard errors: sqrt(20 / 4000) = 0.07 and 20 sqrt(2 / 4000) = 0.45.
        assert!((mean - 20.0).abs() < 0.21 && (variance - 20.0).abs() < 1.4, "{mean} {variance}");
    }

    #[test]
    fn a_staircase_changes_at_its_stages() {
        let stage = |s, users| Stage { duration: SimDuration::from_secs(s), users, spawn_rate: 2.0 };
        let mut stairs = Staircase::new(vec![stage(10, 5), stage(10, 1)], SimTime(5_000_000_000));
        let at = |s: u64| SimTime(s * 1_000_000_000);
        assert_eq!(stairs.at(at(5)), (5, SimDuration::from_millis(500), at(15)));
        assert_eq!(stairs.at(at(14)).0, 5);
        assert_eq!(stairs.at(at(15)), (1, SimDuration::from_millis(500), SimTime::NEVER));
    }
}
