//! The threads of a limited group on one processor, as the kernel keeps them.

use super::SLICE;

#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub(super) id: u32,
    pub(super) left: i64,
    pub(super) vruntime: i64,
    pub(super) deadline: i64,
    pub(super) ran: i64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// The first one runs if `running`.
    pub(super) threads: Vec<Thread>,
    pub(super) running: bool,
    /// Finished at this moment.
    pub(super) departed: Option<Thread>,
    /// By level: the container's group, and its pod's.
    pub(super) runtime: [i64; 2],
    pub(super) throttled: [bool; 2],
    pub(super) protected: i64,
    pub(super) base: i64,
    /// Times of running out of work, those in which looking for some helped, and the latter per 1024.
    pub(super) newly_idle: u64,
    pub(super) helped: u64,
    pub(super) helps: u64,
}

impl Queue {
    pub(super) fn frozen(&self) -> bool {
        self.throttled.contains(&true)
    }

    pub(super) fn ran_out_of_work(&mut self, helped: u64) {
        self.newly_idle += 1;
        self.helped += helped;
        if self.newly_idle == 1024 {
            self.helps = self.helped;
            self.newly_idle = 512;
            self.helped /= 2;
        }
    }

    pub(super) fn average_at_least(&self, vruntime: i64) -> bool {
        let sum: i64 = self.threads.iter().map(|thread| thread.vruntime).sum();
        vruntime * self.threads.len() as i64 <= sum
    }

    pub(super) fn average(&self) -> i64 {
        let sum: i64 = self.threads.iter().map(|thread| thread.vruntime).sum();
        if self.threads.is_empty() { self.base } else { sum.div_euclid(self.threads.len() as i64) }
    }

    pub(super) fn renew(&mut self) {
        let thread = &mut self.threads[0];
        if thread.vruntime >= thread.deadline {
            thread.deadline = thread.vruntime + SLICE;
        }
    }

    pub(super) fn pick(&mut self, now: i64) {
        if self.running && self.threads[0].vruntime < self.protected {
            return;
        }
        let mut best: Option<usize> = None;
        for (i, thread) in self.threads.iter().enumerate() {
            let eligible = self.average_at_least(thread.vruntime);
            let earlier = best.is_none_or(|b| {
                let other = &self.threads[b];
                let other_gives_way = b == 0 && self.running && thread.deadline == other.deadline;
                thread.deadline < other.deadline || other_gives_way
            });
            if eligible && earlier {
                best = Some(i);
            }
        }
        let best = best.expect("somebody is not above the average");
        if best == 0 && self.running {
            return;
        }
        let chosen = self.threads.remove(best);
        if self.running {
            let mut preempted = self.threads.remove(0);
            preempted.ran = now;
            self.threads.push(preempted);
        }
        self.protected = chosen.deadline;
        self.threads.insert(0, chosen);
        self.running = true;
    }
}
