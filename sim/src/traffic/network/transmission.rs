//! Messages over a network that loses, delays or slows packets: TCP as the kernel plays it.
//!
//! A message is so many segments. They go out in *rounds*: as many at once as the congestion window allows, ten at first,
//! doubling with each round trip (`TCP_INIT_CWND`, RFC 6928; a connection that was idle begins anew,
//! `tcp_slow_start_after_idle`). What becomes of a round is looked up when it is sent, so that a fault that ends lets the
//! next retransmission through. What is lost comes again
//!
//! - a quarter of a round trip after the acknowledgement of a segment that was sent later, at once if there are three of
//!   those (RACK, `tcp_rack_reo_wnd` in `net/ipv4/tcp_recovery.c`);
//! - if none was sent later: after a tail loss probe's timeout (two round trips, and 200 ms more for a segment alone),
//!   and then after the retransmission timeout, which doubles (`tcp_schedule_loss_probe`, `tcp_retransmit_timer`). The
//!   timeout is that of a connection's first measured round trip: `rtt + max(2 rtt, 200 ms)` (`tcp_rtt_estimator`,
//!   `TCP_RTO_MIN`), at most 120 s. So a request of one segment that is lost arrives 200 ms and a round trip later, then
//!   after as much again, then twice, four times …
//!
//! A kernel gives up 924.6 s after the first retransmission (`tcp_retries2` = 15). If that is the client's, its call fails.
//! If it is the server's, nobody tells the client, who waits for as long as its patience lasts.
//!
//! A client that stops waiting closes its socket, but what it has sent travels on: the server handles it for nobody.
//!
//! Not played: lost acknowledgements (a later one says the same), the messages that a broker hands out (see `broker`), and
//! the window beyond the first rounds, which no message of a few segments reaches.

use super::rules::Hop;
use crate::engine::Queue;
use crate::program::NONE;
use crate::time::SimDuration;
use crate::traffic::job::{Caller, State};
use crate::traffic::{Event, Failure, Host, JobEvent, Traffic};

/// Data bytes of a segment: an Ethernet frame of 1500 without the headers of IP and TCP and its timestamps.
const SEGMENT: u64 = 1448;
/// Headers of a packet, Ethernet's included: what a token bucket counts beside the data.
const HEADERS: u64 = 66;
/// A request with its headers: it fits one segment.
const REQUEST_SIZE: u64 = 500;
/// `TCP_INIT_CWND`.
const INITIAL_WINDOW: u16 = 10;
/// `TCP_RTO_MIN`.
const RTO_MIN: SimDuration = SimDuration::from_millis(200);
/// `TCP_RTO_MAX`.
const RTO_MAX: SimDuration = SimDuration::from_secs(120);
/// `TCP_TIMEOUT_MIN_US`.
const TIMER_SLACK: SimDuration = SimDuration::from_millis(2);
/// Acknowledged segments that were sent later, from which on a missing one is lost for certain (`tcp_reordering`).
const REORDERING: u16 = 3;
/// After what time the kernel gives up data that nobody acknowledges (`tcp_retries2`).
pub(in crate::traffic) const KERNEL_GIVES_UP: SimDuration = SimDuration::from_millis(924_600);

/// What was sent of a job's current message, and how often in vain.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::traffic) struct Progress {
    /// Segments that have not arrived.
    missing: u16,
    /// Segments that may be on their way at once.
    window: u16,
    /// Rounds in a row of which nothing arrived.
    failures: u8,
    /// Some segment was lost: no more probes, only timeouts.
    is_recovering: bool,
    /// Rounds so far, which number their chance.
    rounds: u8,
}

/// What became of a round.
struct Round {
    sent: u16,
    lost: u16,
    /// Segments that arrived and were sent after the first one that was lost.
    after_loss: u16,
    /// From now until the last of them is there.
    takes: SimDuration,
}

impl Traffic {
    /// The way of the messages that a job's caller sends.
    fn hop(&self, ix: u32) -> Hop {
        let job = &self.jobs[ix];
        Hop { from: job.client, to: self.containers[job.container as usize].address, is_answer: false }
    }

    /// Whether this SYN of a job, or the answer to it, is lost on the way.
    pub(in crate::traffic) fn is_syn_lost(&self, ix: u32, server: u32) -> bool {
        let job = &self.jobs[ix];
        let there = Hop { from: job.client, to: self.containers[server as usize].address, is_answer: false };
        let rules = &self.network.rules;
        if rules.is_cut(there) || rules.is_cut(there.back()) {
            return true;
        }
        let arrives = rules.arrives(there) * rules.arrives(there.back());
        let key = job.key.with_str("syn").with(u64::from(job.syns));
        arrives < 1.0 && !key.draw().bernoulli(arrives)
    }

    /// How long SYN and SYN-ACK take that are not lost.
    pub(in crate::traffic) fn impaired_handshake(&mut self, ix: u32) -> SimDuration {
        let (hop, one_way) = (self.hop(ix), self.latency(ix));
        let mut draw = self.jobs[ix].key.with_str("handshake").draw();
        let mut time = SimDuration::ZERO;
        for hop in [hop, hop.back()] {
            let rules = &mut self.network.rules;
            // A full queue would only be a SYN that comes again.
            let shaped = rules.shape(self.now + time, hop, HEADERS, HEADERS).unwrap_or(SimDuration::ZERO);
            time += shaped + rules.delay(hop, &mut draw) + one_way;
        }
        time
    }

    /// A message of a job goes out: its request if it travels, else its answer.
    pub(in crate::traffic) fn begin_message<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let segments = self.message_size(ix).div_ceil(SEGMENT).clamp(1, u64::from(u16::MAX)) as u16;
        let job = &mut self.jobs[ix];
        job.since = self.now;
        job.message = Progress { missing: segments, window: INITIAL_WINDOW, ..Progress::default() };
        self.transmit(queue, ix);
    }

    /// Bytes of the message that a job is about to send or is sending.
    fn message_size(&self, ix: u32) -> u64 {
        let job = &self.jobs[ix];
        if job.endpoint == NONE {
            return 0;
        }
        let endpoint = &self.programs.endpoints[job.endpoint as usize];
        if job.state == State::Answering { endpoint.answer_size.0 } else { REQUEST_SIZE }
    }

    /// The next round of a job's message goes out.
    pub(in crate::traffic) fn transmit<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let there = self.hop(ix);
        let is_answer = self.jobs[ix].state == State::Answering;
        let hop = if is_answer { there.back() } else { there };
        let round = self.send_round(ix, hop);
        let (rtt, now) = (self.round_trip(ix, hop), self.now);
        let job = &mut self.jobs[ix];
        let arrived = round.sent - round.lost;
        job.message.missing -= arrived;
        let job_ref = self.jobs.reference(ix);
        if self.jobs[ix].message.missing == 0 {
            let what = if is_answer { JobEvent::Answer } else { JobEvent::Arrive };
            return self.travel(queue, ix, what, round.takes);
        }
        let gap = self.jobs[ix].message.gap(&round, rtt);
        if arrived == 0 && (now + gap).since(self.jobs[ix].since) > KERNEL_GIVES_UP + rtt {
            return self.kernel_gives_up(queue, ix);
        }
        queue.schedule(now + gap, Event::Job(JobEvent::Transmit, job_ref).into());
    }

    /// What becomes of the segments that may be sent now.
    fn send_round(&mut self, ix: u32, hop: Hop) -> Round {
        let latency = self.latency(ix);
        let size = self.message_size(ix);
        let job = &mut self.jobs[ix];
        let Progress { missing, window, rounds, .. } = job.message;
        job.message.rounds = rounds.wrapping_add(1);
        let sent = missing.min(window).max(1);
        let leg = if job.state == State::Answering { "answer" } else { "request" };
        let mut draw = job.key.with_str(leg).with(u64::from(rounds)).draw();
        let rules = &mut self.network.rules;
        let mut round = Round { sent, lost: 0, after_loss: 0, takes: SimDuration::ZERO };
        if rules.is_cut(hop) {
            round.lost = sent;
            return round;
        }
        let bytes = size.min(u64::from(sent) * SEGMENT) + u64::from(sent) * HEADERS;
        let Some(shaped) = rules.shape(self.now, hop, bytes, bytes.min(SEGMENT + HEADERS)) else {
            round.lost = sent;
            return round;
        };
        let arrives = rules.arrives(hop);
        for _ in 0..sent {
            if arrives < 1.0 && !draw.bernoulli(arrives) {
                round.lost += 1;
            } else {
                round.after_loss += u16::from(round.lost > 0);
                round.takes = round.takes.max(shaped + rules.delay(hop, &mut draw) + latency);
            }
        }
        round
    }

    /// A round trip between the ends of a job, beside what waits for tokens.
    fn round_trip(&self, ix: u32, hop: Hop) -> SimDuration {
        let rules = &self.network.rules;
        self.latency(ix) * 2 + rules.mean_delay(hop) + rules.mean_delay(hop.back())
    }

    /// Nobody has acknowledged a message for a quarter of an hour.
    fn kernel_gives_up<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let was_request = self.jobs[ix].state == State::Travelling;
        self.jobs[ix].state = State::Lost;
        if was_request || self.jobs[ix].caller == Caller::Nobody {
            self.client_failed(queue, ix, Failure::TimedOut);
        }
    }
}

impl Progress {
    /// What follows from a round after which segments are missing: until when to wait for the next one.
    fn gap(&mut self, round: &Round, rtt: SimDuration) -> SimDuration {
        let timeout = rtt + (rtt * 2).max(RTO_MIN);
        let probe = |outstanding: u16| {
            let more = if outstanding == 1 { RTO_MIN } else { TIMER_SLACK };
            (rtt * 2 + more).min(timeout)
        };
        if round.lost == round.sent {
            self.window = 1;
            let failures = self.failures;
            self.failures = failures.saturating_add(1);
            if failures == 0 && !self.is_recovering {
                return probe(round.sent);
            }
            // The probe does not count as a retransmission that doubles the timeout.
            let doublings = if self.is_recovering { failures } else { failures - 1 };
            return SimDuration(timeout.0.saturating_mul(1 << doublings.min(20))).min(RTO_MAX);
        }
        self.failures = 0;
        if round.lost == 0 {
            self.window = self.window.saturating_mul(2);
            return rtt;
        }
        let nothing_later = round.after_loss == 0 && self.missing == round.lost;
        if nothing_later && !self.is_recovering {
            return rtt + probe(round.lost);
        }
        self.is_recovering = true;
        // `beta` of CUBIC: 717 / 1024.
        self.window = (u32::from(self.window) * 717 / 1024).max(2) as u16;
        if round.after_loss >= REORDERING { rtt } else { rtt + rtt / 4 + TIMER_SLACK }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: SimDuration = SimDuration::MILLISECOND;

    fn round(sent: u16, lost: u16, after_loss: u16) -> Round {
        Round { sent, lost, after_loss, takes: SimDuration::ZERO }
    }

    fn progress(missing: u16) -> Progress {
        Progress { missing, window: INITIAL_WINDOW, ..Progress::default() }
    }

    #[test]
    fn a_lone_segment_comes_again_after_200_ms_as_long_again_and_then_doubling() {
        let mut message = progress(1);
        let gaps: Vec<_> = (0..6).map(|_| message.gap(&round(1, 1, 0), MS * 10).0 / 1_000_000).collect();
        assert_eq!(gaps, [210, 210, 420, 840, 1680, 3360]);
        let later: Vec<_> = (0..6).map(|_| message.gap(&round(1, 1, 0), MS * 10)).collect();
        assert_eq!(later[5], RTO_MAX);
    }

    #[test]
    fn a_lost_segment_is_found_by_those_that_follow_it() {
        assert_eq!(progress(1).gap(&round(10, 1, 3), MS * 40), MS * 40, "three that follow");
        assert_eq!(progress(1).gap(&round(3, 1, 2), MS * 40), MS * 52, "a quarter of a round trip, and 2 ms");
        assert_eq!(progress(1).gap(&round(3, 1, 0), MS * 40), MS * (40 + 240), "none: the last one was lost");
        assert_eq!(progress(5).gap(&round(10, 1, 0), MS * 40), MS * 52, "there is more to send");
    }

    #[test]
    fn the_window_doubles_with_each_round_trip() {
        let mut message = progress(90);
        assert_eq!(message.gap(&round(10, 0, 0), MS), MS);
        assert_eq!(message.window, 20);
    }
}
