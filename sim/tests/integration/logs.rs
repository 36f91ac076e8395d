//! `kubectl logs` of a whole world: what agents read.

use sim::diagnostic::Source;
use sim::environment::{Environment, Failure, LogQuery, Observation, Query, Rejected, Stage, Write, ready};
use sim::fault::FaultKind;
use sim::ids::ContainerIx;
use sim::profile::Profile;
use sim::program::Setting;
use sim::time::{SimDuration, SimTime};
use sim::traffic::NodeSpec;
use sim::world::Twin;

use crate::small_world::{SmallWorld, at, users};
use crate::world::bookshop_twin;

/// A bookshop with ten readers and a fault for the test to inject, at 60 s.
fn twin(fault: &str) -> Twin {
    let scenario = format!(
        "apiVersion: sockpit/v1alpha1\nkind: Scenario\nname: test/bookshop\napp: {{name: bookshop}}\nworkloads:\n\
         - {{user_class: reader, target: web, shape: {{level: light}}, start: 15s}}\nfaults:\n\
         - start: 10h\n  end: 11h\n  inject: {{{fault}}}\n\
         task: {{levels: [L5], agent: web, text: none, goal: maintain, start: 1h}}\nbudget: {{time: 12h}}\n\
         slos: {{components: [web]}}\n"
    );
    let mut twin = bookshop_twin(&scenario, &[]);
    ready(twin.prepare()).unwrap_or_else(|failure| panic!("{failure}"));
    twin.run_until(SimTime::ZERO + SimDuration::from_secs(60));
    twin
}

fn logs(twin: &mut Twin, of: &str, previous: bool, tail: u32) -> Result<Vec<String>, String> {
    match ready(twin.observe(&Query::Logs(LogQuery { of: of.into(), previous, tail }))) {
        Ok(Observation::Logs { lines, .. }) => Ok(lines),
        Err(Failure::Rejected(Rejected(why))) => Err(why),
        other => panic!("{of}: {other:?}"),
    }
}

fn inject(twin: &mut Twin, seconds: u64) {
    ready(twin.inject(0)).unwrap_or_else(|failure| panic!("{failure}"));
    twin.run_until(twin.now() + SimDuration::from_secs(seconds));
}

/// The log of a pod of a component that is not ready.
fn log_of_new_pod(twin: &mut Twin, component: &str, previous: bool) -> Result<Vec<String>, String> {
    let query = Query::ListPods { component: Some(component.into()) };
    let Ok(Observation::Pods(pods)) = ready(twin.observe(&query)) else { panic!("there are pods") };
    let pod = pods.into_iter().min_by_key(|pod| pod.age).expect("the component has a pod").name;
    logs(twin, &pod, previous, 50)
}

#[test]
fn nothing_is_wrong_before_the_fault() {
    let mut twin = twin("slow-database: {component: postgres, cost_factor: 50}");
    assert_eq!(logs(&mut twin, "web", false, 50).unwrap(), ["starting bookshop/web:1.0", "listening on port 8080"]);
    let books = logs(&mut twin, "books", false, 50).unwrap();
    assert_eq!(books, ["starting bookshop/books:2.1", "listening on port 8000"]);
    let why = logs(&mut twin, "web", true, 50).unwrap_err();
    assert!(why.starts_with("previous terminated container \"web\" in pod \"web-"), "{why}");
}

#[test]
fn the_container_before_the_last_has_said_why_it_exited() {
    let mut twin = twin("crash-on-start: {component: postgres, name: PGDATABASE, value: bocks}");
    inject(&mut twin, 30);
    for previous in [true, false] {
        let log = log_of_new_pod(&mut twin, "postgres", previous).unwrap();
        assert_eq!(log, ["starting postgres", "fatal: PGDATABASE: `bocks` is none of books"], "{previous}");
    }
}

#[test]
fn the_address_that_does_not_resolve_is_in_the_log() {
    let mut twin = twin("bad-environment: {component: books, name: STORE, value: databse}");
    inject(&mut twin, 30);
    let log = log_of_new_pod(&mut twin, "books", false).unwrap();
    assert_eq!(log.last().map(String::as_str), Some("waiting for databse:5432: no such host"), "{log:?}");
}

#[test]
fn a_retry_storm_is_seen_at_who_retries() {
    let mut twin = twin("retry-storm: {component: books, to: store, timeout: 100us, retries: 2}");
    inject(&mut twin, 10);
    let log = logs(&mut twin, "books", false, 3).unwrap().join("\n");
    assert!(log.contains("attempt 1 of 3, trying again") && log.contains("no answer within"), "{log}");
    assert_eq!(logs(&mut twin, "books", false, 1000).unwrap().len(), 200, "the rest is gone");
}

/// A clone reads the same, and goes on by itself.
#[test]
fn a_fork_has_the_log_and_writes_its_own() {
    let mut world = twin("slow-database: {component: postgres, cost_factor: 50}");
    let mut fork = world.clone();
    let write = Write::SetEnv { component: "books".into(), name: "STORE".into(), value: Some("nowhere".into()) };
    ready(fork.act(&write)).unwrap();
    let later = world.now() + SimDuration::from_secs(60);
    world.run_until(later);
    fork.run_until(later);
    assert_eq!(logs(&mut world, "books", false, 9).unwrap().len(), 2);
    assert!(log_of_new_pod(&mut fork, "books", false).unwrap().iter().any(|line| line.contains("nowhere:5432")));
}

fn shop() -> Profile {
    let text = include_str!("../../../datasets/apps/sock-shop/profile.yaml").to_owned();
    Profile::load(&Source { path: "profile.yaml".into(), text }).expect("it is right").0.value
}

/// The whole shop with two shoppers, in which one service has these variables.
fn shop_with(configured: &str, settings: &[Setting<'_>], absent: &[&str]) -> (SmallWorld, Vec<ContainerIx>) {
    let profile = shop();
    let mut world = SmallWorld::of(&profile, &[NodeSpec { cores: 8, ..NodeSpec::default() }], 1);
    let mut started = Vec::new();
    for name in profile.services.keys() {
        let required =
            [("MYSQL_ROOT_PASSWORD", Some("")), ("MYSQL_ROOT_PASSWORD", Some("x")), ("MYSQL_DATABASE", Some("x"))];
        let settings = if name == configured { settings } else { &required };
        let spec = world.spec(name);
        let container = world.start_configured(spec, settings);
        if absent.contains(&name.as_str()) {
            world.forget(container);
        }
        started.push(container);
    }
    world.run(at(30_000));
    world.load(&users("shopper", "front-end", 2, 1.0));
    world.run(at(90_000));
    (world, started)
}

/// That what a service of the shop has written has a line with all of these words.
fn check_shop(configured: &str, settings: &[Setting<'_>], absent: &[&str], of: &str, words: &[&str]) {
    let (world, started) = shop_with(configured, settings, absent);
    let ix = world.traffic.programs().service(of).expect("the profile has it");
    let log = world.log(started[ix.index()]);
    let found = log.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(found, "{configured} {settings:?} {absent:?}: {of} has written\n{}", log.join("\n"));
}

#[test]
fn the_shop_says_what_the_real_programs_say() {
    let unknown = ["MongoTimeoutException: Timed out after 10000 ms", "java.net.UnknownHostException: cart-db"];
    check_shop("carts", &[("db", Some("cart-db"))], &[], "carts", &unknown);
    let heap = [("JAVA_OPTS", Some("-Xms64m -Xmx128mb"))];
    check_shop("orders", &heap, &[], "orders", &["Invalid maximum heap size: -Xmx128mb"]);
    check_shop("orders", &heap, &[], "orders", &["Error: Could not create the Java Virtual Machine."]);
    let refused = ["/orders Error: connect ECONNREFUSED 10.96.0.", ":80"];
    check_shop("orders", &heap, &[], "front-end", &refused);
    check_shop("catalogue-db", &[], &[], "catalogue-db", &["No database selected"]);
    let password = [("MYSQL_DATABASE", Some("socksdb"))];
    check_shop("catalogue-db", &password, &[], "catalogue-db", &["error: database is uninitialized"]);
    let database = ["databaseerror=\"dial tcp 10.96.0.", ":3306: connect: connection refused\""];
    check_shop("catalogue-db", &password, &[], "catalogue", &database);
    let value = [("USER_DATABASE", Some("mysql"))];
    check_shop("user", &value, &[], "user", &["No database with name mysql registered"]);
    check_shop("", &[], &["user-db"], "user", &["no reachable servers"]);
    check_shop("", &[], &["catalogue"], "front-end", &["SyntaxError: Unexpected token u"]);
    check_shop("", &[], &["rabbitmq"], "shipping", &["Unable to add to queue (the queue is probably down)"]);
    check_shop("", &[], &["rabbitmq"], "queue-master", &["AmqpConnectException: java.net.ConnectException"]);
    let payment = ["I/O error on POST request for \"http://payment/paymentAuth\": Connection refused"];
    check_shop("", &[], &["payment"], "orders", &payment);
}

#[test]
fn a_shop_in_which_nothing_is_wrong_writes_nothing() {
    let (world, _) = shop_with("", &[], &[]);
    // The JVMs begin to listen while the shoppers already shop.
    let late = |container: &ContainerIx| !world.log(*container).is_empty();
    let writers: Vec<_> = world.written.iter().filter(|(_, entry)| entry.at > at(60_000)).map(|(c, _)| *c).collect();
    assert!(!writers.iter().any(late), "{:?}", writers.iter().map(|c| world.log(*c)).collect::<Vec<_>>());
}

/// Words that only whoever injects a fault knows: kinds, but for those that say what anybody would say.
pub(crate) fn names_a_fault(line: &str) -> bool {
    let line = line.to_lowercase();
    let kinds = FaultKind::ALL.iter().map(|kind| kind.name());
    kinds.chain(["chaos", "fault", "inject", "experiment"]).any(|word| line.contains(word))
}
