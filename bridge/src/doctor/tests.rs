use super::*;

fn wanted() -> Wanted {
    Wanted {
        images: [("carts".to_owned(), "c:1".to_owned()), ("user".to_owned(), "u:1".to_owned())].into(),
        histograms: ["request_duration_seconds".to_owned()].into(),
    }
}

fn running(image: &str, ready: u32) -> Running {
    Running { image: image.to_owned(), wanted: 1, ready }
}

/// A cluster that has everything.
fn whole() -> Facts {
    let each = uses().into_iter().flat_map(|each| {
        let of_cluster = each.grant.is_of_cluster();
        each.needs.into_iter().map(move |permission| ((of_cluster, permission), Ok(true)))
    });
    Facts {
        namespace: "sock-shop".to_owned(),
        version: Ok("v1.34.4".to_owned()),
        access: each.collect(),
        pod_metrics: Ok(2),
        chaos_mesh: Ok(true),
        deployments: Ok([("carts".to_owned(), running("c:1", 1)), ("user".to_owned(), running("u:1", 1))].into()),
        prometheus: Some(Ok(Series::of(&wanted()).into_iter().map(|series| (series, Ok(2))).collect())),
    }
}

/// The findings about what is not there.
fn wrong(facts: &Facts) -> Vec<Finding> {
    evaluate(facts, &wanted()).into_iter().filter(|finding| finding.outcome != Outcome::Passed).collect()
}

/// The one finding that is not passed: its name, outcome, and something that it says.
fn check(facts: &Facts, name: &str, outcome: Outcome, said: &str) {
    let wrong = wrong(facts);
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    assert_eq!((wrong[0].name.as_str(), wrong[0].outcome), (name, outcome));
    let text = format!("{} {}", wrong[0].detail, wrong[0].cure);
    assert!(text.contains(said) && !wrong[0].cure.is_empty(), "{:#?}", wrong[0]);
}

#[test]
fn a_cluster_that_has_everything_passes() {
    assert!(wrong(&whole()).is_empty(), "{:#?}", wrong(&whole()));
    let findings = evaluate(&whole(), &wanted());
    let names: BTreeSet<_> = findings.iter().map(|finding| finding.name.as_str()).collect();
    assert_eq!(names.len(), findings.len(), "each is named once");
    for name in ["API server", "may scale", "may drain", "may describe", "metrics API", "Chaos Mesh", "application"] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
}

#[test]
fn versions_have_a_range() {
    let with = |version: &str| Facts { version: Ok(version.to_owned()), ..whole() };
    check(&with("v1.28.9"), "API server", Outcome::Failed, "take Kubernetes 1.29 or newer");
    check(&with("v1.40.0"), "API server", Outcome::Unknown, "nobody has tried this version");
    check(&with("something"), "API server", Outcome::Unknown, "something");
    assert!(wrong(&with("v1.29.1-gke.100")).is_empty());
    let silent = Facts { version: Err("no answer".to_owned()), ..whole() };
    check(&silent, "API server", Outcome::Failed, "no answer");
}

#[test]
fn a_missing_permission_is_named_with_what_grants_it() {
    let without = |of_cluster: bool, text: &str, answer: &Result<bool, String>| {
        let mut facts = whole();
        for ((cluster, permission), allowed) in &mut facts.access {
            if *cluster == of_cluster && permission.to_string() == text {
                allowed.clone_from(answer);
            }
        }
        facts
    };
    let scale = without(false, "patch deployments.apps/scale", &Ok(false));
    check(&scale, "may scale", Outcome::Failed, "not allowed: patch deployments.apps/scale");
    check(
        &scale,
        "may scale",
        Outcome::Failed,
        "sockpit doctor --rbac namespace --namespace sock-shop | kubectl apply",
    );
    let evict = without(true, "create pods/eviction", &Ok(false));
    check(&evict, "may drain", Outcome::Optional, "--rbac node-actions");
    let unknown = without(false, "get pods/log", &Err("timed out".to_owned()));
    check(&unknown, "may logs", Outcome::Unknown, "get pods/log: timed out");
}

#[test]
fn what_is_measured_must_be_there() {
    check(&Facts { pod_metrics: Err("404".to_owned()), ..whole() }, "metrics API", Outcome::Failed, "metrics-server");
    check(&Facts { prometheus: None, ..whole() }, "Prometheus", Outcome::Failed, "--prometheus URL");
    let gone = Facts { prometheus: Some(Err("refused".to_owned())), ..whole() };
    check(&gone, "Prometheus", Outcome::Failed, "kubectl port-forward");
    let without = |series: Series| {
        let mut facts = whole();
        if let Some(Ok(counts)) = &mut facts.prometheus {
            counts.insert(series, Ok(0));
        }
        facts
    };
    let name = "series container_cpu_cfs_throttled_periods_total";
    check(&without(Series::Throttling), name, Outcome::Failed, "containers with a CPU limit");
    let requests = Series::Requests("request_duration_seconds".to_owned());
    check(&without(requests), "series request_duration_seconds_bucket", Outcome::Failed, "send some requests");
    assert_eq!(Series::Memory.query("a"), "count(container_memory_working_set_bytes{namespace=\"a\"})");
}

#[test]
fn one_can_do_without_chaos_mesh() {
    check(&Facts { chaos_mesh: Ok(false), ..whole() }, "Chaos Mesh", Outcome::Optional, "commands in containers");
}

#[test]
fn the_application_is_compared_with_its_manifests() {
    let with = |deployments: &[(&str, Running)]| Facts {
        deployments: Ok(deployments.iter().map(|(name, running)| ((*name).to_owned(), running.clone())).collect()),
        ..whole()
    };
    check(&with(&[]), "application", Outcome::Failed, "of the app's 2 there is no carts, user");
    let other = with(&[("carts", running("c:2", 1)), ("user", running("u:1", 0))]);
    check(&other, "application", Outcome::Unknown, "carts runs c:2, and the app has c:1; user has 0 of 1 pods Ready");
}

#[test]
fn a_cluster_that_cannot_be_reached_has_one_finding() {
    let found = unreachable(&Error::Unauthorized("expired".to_owned()));
    assert_eq!((found.outcome, found.name.as_str()), (Outcome::Failed, "API server"));
    assert!(found.detail.contains("expired") && found.cure.contains("--context"), "{found:?}");
}
