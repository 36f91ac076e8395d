//! Exact figures about requests, for reports and for the judge; agents see the metrics only.
//!
//! A *window* is the time since the last reset. Latencies are kept with three significant digits
//! (`hdrhistogram`), their mean and spread exactly.

use std::borrow::Cow;
use std::sync::Arc;

use hdrhistogram::Histogram;

use super::Failure;
use crate::ids::ServiceIx;
use crate::time::SimDuration;

/// Latencies recorded since the histogram was last brought up to date, at most.
const RECENT: usize = 16;

/// Latencies of one kind.
#[derive(Clone, Debug)]
pub struct Latency {
    /// Microseconds, without the recent ones. Shared between forks until one of them goes on.
    histogram: Arc<Histogram<u32>>,
    /// Microseconds of those that the histogram does not have yet, and how many they are. To make sure that it is not
    /// shared takes an atomic operation, too slow for every single one.
    recent: [u64; RECENT],
    recent_count: usize,
    count: u64,
    /// Nanoseconds.
    sum: u128,
    /// Seconds squared.
    squares: f64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { histogram: empty(), recent: [0; RECENT], recent_count: 0, count: 0, sum: 0, squares: 0.0 }
    }
}

fn empty() -> Arc<Histogram<u32>> {
    Arc::new(Histogram::new(3).expect("three digits are supported"))
}

fn record_all(histogram: &mut Histogram<u32>, micros: &[u64]) {
    for &value in micros {
        histogram.record(value).expect("the histogram grows with its values");
    }
}

impl Latency {
    /// Adds one, rounded up to the microsecond.
    #[inline]
    pub fn record(&mut self, took: SimDuration) {
        self.count += 1;
        self.sum += u128::from(took.0);
        self.squares += took.as_secs_f64() * took.as_secs_f64();
        self.recent[self.recent_count] = took.0.div_ceil(1_000);
        self.recent_count += 1;
        if self.recent_count == RECENT {
            self.count_recent();
        }
    }

    /// Adds those of another window.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
        self.count_recent();
        let histogram = Arc::make_mut(&mut self.histogram);
        histogram.add(&*other.complete()).expect("the histogram grows with its values");
    }

    /// Brings the histogram up to date.
    fn count_recent(&mut self) {
        let count = std::mem::take(&mut self.recent_count);
        record_all(Arc::make_mut(&mut self.histogram), &self.recent[..count]);
    }

    /// The histogram with all of them.
    fn complete(&self) -> Cow<'_, Histogram<u32>> {
        let mut histogram = Cow::Borrowed(&*self.histogram);
        if self.recent_count > 0 {
            record_all(histogram.to_mut(), &self.recent[..self.recent_count]);
        }
        histogram
    }

    fn reset(&mut self) {
        match Arc::get_mut(&mut self.histogram) {
            Some(histogram) if self.count > 0 => histogram.reset(),
            Some(_) => {}
            None => self.histogram = empty(),
        }
        (self.recent_count, self.count, self.sum, self.squares) = (0, 0, 0, 0.0);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean in seconds.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / 1e9 / self.count as f64)
    }

    /// Their standard deviation in seconds.
    pub fn standard_deviation(&self) -> Option<f64> {
        let mean = self.mean()?;
        Some((self.squares / self.count as f64 - mean * mean).max(0.0).sqrt())
    }

    /// A quantile in seconds; 0.99 is the 99th percentile.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        (self.count > 0).then(|| self.complete().value_at_quantile(q) as f64 / 1e6)
    }

    /// The longest in seconds, exact to three digits.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then(|| self.complete().max() as f64 / 1e6)
    }

    /// Share of them that are at most so long.
    pub fn share_within(&self, time: SimDuration) -> Option<f64> {
        (self.count > 0).then(|| self.complete().quantile_below(time.0 / 1_000))
    }
}

/// One service over a window. Probes and scrapes do not count.
#[derive(Clone, Debug, Default)]
pub struct ServiceStatistics {
    /// Requests that its handlers answered.
    pub answered: u64,
    /// Of those, the ones with 500 or more.
    pub server_errors: u64,
    /// From the start of the handler to its answer.
    pub handler: Latency,
    /// Calls to it, by users and other services, that got an answer.
    pub calls_answered: u64,
    /// Calls to it that got none.
    pub calls_failed: u64,
    /// Of the calls answered, those that a container of another program answered, which did not know the request.
    pub misdirected: u64,
    /// What callers waited for an answer, connecting included.
    pub caller: Latency,
}

/// One kind of user request over a window.
#[derive(Clone, Debug)]
pub struct RequestStatistics {
    /// Whom it asks.
    pub service: ServiceIx,
    /// Method and path.
    pub request: String,
    /// Requests sent.
    pub sent: u64,
    /// Answered with less than 400.
    pub ok: u64,
    /// Answered with 400 to 499.
    pub client_errors: u64,
    /// Answered with 500 or more.
    pub server_errors: u64,
    /// Of those answered with less than 500, the ones that another program than was asked answered: nobody was served.
    pub misdirected: u64,
    /// Not answered: refused, reset, timed out, unreachable.
    pub unanswered: u64,
    /// Of all that were answered, as the load generator measures it.
    pub latency: Latency,
}

/// All figures of a world.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// By service.
    pub services: Vec<ServiceStatistics>,
    /// By kind of user request.
    pub requests: Vec<RequestStatistics>,
    /// Of all user requests that were answered with less than 500.
    pub users: Latency,
}

impl Statistics {
    pub(super) fn new(services: usize) -> Self {
        Self { services: vec![ServiceStatistics::default(); services], requests: Vec::new(), users: Latency::default() }
    }

    /// Starts a new window.
    pub(super) fn reset(&mut self) {
        for service in &mut self.services {
            let ServiceStatistics { mut handler, mut caller, .. } = std::mem::take(service);
            handler.reset();
            caller.reset();
            *service = ServiceStatistics { handler, caller, ..ServiceStatistics::default() };
        }
        for request in &mut self.requests {
            request.latency.reset();
            (request.sent, request.ok, request.client_errors) = (0, 0, 0);
            (request.server_errors, request.misdirected, request.unanswered) = (0, 0, 0);
        }
        self.users.reset();
    }

    /// The place of a kind of user request, made if it is new.
    pub(super) fn request(&mut self, service: ServiceIx, request: &str) -> u32 {
        let known = self.requests.iter().position(|r| r.service == service && r.request == request);
        known.unwrap_or_else(|| {
            self.requests.push(RequestStatistics {
                service,
                request: request.to_owned(),
                sent: 0,
                ok: 0,
                client_errors: 0,
                server_errors: 0,
                misdirected: 0,
                unanswered: 0,
                latency: Latency::default(),
            });
            self.requests.len() - 1
        }) as u32
    }

    /// A handler has answered.
    #[inline]
    pub(super) fn served(&mut self, service: ServiceIx, status: u16, took: SimDuration) {
        let service = &mut self.services[service.index()];
        service.answered += 1;
        service.server_errors += u64::from(status >= 500);
        service.handler.record(took);
    }

    /// A caller has an answer, or has none.
    #[inline]
    pub(super) fn called(&mut self, service: ServiceIx, status: Option<u16>, took: SimDuration) {
        let service = &mut self.services[service.index()];
        if status.is_some() {
            service.calls_answered += 1;
            service.caller.record(took);
        } else {
            service.calls_failed += 1;
        }
    }

    /// A call to a service was answered by a container of another program.
    pub(super) fn misdirected(&mut self, service: ServiceIx) {
        self.services[service.index()].misdirected += 1;
    }

    /// A user has an answer, perhaps of another program than it asked, or has none; `took` as the load generator measures
    /// it.
    #[inline]
    pub(super) fn user(
        &mut self,
        request: u32,
        outcome: Result<u16, Failure>,
        is_misdirected: bool,
        took: SimDuration,
    ) {
        let request = &mut self.requests[request as usize];
        match outcome {
            Ok(..400) => request.ok += 1,
            Ok(..500) => request.client_errors += 1,
            Ok(_) => request.server_errors += 1,
            Err(_) => request.unanswered += 1,
        }
        if outcome.is_ok() {
            request.latency.record(took);
        }
        if matches!(outcome, Ok(..500)) {
            request.misdirected += u64::from(is_misdirected);
            self.users.record(took);
        }
    }
}
