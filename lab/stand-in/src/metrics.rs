//! What Prometheus scrapes: the histogram that the profile names, and what this program says about itself.

use std::fmt::Write;
use std::sync::Mutex;

use sim::ids::EndpointIx;
use sim::profile::Metrics as Settings;
use sim::time::SimDuration;

use crate::burn::{Books, process_cpu};
use crate::process::Process;

/// The request histogram of a service.
#[derive(Debug)]
pub(crate) struct Metrics {
    settings: Option<Settings>,
    series: Mutex<Vec<Series>>,
}

/// One endpoint and status; made when it is first observed, as client libraries do.
#[derive(Debug)]
struct Series {
    endpoint: EndpointIx,
    status: u16,
    count: u64,
    /// Seconds.
    sum: f64,
    /// Not cumulative, without those above the last bound.
    buckets: Vec<u64>,
}

impl Metrics {
    pub(crate) fn new(settings: Option<Settings>) -> Self {
        Self { settings, series: Mutex::default() }
    }

    /// A request was answered.
    pub(crate) fn observe(&self, endpoint: EndpointIx, status: u16, took: SimDuration) {
        let Some(settings) = &self.settings else { return };
        if status >= 400 && !settings.counts_errors {
            return;
        }
        let mut all = self.series.lock().expect(NO_PANIC);
        let known = all.iter().position(|s| s.endpoint == endpoint && s.status == status);
        let at = known.unwrap_or_else(|| {
            all.push(Series { endpoint, status, count: 0, sum: 0.0, buckets: vec![0; settings.buckets.len()] });
            all.len() - 1
        });
        let (series, seconds) = (&mut all[at], took.as_secs_f64());
        series.count += 1;
        series.sum += seconds;
        if let Some(bucket) = settings.buckets.iter().position(|&bound| seconds <= bound) {
            series.buckets[bucket] += 1;
        }
    }

    /// Everything in Prometheus' text format.
    pub(crate) fn render(&self, process: &Process) -> String {
        let mut out = String::with_capacity(4096);
        self.write_histogram(process, &mut out).expect(NEVER_FAILS);
        write_own(process, &mut out).expect(NEVER_FAILS);
        out
    }

    fn write_histogram(&self, process: &Process, out: &mut String) -> std::fmt::Result {
        let Some(Settings { histogram, buckets, labels, .. }) = &self.settings else { return Ok(()) };
        writeln!(out, "# TYPE {histogram} histogram")?;
        let mut constant = String::new();
        for (name, value) in labels {
            write!(constant, ",{name}=\"{}\"", escaped(value))?;
        }
        for series in self.series.lock().expect(NO_PANIC).iter() {
            let name = &process.programs.endpoint_names[series.endpoint.index()];
            let (method, route) = (escaped(&name.method), escaped(&name.route));
            let labels = format!("method=\"{method}\",route=\"{route}\",status_code=\"{}\"{constant}", series.status);
            let mut cumulative = 0;
            for (bound, count) in buckets.iter().zip(&series.buckets) {
                cumulative += count;
                writeln!(out, "{histogram}_bucket{{{labels},le=\"{bound}\"}} {cumulative}")?;
            }
            writeln!(out, "{histogram}_bucket{{{labels},le=\"+Inf\"}} {}", series.count)?;
            writeln!(out, "{histogram}_sum{{{labels}}} {}", series.sum)?;
            writeln!(out, "{histogram}_count{{{labels}}} {}", series.count)?;
        }
        Ok(())
    }
}

/// How honest the stand-in is: what it was asked to burn, what it burned, and what it used beside.
fn write_own(process: &Process, out: &mut String) -> std::fmt::Result {
    let Books { bursts, asked, burned, absorbed, checked_wanted, checked_used } = process.costs.burner().books();
    let cpu = process_cpu() as f64 / 1e9;
    let (in_flight, served) = process.memory.requests();
    let counters = [
        ("bursts_total", "Bursts of programs, of starting up and in the background.", bursts as f64),
        ("burst_asked_seconds_total", "CPU time that the profile asked for.", asked),
        ("burst_burned_seconds_total", "CPU time that was burned for it.", burned),
        ("burst_absorbed_seconds_total", "CPU time that was asked for and used as overhead before.", absorbed),
        ("burst_checked_wanted_seconds_total", "Of some bursts: CPU time that was to be burned.", checked_wanted),
        ("burst_checked_used_seconds_total", "Of the same bursts: what the thread's clock says.", checked_used),
        ("overhead_seconds_total", "CPU time of the process outside its bursts.", (cpu - burned).max(0.0)),
        ("requests_total", "Requests and messages handled.", served as f64),
    ];
    for (name, help, value) in counters {
        writeln!(out, "# HELP sockpit_stand_in_{name} {help}\n# TYPE sockpit_stand_in_{name} counter")?;
        writeln!(out, "sockpit_stand_in_{name} {value}")?;
    }
    writeln!(out, "# TYPE sockpit_stand_in_requests_in_flight gauge")?;
    writeln!(out, "sockpit_stand_in_requests_in_flight {in_flight}")?;
    for (queue, messages) in process.broker.waiting() {
        writeln!(out, "# TYPE sockpit_stand_in_queued_messages gauge")?;
        writeln!(out, "sockpit_stand_in_queued_messages{{queue=\"{}\"}} {messages}", escaped(queue))?;
    }
    writeln!(out, "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {cpu}")
}

/// A label's value.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

const NO_PANIC: &str = "nobody panics while he holds it";
const NEVER_FAILS: &str = "a string takes everything";
