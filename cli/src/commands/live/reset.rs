//! Between two episodes of a sweep: the cluster is put back, and the application is as it was.
//!
//! ```text
//! sessions not put back ─undo─▶ replicas as at the beginning ─▶ every rollout over, no pod on its way out
//! ```
//!
//! What agents changed is undone; what controllers made of it is not theirs to undo, such as replicas that an autoscaler
//! set, and so replicas are put back by themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use bridge::guard::Extent;
use bridge::{Cluster, Standing};
use datasets::runs;
use sim::environment::Write;

use super::place::Place;
use super::run_failed;
use crate::commands::lab::PATIENCE;
use crate::commands::undo;
use crate::output::{self, Failed};
use crate::progress;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// The file that says of a session's folder that all of it was put back.
const PUT_BACK: &str = "put-back";
/// The file of a sweep's folder that says how many replicas each Deployment had at the beginning, by namespace.
const STANDING: &str = "standing.json";

/// How many replicas each Deployment had, by namespace.
type Replicas = BTreeMap<String, BTreeMap<String, u32>>;

/// Puts back what sessions changed, the last of them first, and waits until the application is as it was when the sweep began.
///
/// # Errors
/// Something cannot be put back, or is not ready in time: an episode would begin in another world than the others.
pub(super) async fn reset(sweep: &Path, place: &Place, sessions: &[PathBuf]) -> Result<(), Failed> {
    let cluster = Cluster::connect_to(&place.access, &place.namespace).await.map_err(run_failed)?;
    for session in sessions.iter().rev() {
        undo_session(&cluster, place, session).await?;
    }
    let wanted = wanted(sweep, &cluster).await?;
    let now = cluster.standing().await.map_err(run_failed)?.replicas;
    for (component, replicas) in wanted {
        if now.get(&component).is_none_or(|now| *now == replicas) {
            continue;
        }
        output::talk(&format!("{component} is scaled to {replicas} again"));
        let write = Write::Scale { component, replicas };
        let scaled = cluster.write(&write).await;
        scaled.map_err(|why| Failed::Run(anyhow!("replicas cannot be put back: {why}")))?;
    }
    settled(&cluster).await
}

/// The sessions below a folder that were not put back, in the order of their names.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn open_sessions(below: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut open = Vec::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
        let paths = paths.with_context(|| format!("cannot read {}", folder.display()))?;
        if paths.iter().any(|path| path.is_file()) {
            if !folder.join(PUT_BACK).exists() {
                open.push(folder);
            }
        } else {
            folders.extend(paths);
        }
    }
    open.sort();
    Ok(open)
}

async fn undo_session(cluster: &Cluster, place: &Place, session: &Path) -> Result<(), Failed> {
    let undone = cluster.undo(session, Extent::ForGood).await.map_err(run_failed)?;
    if let Err(Failed::Input(why) | Failed::Run(why)) = undo::judged(&undone, Extent::ForGood) {
        let again = format!("`sockpit undo {}{}`", session.display(), place.typed);
        return Err(Failed::Run(why.context(format!("the cluster is not as it was; {again} tells more"))));
    }
    let path = session.join(PUT_BACK);
    runs::write_whole(&path, "all is as it was\n")
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(Failed::Run)
}

/// How many replicas there were when the sweep began, also if that was another run of the program.
async fn wanted(sweep: &Path, cluster: &Cluster) -> Result<BTreeMap<String, u32>, Failed> {
    let path = sweep.join(STANDING);
    let mut known: Replicas = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .with_context(|| format!("{}: it does not say how many replicas there were", path.display()))
            .map_err(Failed::Run)?,
        Err(_) => Replicas::new(),
    };
    if let Some(replicas) = known.get(cluster.namespace()) {
        return Ok(replicas.clone());
    }
    let replicas = cluster.standing().await.map_err(run_failed)?.replicas;
    known.insert(cluster.namespace().to_owned(), replicas.clone());
    let text = serde_json::to_string_pretty(&known).context("cannot write replicas as JSON").map_err(Failed::Run)?;
    let written = runs::write_whole(&path, text).with_context(|| format!("cannot write {}", path.display()));
    written.map_err(Failed::Run)?;
    Ok(replicas)
}

/// Waits until every rollout is over and no pod is on its way out.
async fn settled(cluster: &Cluster) -> Result<(), Failed> {
    let (began, line) = (Instant::now(), progress::line());
    loop {
        let Standing { unsettled, .. } = cluster.standing().await.map_err(run_failed)?;
        let Some(first) = unsettled.first() else {
            line.finish_and_clear();
            return Ok(());
        };
        if began.elapsed() > PATIENCE {
            line.finish_and_clear();
            return Err(Failed::Run(anyhow!(
                "the application is not as it was after {} s: waiting for {}\n  help: see `kubectl describe pods` for why; \
                 the same command goes on where it was",
                PATIENCE.as_secs(),
                unsettled.join("; ")
            )));
        }
        line.set_message(format!("{:.0} s, waiting for {first}", began.elapsed().as_secs_f64()));
        line.tick();
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_open_until_it_says_that_it_was_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("sessions");
        assert!(open_sessions(&below).unwrap().is_empty(), "nothing was played yet");
        for session in ["a/noop/seed-1.1", "a/noop/seed-1.2", "b/noop/seed-1.1"] {
            let session = below.join(session);
            fs::create_dir_all(&session).unwrap();
            fs::write(session.join("audit.jsonl"), "").unwrap();
        }
        fs::write(below.join("a/noop/seed-1.1").join(PUT_BACK), "").unwrap();
        assert_eq!(open_sessions(&below).unwrap(), [below.join("a/noop/seed-1.2"), below.join("b/noop/seed-1.1")]);
    }
}
