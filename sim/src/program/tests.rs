use super::*;
use crate::profile::Profile;

const PROFILE: &str = "
apiVersion: sockpit/v1alpha1
kind: Profile
attributes: [total]
images: []
services:
  shop:
    port: 80
    runtime: {model: event-loop}
    memory: {base: 10Mi}
    clients:
      store: {retries: 2}
    endpoints:
      - request: GET /item/list
        program: [{respond: {status: 204}}]
      - request: GET /item/{id}
        program:
          - repeat: {times: 3, steps: [{call: {to: store, request: find}}]}
          - parallel: {branches: [[{cpu: {mean: 1ms}}], [{call: {to: store, request: find}}]]}
          - respond: {status: 406, when: {above: {attribute: total, value: 100}}}
  store:
    port: 81
    runtime: {model: threads}
    memory: {base: 10Mi}
    endpoints:
      - request: find
        program: [{cpu: {mean: 1ms, variation: 0.5}}]
";

fn profile(text: &str) -> Profile {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn requests_find_their_endpoint() {
    let programs = Programs::compile(&profile(PROFILE)).unwrap();
    let shop = programs.service("shop").unwrap();
    let found = |request| {
        let ix = programs.endpoint(shop, request)?;
        Some(programs.endpoint_names[ix.index()].request.as_str())
    };
    assert_eq!(found("GET /item/list"), Some("GET /item/list"));
    assert_eq!(found("GET /item/7?size=2"), Some("GET /item/{id}"));
    for unknown in ["GET /item", "GET /item/7/8", "POST /item/7", "GET *"] {
        assert_eq!(found(unknown), None, "{unknown}");
    }
}

#[test]
fn steps_become_instructions() {
    let programs = Programs::compile(&profile(PROFILE)).unwrap();
    let shop = programs.service("shop").unwrap();
    let item = programs.endpoint(shop, "GET /item/{id}").unwrap();
    let entry = programs.endpoints[item.index()].entry as usize;
    let expected = [
        Op::Call(0),
        Op::Call(1),
        Op::Call(2),
        Op::Fork(0),
        Op::Await(0),
        Op::Await(1),
        Op::RespondAbove { attribute: 0, status: 406, value: 100.0 },
        Op::End,
    ];
    assert_eq!(programs.ops[entry..entry + expected.len()], expected);
    let branch = |i: usize| programs.ops[programs.branches[i] as usize];
    assert!(matches!((branch(0), branch(1)), (Op::Cpu(_), Op::Call(3))));
    assert_eq!(programs.clients.len(), 1, "one client per service that is called");
    assert_eq!(programs.clients[0].retries, 2);
}

#[test]
fn names_that_lead_nowhere_are_all_reported() {
    let broken = PROFILE
        .replace("to: store, request: find", "to: stor, request: find")
        .replace("attribute: total", "attribute: totl");
    let found = Programs::compile(&profile(&broken)).unwrap_err().to_string();
    assert!(found.contains("no service `stor`\n  help: did you mean `store`?"), "{found}");
    assert!(found.contains("no attribute `totl`"), "{found}");
    let broken = PROFILE.replace("request: find}}]}", "request: fund}}]}");
    let found = Programs::compile(&profile(&broken)).unwrap_err().to_string();
    assert!(found.contains("services.shop.endpoints[1].program: service `store` has no endpoint `fund`"), "{found}");
}
