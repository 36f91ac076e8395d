//! What the program refuses, and how it says so.

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;

use super::troupe::repository;

/// Runs `check` on a profile; whether it is played, and what is said.
fn check(profile: &str) -> (bool, String) {
    let mut file = tempfile::NamedTempFile::new().expect("a place for it");
    file.write_all(profile.as_bytes()).expect("room for it");
    let program = Command::new(env!("CARGO_BIN_EXE_stand-in")).arg("check").arg(file.path()).output();
    let output = program.expect("it was built");
    let path = file.path().display().to_string();
    let said = String::from_utf8_lossy(&output.stderr).replace(&path, "profile.yaml");
    (output.status.success(), said)
}

#[test]
fn the_shipped_application_is_played() {
    let profile = repository("datasets/apps/sock-shop/profile.yaml");
    let (is_played, said) = check(&std::fs::read_to_string(profile).unwrap());
    assert!(is_played, "{said}");
    assert_eq!(said, "profile.yaml: everything in it is played\n");
}

#[test]
fn what_is_not_played_is_refused_by_name() {
    let (is_played, said) = check(
        "
apiVersion: sockpit/v1alpha1
kind: Profile
attributes: [order total]
images: [{image: a, runs: [a]}]
services:
  a:
    port: 80
    runtime: {model: threads}
    memory: {base: 1Mi}
    endpoints:
      - {request: 'GET /x/{id}', program: []}
      - {request: GET /x/1, program: []}
      - {request: GET /.sockpit/x, program: []}
",
    );
    assert!(!is_played);
    let lines: Vec<_> = said.lines().filter(|line| line.starts_with("error")).collect();
    let expected = [
        "error: profile.yaml:4: attributes[0]: the stand-in does not play the attribute `order total`, which is no \
         name of a header",
        "error: profile.yaml:13: services.a.endpoints[1].request: the stand-in does not play `GET /x/1` beside \
         `GET /x/{id}`, which looks the same on the wire",
        "error: profile.yaml:14: services.a.endpoints[2].request: the stand-in does not play paths below /.sockpit/, \
         which are its own",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_crash_can_be_ordered() {
    let output = Command::new(env!("CARGO_BIN_EXE_stand-in"))
        .env_clear()
        .env("SOCKPIT_PROFILE", repository("datasets/apps/sock-shop/profile.yaml"))
        .env("SOCKPIT_SERVICE", "carts")
        .env("SOCKPIT_CRASH_AFTER", "0")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_exec_probe_asks_whether_the_service_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let probe = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stand-in"));
        command
            .args(["mongo", "--eval", "1"])
            .env_clear()
            .env("SOCKPIT_PROFILE", repository("datasets/apps/sock-shop/profile.yaml"))
            .env("SOCKPIT_IMAGE", "mongo")
            .env("HOSTNAME", "carts-db-6d5f9-x2x7k")
            .env("SOCKPIT_LISTEN", listener.local_addr().unwrap().to_string());
        command.output().unwrap().status.code()
    };
    assert_eq!(probe(), Some(0));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_ok(), "it connected");
}

#[test]
fn an_environment_that_says_nothing_gets_help() {
    let output = Command::new(env!("CARGO_BIN_EXE_stand-in"))
        .env_clear()
        .env("SOCKPIT_PROFILE", repository("datasets/apps/sock-shop/profile.yaml"))
        .env("SOCKPIT_SERVICE", "catalog")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "error: environment: SOCKPIT_SERVICE: no service `catalog`\n  help: did you mean `catalogue`?\n");
}
