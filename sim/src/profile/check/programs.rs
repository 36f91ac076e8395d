//! Endpoints and what they do.

use super::{Check, suggestion};
use crate::graph;
use crate::profile::{
    Burst, Call, Condition, Distribution, Endpoint, Parallel, Reaction, Respond, ServiceProfile, Step,
};
use crate::program::{MAX_BRANCHES, answers};

/// Most instructions of one program once its `repeat` steps are unrolled.
const MAX_INSTRUCTIONS: u64 = 10_000;

impl<'a> Check<'a> {
    pub(super) fn endpoints(&mut self, field: &str, service: &'a ServiceProfile) {
        for (i, endpoint) in service.endpoints.iter().enumerate() {
            let field = format!("{field}.endpoints[{i}]");
            self.request(&format!("{field}.request"), &endpoint.request);
            if let Some(earlier) = service.endpoints[..i].iter().find(|earlier| same_shape(earlier, endpoint)) {
                let message = format!("`{}` is already answered by `{}`", endpoint.request, earlier.request);
                self.error(&format!("{field}.request"), message, "remove one of the two endpoints");
            }
            self.status(&format!("{field}.status"), endpoint.status);
            if let Some(breaker) = &endpoint.breaker {
                self.breaker(&format!("{field}.breaker"), breaker);
            }
            self.storage(&field, service, endpoint);
            self.program(&format!("{field}.program"), &endpoint.program);
        }
    }

    /// The form of a request: a verb, or a method and a path.
    pub(super) fn request(&mut self, field: &str, request: &str) {
        let words: Vec<_> = request.split(' ').collect();
        if words.iter().any(|word| word.is_empty()) {
            self.error(
                field,
                format!("`{request}` has no form"),
                "write a method and a path, such as `GET /carts/{id}`, or a verb, such as `find`",
            );
            return;
        }
        let is_http = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&words[0]);
        if is_http && !(words.len() == 2 && words[1].starts_with('/')) {
            self.error(field, format!("`{request}` has no path"), format!("write `{} /…`", words[0]));
        }
        if let Some(part) = request
            .split(['/', ' '])
            .find(|part| part.contains(['{', '}']) && !(part.starts_with('{') && part.ends_with('}')))
        {
            self.error(
                field,
                format!("`{part}` is only partly in braces"),
                "put the whole part between two `/` into braces: it stands for any one",
            );
        }
    }

    pub(super) fn program(&mut self, field: &str, program: &'a [Step]) {
        let instructions = instructions(program);
        let help = format!("lower `times`: a program has at most {MAX_INSTRUCTIONS}");
        self.is(
            instructions <= MAX_INSTRUCTIONS,
            field,
            &format!("{instructions} instructions once its repeats are unrolled"),
            &help,
        );
        self.steps(field, program);
    }

    fn steps(&mut self, field: &str, steps: &'a [Step]) {
        for (i, step) in steps.iter().enumerate() {
            let field = format!("{field}[{i}]");
            match step {
                Step::Cpu(burst) => self.burst(&format!("{field}.cpu"), burst),
                Step::Call(call) => self.call(&format!("{field}.call"), call),
                Step::Parallel(parallel) => self.parallel(&format!("{field}.parallel"), parallel),
                Step::Publish(publish) => {
                    let field = format!("{field}.publish");
                    self.endpoint_exists(&format!("{field}.broker"), &publish.broker, "publish");
                    self.reaction(&format!("{field}.on_failure"), publish.on_failure);
                    if !self.is_consumed(&publish.broker, &publish.queue) {
                        self.warning(
                            &format!("{field}.queue"),
                            format!("nobody consumes `{}`", publish.queue),
                            "compare the names of the queues",
                        );
                    }
                }
                Step::Wait(wait) => self.within(&format!("{field}.wait.variation"), wait.variation, 0.0, 10.0),
                Step::Respond(respond) => {
                    self.respond(&format!("{field}.respond"), respond);
                    if respond.when.is_none() && i + 1 < steps.len() {
                        self.warning(
                            &field,
                            "the steps behind it are never reached",
                            "remove them, or say `when` it answers",
                        );
                    }
                }
                Step::Repeat(repeat) => {
                    let field = format!("{field}.repeat");
                    self.is(
                        repeat.times > 0,
                        &format!("{field}.times"),
                        "0 times is never",
                        "use at least 1, or remove the step",
                    );
                    self.steps(&format!("{field}.steps"), &repeat.steps);
                }
            }
        }
    }

    pub(super) fn burst(&mut self, field: &str, burst: &Burst) {
        self.within(&format!("{field}.variation"), burst.variation, 0.0, 10.0);
        if burst.distribution == Distribution::Exponential && burst.variation != 0.0 {
            self.error(
                &format!("{field}.variation"),
                "the variation of an exponential cost is 1",
                "remove `variation`, or use the default distribution",
            );
        }
    }

    fn call(&mut self, field: &str, call: &Call) {
        self.endpoint_exists(field, &call.to, &call.request);
        self.reaction(&format!("{field}.on_status"), call.on_status);
        self.reaction(&format!("{field}.on_failure"), call.on_failure);
    }

    /// `field` is the call's, or of the name of the service.
    fn endpoint_exists(&mut self, field: &str, to: &str, request: &str) {
        let is_call = field.ends_with("call");
        let (to_field, request_field) = if is_call {
            (format!("{field}.to"), format!("{field}.request"))
        } else {
            (field.to_owned(), field.to_owned())
        };
        if !self.service_exists(&to_field, to) {
            return;
        }
        let service = &self.located.value.services[to];
        if !answers_request(service, request) {
            let known = service.endpoints.iter().map(|e| e.request.as_str());
            let message = format!("`{to}` has no endpoint `{request}`");
            let help = suggestion(&format!("endpoint of `{to}`"), request, known);
            self.error(&request_field, message, help);
        }
    }

    fn parallel(&mut self, field: &str, parallel: &'a Parallel) {
        let count = parallel.branches.len();
        self.is(
            (1..=MAX_BRANCHES).contains(&count),
            &format!("{field}.branches"),
            &format!("{count} branches"),
            &format!("use 1 to {MAX_BRANCHES}"),
        );
        if parallel.await_timeout.is_some_and(|timeout| timeout.0 == 0) {
            self.error(
                &format!("{field}.await_timeout"),
                "0 waits for nothing",
                "use a duration above 0, or leave it out to wait as long as it takes",
            );
        }
        self.reaction(&format!("{field}.on_timeout"), parallel.on_timeout);
        for (i, branch) in parallel.branches.iter().enumerate() {
            self.steps(&format!("{field}.branches[{i}]"), branch);
        }
    }

    fn respond(&mut self, field: &str, respond: &Respond) {
        self.status(&format!("{field}.status"), respond.status);
        match &respond.when {
            Some(Condition::Above { attribute, value }) => {
                self.attribute_exists(&format!("{field}.when.above.attribute"), attribute);
                self.is(value.is_finite(), &format!("{field}.when.above.value"), "it is not finite", "use a number");
            }
            Some(Condition::Chance(probability)) => {
                self.within(&format!("{field}.when.chance"), *probability, 0.0, 1.0);
            }
            None => {}
        }
    }

    fn reaction(&mut self, field: &str, reaction: Reaction) {
        if let Reaction::Respond(status) = reaction {
            self.status(&format!("{field}.respond"), status);
        }
    }

    pub(super) fn is_published(&self, broker: &str, queue: &str) -> bool {
        let services = self.located.value.services.values();
        let mut programs =
            services.flat_map(|s| s.endpoints.iter().map(|e| &e.program).chain(s.consumes.iter().map(|c| &c.program)));
        programs.any(|program| {
            let mut found = false;
            graph::walk(program, &mut |step| {
                found |= matches!(step, Step::Publish(p) if p.broker == broker && p.queue == queue);
            });
            found
        })
    }

    fn is_consumed(&self, broker: &str, queue: &str) -> bool {
        let services = self.located.value.services.values();
        services.flat_map(|s| &s.consumes).any(|c| c.broker == broker && c.queue == queue)
    }
}

/// Whether one of a service's endpoints, or the path of its metrics, answers a request.
pub(super) fn answers_request(service: &ServiceProfile, request: &str) -> bool {
    let scrape = service.metrics.as_ref().map(|m| format!("GET {}", m.path));
    let listed = service.endpoints.iter().map(|e| e.request.as_str());
    listed.chain(scrape.as_deref()).any(|template| answers(template, request))
}

/// Whether two endpoints answer just the same requests.
fn same_shape(a: &Endpoint, b: &Endpoint) -> bool {
    let shape = |endpoint: &Endpoint| -> Vec<String> {
        let parts = endpoint.request.split(['/', ' ']);
        parts.map(|part| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() }).collect()
    };
    shape(a) == shape(b)
}

fn instructions(steps: &[Step]) -> u64 {
    let of = |step: &Step| match step {
        Step::Repeat(repeat) => u64::from(repeat.times).saturating_mul(instructions(&repeat.steps)),
        Step::Parallel(parallel) => parallel.branches.iter().map(|b| instructions(b)).fold(1, u64::saturating_add),
        _ => 1,
    };
    steps.iter().map(of).fold(0, u64::saturating_add)
}
