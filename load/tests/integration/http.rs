//! Connections, cookies, headers and errors.

use std::collections::{BTreeMap, BTreeSet};

use load::{BaseUrl, Failure, Options, Plan, Report, Targets};

use crate::server::{Seen, Server};
use crate::{programs, run_for, start, wait_until, workload};

const SHOP: &str = "
attributes: [order_total, zone]
services:
  web: {port: 80, runtime: {model: threads}, memory: {base: 10Mi}}
  other: {port: 80, runtime: {model: threads}, memory: {base: 10Mi}}
user_classes:
  pair: {wait: {constant: 1ms}, tasks: [{name: t, requests: [{request: GET /a}, {request: POST /b?c=d}]}]}
  buyer:
    wait: {constant: 1ms}
    attributes: {zone: 3}
    tasks: [{name: t, requests: [{request: POST /order, set: {order_total: {value: 12.98}}}]}]
  last: {wait: {constant: 1ms}, keep_alive: true, tasks: [{name: t, requests: [{request: GET /last}]}]}
  status: {wait: {constant: 1ms}, tasks: [{name: t, requests: [{request: GET /status/503}, {request: GET /status/404}]}]}
  silence: {wait: {constant: 1ms}, timeout: 5ms, tasks: [{name: t, requests: [{request: GET /silence}]}]}
  waits: {wait: {constant: 1ms}, tasks: [{name: t, requests: [{request: GET /silence}]}]}
  hang-up: {wait: {constant: 1ms}, tasks: [{name: t, requests: [{request: GET /hang-up}]}]}
  half: {wait: {constant: 1ms}, tasks: [{name: t, requests: [{request: GET /half}]}]}
  nonsense: {wait: {constant: 1ms}, tasks: [{name: t, requests: [{request: GET /nonsense}]}]}
  two: {wait: {constant: 1ms}, tasks: [{name: t, requests: [{request: GET /a}, {request: GET /b, to: other}]}]}
";

/// Three users of a class until so many requests are over.
fn play(class: &str, keep_alive: bool, requests: u64) -> (Report, Vec<Seen>) {
    let server = Server::start();
    let load = format!(
        "{{user_class: {class}, target: web, keep_alive: {keep_alive}, shape: {{users: {{users: 3, spawn_rate: 1000}}}}}}"
    );
    let running = start(&programs(SHOP), &[workload(&load)], &server, 1);
    (run_for(running, requests), server.seen())
}

fn connections(seen: &[Seen]) -> usize {
    seen.iter().map(|seen| seen.connection).collect::<BTreeSet<_>>().len()
}

#[test]
fn a_connection_per_request_or_one_per_user() {
    let (report, seen) = play("pair", false, 100);
    assert_eq!(connections(&seen), seen.len());
    assert!(report.connections >= seen.len() as u64);
    assert!(seen.iter().all(|seen| seen.header("connection") == Some("close")));

    let (report, seen) = play("pair", true, 100);
    assert_eq!((connections(&seen), report.connections), (3, 3));
    assert!(seen.iter().all(|seen| seen.header("connection").is_none()));
    assert_eq!((report.total.error_rate, report.users), (0.0, 3));
}

#[test]
fn a_connection_that_the_server_closed_is_replaced() {
    let (report, seen) = play("last", true, 50);
    assert_eq!(connections(&seen), seen.len());
    // Now and then the server hangs up only when the next request is on its way, as with any client.
    assert!(report.total.failures.keys().all(|failure| *failure == Failure::Reset), "{:?}", report.total);
    assert!(report.total.statuses[&200] > 0);
}

#[test]
fn users_keep_their_cookies_and_nobody_elses() {
    let (_, seen) = play("pair", false, 100);
    let new = seen.iter().filter(|seen| seen.header("cookie").is_none()).count();
    let cookies: BTreeSet<_> = seen.iter().filter_map(|seen| seen.header("cookie")).collect();
    assert_eq!((new, cookies.len()), (3, 3));
}

#[test]
fn requests_are_sent_as_written() {
    let (report, seen) = play("pair", true, 40);
    let count = |request: &str| seen.iter().filter(|seen| seen.request() == request).count();
    assert_eq!(count("GET /a") + count("POST /b?c=d"), seen.len());
    assert!(count("GET /a").abs_diff(count("POST /b?c=d")) <= 3);
    assert!(seen.iter().all(|seen| seen.header("host").is_some_and(|host| host.starts_with("127.0.0.1:"))));
    let kinds: Vec<_> = report.requests.iter().map(|kind| (kind.service.as_str(), kind.request.as_str())).collect();
    assert_eq!(kinds, [("web", "GET /a"), ("web", "POST /b?c=d")]);
    assert_eq!(report.total.count, report.requests.iter().map(|kind| kind.count).sum::<u64>());
}

#[test]
fn attributes_travel_as_headers_under_their_own_names() {
    let (_, seen) = play("buyer", true, 10);
    for seen in seen {
        assert_eq!((seen.header("x-sockpit-order_total"), seen.header("x-sockpit-zone")), (Some("12.98"), Some("3")));
    }
}

fn check_failure(class: &str, expected: Failure) {
    let (report, _) = play(class, false, 20);
    let counts: Vec<_> = report.total.failures.iter().collect();
    assert_eq!(counts, [(&expected, &report.total.count)], "{class}");
    assert_eq!((report.total.error_rate, report.total.mean_ms), (1.0, None), "{class}");
}

#[test]
fn failures_have_their_kinds() {
    check_failure("silence", Failure::TimedOut);
    check_failure("hang-up", Failure::Reset);
    check_failure("half", Failure::Reset);
    check_failure("nonsense", Failure::NotHttp);
}

#[test]
fn a_port_without_a_server_refuses() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url: BaseUrl = format!("http://{closed}").parse().unwrap();
    let load = workload("{user_class: pair, target: web, shape: {users: {users: 1, spawn_rate: 1}}}");
    let plan = Plan::new(&programs(SHOP), &[load], &Targets::one(url), 1).unwrap();
    let report = run_for(load::start(plan, Options::default()).unwrap(), 10);
    assert_eq!(report.total.failures, BTreeMap::from([(Failure::Refused, report.total.count)]));
    assert_eq!(report.connections, 0);
}

#[test]
fn statuses_are_counted_and_only_those_from_500_are_errors() {
    let (report, _) = play("status", true, 40);
    let [unavailable, missing] = &report.requests[..] else { panic!("two kinds of request") };
    assert_eq!((unavailable.error_rate, unavailable.client_error_rate), (1.0, 0.0));
    assert_eq!((missing.error_rate, missing.client_error_rate), (0.0, 1.0));
    assert_eq!(missing.statuses, BTreeMap::from([(404, missing.count)]));
}

/// What hangs for ever is not forgotten: it is reported apart.
#[test]
fn requests_under_way_at_the_end_are_told_apart() {
    let server = Server::start();
    let load = workload("{user_class: waits, target: web, shape: {users: {users: 3, spawn_rate: 1000}}}");
    let running = start(&programs(SHOP), &[load], &server, 1);
    wait_until(&running, |_| server.seen().len() == 3);
    running.stop();
    let report = running.wait().unwrap();
    assert_eq!((report.total.count, report.unfinished, report.is_cut_short), (0, 3, true));
    assert!(report.oldest_unfinished_ms.is_some_and(|age| age > 0.0));
}

#[test]
fn each_service_has_its_own_url() {
    let (web, other) = (Server::start(), Server::start());
    let load = workload("{user_class: two, target: web, shape: {users: {users: 1, spawn_rate: 1}}}");
    let mut targets = Targets::one(web.url().parse().unwrap());
    let missing = Plan::new(&programs(SHOP), std::slice::from_ref(&load), &targets, 1).unwrap_err();
    assert_eq!(missing.to_string(), "there is no URL for the service `other`");
    targets.by_service.insert("other".into(), other.url().parse().unwrap());
    let plan = Plan::new(&programs(SHOP), &[load], &targets, 1).unwrap();
    run_for(load::start(plan, Options::default()).unwrap(), 10);
    assert!(web.seen().iter().all(|seen| seen.request() == "GET /a"));
    assert!(!other.seen().is_empty() && other.seen().iter().all(|seen| seen.request() == "GET /b"));
}

#[test]
fn a_run_ends_by_itself_and_says_what_it_cost() {
    let server = Server::start();
    let load = workload("{user_class: pair, target: web, shape: {users: {users: 2, spawn_rate: 1000}}}");
    let plan = Plan::new(&programs(SHOP), &[load], &Targets::one(server.url().parse().unwrap()), 1).unwrap();
    let ms = sim::time::SimDuration::from_millis;
    let options = Options { warm_up: ms(20), duration: Some(ms(80)), every: Some(ms(40)) };
    let report = load::start(plan, options).unwrap().wait().unwrap();
    assert_eq!((report.is_cut_short, report.warm_up_s, report.measured_s), (false, 0.02, 0.08));
    assert_eq!(report.windows.len(), 2);
    let generator = &report.generator;
    assert!(generator.cpu_s > 0.0 && generator.lateness.max_ms.is_some(), "{generator:?}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["requests"][0]["request"], "GET /a");
}
