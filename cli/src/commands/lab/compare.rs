//! `sockpit lab compare`: scenarios played in the twin and on the lab, side by side.
//!
//! ```text
//!            ┌─▶ live: the stand-in on Kubernetes, under the load generator ─▶ Side ─┐
//! WHAT ─▶ case                                                                       ├─▶ report: text, Markdown, JSON
//!            └─▶ twin: the same, as old, on the same nodes ──────────────────▶ Side ─┘
//! ```
//!
//! Both begin when the manifests are applied, and do the same at the same times. The twin plays after the lab,
//! so that it is as old as the lab was when the load began. What the lab did can be kept, and another twin be set
//! beside it later.

mod case;
mod kept;
mod live;
mod quantity;
mod record;
mod report;
mod side;
mod story;
mod times;

use std::path::Path;

use anyhow::anyhow;
use case::Case;
use kept::Kept;
use live::Live;
use rayon::prelude::*;
use record::Record;
use report::Compared;
use side::Side;
use sim::scenario::Cluster;

use crate::arguments::LabCompareOptions;
use crate::commands::simulate::figures::Figures;
use crate::commands::simulate::play;
use crate::output::{self, Failed};

/// The twin plays each case so often, with as many seeds.
const TWIN_PLAYS: u64 = 5;

pub(crate) fn run(options: &LabCompareOptions) -> Result<(), Failed> {
    let (compared, failures) = match &options.from {
        Some(folder) => (from_kept(folder, options)?, Vec::new()),
        None => on_the_lab(options)?,
    };
    if options.json {
        output::json(&compared)?;
    } else if options.markdown {
        output::data(&report::markdown(&compared))?;
    } else {
        output::data(&report::summary(&compared))?;
    }
    if failures.is_empty() {
        return Ok(());
    }
    let all = compared.len() + failures.len();
    Err(Failed::Run(anyhow!("{} of {all} comparisons failed: {}", failures.len(), failures.join(", "))))
}

/// Each on the lab and then in the twin; beside what was compared the names of those that failed.
fn on_the_lab(options: &LabCompareOptions) -> Result<(Vec<Compared>, Vec<String>), Failed> {
    let names = if options.what.is_empty() { datasets::comparisons::shipped() } else { options.what.clone() };
    // Mistakes in the last file are said before minutes are spent on the first.
    let cases = names.iter().map(|name| Case::load(name, options)).collect::<Result<Vec<_>, Failed>>()?;
    let mut stage = live::Stage::open(options.seed)?;
    Ok(each(&cases, |case| {
        output::talk(&format!("{}: {}", case.name, case.load));
        let live = stage.play(case).map_err(Failed::Run)?;
        if let Some(folder) = &options.to {
            Kept::new(case, &live)?.write(folder)?;
        }
        let one = beside(case, live, options.seed)?;
        show(&one, options)?;
        Ok(one)
    }))
}

/// Each in the twin alone, beside what the lab did when it was kept.
fn from_kept(folder: &Path, options: &LabCompareOptions) -> Result<Vec<Compared>, Failed> {
    let names = if options.what.is_empty() { Kept::names(folder)? } else { options.what.clone() };
    let play = |name: &String| {
        let kept = Kept::read(folder, name)?;
        let mut case = Case::load(&kept.name, options)?;
        (case.warm_up, case.duration) = (kept.warm_up, kept.duration);
        let outdated = kept.outdated()?;
        if !outdated.is_empty() {
            let name = &kept.name;
            output::talk(&format!("warning: {name}: the lab played it with other files: {}", outdated.join(", ")));
        }
        beside(&case, kept.live, options.seed)
    };
    let compared = names.par_iter().map(play).collect::<Result<Vec<_>, Failed>>()?;
    compared.iter().try_for_each(|one| show(one, options))?;
    Ok(compared)
}

fn show(one: &Compared, options: &LabCompareOptions) -> Result<(), Failed> {
    if options.json || options.markdown { Ok(()) } else { output::data(&report::text(one)) }
}

/// Plays each case in turn. One that fails is said at once, and stops neither those after it nor the report of those
/// before it; the names of those that failed.
fn each<T>(cases: &[Case], mut play: impl FnMut(&Case) -> Result<T, Failed>) -> (Vec<T>, Vec<String>) {
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for case in cases {
        match play(case) {
            Ok(one) => done.push(one),
            Err(Failed::Input(error) | Failed::Run(error)) => {
                output::talk(&format!("error: {}: {error:#}", case.name));
                failures.push(case.name.clone());
            }
        }
    }
    (done, failures)
}

/// The twin's plays of a case beside the lab's.
fn beside(case: &Case, live: Live, seed: u64) -> Result<Compared, Failed> {
    let nodes = Cluster { nodes: live.nodes.clone(), ..Cluster::default() };
    let plan = case.plan(&live.ages, live.network.of(nodes), live.client, &live.placement);
    let (mut sides, mut records) = (Vec::new(), Vec::new());
    for seed in seed..seed + TWIN_PLAYS {
        let played = play::play(&plan, seed)?;
        let record = Record::of_twin(&played, live.ages.load, case.disturbed_at());
        sides.push(Side::of_twin(&Figures::of(&plan, &played, seed), &record));
        records.push(record);
    }
    Ok(Compared::new(case, live, Side::median(&sides), &records))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sim::time::{SimDuration, SimTime};

    use super::*;

    /// The twin's side of a comparison that ships, 60 s after its manifests were applied.
    fn twin(name: &str) -> Record {
        let case = Case::load(name, &case::tests::options()).unwrap();
        let load = SimTime::ZERO + case.begins.max(SimDuration::from_secs(60));
        let plan = case.plan(
            &case::Ages { before: load, load },
            lab::cluster().unwrap(),
            SimDuration::ZERO,
            &BTreeMap::default(),
        );
        Record::of_twin(&play::play(&plan, 1).unwrap(), load, case.disturbed_at())
    }

    #[test]
    fn a_deleted_pod_is_seen_and_replaced_and_the_client_is_served_again() {
        let record = twin("killed-pod");
        let [detect, ready, recover] =
            <[_; 3]>::try_from(times::side_by_side(std::slice::from_ref(&record), &record)).unwrap();
        let seconds = |time: &times::Time| time.lab.seconds.unwrap();
        assert!(seconds(&detect) < 1.0, "{detect:?}");
        assert!(seconds(&ready) > 1.0 && seconds(&recover) > 1.0, "{ready:?} {recover:?}");
        assert_eq!(
            record.ready().iter().map(|(_, component, ready)| (component.as_str(), *ready)).collect::<Vec<_>>(),
            [("catalogue", 0), ("catalogue", 1)]
        );
        let rows = story::side_by_side(&record, &record);
        assert!(
            !rows.is_empty() && rows.iter().all(|row| row.twin == row.lab && row.component == "catalogue"),
            "{rows:#?}"
        );
    }

    #[test]
    fn where_nothing_is_disturbed_nothing_is_told() {
        let record = twin("light-catalogue");
        assert_eq!((record.ready().len(), record.seconds.len()), (0, 60));
        assert!(
            times::side_by_side(std::slice::from_ref(&record), &record).is_empty()
                && story::side_by_side(&record, &record).is_empty()
        );
    }

    #[test]
    fn a_case_that_fails_takes_no_other_with_it() {
        let names = ["idle", "killed-pod", "light-catalogue"];
        let cases: Vec<_> = names.map(|name| Case::load(name, &case::tests::options()).unwrap()).into();
        let (done, failures) = each(&cases, |case| match case.name.as_str() {
            "killed-pod" => Err(Failed::Run(anyhow!("the lab is gone"))),
            name => Ok(name.to_owned()),
        });
        assert_eq!(
            (done, failures),
            (vec!["idle".to_owned(), "light-catalogue".to_owned()], vec!["killed-pod".to_owned()])
        );
    }
}
