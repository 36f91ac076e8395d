//! Applications load, and those whose parts do not fit are refused with a cure.

use sim::app::App;
use sim::diagnostic::{Diagnostics, Source};

/// The files of the second application: its name in messages, and its text.
const BOOKSHOP: [(&str, &str); 4] = [
    ("manifests/web.yaml", include_str!("../fixtures/apps/bookshop/manifests/web.yaml")),
    ("manifests/books.yaml", include_str!("../fixtures/apps/bookshop/manifests/books.yaml")),
    ("manifests/store.yaml", include_str!("../fixtures/apps/bookshop/manifests/store.yaml")),
    ("profile.yaml", include_str!("../fixtures/apps/bookshop/profile.yaml")),
];

/// A change of one file: its name, what is replaced, and by what.
pub(crate) type Change<'a> = (&'a str, &'a str, &'a str);

/// The app with some changes. A change of the whole of `profile.yaml` (from nothing) takes the profile away.
pub(crate) fn bookshop(changes: &[Change<'_>]) -> Result<(App, Vec<sim::diagnostic::Diagnostic>), Diagnostics> {
    let mut files = BOOKSHOP.map(|(path, text)| Source { path: path.to_owned(), text: text.to_owned() }).to_vec();
    for (path, old, new) in changes {
        let file = files.iter_mut().find(|f| f.path == *path).expect("it is one of its files");
        assert!(file.text.contains(old), "`{old}` is not in {path}");
        file.text = if old.is_empty() { (*new).to_owned() } else { file.text.replacen(old, new, 1) };
    }
    let profile = files.pop().filter(|file| !file.text.is_empty());
    App::load(&files, &[], profile.as_ref())
}

#[test]
fn a_second_app_is_known_by_its_own_names() {
    let (app, warnings) = bookshop(&[]).unwrap();
    assert_eq!(warnings, []);
    let names: Vec<_> = app.kube_services.iter().map(|k| k.name.as_str()).collect();
    assert_eq!(names, ["books", "database", "web"]);
    let store = app.service("store").unwrap();
    assert_eq!(app.component_of(store), "postgres");
    assert_eq!(app.service_of("postgres"), Some(store));
    let address = app.addresses[store.index()].kube_service.unwrap();
    assert_eq!(app.kube_services[address.index()].leads_to, Some(store));
    assert_eq!(app.find_kube_service("database.bookshop.svc.cluster.local", None), Some(address));
    assert_eq!(app.find_kube_service("database.elsewhere", Some("bookshop")), None);
    assert_eq!(app.runs("docker.io/bookshop/web:1.1", "any"), app.service("web"));
    assert_eq!(app.runs("bookshop/exporter:7", "any"), None);
    let of_books = app.dependencies("books").unwrap();
    assert_eq!((of_books.calls, of_books.called_by), (vec!["postgres".to_owned()], vec!["web".to_owned()]));
    assert_eq!(app.distance("web", "postgres"), Some(2));
    assert_eq!(app.distance("web", "nothing"), None);
}

#[test]
fn apps_that_do_not_fit_are_refused() {
    let refused: &[(&str, &[Change<'_>])] = &[
        ("no profile", &[("profile.yaml", "", "")]),
        ("an image that the profile does not know", &[("manifests/web.yaml", "bookshop/web:1.0", "bookshop/wep:1.0")]),
        (
            "a called service that nothing runs",
            &[("manifests/store.yaml", "image: postgres", "image: bookshop/exporter")],
        ),
        (
            "an image of several services in a container that is named after none",
            &[("profile.yaml", "runs: [store]", "runs: [store, books]")],
        ),
        (
            "a Service that selects nothing",
            &[("manifests/books.yaml", "selector: {app: books}\n  ports", "selector: {app: book}\n  ports")],
        ),
        (
            "a broken manifest and a broken profile",
            &[
                ("manifests/web.yaml", "replicas: 2", "replicas: two"),
                ("profile.yaml", "model: goroutines", "model: goroutine"),
            ],
        ),
        (
            "calls in a circle",
            &[
                (
                    "profile.yaml",
                    "program: [{cpu: {mean: 500us, variation: 1}}]",
                    "program: [{call: {to: web, request: GET /health}}]",
                ),
                (
                    "profile.yaml",
                    "program: [{cpu: {mean: 100us}}]",
                    "program: [{call: {to: books, request: GET /books/1}}]",
                ),
            ],
        ),
    ];
    let answers = refused.iter().map(|(what, changes)| match bookshop(changes) {
        Ok(_) => panic!("{what}: it loads"),
        Err(mistakes) => format!("# {what}\n{mistakes}\n"),
    });
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(answers.collect::<Vec<_>>().join("\n")) });
}

#[test]
fn apps_that_a_cluster_would_take_and_fail_at_are_loaded_with_a_warning() {
    let doubtful: &[(&str, &[Change<'_>])] = &[
        ("a tag that the registry does not have", &[("manifests/web.yaml", "bookshop/web:1.0", "bookshop/web:1.2")]),
        ("a port that nobody listens on", &[("manifests/books.yaml", "targetPort: 8000", "targetPort: 8001")]),
        ("a Service with another name", &[("manifests/store.yaml", "name: database", "name: db")]),
        (
            "a Service that leads elsewhere",
            &[("manifests/store.yaml", "selector: {app: postgres}", "selector: {app: web}")],
        ),
        ("a probe of the wrong port", &[("manifests/web.yaml", "port: 8080}", "port: 80}")]),
        ("a probe of nothing", &[("manifests/web.yaml", "path: /health", "path: /healthz")]),
        ("too little memory", &[("manifests/books.yaml", "memory: 400Mi", "memory: 200Mi")]),
        (
            "a Deployment beside the application",
            &[(
                "manifests/books.yaml",
                "---",
                "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: extra, namespace: bookshop}\nspec:\n  selector: {matchLabels: {app: extra}}\n  template:\n    metadata: {labels: {app: extra}}\n    spec: {containers: [{name: extra, image: bookshop/exporter}]}\n---",
            )],
        ),
        ("users who ask for what is not there", &[("profile.yaml", "request: GET /books/7", "request: GET /")]),
    ];
    let answers = doubtful.iter().map(|(what, changes)| match bookshop(changes) {
        Ok((_, warnings)) if warnings.is_empty() => panic!("{what}: no warning"),
        Ok((_, warnings)) => format!("# {what}\n{}\n", Diagnostics(warnings)),
        Err(mistakes) => panic!("{what}: it is refused\n{mistakes}"),
    });
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(answers.collect::<Vec<_>>().join("\n")) });
}
