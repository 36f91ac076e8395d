//! Who is who in the cluster: one certificate authority, a token per identity, kubeconfigs.
//!
//! Clients authenticate by token, so certificates are only for what Kubernetes has no token for: serving, and what the
//! API server shows to kubelets and to aggregated APIs.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::directories::{Directories, create, render, write};
use crate::error::LabError;
use crate::image::hex;
use crate::layout::{CONTROL_PLANE, NodeLayout};
use crate::run::output;

const KUBECONFIG: &str = include_str!("../config/kubeconfig.yaml");
/// Longer than any lab lives.
const DAYS: &str = "3650";

/// Certificates that the authority signs: name, subject, what it is for, alternative names.
const CERTIFICATES: [(&str, &str, &str, &str); 3] = [
    (
        "apiserver",
        "/CN=kube-apiserver",
        "serverAuth",
        "IP:10.200.0.1,IP:10.96.0.1,IP:127.0.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc",
    ),
    ("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client", "clientAuth", "DNS:kube-apiserver"),
    ("front-proxy-client", "/CN=front-proxy-client", "clientAuth", "DNS:front-proxy-client"),
];

/// Makes all of them, for a new cluster.
pub(crate) fn create_all(directories: &Directories, nodes: &[NodeLayout]) -> Result<(), LabError> {
    let folder = directories.credential("");
    create(&folder)?;
    keep_private(&folder, 0o700)?;
    make_certificates(&folder)?;

    let mut tokens = Vec::new();
    let mut identity = |user: &str, group: &str, kubeconfig: &Path| -> Result<(), LabError> {
        let token = random_token()?;
        tokens.push(format!("{token},{user},{user},\"{group}\"\n"));
        let authority = directories.credential("ca.crt").display().to_string();
        let text = render(KUBECONFIG, &[("authority", &authority), ("address", CONTROL_PLANE), ("token", &token)]);
        write(kubeconfig, text)?;
        write(&kubeconfig.with_extension("token"), &token)?;
        keep_private(kubeconfig, 0o600)
    };
    identity("admin", "system:masters", &directories.credential("admin.kubeconfig"))?;
    for node in nodes {
        let user = format!("system:node:{}", node.name);
        identity(&user, "system:nodes", &directories.credential(&format!("{}.kubeconfig", node.name)))?;
    }
    write(&directories.credential("tokens.csv"), tokens.concat())?;
    let (from, to) = (directories.credential("admin.kubeconfig"), directories.kubeconfig());
    fs::copy(from, &to).map_err(LabError::file(&to))?;
    Ok(())
}

fn make_certificates(folder: &Path) -> Result<(), LabError> {
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        output(command.current_dir(folder).args(arguments.split(' ')))
    };
    let new = format!("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days {DAYS}");
    openssl(&format!("{new} -keyout ca.key -out ca.crt -subj /CN=sockpit-lab"))?;
    for (name, subject, usage, alternatives) in CERTIFICATES {
        openssl(&format!(
            "{new} -CA ca.crt -CAkey ca.key -keyout {name}.key -out {name}.crt -subj {subject} -addext \
             extendedKeyUsage={usage} -addext subjectAltName={alternatives} -addext basicConstraints=critical,CA:FALSE"
        ))?;
    }
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out service-account.key")?;
    openssl("pkey -in service-account.key -pubout -out service-account.pub")?;
    Ok(())
}

fn random_token() -> Result<String, LabError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(path).and_then(|mut source| source.read_exact(&mut bytes)).map_err(LabError::file(path))?;
    Ok(hex(&bytes))
}

fn keep_private(path: &Path, mode: u32) -> Result<(), LabError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(LabError::file(path))
}
