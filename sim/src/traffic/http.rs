//! HTTP faults: Chaos Mesh's `HTTPChaos`, which puts a proxy (chaos-mesh/chaos-tproxy) into a pod's network.
//!
//! The proxy takes over every TCP connection whose destination port is the experiment's (`TPROXY` in
//! `chaos-tproxy-controller/src/proxy/net/iptables.rs`), in **both** directions: those to the pod, and those that the pod
//! itself opens to that port elsewhere, as upstream's manual warns. What is not HTTP passes through it. Of each request
//! (`chaos-tproxy-proxy/src/proxy/http/server.rs`, `handler/http/action.rs`)
//!
//! - *abort* closes the connection without an answer: for `target: Request` before the server sees it, for `Response`
//!   when it has done its work;
//! - *delay* holds the request, or the answer, for as long. If its client stops waiting before, a request that is held
//!   never reaches the server.
//!
//! A connection that was open before the experiment began does not go through the proxy, so a client that keeps its
//! connections is not hit until it opens a new one.
//!
//! The proxy runs in the control group of Chaos Mesh's daemon, not in the pod's; what it costs there, and the connection
//! of its own that it opens for each request, are not played. Neither is that a connection which the process would refuse
//! is taken by the proxy and answered 502: it is refused. It lives in the PID namespace of the container that was there
//! when the experiment began, and ends with it; that Linux then leaves the pod's network as the dead proxy had set it up
//! is not played. `replace` and `patch` change what programs do not look at, and headers are not known here.

use super::job::{Caller, State};
use super::{Event, Failure, Host, JobEvent, Traffic};
use crate::engine::Queue;
use crate::ids::ContainerIx;
use crate::program::{EndpointKind, EndpointName, NONE, Programs};
use crate::time::SimDuration;

/// An HTTP fault that was injected. Never given again to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpFaultIx(pub u16);

/// What Chaos Mesh's `HTTPChaos` says, with the containers that it chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpFault {
    /// In whose pods the proxies are.
    pub containers: Vec<ContainerIx>,
    /// On the way there or back.
    pub target: HttpTarget,
    /// The port that the server listens on in its container.
    pub port: u16,
    /// The path, where `*` stands for any text and `?` for one character. A part of an endpoint's path in braces is
    /// matched as it is written, so only wildcards match it. None: any.
    pub path: Option<String>,
    /// The method. None: any.
    pub method: Option<String>,
    /// The status of the answer, for [`HttpTarget::Response`]. None: any.
    pub code: Option<u16>,
    /// What happens.
    pub action: HttpAction,
}

/// When the proxy of an HTTP fault does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpTarget {
    /// Before the server gets the request.
    Request,
    /// Before the client gets the answer.
    Response,
}

/// What the proxy of an HTTP fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpAction {
    /// Closes the connection.
    Abort,
    /// Waits for so long.
    Delay(SimDuration),
}

/// Where in its course a request passes a proxy, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// It leaves the client's pod.
    Call,
    /// It comes into the server's pod.
    Request,
    /// Its answer leaves the server's pod.
    Response,
    /// Its answer comes into the client's pod.
    Result,
}

#[derive(Clone, Debug)]
struct Proxy {
    fault: HttpFault,
    /// By `EndpointIx`: whether it selects a request to it.
    selects: Vec<bool>,
    is_over: bool,
}

/// All HTTP faults of a world.
#[derive(Clone, Debug, Default)]
pub(super) struct HttpFaults {
    proxies: Vec<Proxy>,
    /// Some fault is under way.
    pub(super) is_active: bool,
}

impl HttpFaults {
    /// How many there have been, which tells of a connection whether it is older than a fault.
    pub(super) fn count(&self) -> u16 {
        self.proxies.len() as u16
    }
}

impl Traffic {
    /// Lets an `HTTPChaos` begin: see [`HttpFault`] and, for what is hit, the module `traffic::http`. It holds for these
    /// containers until [`Self::mend_http`] or until they end.
    pub fn impair_http(&mut self, fault: HttpFault) -> HttpFaultIx {
        let programs = &self.programs;
        let endpoints = programs.endpoints.iter().zip(&programs.endpoint_names);
        let selects = endpoints.map(|(endpoint, name)| {
            let server = &programs.services[endpoint.service.index()];
            server.port == fault.port && fault.selects(name, endpoint.kind)
        });
        let proxy = Proxy { selects: selects.collect(), fault, is_over: false };
        self.http.proxies.push(proxy);
        self.http.is_active = true;
        HttpFaultIx(self.http.count() - 1)
    }

    /// Ends it. What the proxy holds at that moment goes on when its time has come.
    pub fn mend_http(&mut self, fault: HttpFaultIx) {
        self.http.proxies[usize::from(fault.0)].is_over = true;
        self.http.is_active = self.http.proxies.iter().any(|proxy| !proxy.is_over);
    }

    /// Lets the proxies do what they do to a job at a stage. Says whether the job does not go on now.
    pub(super) fn meddle<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, stage: Stage) -> bool {
        if self.jobs[ix].passed >= Some(stage) || self.jobs[ix].endpoint == NONE {
            return false;
        }
        self.jobs[ix].passed = Some(stage);
        let Some(action) = self.action_on(ix, stage) else {
            return false;
        };
        self.jobs[ix].state = State::Held;
        match action {
            HttpAction::Abort => self.client_failed(queue, ix, Failure::Reset),
            HttpAction::Delay(time) => {
                let held = Event::Job(JobEvent::Released, self.jobs.reference(ix));
                queue.schedule(self.now + time, held.into());
            }
        }
        true
    }

    /// What all proxies together do to a job at a stage.
    fn action_on(&self, ix: u32, stage: Stage) -> Option<HttpAction> {
        let job = &self.jobs[ix];
        let side = match (stage, job.caller) {
            (Stage::Call | Stage::Result, Caller::Job(parent)) => self.jobs[parent.ix].container,
            (Stage::Call | Stage::Result, _) => return None,
            (Stage::Request | Stage::Response, _) => job.container,
        };
        let target = match stage {
            Stage::Call | Stage::Request => HttpTarget::Request,
            Stage::Response | Stage::Result => HttpTarget::Response,
        };
        let hits = |(number, proxy): &(usize, &Proxy)| {
            let fault = &proxy.fault;
            !proxy.is_over
                && *number < usize::from(job.opened)
                && fault.target == target
                && proxy.selects[job.endpoint as usize]
                && fault.containers.contains(&ContainerIx(side))
                && (target == HttpTarget::Request || fault.code.is_none_or(|code| code == job.status))
        };
        let mut found = self.http.proxies.iter().enumerate().filter(hits).map(|(_, proxy)| proxy.fault.action);
        let first = found.next()?;
        Some(found.fold(first, |so_far, next| match (so_far, next) {
            (HttpAction::Delay(a), HttpAction::Delay(b)) => HttpAction::Delay(a + b),
            _ => HttpAction::Abort,
        }))
    }

    /// The proxy has held a job for long enough.
    pub(super) fn released<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        match self.jobs[ix].passed {
            Some(Stage::Call) => self.send(queue, ix),
            Some(Stage::Request) => self.arrive(queue, ix),
            Some(Stage::Response) => self.send_answer(queue, ix),
            Some(Stage::Result) => self.answer(queue, ix),
            None => {}
        }
    }
}

impl HttpFault {
    /// Whether it selects requests to an endpoint by method and path.
    fn selects(&self, name: &EndpointName, kind: EndpointKind) -> bool {
        let is_http = name.request.split_once(' ').is_some_and(|(_, path)| path.starts_with('/'));
        let path = name.request.split_once(' ').map_or("", |(_, path)| path.split('?').next().unwrap_or_default());
        // What no endpoint knows has any method and any path.
        let is_any = kind == EndpointKind::NotFound;
        (is_http || is_any)
            && self.method.as_ref().is_none_or(|method| is_any || name.method.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|pattern| matches(pattern.as_bytes(), path.as_bytes()))
    }

    /// Whether any request of a profile could be selected: method and path, on this port.
    pub fn selects_any(&self, programs: &Programs) -> bool {
        let endpoints = programs.endpoints.iter().zip(&programs.endpoint_names);
        let mut listed = endpoints.filter(|(endpoint, _)| endpoint.kind != EndpointKind::NotFound);
        listed.any(|(endpoint, name)| {
            programs.services[endpoint.service.index()].port == self.port && self.selects(name, endpoint.kind)
        })
    }
}

/// Whether a text has the form of a pattern with `*` and `?`, as the crate `wildmatch` reads it.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        ([b'?', rest @ ..], [_, tail @ ..]) => matches(rest, tail),
        ([a, rest @ ..], [b, tail @ ..]) => a == b && matches(rest, tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_the_proxy() {
        for (pattern, path, expected) in [
            ("*", "/", true),
            ("/catalogue", "/catalogue", true),
            ("/catalogue", "/catalogue/size", false),
            ("/catalogue*", "/catalogue/{id}", true),
            ("/carts/*/items", "/carts/{id}/items", true),
            ("/carts/*/items", "/carts/{id}/items/{item}", false),
            ("/?ags", "/tags", true),
            ("", "/", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }
}
