//! Logs: what a process writes goes out as a fact in a [`Notice`], and is put into words here when somebody reads it.
//!
//! Only what goes wrong is written. The words are those of the profile ([`LogFormat`]); names and addresses are those
//! that the process really uses, which its environment may have changed.
//!
//! A Service's address is the one that its number gives in the usual range of Services; nothing else shows it.

use super::environment::Target;
use super::job::State;
use super::{Container, Failure, Notice, Traffic};
use crate::ids::{ContainerIx, EndpointIx, KubeServiceIx, ServiceIx};
use crate::log::{Entry, Said};
use crate::profile::{CallError, LogEvent, LogFormat, fill};
use crate::program::{Call, NONE, Op};
use crate::time::{SimDuration, SimTime};

/// How long an attempt to connect takes that only asks whether somebody is there.
const LOOK: SimDuration = SimDuration::SECOND;

impl Failure {
    /// What its caller calls it.
    pub(super) fn error(self, is_connecting: bool) -> CallError {
        match self {
            Self::Refused => CallError::Refused,
            Self::Reset => CallError::Reset,
            Self::TimedOut if is_connecting => CallError::ConnectTimedOut,
            Self::TimedOut => CallError::TimedOut,
            Self::Unreachable => CallError::Unreachable,
            Self::UnknownHost => CallError::UnknownHost,
            Self::BreakerOpen => CallError::BreakerOpen,
        }
    }
}

/// What fills the placeholders of a line.
#[derive(Default)]
struct Words {
    error: String,
    call: CallWords,
    status: u16,
    waited: SimDuration,
    attempts: (u8, u8),
    image: String,
    port: String,
    variable: [String; 4],
    queue: String,
    directory: String,
    connection: u32,
    documents: u64,
}

/// What is asked of whom.
#[derive(Default)]
struct CallWords {
    host: String,
    port: u16,
    ip: String,
    request: String,
}

impl Traffic {
    /// A process writes to its log.
    pub(super) fn say(&mut self, container: u32, said: Said) {
        let entry = Entry { at: self.now, said };
        self.notices.push(Notice::Wrote { container: ContainerIx(container), entry });
    }

    /// An attempt of a handler at a call failed, for the time being or for good.
    pub(super) fn say_failed(&mut self, handler: u32, call: u32, error: CallError, waited: SimDuration) {
        let handler = &self.jobs[handler];
        let retries = self.programs.clients[self.programs.calls[call as usize].client as usize].retries;
        // An open breaker is not asked again.
        let retries = if error == CallError::BreakerOpen { handler.failed_tries } else { retries };
        let said = Said::CallFailed {
            call,
            error,
            waited,
            attempt: handler.failed_tries.saturating_add(1),
            attempts: retries.max(handler.failed_tries).saturating_add(1),
        };
        self.say(handler.container, said);
    }

    /// How an attempt of this job at its call failed, and how long it had waited.
    pub(super) fn failure_of(&self, ix: u32, failure: Failure) -> (CallError, SimDuration) {
        let job = &self.jobs[ix];
        let is_connecting = job.state == State::Connecting;
        let since = if is_connecting { job.since } else { job.sent };
        (failure.error(is_connecting), self.now.since(since))
    }

    /// A handler has crashed its process.
    pub(super) fn say_crashed(&mut self, ix: u32, status: Option<u16>) {
        let job = &self.jobs[ix];
        let said = Said::Crashed { pc: job.pc, status };
        self.say(job.container, said);
    }

    /// A request of a database was slow.
    pub(super) fn say_slow(&mut self, ix: u32, took: SimDuration) {
        let job = &self.jobs[ix];
        let server = job.container;
        let scans = self.programs.endpoints[job.endpoint as usize].growth.scans > SimDuration::ZERO;
        let documents = self.containers[server as usize].documents.filter(|_| scans);
        let said = Said::SlowQuery { endpoint: EndpointIx(job.endpoint), took, documents, connection: ix + 1 };
        self.say(server, said);
    }

    /// The lines of an entry as its process wrote them. `image` is that of its container.
    pub fn lines_of(&self, process: ContainerIx, image: &str, entry: &Entry) -> Vec<String> {
        let container = &self.containers[process.index()];
        let text = container.service.and_then(|service| self.text(container, service, image, entry));
        text.map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
    }

    fn text(&self, container: &Container, service: ServiceIx, image: &str, entry: &Entry) -> Option<String> {
        let own = &self.programs.services[service.index()].name;
        let (event, format, mut words) = match entry.said {
            Said::Complaint => return self.complaint(container, service, entry.at),
            Said::CallFailed { .. } | Said::ErrorAnswer { .. } | Said::Late { .. } | Said::Crashed { .. } => {
                self.about_a_call(container, service, entry.said)?
            }
            _ => self.about_itself(container, service, image, entry.said),
        };
        let error = match entry.said {
            Said::CallFailed { error, .. } | Said::Waiting { error, .. } | Said::ConsumerFailed { error, .. } => {
                format.errors.get(&error)
            }
            _ => None,
        };
        words.error = error.map(|error| fill(error, |name| words.word(name, own, entry.at))).unwrap_or_default();
        Some(fill(format.lines.get(&event)?, |name| words.word(name, own, entry.at)))
    }

    /// What a process writes about its calls; none where its format passes over it.
    fn about_a_call(
        &self,
        container: &Container,
        service: ServiceIx,
        said: Said,
    ) -> Option<(LogEvent, &LogFormat, Words)> {
        let (event, call, words) = match said {
            Said::CallFailed { call, error, waited, attempt, attempts } => {
                let is_final = attempt >= attempts;
                if !is_final && self.format_of(call).retries_quietly_after.contains(&error) {
                    return None;
                }
                let event = if is_final { LogEvent::CallFailed } else { LogEvent::Retry };
                (event, Some(call), Words { waited, attempts: (attempt, attempts), ..Words::default() })
            }
            Said::ErrorAnswer { call, status } => {
                (LogEvent::ErrorAnswer, Some(call), Words { status, ..Words::default() })
            }
            Said::Late { pc, waited } => (LogEvent::Late, self.awaited_call(pc), Words { waited, ..Words::default() }),
            Said::Crashed { pc, status } => {
                let event = if status.is_some() { LogEvent::CrashAtAnswer } else { LogEvent::CrashWithoutAnswer };
                (event, self.call_at(pc), Words { status: status.unwrap_or_default(), ..Words::default() })
            }
            _ => return None,
        };
        let own = self.programs.services[service.index()].log_format;
        // What becomes of the whole handler is the process's affair, what becomes of a call its driver's.
        let format = match (event, call) {
            (LogEvent::CallFailed | LogEvent::Retry | LogEvent::ErrorAnswer, Some(call)) => self.format_of(call),
            _ => &self.programs.log_formats[own as usize],
        };
        let call = call.map(|call| self.call_words(container, call)).unwrap_or_default();
        Some((event, format, Words { call, ..words }))
    }

    /// What a process writes about anything else.
    fn about_itself(
        &self,
        container: &Container,
        service: ServiceIx,
        image: &str,
        said: Said,
    ) -> (LogEvent, &LogFormat, Words) {
        let own = &self.programs.services[service.index()];
        let nothing = Words::default();
        let (event, words) = match said {
            Said::Listening => {
                let port = container.configuration.listens_on.unwrap_or(own.port);
                (LogEvent::Listening, Words { port: port.to_string(), ..nothing })
            }
            Said::BreakerRefused(endpoint) => (LogEvent::BreakerRefused, self.endpoint_words(endpoint)),
            Said::Waiting { to, .. } => {
                let call = self.address_words(container, to);
                (LogEvent::Waiting, Words { call, waited: LOOK, ..nothing })
            }
            Said::ConsumerFailed { broker, queue, .. } => {
                let queue = self.programs.queues[queue as usize].1.clone();
                let call = self.address_words(container, broker);
                (LogEvent::ConsumerFailed, Words { call, queue, waited: LOOK, ..nothing })
            }
            Said::SlowQuery { endpoint, took, documents, connection } => {
                let event = if documents.is_some() { LogEvent::SlowScan } else { LogEvent::SlowQuery };
                let documents = documents.unwrap_or_default();
                (event, Words { waited: took, documents, connection, ..self.endpoint_words(endpoint) })
            }
            Said::DiskFull(endpoint) => {
                let directory = own.disk.as_ref().map(|disk| disk.path.clone()).unwrap_or_default();
                (LogEvent::DiskFull, Words { directory, ..self.endpoint_words(endpoint) })
            }
            _ => (LogEvent::Starting, Words { image: image.to_owned(), ..nothing }),
        };
        (event, &self.programs.log_formats[own.log_format as usize], words)
    }

    /// What a process says about the variable that it cannot use.
    fn complaint(&self, container: &Container, service: ServiceIx, at: SimTime) -> Option<String> {
        let own = &self.programs.services[service.index()];
        let complaint = container.configuration.complaint.as_ref()?;
        let own_words = own.complaints.iter().find(|(variable, _)| *variable == complaint.variable);
        let template = match own_words {
            Some((_, template)) => template,
            None => self.programs.log_formats[own.log_format as usize].lines.get(&complaint.event)?,
        };
        let allowed = own.environment.iter().find(|(name, _)| *name == complaint.variable);
        let allowed = allowed.map(|(_, variable)| variable.allowed().join(", ")).unwrap_or_default();
        let (variable, value, option) = (complaint.variable.clone(), complaint.value.clone(), complaint.option.clone());
        let port = value.clone();
        let words = Words { variable: [variable, value, allowed, option], port, ..Words::default() };
        Some(fill(template, |name| words.word(name, &own.name, at)))
    }

    fn format_of(&self, call: u32) -> &LogFormat {
        let client = self.programs.calls[call as usize].client;
        &self.programs.log_formats[self.programs.clients[client as usize].log_format as usize]
    }

    fn call_words(&self, container: &Container, call: u32) -> CallWords {
        let Call { to, endpoint, .. } = self.programs.calls[call as usize];
        let request = self.programs.endpoint_names[endpoint.index()].request.clone();
        CallWords { request, ..self.address_words(container, to) }
    }

    fn endpoint_words(&self, endpoint: EndpointIx) -> Words {
        let request = self.programs.endpoint_names[endpoint.index()].request.clone();
        Words { call: CallWords { request, ..CallWords::default() }, ..Words::default() }
    }

    /// Where a process looks for a service.
    fn address_words(&self, container: &Container, to: ServiceIx) -> CallWords {
        let meant = &self.programs.services[to.index()];
        let said = container.configuration.addresses.iter().find(|(service, _)| *service == to);
        let host = said.map_or(&meant.address, |(_, address)| &address.host);
        let port = said.and_then(|(_, address)| address.port).unwrap_or(meant.port);
        let found = match container.target(to) {
            Target::Service(found) => Some(found),
            Target::WrongPort => self.service_named(host),
            Target::Nowhere => None,
        };
        let ip = found.and_then(|found| self.kube_services[found.index()]).map(service_address);
        CallWords { host: host.clone(), port, ip: ip.unwrap_or_else(|| host.clone()), request: String::new() }
    }

    /// The first call of the branch that the instruction at `pc` awaits: a fork's awaits follow it in the order of its
    /// branches.
    fn awaited_call(&self, pc: u32) -> Option<u32> {
        let Op::Await(ix) = self.programs.ops[pc as usize] else {
            return None;
        };
        let branch = usize::from(self.programs.awaits[ix as usize].branch);
        let Op::Fork(fork) = self.programs.ops[(pc as usize).checked_sub(branch + 1)?] else {
            return None;
        };
        let (first, _) = self.programs.forks[fork as usize];
        let entry = self.programs.branches[first as usize + branch];
        let steps = self.programs.ops.get(entry as usize..)?.iter();
        steps.take_while(|op| **op != Op::End).find_map(|op| match op {
            Op::Call(call) => Some(*call),
            _ => None,
        })
    }

    fn call_at(&self, pc: u32) -> Option<u32> {
        match self.programs.ops.get(pc as usize) {
            Some(Op::Call(call)) if pc != NONE => Some(*call),
            _ => None,
        }
    }
}

/// The address of a Service: what the API server would have given out, the first ten taken by the cluster's own.
fn service_address(service: KubeServiceIx) -> String {
    let number = service.0 + 11;
    format!("10.96.{}.{}", number / 256, number % 256)
}

impl Words {
    /// What a placeholder stands for. Those that a line does not know were refused when the profile was loaded.
    fn word(&self, name: &str, service: &str, at: SimTime) -> String {
        let millis = |time: SimDuration| (time.0 / 1_000_000).to_string();
        let (method, path) = self.call.request.split_once(' ').unwrap_or((&self.call.request, ""));
        let [variable, value, allowed, option] = &self.variable;
        match name {
            "service" => service.to_owned(),
            "date" => date(at, '-'),
            "date-slashes" => date(at, '/'),
            "time" => time_of_day(at),
            "millis" => format!("{:03}", at.0 / 1_000_000 % 1000),
            "error" => self.error.clone(),
            "host" => self.call.host.clone(),
            "port" if self.port.is_empty() => self.call.port.to_string(),
            "port" => self.port.clone(),
            "ip" => self.call.ip.clone(),
            "request" => self.call.request.clone(),
            "method" => method.to_owned(),
            "path" => path.to_owned(),
            "status" => self.status.to_string(),
            // To the millisecond: what is waited for is a setting, and this is what it was set to.
            "waited" | "took" => SimDuration::from_millis(self.waited.0 / 1_000_000).to_string(),
            "waited-ms" | "took-ms" => millis(self.waited),
            "attempt" => self.attempts.0.to_string(),
            "attempts" => self.attempts.1.to_string(),
            "image" => self.image.clone(),
            "variable" => variable.clone(),
            "value" => value.clone(),
            "allowed" => allowed.clone(),
            "option" => option.clone(),
            "queue" => self.queue.clone(),
            "directory" => self.directory.clone(),
            "connection" => self.connection.to_string(),
            "documents" => self.documents.to_string(),
            other => unreachable!("no placeholder is called {other}"),
        }
    }
}

fn time_of_day(at: SimTime) -> String {
    let seconds = at.0 / 1_000_000_000;
    format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// The day of a time that counts from the first of January 1970, as Prometheus counts the twin's time.
fn date(at: SimTime, separator: char) -> String {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut days = at.0 / 86_400_000_000_000;
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}{separator}{month:02}{separator}{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_reads_as_unix_time() {
        let check = |seconds: u64, expected| {
            let at = SimTime(seconds * 1_000_000_000);
            assert_eq!(format!("{} {}", date(at, '-'), time_of_day(at)), expected);
        };
        check(0, "1970-01-01 00:00:00");
        check(86_399, "1970-01-01 23:59:59");
        check(86_400 * 59, "1970-03-01 00:00:00");
        check(951_782_400, "2000-02-29 00:00:00");
        check(1_796_083_200, "2026-12-01 00:00:00");
    }
}
