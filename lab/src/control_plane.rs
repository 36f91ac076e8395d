//! The control plane's daemons, with the flags that differ from Kubernetes' defaults.

use crate::component::Component;
use crate::directories::Directories;
use crate::layout::{CONTROL_PLANE, CONTROL_PLANE_NAMESPACE, SERVICES};
use crate::programs::Programs;

/// etcd, API server, controller manager and scheduler, in the order of their needs.
pub(crate) fn components(directories: &Directories, programs: &Programs) -> Vec<Component> {
    let component = |name: &str, arguments: Vec<String>| {
        Component::new(name, CONTROL_PLANE_NAMESPACE, programs.path(name), arguments)
    };
    vec![
        component("etcd", etcd(directories)),
        component("kube-apiserver", api_server(directories)),
        component("kube-controller-manager", controller_manager(directories)),
        component("kube-scheduler", scheduler(directories)),
    ]
}

fn etcd(directories: &Directories) -> Vec<String> {
    vec![
        "--name=lab".into(),
        format!("--data-dir={}", directories.state.join("etcd").display()),
        "--listen-client-urls=http://127.0.0.1:2379".into(),
        "--advertise-client-urls=http://127.0.0.1:2379".into(),
        "--listen-peer-urls=http://127.0.0.1:2380".into(),
        "--initial-advertise-peer-urls=http://127.0.0.1:2380".into(),
        "--initial-cluster=lab=http://127.0.0.1:2380".into(),
        // A lab that loses its machine is built anew.
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ]
}

fn api_server(directories: &Directories) -> Vec<String> {
    let file = |name: &str| directories.credential(name).display().to_string();
    let key_pair = |flag: &str, other: &str, name: &str| {
        [format!("--{flag}={}", file(&format!("{name}.crt"))), format!("--{other}={}", file(&format!("{name}.key")))]
    };
    let mut flags = vec![
        "--etcd-servers=http://127.0.0.1:2379".into(),
        format!("--advertise-address={CONTROL_PLANE}"),
        "--secure-port=6443".into(),
        format!("--cert-dir={}", file("")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=Node,RBAC".into(),
        "--enable-admission-plugins=NodeRestriction".into(),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
        format!("--service-account-key-file={}", file("service-account.pub")),
        format!("--service-account-signing-key-file={}", file("service-account.key")),
        "--kubelet-preferred-address-types=InternalIP".into(),
        // For metrics-server, which is an API of its own behind the API server.
        "--enable-aggregator-routing=true".into(),
        format!("--requestheader-client-ca-file={}", file("ca.crt")),
        "--requestheader-allowed-names=front-proxy-client".into(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
        "--requestheader-group-headers=X-Remote-Group".into(),
        "--requestheader-username-headers=X-Remote-User".into(),
    ];
    flags.extend(key_pair("tls-cert-file", "tls-private-key-file", "apiserver"));
    flags.extend(key_pair("kubelet-client-certificate", "kubelet-client-key", "kubelet-client"));
    flags.extend(key_pair("proxy-client-cert-file", "proxy-client-key-file", "front-proxy-client"));
    flags
}

fn controller_manager(directories: &Directories) -> Vec<String> {
    let mut flags = client(directories);
    flags.extend([
        format!("--root-ca-file={}", directories.credential("ca.crt").display()),
        format!("--service-account-private-key-file={}", directories.credential("service-account.key").display()),
    ]);
    flags
}

fn scheduler(directories: &Directories) -> Vec<String> {
    client(directories)
}

fn client(directories: &Directories) -> Vec<String> {
    let kubeconfig = directories.credential("admin.kubeconfig").display().to_string();
    vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        // There is one of each.
        "--leader-elect=false".into(),
    ]
}
