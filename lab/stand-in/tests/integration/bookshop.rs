//! A small application: how processes live and fail.

use super::troupe::Troupe;

const PROFILE: &str = "sim/tests/fixtures/apps/bookshop/profile.yaml";

#[test]
fn calls_are_tried_again_and_services_come_back() {
    let mut shop = Troupe::of(PROFILE).play();
    assert_eq!(shop.ask("web", "GET /books/7", ""), Some(200));
    assert_eq!(shop.ask("web", "GET /books/7/reviews", ""), Some(404));
    shop.kill("books");
    assert_eq!(shop.ask("web", "GET /books/7", ""), Some(500));
    shop.restart("books");
    // The kept connection is dead, which the client notices before it uses it.
    assert_eq!(shop.ask("web", "GET /books/7", ""), Some(200));
    assert_eq!(shop.metric("web", "sockpit_stand_in_requests_total"), Some(4.0));
}

/// More at once than books has threads, and than its pool has connections to the store.
#[test]
fn a_crowd_is_served() {
    let shop = Troupe::of(PROFILE).play();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..40).map(|_| scope.spawn(|| shop.ask("web", "GET /books/7", ""))).collect();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), Some(200));
        }
    });
    for service in ["web", "books", "store"] {
        assert_eq!(shop.metric(service, "sockpit_stand_in_requests_total"), Some(40.0), "{service}");
        assert_eq!(shop.metric(service, "sockpit_stand_in_requests_in_flight"), Some(0.0), "{service}");
    }
}

/// Goroutines have as many threads as there are processors; the one that the process began with is none of them.
#[test]
fn connections_are_accepted_by_the_runtimes_own_threads() {
    let shop = Troupe::of(PROFILE).play();
    assert_eq!(shop.ask("web", "GET /health", ""), Some(200));
    let before = shop.turns_of_main_thread("web");
    for _ in 0..50 {
        assert_eq!(shop.ask("web", "GET /health", ""), Some(200));
    }
    assert_eq!(shop.turns_of_main_thread("web"), before);
}

#[test]
fn sigterm_ends_a_process() {
    let mut shop = Troupe::of(PROFILE).play();
    assert_eq!(shop.terminate("web").code(), Some(0));
}

#[test]
fn probes_fail_when_told_to() {
    let unready = Troupe::of(PROFILE).with("web", "SOCKPIT_UNREADY_AFTER", "0").play();
    let kubelet = "user-agent: kube-probe/1.34\r\n";
    assert_eq!(unready.ask("web", "GET /health", kubelet), Some(503));
    assert_eq!(unready.ask("web", "GET /health", ""), Some(200), "users are no probes");
    assert_eq!(unready.ask("web", "GET /.sockpit/ready", kubelet), Some(503));
    assert_eq!(unready.ask("web", "GET /.sockpit/alive", kubelet), Some(200));
    assert_eq!(unready.ask("books", "GET /.sockpit/ready", kubelet), Some(200));
}
