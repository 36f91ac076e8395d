//! What one contender did in one scenario in one world: its episodes together.

use std::collections::BTreeMap;

use serde::Serialize;
use sim::environment::Write;
use sim::score::{ComponentCourse, Summary, Trials, summarize_figures};
use sim::world::SCRAPE_EVERY;

use super::read::Episode;

/// Length of the stretches in which time is shown, in seconds: as often as Prometheus scrapes.
pub(super) const STRETCH_S: f64 = SCRAPE_EVERY.as_secs_f64();

/// The episodes of a contender in a scenario in one world.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Side {
    /// Levels, reward and times with their intervals.
    pub(super) summary: Summary,
    /// Median time from the mending change until all pods were as they should be, in seconds; null where no episode was
    /// mended by a change.
    pub(super) ready_after_s: Option<f64>,
    /// Share of looks at which all objectives held, by stretches of 15 s from where the episode is scored; null where nobody
    /// looked.
    pub(super) green: Vec<Option<f64>>,
    pub(super) components: Vec<ComponentSide>,
    /// Mean number in an episode, by what was done.
    pub(super) actions: BTreeMap<String, f64>,
}

/// A component in one world, means over episodes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ComponentSide {
    pub(super) component: String,
    pub(super) is_under_test: bool,
    /// Cores.
    pub(super) cpu: f64,
    /// Share of periods of CPU quota; null where there are none.
    pub(super) throttled: Option<f64>,
    /// Wanted and Ready pods at the end of each stretch of 15 s; null where no episode lasted as long.
    pub(super) replicas: Vec<Option<(f64, f64)>>,
}

impl Side {
    /// Episodes together; there is at least one.
    pub(super) fn of(scenario: &str, contender: &str, episodes: &[Episode], void: u32) -> Self {
        let seed = episodes.iter().map(|episode| episode.seed).min().unwrap_or_default();
        let trials = Trials { scenario, model: contender, seed, void, unplayed: 0, wall_s: None };
        let figures: Vec<_> = episodes.iter().map(|episode| episode.figures).collect();
        let lasted = episodes.iter().filter_map(|e| Some(e.course.status.last()?.at_s)).fold(0.0, f64::max);
        let stretches = (lasted / STRETCH_S).ceil() as usize;
        Self {
            summary: summarize_figures(&trials, &figures),
            ready_after_s: median(episodes.iter().filter_map(|episode| episode.course.ready_after_s).collect()),
            green: (0..stretches).map(|stretch| green(episodes, stretch)).collect(),
            components: components(episodes, stretches),
            actions: actions(episodes),
        }
    }
}

/// The median; none of nothing.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let is_odd = values.len() % 2 == 1;
    Some(if is_odd { upper } else { f64::midpoint(values[values.len() / 2 - 1], upper) })
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Whether a time lies in a stretch; its end belongs to it, its beginning to the one before.
fn is_in(at_s: f64, stretch: usize) -> bool {
    let from = stretch as f64 * STRETCH_S;
    at_s > from && at_s <= from + STRETCH_S
}

fn green(episodes: &[Episode], stretch: usize) -> Option<f64> {
    let looks = episodes.iter().flat_map(|episode| &episode.course.status).filter(|look| is_in(look.at_s, stretch));
    mean(&looks.map(|look| f64::from(u8::from(look.is_green))).collect::<Vec<_>>())
}

fn components(episodes: &[Episode], stretches: usize) -> Vec<ComponentSide> {
    let Some(first) = episodes.first() else { return Vec::new() };
    let side = |of: &ComponentCourse| {
        let each = || {
            let same = |other: &&ComponentCourse| other.component == of.component;
            episodes.iter().filter_map(move |episode| Some((episode, episode.course.components.iter().find(same)?)))
        };
        let at = |stretch: usize| {
            let end = (stretch + 1) as f64 * STRETCH_S;
            let lasts = |episode: &Episode| episode.course.status.iter().any(|look| is_in(look.at_s, stretch));
            let pods: Vec<(f64, f64)> = each()
                .filter(|(episode, _)| lasts(episode))
                .filter_map(|(_, course)| {
                    let (_, wanted, ready) = course.replicas.iter().rev().find(|(at_s, ..)| *at_s <= end)?;
                    Some((f64::from(*wanted), f64::from(*ready)))
                })
                .collect();
            let (wanted, ready): (Vec<f64>, Vec<f64>) = pods.into_iter().unzip();
            mean(&wanted).zip(mean(&ready))
        };
        ComponentSide {
            component: of.component.clone(),
            is_under_test: of.is_under_test,
            cpu: mean(&each().map(|(_, course)| course.cpu).collect::<Vec<_>>()).unwrap_or_default(),
            throttled: mean(&each().filter_map(|(_, course)| course.throttled).collect::<Vec<_>>()),
            replicas: (0..stretches).map(at).collect(),
        }
    };
    first.course.components.iter().map(side).collect()
}

fn actions(episodes: &[Episode]) -> BTreeMap<String, f64> {
    let mut actions: BTreeMap<String, f64> = BTreeMap::new();
    for action in episodes.iter().flat_map(|episode| &episode.course.actions) {
        *actions.entry(named(&action.write)).or_default() += 1.0 / episodes.len() as f64;
    }
    actions
}

/// A change by its kind and what it is about. Pods have other names in each world.
fn named(write: &Write) -> String {
    let kind = bridge::guard::WriteKind::of(write).name().replace('_', " ");
    match write {
        Write::DeletePod { pod } => {
            // Behind the name of its Deployment stand those of its template and its own.
            let of = pod.rsplitn(3, '-').nth(2).unwrap_or(pod);
            format!("{kind} of {of}")
        }
        Write::Scale { component, replicas } => format!("{kind} {component} to {replicas}"),
        _ => write.component().map_or_else(|| kind.clone(), |component| format!("{kind} {component}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_stretches() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert!(is_in(15.0, 0) && !is_in(15.0, 1) && is_in(15.1, 1) && !is_in(0.0, 0));
    }

    #[test]
    fn changes_have_the_same_name_in_both_worlds() {
        let pod = |name: &str| named(&Write::DeletePod { pod: name.to_owned() });
        assert_eq!(pod("catalogue-db-6f4d9c7b5-x2x9k"), "delete pod of catalogue-db");
        assert_eq!(pod("odd"), "delete pod of odd");
        assert_eq!(named(&Write::Scale { component: "carts".into(), replicas: 2 }), "scale carts to 2");
        assert_eq!(named(&Write::Cordon { node: "n".into() }), "cordon");
    }
}
