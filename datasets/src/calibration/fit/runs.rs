//! How often each program ran.

use std::collections::BTreeMap;

use sim::app::App;
use sim::profile::{Profile, ServiceProfile};

use super::super::costs::{Cost, Kind, answering, cost};
use super::super::figures::{Routes, Window};

/// Runs of each program of each service in one stretch.
pub(super) type Counts = BTreeMap<(String, Kind), f64>;

/// The Deployment that runs a service.
pub(super) fn component<'a>(app: &'a App, service: &str) -> Option<&'a str> {
    Some(app.component_of(app.service(service)?))
}

/// How often each program ran: counted where a service counts its requests, else by what its callers do.
pub(super) fn runs(app: &App, window: &Window) -> Counts {
    let services = &app.profile.services;
    let mut counts = Counts::new();
    for (name, service) in services {
        let routes = component(app, name).and_then(|component| window.requests.get(component));
        if let (Some(_), Some(routes)) = (&service.metrics, routes) {
            counts.extend(counted(service, routes).into_iter().map(|(kind, n)| ((name.clone(), kind), n)));
        }
    }
    // Calls run in no circle: after as many rounds as there are services nothing changes any more.
    for _ in services {
        let mut derived = Counts::new();
        for ((name, kind), runs) in &counts {
            let Cost { calls, messages, .. } = cost(&services[name], *kind);
            for ((to, request), times) in calls {
                let answers = answering(&app.profile, &to, &request);
                let counts_its_own = services.get(&to).is_some_and(|to| to.metrics.is_some());
                if let Some(kind) = answers.filter(|_| !counts_its_own) {
                    *derived.entry((to, kind)).or_default() += runs * times;
                }
            }
            for ((broker, queue), times) in messages {
                for (consumer, number) in consumers(&app.profile, &broker, &queue) {
                    *derived.entry((consumer, Kind::Consumer(number))).or_default() += runs * times;
                }
            }
        }
        counts.extend(derived);
    }
    counts
}

/// Who handles the messages of a queue.
fn consumers(profile: &Profile, broker: &str, queue: &str) -> Vec<(String, usize)> {
    let each = profile.services.iter().flat_map(|(name, service)| {
        service.consumes.iter().enumerate().map(move |(number, consumer)| (name, number, consumer))
    });
    let of_queue = each.filter(|(.., consumer)| consumer.broker == broker && consumer.queue == queue);
    of_queue.map(|(name, number, _)| (name.clone(), number)).collect()
}

/// The method and the `route` label of an endpoint's metrics.
pub(super) fn label_of(service: &ServiceProfile, number: usize) -> (String, String) {
    let endpoint = &service.endpoints[number];
    let (method, path) = endpoint.request.split_once(' ').unwrap_or(("", endpoint.request.as_str()));
    (method.to_owned(), endpoint.route.clone().unwrap_or_else(|| path.to_owned()))
}

/// How often each kind was counted. Endpoints that share a label have it in equal parts.
fn counted(service: &ServiceProfile, routes: &Routes) -> BTreeMap<Kind, f64> {
    let mut counts: BTreeMap<Kind, f64> = BTreeMap::new();
    let not_found = service.metrics.as_ref().and_then(|metrics| metrics.not_found_route.as_ref());
    for ((method, route), n) in routes {
        let same = |number: &usize| {
            let (of_method, of_route) = label_of(service, *number);
            of_route == *route && of_method.eq_ignore_ascii_case(method)
        };
        let endpoints: Vec<usize> = (0..service.endpoints.len()).filter(same).collect();
        for number in &endpoints {
            *counts.entry(Kind::Endpoint(*number)).or_default() += n / endpoints.len() as f64;
        }
        if endpoints.is_empty() && service.not_found.is_some() && not_found == Some(route) {
            *counts.entry(Kind::NotFound).or_default() += n;
        }
    }
    counts
}
