//! Commands in containers, as `kubectl exec` runs them: without a shell, and in the container's cgroup.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::error::{Error, chain};

/// A command that cannot be started says so at once; one that has not said so by then runs.
const START_GRACE: Duration = Duration::from_millis(500);

/// What a command left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
    /// Its exit code.
    pub exit_code: i32,
}

/// A command that runs in a container. It goes on when this is dropped, until it ends by itself or its container does.
#[derive(Debug)]
pub struct Execution {
    task: JoinHandle<Result<ExecOutput, Error>>,
}

/// What became of a command shortly after it was started.
#[derive(Debug)]
pub(crate) enum Launched {
    /// It goes on.
    Runs(Execution),
    /// It has ended, and left this.
    Ended(ExecOutput),
}

impl Execution {
    /// Waits for its end.
    pub async fn finish(self) -> Result<ExecOutput, Error> {
        self.task.await.unwrap_or_else(|error| Err(Error::Server(chain(&error))))
    }
}

impl Cluster {
    /// Runs a command and waits for its end.
    pub async fn exec(&self, pod: &str, container: &str, command: &[&str]) -> Result<ExecOutput, Error> {
        let process = self.attach(pod, container, command).await?;
        output_of(process, pod, container).await
    }

    /// Starts a command, such as one that burns CPU time until it is told to stop, and returns once it runs.
    pub async fn start(&self, pod: &str, container: &str, command: &[&str]) -> Result<Execution, Error> {
        Ok(match self.launch(pod, container, command).await? {
            Launched::Runs(execution) => execution,
            Launched::Ended(output) => Execution { task: tokio::spawn(async { Ok(output) }) },
        })
    }

    /// The same for whoever has to know whether it goes on.
    pub(crate) async fn launch(&self, pod: &str, container: &str, command: &[&str]) -> Result<Launched, Error> {
        let process = self.attach(pod, container, command).await?;
        let (pod, container) = (pod.to_owned(), container.to_owned());
        let mut task = tokio::spawn(async move { output_of(process, &pod, &container).await });
        match tokio::time::timeout(START_GRACE, &mut task).await {
            Ok(Ok(output)) => output.map(Launched::Ended),
            Ok(Err(error)) => Err(Error::Server(chain(&error))),
            Err(_) => Ok(Launched::Runs(Execution { task })),
        }
    }

    async fn attach(&self, pod: &str, container: &str, command: &[&str]) -> Result<AttachedProcess, Error> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = AttachParams::default().container(container).stdin(false).stdout(true).stderr(true);
        let attached = self.bounded("run a command", pods.exec(pod, command.to_vec(), &params)).await;
        attached.map_err(|error| match error {
            Error::Server(reason) => Error::Exec { pod: pod.to_owned(), container: container.to_owned(), reason },
            other => other,
        })
    }
}

async fn output_of(mut process: AttachedProcess, pod: &str, container: &str) -> Result<ExecOutput, Error> {
    let failed = |reason: String| Error::Exec { pod: pod.to_owned(), container: container.to_owned(), reason };
    let status = process.take_status();
    let (stdout, stderr) = tokio::join!(read(process.stdout()), read(process.stderr()));
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let status = status.ok_or_else(|| failed("the connection ended before the command did".to_owned()))?;
    let exit_code = exit_code(&status).map_err(failed)?;
    Ok(ExecOutput { stdout, stderr, exit_code })
}

/// All that a stream brings until its end.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // A stream that breaks has brought what it has; that the command's end was not seen is said by its status.
        stream.read_to_end(&mut bytes).await.ok();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The exit code in what the kubelet says of a command's end, or why it did not run.
fn exit_code(status: &Status) -> Result<i32, String> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .find_map(|cause| cause.message.as_deref()?.parse().ok());
    code.ok_or_else(|| status.message.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: &str, expected: Result<i32, &str>) {
        let status: Status = serde_json::from_str(status).unwrap();
        assert_eq!(exit_code(&status), expected.map_err(str::to_owned));
    }

    #[test]
    fn the_end_of_a_command_is_read_from_its_status() {
        check(r#"{"metadata": {}, "status": "Success"}"#, Ok(0));
        check(
            r#"{"metadata": {}, "status": "Failure", "message": "command terminated with non-zero exit code: exit status 3",
                "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}"#,
            Ok(3),
        );
        check(
            r#"{"metadata": {}, "status": "Failure", "message": "exec: \"/no\": stat /no: no such file or directory",
                "reason": "InternalError", "code": 500}"#,
            Err("exec: \"/no\": stat /no: no such file or directory"),
        );
    }
}
