//! All of Sock Shop: an order is bought end to end.

use super::troupe::Troupe;

const PROFILE: &str = "datasets/apps/sock-shop/profile.yaml";

/// Upstream's loop, and what a shopper sees.
const LOOP: [(&str, u16); 9] = [
    ("GET /catalogue", 200),
    ("GET /", 200),
    ("GET /login", 200),
    ("GET /category.html", 200),
    ("GET /detail.html?id=03fef6ac-1896-4ce8-bd69-b798f85c6e0b", 200),
    ("DELETE /cart", 202),
    ("POST /cart", 201),
    ("GET /basket.html", 200),
    ("POST /orders", 201),
];

#[test]
fn an_order_is_bought_end_to_end() {
    let mut shop = Troupe::of(PROFILE).play();
    for _ in 0..2 {
        for (request, expected) in LOOP {
            assert_eq!(shop.ask("front-end", request, "x-sockpit-order_total: 22.31\r\n"), Some(expected), "{request}");
        }
    }
    // Payment declines above 100.
    assert_eq!(shop.ask("front-end", "POST /orders", "x-sockpit-order_total: 104.98\r\n"), Some(406));
    assert_eq!(shop.ask("front-end", "GET /nothing", ""), Some(404));

    let series =
        "request_duration_seconds_count{method=\"POST\",route=\"/orders\",status_code=\"201\",service=\"orders\"}";
    assert_eq!(shop.metric("orders", series), Some(2.0));
    let declined = series.replace("201", "406");
    assert_eq!(shop.metric("orders", &declined), None, "orders counts no errors");
    let series =
        "request_duration_seconds_count{method=\"GET\",route=\"catalogue_id\",status_code=\"200\",isWS=\"false\"}";
    assert_eq!(shop.metric("catalogue", series), Some(2.0));
    // Each order ships: queue-master, which finds its broker at once when it starts anew, gets both messages.
    shop.restart("queue-master");
    let handled = || shop.metric("queue-master", "sockpit_stand_in_requests_total") == Some(2.0);
    assert!((0..10_000).any(|_| handled()), "the messages are handled");
    assert_eq!(shop.metric("rabbitmq", "sockpit_stand_in_queued_messages{queue=\"shipping-task\"}"), Some(0.0));
    let scraped = shop.exchange("catalogue", "GET /metrics", "").unwrap();
    assert!(scraped.contains("request_duration_seconds_bucket{") && scraped.contains("sockpit_stand_in_bursts_total"));
}

#[test]
fn front_end_dies_of_what_nobody_catches() {
    let mut shop = Troupe::of(PROFILE).play();
    shop.kill("catalogue");
    // The list is answered in spite of it.
    assert_eq!(shop.ask("front-end", "GET /catalogue", ""), Some(500));
    assert_eq!(shop.ask("front-end", "GET /", ""), Some(200));
    assert_eq!(shop.ask("front-end", "POST /cart", ""), None);
    assert_eq!(shop.wait("front-end").code(), Some(1));
}
