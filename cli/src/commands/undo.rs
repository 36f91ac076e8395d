//! `sockpit undo`: puts back what a session on a cluster changed.

use agents::render::Table;
use anyhow::anyhow;
use bridge::Cluster;
use bridge::guard::{Act, Extent, Session, Step, Undone, Verdict};
use serde::Serialize;

use crate::arguments::UndoOptions;
use crate::episodes::block_on;
use crate::output::{self, Failed};

/// What became of one part of a change, or of an object.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Line {
    object: String,
    change: String,
    outcome: &'static str,
    detail: String,
}

pub(crate) fn run(options: &UndoOptions) -> Result<(), Failed> {
    let session = Session::read(&options.folder).map_err(|error| Failed::Input(error.into()))?;
    let extent = if options.dry_run { Extent::DryRun } else { Extent::ForGood };
    let undone = block_on(undo(options, &session.namespace, extent)).map_err(Failed::Run)?;
    let undone = undone.map_err(|error| Failed::Run(error.into()))?;
    let lines = lines(&undone);
    if options.json {
        output::json(&lines)?;
    } else {
        output::data(&text(&lines))?;
    }
    if let Some(why) = &undone.unrecorded {
        output::talk(&format!("warning: what was done could not be written down: {why}"));
    }
    judged(&undone, extent)
}

async fn undo(options: &UndoOptions, namespace: &str, extent: Extent) -> Result<Undone, bridge::Error> {
    let access = &options.cluster;
    let cluster = Cluster::connect_as(access.kubeconfig.as_deref(), access.context.as_deref(), namespace).await?;
    cluster.undo(&options.folder, extent).await
}

/// Everything that was found and done, in the order in which it was done.
fn lines(undone: &Undone) -> Vec<Line> {
    let mut lines = Vec::new();
    for Step { object, acts, findings, .. } in &undone.steps {
        let object = object.to_string();
        for finding in findings {
            let (outcome, detail) = match &finding.verdict {
                Verdict::Restored(detail) => ("restored", detail),
                Verdict::Conflict(detail) => ("conflict", detail),
                Verdict::Left(detail) => ("left", detail),
            };
            let (change, detail) = (finding.what.clone(), detail.clone());
            lines.push(Line { object: object.clone(), change, outcome, detail });
        }
        for act in acts {
            let detail = match act {
                Act::Create { .. } => "the object is created again",
                Act::Delete => "the object is deleted",
                Act::Change { .. } => "the object is put back in one step",
                Act::Run { .. } => "the command is run",
            };
            let detail = detail.to_owned();
            lines.push(Line { object: object.clone(), change: String::new(), outcome: "done", detail });
        }
    }
    for (object, why) in &undone.failures {
        let (object, detail) = (object.to_string(), why.clone());
        lines.push(Line { object, change: String::new(), outcome: "failed", detail });
    }
    lines
}

fn text(lines: &[Line]) -> String {
    let mut table = Table::new(["OBJECT", "CHANGE", "OUTCOME", "WHAT"]);
    for Line { object, change, outcome, detail } in lines {
        table.row([object.clone(), change.clone(), (*outcome).to_owned(), detail.clone()]);
    }
    table.text("nothing is left to undo")
}

/// Whether all is as it was.
pub(super) fn judged(undone: &Undone, extent: Extent) -> Result<(), Failed> {
    let findings = undone.steps.iter().flat_map(|step| &step.findings);
    let conflicts = findings.filter(|finding| matches!(finding.verdict, Verdict::Conflict(_))).count();
    let failures = undone.failures.len();
    if conflicts + failures == 0 {
        return Ok(());
    }
    let done = match extent {
        Extent::DryRun => "would stay",
        Extent::ForGood => "stay",
    };
    Err(Failed::Run(anyhow!(
        "not all is as it was: {conflicts} conflicts {done}, {failures} objects failed\n  help: settle conflicts by hand \
         with what the table says; what failed is tried again by the same command"
    )))
}

#[cfg(test)]
mod tests {
    use bridge::guard::{ChangeId, Finding, ObjectId};

    use super::*;

    fn carts() -> ObjectId {
        ObjectId {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            plural: "deployments".to_owned(),
            namespace: Some("sock-shop".to_owned()),
            name: "carts".to_owned(),
        }
    }

    fn step(verdict: Verdict, acts: Vec<Act>) -> Step {
        let finding = Finding { change: ChangeId::Write(2), what: "scale carts to 3".to_owned(), verdict };
        Step { object: carts(), acts, findings: vec![finding], settled: Vec::new() }
    }

    #[test]
    fn what_was_done_is_a_table_and_a_conflict_is_a_failure() {
        let mut undone = Undone::default();
        assert_eq!(text(&lines(&undone)), "nothing is left to undo");
        undone.steps.push(step(Verdict::Restored("spec.replicas: 3 -> 1".to_owned()), vec![Act::Delete]));
        let expected = "\
OBJECT             CHANGE             OUTCOME    WHAT
deployment/carts   scale carts to 3   restored   spec.replicas: 3 -> 1
deployment/carts                      done       the object is deleted";
        assert_eq!(text(&lines(&undone)), expected);
        assert!(judged(&undone, Extent::ForGood).is_ok());
        undone.steps.push(step(Verdict::Conflict("spec.replicas".to_owned()), Vec::new()));
        assert!(matches!(judged(&undone, Extent::ForGood), Err(Failed::Run(_))));
        let failed = Undone { failures: vec![(carts(), "forbidden".to_owned())], ..Undone::default() };
        assert!(matches!(judged(&failed, Extent::DryRun), Err(Failed::Run(_))));
        assert_eq!(lines(&failed)[0].outcome, "failed");
    }
}
