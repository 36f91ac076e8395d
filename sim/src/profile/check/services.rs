//! What services say about their process, their clients and their metrics.

use std::collections::BTreeSet;

use super::{Check, member};
use crate::graph;
use crate::profile::{Breaker, Client, Concurrency, Connections, Memory, Metrics, Runtime, ServiceProfile, Trips};

impl<'a> Check<'a> {
    pub(super) fn service(&mut self, field: &str, name: &str, service: &'a ServiceProfile) {
        self.is(
            service.port > 0,
            &format!("{field}.port"),
            "0 is no port",
            "use the port that it listens on in its container, 1 to 65535",
        );
        self.runtime(&format!("{field}.runtime"), name, &service.runtime);
        self.memory(&format!("{field}.memory"), &service.memory);
        self.clients(field, service);
        self.environment(field, service);
        self.service_logs(field, service);
        self.disk(field, service);
        self.endpoints(field, service);
        if let Some(burst) = &service.not_found {
            self.burst(&format!("{field}.not_found"), burst);
        }
        self.consumers(field, service);
        if let Some(metrics) = &service.metrics {
            self.metrics(&format!("{field}.metrics"), metrics);
        }
    }

    fn runtime(&mut self, field: &str, name: &str, runtime: &Runtime) {
        if let Some(threads) = runtime.max_threads {
            let field = format!("{field}.max_threads");
            self.is(threads > 0, &field, "0 threads answer nothing", "use at least 1, or leave it out for no limit");
            self.is(
                runtime.model == Concurrency::Threads,
                &field,
                "only `model: threads` has a pool of threads",
                "remove it, or use `model: threads`",
            );
        }
        self.is(runtime.backlog > 0, &format!("{field}.backlog"), "a backlog of 0 accepts nothing", "use at least 1");
        self.is(
            runtime.start_up.threads > 0,
            &format!("{field}.start_up.threads"),
            "0 threads never start",
            "use at least 1",
        );
        if let Some(warm_up) = &runtime.warm_up {
            self.within(&format!("{field}.warm_up.extra"), warm_up.extra, 0.0, 100.0);
            self.is(
                warm_up.time_constant.0 > 0,
                &format!("{field}.warm_up.time_constant"),
                "0 is no time constant",
                "use the time in which the extra falls to 37 %",
            );
        }
        self.is(
            runtime.cools_in.0 > 0,
            &format!("{field}.cools_in"),
            "0 would make every burst cold",
            "use a duration above 0",
        );
        if let Some(background) = &runtime.background {
            let every = format!("{field}.background.every");
            self.is(
                background.every.0 >= 1_000_000,
                &every,
                &format!("{} is too often", background.every),
                "use at least 1ms",
            );
        }
        for (i, other) in runtime.waits_for.iter().enumerate() {
            let field = format!("{field}.waits_for[{i}]");
            if self.service_exists(&field, other) && other == name {
                self.error(&field, format!("`{name}` waits for itself"), "remove it");
            }
        }
    }

    fn memory(&mut self, field: &str, memory: &Memory) {
        self.is(
            memory.base.0 > 0,
            &format!("{field}.base"),
            "no process lives in 0 bytes",
            "use the resident memory after start-up",
        );
        self.is(
            memory.heap_requests > 0,
            &format!("{field}.heap_requests"),
            "0 requests fill no heap",
            "use at least 1",
        );
    }

    fn clients(&mut self, field: &str, service: &ServiceProfile) {
        let used: BTreeSet<_> = graph::needs(service).into_iter().map(|(to, _)| to).collect();
        for (to, client) in &service.clients {
            let field = member(&format!("{field}.clients"), to);
            if self.service_exists(&field, to) && !used.contains(to.as_str()) {
                self.warning(&field, format!("`{to}` is never called"), "remove the client, or call it in a program");
            }
            self.client(&field, client);
        }
    }

    fn client(&mut self, field: &str, client: &Client) {
        if let Connections::Pool { max_open: Some(0), .. } = client.connections {
            self.error(
                &format!("{field}.connections.pool.max_open"),
                "0 connections carry nothing",
                "use at least 1, or leave it out for no limit",
            );
        }
        for (name, timeout) in [("timeout", client.timeout), ("connect_timeout", client.connect_timeout)] {
            self.is(
                timeout.is_none_or(|t| t.0 > 0),
                &format!("{field}.{name}"),
                "0 lets every call fail",
                "use a duration above 0, or leave it out for none",
            );
        }
        self.is(
            client.retries <= 100,
            &format!("{field}.retries"),
            &format!("{} retries", client.retries),
            "use at most 100",
        );
        if let Some(breaker) = &client.breaker {
            self.breaker(&format!("{field}.breaker"), breaker);
        }
    }

    pub(super) fn breaker(&mut self, field: &str, breaker: &Breaker) {
        self.is(breaker.open_for.0 > 0, &format!("{field}.open_for"), "0 never opens it", "use a duration above 0");
        if let Trips::FailureRatio { ratio, min_calls, window } = breaker.trips {
            let field = format!("{field}.trips.failure-ratio");
            self.within(&format!("{field}.ratio"), ratio, 0.0, 1.0);
            self.is(min_calls > 0, &format!("{field}.min_calls"), "0 calls have no ratio", "use at least 1");
            self.is(window.0 > 0, &format!("{field}.window"), "0 is no window", "use a duration above 0");
        }
    }

    fn consumers(&mut self, field: &str, service: &'a ServiceProfile) {
        for (i, consumer) in service.consumes.iter().enumerate() {
            let field = format!("{field}.consumes[{i}]");
            if self.service_exists(&format!("{field}.broker"), &consumer.broker)
                && !self.is_published(&consumer.broker, &consumer.queue)
            {
                self.warning(
                    &format!("{field}.queue"),
                    format!("nobody publishes to `{}`", consumer.queue),
                    "compare the names of the queues",
                );
            }
            self.is(
                consumer.concurrency > 0,
                &format!("{field}.concurrency"),
                "0 messages at once handle nothing",
                "use at least 1",
            );
            self.program(&format!("{field}.program"), &consumer.program);
        }
    }

    fn metrics(&mut self, field: &str, metrics: &Metrics) {
        let is_name = |name: &str, extra: &[char]| {
            let start = |c: char| c.is_ascii_alphabetic() || c == '_' || extra.contains(&c);
            name.starts_with(start) && name.chars().all(|c| start(c) || c.is_ascii_digit())
        };
        let histogram = &metrics.histogram;
        self.is(
            is_name(histogram, &[':']),
            &format!("{field}.histogram"),
            &format!("`{histogram}` is no metric name"),
            "use letters, digits, `_` and `:`",
        );
        let buckets = format!("{field}.buckets");
        self.is(
            !metrics.buckets.is_empty(),
            &buckets,
            "there are none",
            "give the upper bounds in seconds, without `+Inf`",
        );
        self.is(
            metrics.buckets.iter().all(|b| b.is_finite()),
            &buckets,
            "a bound is not finite",
            "leave out `+Inf`: every histogram has it",
        );
        if let Some(i) = metrics.buckets.windows(2).position(|pair| pair[0] >= pair[1]) {
            let message = format!("{} follows {}", metrics.buckets[i + 1], metrics.buckets[i]);
            self.error(&format!("{buckets}[{}]", i + 1), message, "write the bounds in ascending order");
        }
        for label in metrics.labels.keys() {
            let field = member(&format!("{field}.labels"), label);
            self.is(is_name(label, &[]), &field, &format!("`{label}` is no label name"), "use letters, digits and `_`");
            let own = ["method", "route", "status_code", "le"].contains(&label.as_str());
            self.is(!own, &field, &format!("`{label}` is set for each request"), "remove it");
        }
        self.is(
            metrics.path.starts_with('/'),
            &format!("{field}.path"),
            &format!("`{}` is no path", metrics.path),
            "begin it with `/`",
        );
        if let Some(burst) = &metrics.scrape {
            self.burst(&format!("{field}.scrape"), burst);
        }
    }
}
