//! What a profile says and this program does not play.
//!
//! The types of a profile are taken apart here without `..`, so that a feature that is added to them does not compile
//! until somebody has decided whether the stand-in plays it.

use std::collections::BTreeMap;

use sim::diagnostic::Diagnostic;
use sim::input::Located;
use sim::profile::{
    Background, Breaker, Burst, Call, Client, Connections, Consumer, DiskUse, Endpoint, Growth, Memory, Metrics,
    Parallel, Profile, Publish, Repeat, Respond, Runtime, ServiceProfile, StartUp, Step, Variable, Wait, WarmUp,
};

use crate::wire;

/// Everything of `service` that is not played; of all services, if none is named.
pub(crate) fn unplayed(profile: &Located<Profile>, service: Option<&str>) -> Vec<Diagnostic> {
    let mut features = Features { profile, found: Vec::new() };
    features.attributes();
    for (name, described) in &profile.value.services {
        if service.is_none_or(|service| service == name) {
            features.service(&format!("services.{name}"), described);
        }
    }
    features.found
}

struct Features<'a> {
    profile: &'a Located<Profile>,
    found: Vec<Diagnostic>,
}

impl Features<'_> {
    fn refuse(&mut self, field: &str, message: &str, help: &str) {
        let message = format!("the stand-in does not play {message}");
        self.found.push(self.profile.error(field, message).help(help));
    }

    /// They travel as headers (RFC 9110, `token`).
    fn attributes(&mut self) {
        for (i, name) in self.profile.value.attributes.iter().enumerate() {
            if !is_token(name) {
                let message = format!("the attribute `{name}`, which is no name of a header");
                self.refuse(&format!("attributes[{i}]"), &message, "use letters, digits, `-` and `_`");
            }
        }
    }

    fn service(&mut self, field: &str, service: &ServiceProfile) {
        // What a service keeps on disk shows only when a fault of the disk hits it, which nothing here can be given. What
        // it writes to its log is the stand-in's own.
        let ServiceProfile {
            address: _,
            port: _,
            runtime,
            memory,
            environment,
            logs: _,
            complaints: _,
            disk: _,
            clients,
            endpoints,
            not_found,
            consumes,
            metrics,
        } = service;
        environment.values().for_each(played_variable);
        played_runtime(runtime);
        let Memory { base: _, heap: _, heap_requests: _, per_request: _, leak_per_request: _ } = memory;
        clients.values().for_each(played_client);
        not_found.iter().for_each(played_burst);
        if let Some(metrics) = metrics {
            played_metrics(metrics);
        }
        let mut wires = BTreeMap::new();
        for (i, endpoint) in endpoints.iter().enumerate() {
            let field = format!("{field}.endpoints[{i}].request");
            self.endpoint(&field, endpoint);
            if let Some(other) = wires.insert(wire::method_and_path(&endpoint.request), &endpoint.request) {
                let message = format!("`{}` beside `{other}`, which looks the same on the wire", endpoint.request);
                self.refuse(&field, &message, "rename one of them");
            }
        }
        for Consumer { broker: _, queue: _, concurrency: _, program } in consumes {
            played_steps(program);
        }
    }

    fn endpoint(&mut self, field: &str, endpoint: &Endpoint) {
        // Size, disk and growth show only in faults of the network, of the disk and of age, which nothing here can be given.
        let Endpoint {
            request,
            route: _,
            status,
            breaker,
            first: _,
            answer_size: _,
            disk: DiskUse { reads: _, writes: _, journals: _ },
            growth: Growth { adds: _, scans: _ },
            program,
        } = endpoint;
        breaker.iter().for_each(played_breaker);
        played_steps(program);
        let (method, path) = wire::method_and_path(request);
        if !is_token(method) {
            self.refuse(field, &format!("`{method}`, which is no method of HTTP"), "use a word such as GET");
        }
        if path.starts_with(wire::OWN) {
            self.refuse(field, &format!("paths below {}, which are its own", wire::OWN), "use another path");
        }
        if *status < 200 {
            self.refuse(field, &format!("the interim status {status} as an answer"), "use a status from 200 to 599");
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Its own variables are set as the container's are ([`Programs::environment`](sim::program::Programs::environment)).
fn played_variable(variable: &Variable) {
    match variable {
        Variable::AddressOf(_)
        | Variable::Port
        | Variable::Required(_)
        | Variable::OneOf { values: _, exits: _ }
        | Variable::JavaOptions => {}
    }
}

fn played_runtime(runtime: &Runtime) {
    let Runtime {
        model: _,
        max_threads: _,
        backlog: _,
        start_up: StartUp { cpu: _, threads: _, wait: _, first_request: _ },
        warm_up,
        cools_in: _,
        background,
        waits_for: _,
        exits_in: _,
    } = runtime;
    if let Some(WarmUp { extra: _, time_constant: _ }) = warm_up {}
    if let Some(Background { cpu: _, every: _ }) = background {}
}

fn played_client(client: &Client) {
    let Client { connections, timeout: _, connect_timeout: _, retries: _, retry_backoff: _, logs: _, breaker } = client;
    match connections {
        Connections::PerCall | Connections::Shared | Connections::Pool { max_open: _, max_idle: _ } => {}
    }
    breaker.iter().for_each(played_breaker);
}

/// Breakers are the twin's own.
fn played_breaker(breaker: &Breaker) {
    let Breaker { trips: _, open_for: _ } = breaker;
}

fn played_burst(burst: &Burst) {
    let Burst { mean: _, cold: _, variation: _, distribution: _ } = burst;
}

fn played_metrics(metrics: &Metrics) {
    let Metrics {
        histogram: _,
        buckets: _,
        labels: _,
        path: _,
        scrape: _,
        counts_scrapes: _,
        counts_errors: _,
        not_found_route: _,
    } = metrics;
}

fn played_steps(steps: &[Step]) {
    for step in steps {
        match step {
            Step::Cpu(burst) => played_burst(burst),
            Step::Call(Call { to: _, request: _, on_status: _, on_failure: _ })
            | Step::Publish(Publish { broker: _, queue: _, on_failure: _ })
            | Step::Wait(Wait { mean: _, variation: _ })
            | Step::Respond(Respond { status: _, when: _ }) => {}
            Step::Parallel(Parallel { branches, await_timeout: _, on_timeout: _ }) => {
                for steps in branches {
                    played_steps(steps);
                }
            }
            Step::Repeat(Repeat { times: _, steps }) => played_steps(steps),
        }
    }
}
