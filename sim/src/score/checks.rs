//! L1 and L2: the end state and the reported values, checked by program: what the objects look like here, what was
//! measured in the hold time in `figures`, and what the agent said in `reports`.

mod figures;
mod reports;

use super::levels::{Outcome, outcome};
use super::{Judge, Reading};
use crate::environment::Description;
use crate::episode::{ComponentTruth, Truth};
use crate::scenario::Check;

/// All checks of the task.
pub(super) fn all(judge: &Judge<'_>, reading: &Reading<'_>) -> Outcome {
    let outcomes: Vec<Outcome> = judge.scenario.task.checks().iter().map(|check| one(judge, reading, check)).collect();
    let wrong: Vec<&str> = outcomes.iter().filter(|o| !o.passed).map(|o| o.why.as_str()).collect();
    if wrong.is_empty() {
        let found: Vec<&str> = outcomes.iter().map(|o| o.why.as_str()).collect();
        return outcome(true, found.join("; "));
    }
    outcome(false, wrong.join("; "))
}

fn one(judge: &Judge<'_>, reading: &Reading<'_>, check: &Check) -> Outcome {
    match check {
        Check::Created(component) => with_end(reading, component, |end| {
            outcome(serves(end), format!("{component} exists with {} available", end.deployment.available))
        }),
        Check::Replicas { component, equals } => with_end(reading, component, |end| {
            let found = &end.deployment;
            let right = found.replicas == *equals && found.available == *equals;
            outcome(right, format!("{component} has {} of {} replicas available", found.available, found.replicas))
        }),
        Check::ImageTag { component, tag } => with_end(reading, component, |end| {
            let image = &end.deployment.image;
            // Another program is no version of this one, whatever its tag.
            let own = judge.images.get(component).is_none_or(|own| split_image(own).0 == split_image(image).0);
            let right = own && split_image(image).1 == tag && serves(end);
            outcome(right, format!("{component} runs {image}, {} available", end.deployment.available))
        }),
        Check::Env { component, name, value } => with_end(reading, component, |end| {
            let found = end.deployment.env.iter().find(|(key, _)| key == name).map(|(_, found)| found.as_str());
            let right = found == Some(value) && serves(end);
            outcome(right, format!("{component} has {name}={}", found.unwrap_or("(not set)")))
        }),
        Check::Restarted(component) => with_end(reading, component, |end| restarted(reading, component, end)),
        Check::Autoscaler { component, target_from, target_to, replicas_to } => with_end(reading, component, |end| {
            let Some(scaler) = &end.autoscaler else { return outcome(false, format!("{component} has no autoscaler")) };
            let available = end.deployment.available;
            let right = scaler.min_replicas >= 1
                // At zero replicas an autoscaler does nothing, and with none available it has nothing to measure.
                && end.deployment.replicas >= scaler.min_replicas
                && available >= scaler.min_replicas
                && scaler.max_replicas > scaler.min_replicas
                && scaler.max_replicas <= *replicas_to
                && (*target_from..=*target_to).contains(&scaler.target_percent);
            let found = format!(
                "autoscaler of {component}: {} to {} replicas at {} %, {available} available",
                scaler.min_replicas, scaler.max_replicas, scaler.target_percent
            );
            match figures::users_unserved(judge, reading) {
                Some(clause) => outcome(false, format!("{found}, but `{clause}` is not green")),
                None => outcome(right, found),
            }
        }),
        Check::P99Below { component, bound } => {
            figures::p99_below(judge, reading, std::slice::from_ref(component), bound.as_secs_f64())
        }
        Check::P99SumBelow { components, bound } => figures::p99_below(judge, reading, components, bound.as_secs_f64()),
        Check::CpuBelow { component, share } => figures::cpu_below(judge, reading, component, *share),
        Check::HealthReported => reports::health(judge, reading),
        Check::Reported(answer) => reports::value(judge, reading, answer),
    }
}

fn with_end(reading: &Reading<'_>, component: &str, check: impl FnOnce(&Description) -> Outcome) -> Outcome {
    match reading.states.get(component) {
        Some((_, Some(end))) => check(end),
        Some((_, None)) => outcome(false, format!("{component} does not exist in the end")),
        None => outcome(false, format!("the end state of {component} was not recorded")),
    }
}

/// All replicas that are asked for are of the newest template and available, and there is one.
fn serves(state: &Description) -> bool {
    let found = &state.deployment;
    found.replicas > 0 && found.available >= found.replicas && found.updated >= found.replicas
}

/// Repository and tag of an image.
fn split_image(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        // A colon before the last slash belongs to the registry's port.
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    }
}

fn restarted(reading: &Reading<'_>, component: &str, end: &Description) -> Outcome {
    let Some((Some(begin), _)) = reading.states.get(component) else {
        return outcome(false, format!("{component} did not exist when the task began"));
    };
    let left = begin.pods.iter().filter(|pod| end.pods.iter().any(|other| other.name == pod.name)).count();
    let right = left == 0 && serves(end) && end.deployment.replicas >= begin.deployment.replicas;
    outcome(
        right,
        format!(
            "{left} of {} old pods of {component} are left, {} available",
            begin.pods.len(),
            end.deployment.available
        ),
    )
}

/// What the judge saw of one component.
fn of<'t>(truth: &'t Truth, component: &str) -> Option<&'t ComponentTruth> {
    truth.components.iter().find(|c| c.component == component)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::{AutoscalerView, DeploymentView, PodView};
    use crate::score::testing::{Log, healthy, played};
    use crate::time::SimDuration;

    /// A Deployment with one pod.
    fn state(pod: &str) -> Description {
        Description {
            deployment: DeploymentView {
                name: "catalogue".into(),
                replicas: 1,
                updated: 1,
                ready: 1,
                available: 1,
                image: "registry:5000/weaveworksdemos/catalogue:0.3.5".into(),
                cpu_request: None,
                cpu_limit: None,
                memory_request: None,
                memory_limit: None,
                command: Vec::new(),
                args: Vec::new(),
                env: vec![("logger_flag".into(), "true".into())],
                env_from: Vec::new(),
                labels: Vec::new(),
                ports: Vec::new(),
                probes: Vec::new(),
                conditions: Vec::new(),
                revision: 1,
                strategy: String::new(),
            },
            replica_sets: Vec::new(),
            pods: vec![PodView {
                name: pod.into(),
                component: "catalogue".into(),
                status: "Running".into(),
                ready: 1,
                containers: 1,
                restarts: 0,
                age: SimDuration::SECOND,
                node: None,
                ip: None,
            }],
            containers: Vec::new(),
            service: None,
            autoscaler: None,
            events: Vec::new(),
        }
    }

    fn scaler(min_replicas: u32, max_replicas: u32, target_percent: u32) -> AutoscalerView {
        AutoscalerView {
            name: "catalogue".into(),
            min_replicas,
            max_replicas,
            current_percent: None,
            target_percent,
            desired_replicas: 1,
            conditions: Vec::new(),
        }
    }

    /// The healthy world with an L1 task, whose objects changed from one pod to what `change` makes of another.
    fn outcome_of(goal: &str, change: impl FnOnce(&mut Description)) -> Outcome {
        let mut end = state("catalogue-b");
        change(&mut end);
        played(goal, Log::of(60, healthy).state(90, Some(state("catalogue-a"))).state(240, Some(end)))
    }

    #[test]
    fn end_states_are_checked_against_the_goal() {
        type Change = fn(&mut Description);
        let table: [(&str, bool, Change); 20] = [
            ("create-deployment", true, |_| {}),
            ("create-deployment", false, |end| end.deployment.available = 0),
            ("{scale: {replicas: 3}}", true, |end| (end.deployment.replicas, end.deployment.available) = (3, 3)),
            ("{scale: {replicas: 3}}", false, |end| (end.deployment.replicas, end.deployment.available) = (3, 2)),
            ("{set-image-tag: {tag: 0.3.5}}", true, |_| {}),
            ("{set-image-tag: {tag: 0.3.4}}", false, |_| {}),
            ("{set-image-tag: {tag: 0.3.5}}", false, |end| end.deployment.updated = 0),
            // Another program, the same one elsewhere.
            ("{set-image-tag: {tag: 0.3.5}}", false, |end| end.deployment.image = "weaveworksdemos/carts:0.3.5".into()),
            ("{set-image-tag: {tag: 0.3.5}}", false, |end| end.deployment.image = "catalogue:0.3.5".into()),
            ("{set-env: {name: logger_flag, value: \"true\"}}", true, |_| {}),
            ("{set-env: {name: logger_flag, value: \"false\"}}", false, |_| {}),
            ("restart", true, |_| {}),
            ("restart", false, |end| end.pods[0].name = "catalogue-a".into()),
            ("autoscale", true, |end| end.autoscaler = Some(scaler(1, 5, 60))),
            ("autoscale", false, |_| {}),
            ("autoscale", false, |end| end.autoscaler = Some(scaler(1, 1, 60))),
            ("autoscale", false, |end| end.autoscaler = Some(scaler(1, 5, 99))),
            ("autoscale", false, |end| end.autoscaler = Some(scaler(2, 5, 60))),
            // Scaled to zero: the autoscaler is asleep.
            ("autoscale", false, |end| {
                end.autoscaler = Some(scaler(1, 5, 60));
                (end.deployment.replicas, end.deployment.available) = (0, 0);
            }),
            // On its way up.
            ("autoscale", true, |end| {
                end.autoscaler = Some(scaler(1, 5, 60));
                end.deployment.replicas = 3;
            }),
        ];
        for (goal, passes, change) in table {
            let outcome = outcome_of(goal, change);
            assert_eq!(outcome.passed, passes, "{goal}: {outcome:?}");
        }
        let gone = played("restart", Log::of(60, healthy).state(90, Some(state("catalogue-a"))).state(240, None));
        assert_eq!(gone.why, "catalogue does not exist in the end");
    }
}
