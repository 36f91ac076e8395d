//! `sockpit load`: users against a real system, here a server of this process.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use super::{json, keys, stdout};

/// Answers every request with 200; one per connection.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let header = BufReader::new(&stream).lines().map_while(Result::ok);
            header.take_while(|line| !line.is_empty()).for_each(drop);
            // A client that has gone away is no concern of the server's.
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
        }
    });
    url
}

#[test]
fn users_of_an_app_are_played_and_measured() {
    let url = server();
    let typed = ["load", "--url", &url, "--users", "20", "--wait", "20ms", "--warm-up", "100ms", "--duration", "1s"];
    let report = json(&[&typed[..], &["--json", "--every", "1s"]].concat());
    let promised =
        ["total", "requests", "windows", "generator", "unfinished", "measured_s", "connections", "users_started"];
    for promised in promised {
        assert!(keys(&report).contains(&promised), "{promised}");
    }
    assert_eq!((&report["users_started"], &report["is_cut_short"]), (&20.into(), &false.into()));
    let list = &report["requests"][0];
    assert_eq!((&list["request"], &list["service"]), (&"GET /catalogue".into(), &"front-end".into()));
    assert_eq!(list["statuses"]["200"], list["count"]);
    for promised in ["rps", "error_rate", "mean_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms"] {
        assert!(list[promised].is_number(), "{promised}: {list}");
    }
    let text = stdout(&typed);
    assert!(text.starts_with("20 users of class catalogue-list on front-end, seed 1\n"), "{text}");
    assert!(text.contains("generator: ") && text.contains("DUE P99"), "{text}");
}

/// The rising load of a scenario: 100 users at one per second.
#[test]
fn the_loads_of_a_scenario_are_played() {
    let url = server();
    let url = [url.clone(), format!("catalogue={url}")];
    let typed = ["load", "acv/low/rising-traffic", "--url", &url[0], "--url", &url[1], "--duration", "1s", "--json"];
    let report = json(&[&typed[..], &["--warm-up", "0s"]].concat());
    assert!(report["users_started"].as_u64().is_some_and(|users| users > 0), "{report}");
}
