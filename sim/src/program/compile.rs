//! From the profile's steps to the tables of [`Programs`].

use super::{Await, Burst, Call, Client, Consumer, Endpoint, EndpointKind, EndpointName, Law, MAX_BRANCHES, NONE, Op};
use super::{Programs, Service};
use crate::chance::LogNormal;
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::ids::{EndpointIx, ServiceIx};
use crate::profile::{
    self, Breaker, Condition, DiskUse, Distribution, Growth, LogFormat, Metrics, Profile, Reaction, ServiceProfile,
    Step,
};
use crate::time::SimDuration;
use crate::units::Bytes;

/// A page of Prometheus metrics: some fifty series of about a hundred bytes.
const SCRAPE_SIZE: Bytes = Bytes(5000);

impl Programs {
    /// Compiles a profile.
    ///
    /// # Errors
    /// Names that lead nowhere, and parallel steps that are too wide.
    pub fn compile(profile: &Profile) -> Result<Self, Diagnostics> {
        let mut compiler =
            Compiler { profile, out: Self::default(), pending: Vec::new(), field: String::new(), found: Vec::new() };
        compiler.out.attributes.clone_from(&profile.attributes);
        compiler.out.user_classes = profile.user_classes.iter().map(|(n, c)| (n.clone(), c.clone())).collect();
        compiler.out.levels = profile.levels.iter().map(|(n, l)| (n.clone(), l.clone())).collect();
        compiler.out.client_overhead = profile.client.overhead;
        compiler.out.log_formats = [LogFormat::plain()].into_iter().chain(profile.logs.values().cloned()).collect();
        for (name, service) in &profile.services {
            compiler.declare(name, service);
        }
        for (ix, (name, service)) in profile.services.iter().enumerate() {
            compiler.define(ServiceIx(ix as u32), name, service);
        }
        if compiler.found.is_empty() { Ok(compiler.out) } else { Err(Diagnostics(compiler.found)) }
    }
}

struct Compiler<'a> {
    profile: &'a Profile,
    out: Programs,
    /// Branches whose steps follow after the program that forks them: where their entry goes.
    pending: Vec<(usize, &'a [Step])>,
    /// Where in the profile we are.
    field: String,
    found: Vec<Diagnostic>,
}

impl<'a> Compiler<'a> {
    /// First pass: everything that programs refer to gets its index.
    fn declare(&mut self, name: &str, service: &ServiceProfile) {
        let ix = ServiceIx(self.out.services.len() as u32);
        let first_endpoint = self.out.endpoints.len() as u32;
        let breakers = self.declare_listed(ix, service);
        let metrics = service.metrics.as_ref();
        let scrape = metrics.map(|metrics| self.declare_scrape(ix, first_endpoint, metrics));
        let route = metrics.and_then(|metrics| metrics.not_found_route.as_deref());
        let size = profile::default_answer_size();
        let not_found = unlisted(ix, EndpointKind::NotFound, 404, route.is_some(), size);
        let not_found = self.add_endpoint(not_found, "GET *", route);
        let first_client = self.out.clients.len() as u32;
        let log_format = self.log_format(service.logs.as_deref());
        let slow_after = self.out.log_formats[log_format as usize].slow_after;
        self.out.services.push(Service {
            name: name.to_owned(),
            address: service.address.clone().unwrap_or_else(|| name.to_owned()),
            port: service.port,
            runtime: service.runtime.clone(),
            memory: service.memory.clone(),
            metrics: service.metrics.clone(),
            environment: service.environment.iter().map(|(name, variable)| (name.clone(), variable.clone())).collect(),
            log_format,
            complaints: service.complaints.iter().map(|(name, words)| (name.clone(), words.clone())).collect(),
            slow_after: slow_after.unwrap_or(SimDuration(u64::MAX)),
            disk: service.disk.clone(),
            not_found,
            scrape,
            ack: None,
            clients: (first_client, first_client),
            endpoints: (first_endpoint, self.out.endpoints.len() as u32),
            consumers: Vec::new(),
            heap_decay: libm::exp(-1.0 / f64::from(service.memory.heap_requests.max(1))),
            breakers,
        });
        self.out.services[ix.index()].ack = self.out.endpoint(ix, "ack");
    }

    /// The endpoints that the profile lists; returns the breakers around them.
    fn declare_listed(&mut self, ix: ServiceIx, service: &ServiceProfile) -> Vec<Breaker> {
        let mut breakers = Vec::new();
        for endpoint in &service.endpoints {
            let guard = endpoint.breaker.as_ref().map_or(NONE, |breaker| {
                breakers.push(breaker.clone());
                breakers.len() as u32 - 1
            });
            let first = self.out.bursts.len() as u32;
            self.out.bursts.extend(endpoint.first.iter().map(|d| Burst {
                mean: d.0 as f64,
                cold: 0.0,
                law: Law::Constant,
            }));
            let first = (first, self.out.bursts.len() as u32);
            self.add_endpoint(
                Endpoint {
                    service: ix,
                    kind: EndpointKind::Listed,
                    status: endpoint.status,
                    counted: service.metrics.is_some(),
                    entry: NONE,
                    guard,
                    first,
                    answer_size: endpoint.answer_size,
                    disk: endpoint.disk,
                    growth: endpoint.growth,
                },
                &endpoint.request,
                endpoint.route.as_deref(),
            );
        }
        breakers
    }

    /// The endpoint of a service's metrics: one that is listed, or else its own.
    fn declare_scrape(&mut self, ix: ServiceIx, first_listed: u32, metrics: &Metrics) -> EndpointIx {
        let request = format!("GET {}", metrics.path);
        let mut listed = first_listed..self.out.endpoints.len() as u32;
        if let Some(at) = listed.find(|&at| self.out.endpoint_names[at as usize].request == request) {
            return EndpointIx(at);
        }
        self.add_endpoint(unlisted(ix, EndpointKind::Scrape, 200, metrics.counts_scrapes, SCRAPE_SIZE), &request, None)
    }

    fn add_endpoint(&mut self, endpoint: Endpoint, request: &str, route: Option<&str>) -> EndpointIx {
        let (method, path) = request.split_once(' ').unwrap_or((request, ""));
        let path = path.split('?').next().unwrap_or_default();
        self.out.endpoints.push(endpoint);
        self.out.endpoint_names.push(EndpointName {
            request: request.to_owned(),
            method: method.to_owned(),
            route: route.unwrap_or(path).to_owned(),
        });
        EndpointIx(self.out.endpoints.len() as u32 - 1)
    }

    /// Second pass: the programs.
    fn define(&mut self, ix: ServiceIx, name: &str, service: &'a ServiceProfile) {
        let first_client = self.out.clients.len() as u32;
        self.out.services[ix.index()].clients = (first_client, first_client);
        let (mut endpoint, _) = self.out.services[ix.index()].endpoints;
        for (i, listed) in service.endpoints.iter().enumerate() {
            self.field = format!("services.{name}.endpoints[{i}].program");
            let entry = self.program(ix, &listed.program);
            self.out.endpoints[endpoint as usize].entry = entry;
            endpoint += 1;
        }
        let scrape = service.metrics.as_ref().and_then(|m| m.scrape.as_ref());
        let (_, end) = self.out.services[ix.index()].endpoints;
        for e in endpoint..end {
            let burst = if self.out.endpoints[e as usize].kind == EndpointKind::Scrape {
                scrape
            } else {
                service.not_found.as_ref()
            };
            let entry = self.out.ops.len() as u32;
            if let Some(burst) = burst {
                self.cpu(burst);
            }
            self.out.ops.push(Op::End);
            self.out.endpoints[e as usize].entry = entry;
        }
        for (i, consumer) in service.consumes.iter().enumerate() {
            self.field = format!("services.{name}.consumes[{i}]");
            let Some(broker) = self.service(&consumer.broker) else {
                continue;
            };
            let queue = self.queue(broker, &consumer.queue);
            let entry = self.program(ix, &consumer.program);
            let consumer = Consumer { broker, queue, concurrency: consumer.concurrency, entry };
            self.out.services[ix.index()].consumers.push(consumer);
        }
    }

    /// Compiles a program with all its branches; returns its entry.
    fn program(&mut self, owner: ServiceIx, steps: &'a [Step]) -> u32 {
        let entry = self.out.ops.len() as u32;
        self.steps(owner, steps);
        self.out.ops.push(Op::End);
        while let Some((slot, steps)) = self.pending.pop() {
            self.out.branches[slot] = self.out.ops.len() as u32;
            self.steps(owner, steps);
            self.out.ops.push(Op::End);
        }
        entry
    }

    fn steps(&mut self, owner: ServiceIx, steps: &'a [Step]) {
        for step in steps {
            match step {
                Step::Cpu(burst) => self.cpu(burst),
                Step::Call(call) => self.call(owner, &call.to, &call.request, call.on_status, call.on_failure, NONE),
                Step::Parallel(parallel) => self.parallel(parallel),
                Step::Publish(publish) => {
                    if let Some(broker) = self.service(&publish.broker) {
                        let queue = self.queue(broker, &publish.queue);
                        self.call(owner, &publish.broker, "publish", publish.on_failure, publish.on_failure, queue);
                    }
                }
                Step::Wait(wait) => {
                    self.out.waits.push(Burst { mean: wait.mean.0 as f64, cold: 0.0, law: log_normal(wait.variation) });
                    self.out.ops.push(Op::Wait(self.out.waits.len() as u32 - 1));
                }
                Step::Respond(respond) => self.respond(respond),
                Step::Repeat(repeat) => {
                    for _ in 0..repeat.times {
                        self.steps(owner, &repeat.steps);
                    }
                }
            }
        }
    }

    fn cpu(&mut self, burst: &profile::Burst) {
        let law = match burst.distribution {
            Distribution::LogNormal => log_normal(burst.variation),
            Distribution::Exponential => Law::Exponential,
        };
        self.out.bursts.push(Burst { mean: burst.mean.0 as f64, cold: burst.cold.0 as f64, law });
        self.out.ops.push(Op::Cpu(self.out.bursts.len() as u32 - 1));
    }

    fn call(
        &mut self,
        owner: ServiceIx,
        to: &str,
        request: &str,
        on_status: Reaction,
        on_failure: Reaction,
        queue: u32,
    ) {
        let Some(target) = self.service(to) else {
            return;
        };
        let Some(endpoint) = self.out.endpoint(target, request) else {
            let known: Vec<_> = self.profile.services[to].endpoints.iter().map(|e| e.request.as_str()).collect();
            let help = nearest(request, known.iter().copied()).map_or_else(
                || format!("use one of its endpoints: {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.report(format!("service `{to}` has no endpoint `{request}`"), help);
            return;
        };
        let client = self.client(owner, target);
        self.out.calls.push(Call { to: target, endpoint, client, on_status, on_failure, queue });
        self.out.ops.push(Op::Call(self.out.calls.len() as u32 - 1));
    }

    /// The client of `owner` for `to`, made when it is first used. A service's clients lie side by
    /// side, since services are compiled one after the other.
    fn client(&mut self, owner: ServiceIx, to: ServiceIx) -> u32 {
        let (from, end) = self.out.services[owner.index()].clients;
        if let Some(ix) = (from..end).find(|&ix| self.out.clients[ix as usize].to == to) {
            return ix;
        }
        let target = &self.out.services[to.index()].name;
        let client = self.profile.services[&self.out.services[owner.index()].name]
            .clients
            .get(target)
            .cloned()
            .unwrap_or_default();
        let log_format = client
            .logs
            .as_deref()
            .map_or(self.out.services[owner.index()].log_format, |name| self.log_format(Some(name)));
        self.out.clients.push(Client {
            local: end - from,
            to,
            connections: client.connections,
            timeout: client.timeout,
            connect_timeout: client.connect_timeout,
            retries: client.retries.min(250) as u8,
            retry_backoff: client.retry_backoff,
            log_format,
            breaker: client.breaker,
        });
        self.out.services[owner.index()].clients = (from, end + 1);
        end
    }

    /// The index of a format: the plain one where none is named.
    fn log_format(&self, name: Option<&str>) -> u32 {
        let named = name.and_then(|name| self.profile.logs.keys().position(|known| known == name));
        named.map_or(0, |ix| ix as u32 + 1)
    }

    fn parallel(&mut self, parallel: &'a profile::Parallel) {
        let count = parallel.branches.len();
        if count > MAX_BRANCHES {
            self.report(format!("{count} branches at once"), format!("use at most {MAX_BRANCHES}"));
            return;
        }
        let first = self.out.branches.len();
        self.out.branches.resize(first + count, NONE);
        self.pending.extend(parallel.branches.iter().enumerate().map(|(i, steps)| (first + i, steps.as_slice())));
        self.out.forks.push((first as u32, count as u8));
        self.out.ops.push(Op::Fork(self.out.forks.len() as u32 - 1));
        for branch in 0..count as u8 {
            self.out.awaits.push(Await { branch, timeout: parallel.await_timeout, on_timeout: parallel.on_timeout });
            self.out.ops.push(Op::Await(self.out.awaits.len() as u32 - 1));
        }
    }

    fn respond(&mut self, respond: &profile::Respond) {
        let status = respond.status;
        let op = match &respond.when {
            None => Op::Respond(status),
            Some(Condition::Chance(p)) => Op::RespondByChance { status, probability: *p as f32 },
            Some(Condition::Above { attribute, value }) => {
                let Some(ix) = self.out.attributes.iter().position(|name| name == attribute) else {
                    let known = self.out.attributes.iter().map(String::as_str);
                    let help = nearest(attribute, known).map_or_else(
                        || "list it under `attributes`".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    );
                    self.report(format!("no attribute `{attribute}`"), help);
                    return;
                };
                Op::RespondAbove { attribute: ix as u8, status, value: *value as f32 }
            }
        };
        self.out.ops.push(op);
    }

    fn queue(&mut self, broker: ServiceIx, name: &str) -> u32 {
        let known = self.out.queues.iter().position(|(b, n)| *b == broker && n == name);
        known.unwrap_or_else(|| {
            self.out.queues.push((broker, name.to_owned()));
            self.out.queues.len() - 1
        }) as u32
    }

    fn service(&mut self, name: &str) -> Option<ServiceIx> {
        let found = self.out.service(name);
        if found.is_none() {
            let help = nearest(name, self.profile.services.keys().map(String::as_str))
                .map_or_else(|| "list it under `services`".to_owned(), |near| format!("did you mean `{near}`?"));
            self.report(format!("no service `{name}`"), help);
        }
        found
    }

    fn report(&mut self, message: String, help: String) {
        self.found.push(Diagnostic::error("profile", 0, self.field.clone(), message).help(help));
    }
}

fn log_normal(variation: f64) -> Law {
    if variation > 0.0 { Law::LogNormal(LogNormal::from_mean_cv(1.0, variation)) } else { Law::Constant }
}

/// An endpoint that the profile does not list: nothing guards it, and it leaves nothing behind.
fn unlisted(service: ServiceIx, kind: EndpointKind, status: u16, counted: bool, answer_size: Bytes) -> Endpoint {
    Endpoint {
        service,
        kind,
        status,
        counted,
        entry: NONE,
        guard: NONE,
        first: (0, 0),
        answer_size,
        disk: DiskUse::default(),
        growth: Growth::default(),
    }
}
