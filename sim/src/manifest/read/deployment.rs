//! Deployments as a manifest may say them.

use super::names::{NameKind, below, check_labels, meta};
use super::pod::{TemplateSpec, template};
use super::schema::{Findings, IntOrString, Metadata, schema};
use crate::manifest::meta::{LabelSelector, Labels, Requirement, SelectorOperator};
use crate::manifest::workload::{Deployment, IntOrPercent, Strategy};
use crate::time::SimDuration;

// Defaults of `pkg/apis/apps/v1/defaults.go`, `SetDefaults_Deployment`.
const DEFAULT_REPLICAS: u32 = 1;
const DEFAULT_ROLLING: IntOrPercent = IntOrPercent::Percent(25);
const DEFAULT_REVISION_HISTORY: u32 = 10;
const DEFAULT_PROGRESS_DEADLINE_SECONDS: u32 = 600;

schema! {
    struct DeploymentFile { api_version: String, metadata: Metadata, spec: DeploymentSpec, }
    ignores { kind, status, }
}

schema! {
    struct DeploymentSpec {
        replicas: Option<u32>,
        selector: Option<SelectorSpec>,
        template: TemplateSpec,
        strategy: Option<StrategySpec>,
        min_ready_seconds: Option<u32>,
        revision_history_limit: Option<u32>,
        progress_deadline_seconds: Option<u32>,
        paused: Option<bool>,
    }
    ignores { rollback_to, }
}

schema! {
    struct SelectorSpec {
        match_labels: Option<Labels>,
        match_expressions: Option<Vec<RequirementSpec>>,
    }
    ignores {}
}

schema! {
    struct RequirementSpec { key: String, operator: Operator, values: Option<Vec<String>>, }
    ignores {}
}

schema! {
    struct StrategySpec { r#type: Option<StrategyType>, rolling_update: Option<RollingUpdateSpec>, }
    ignores {}
}

schema! {
    struct RollingUpdateSpec { max_surge: Option<IntOrString>, max_unavailable: Option<IntOrString>, }
    ignores {}
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(super) enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

#[derive(Debug, serde::Deserialize)]
pub(super) enum StrategyType {
    RollingUpdate,
    Recreate,
}

pub(super) fn deployment(file: DeploymentFile, findings: &mut Findings) -> Deployment {
    let spec = file.spec;
    let template = template(spec.template, "spec.template", findings);
    let selector = match spec.selector {
        Some(selector) => label_selector(selector, "spec.selector", findings),
        // Before apps/v1 it followed from the template.
        None if file.api_version != "apps/v1" => {
            LabelSelector { match_labels: template.labels.clone(), match_expressions: Vec::new() }
        }
        None => {
            let help = "add `selector: {matchLabels: …}` with the labels of the template";
            findings.error("spec.selector", "missing field `selector`", help);
            LabelSelector { match_labels: template.labels.clone(), match_expressions: Vec::new() }
        }
    };
    let known = findings.is_sound("spec.selector") && findings.is_sound("spec.template.metadata");
    if known && selector.match_expressions.iter().all(Requirement::is_complete) {
        check_selector(&selector, &template.labels, findings);
    }
    let progress_deadline = spec.progress_deadline_seconds.unwrap_or(DEFAULT_PROGRESS_DEADLINE_SECONDS);
    let min_ready = spec.min_ready_seconds.unwrap_or(0);
    if progress_deadline <= min_ready && findings.is_sound("spec.minReadySeconds") {
        let message = format!("{progress_deadline} is not above `minReadySeconds`, which is {min_ready}");
        findings.error("spec.progressDeadlineSeconds", message, "raise it, or lower `minReadySeconds`");
    }
    let seconds = |n: u32| SimDuration::from_secs(u64::from(n));
    Deployment {
        meta: meta(findings, file.metadata, NameKind::Subdomain),
        replicas: spec.replicas.unwrap_or(DEFAULT_REPLICAS),
        selector,
        template,
        strategy: strategy(spec.strategy, findings),
        min_ready: seconds(min_ready),
        revision_history_limit: spec.revision_history_limit.unwrap_or(DEFAULT_REVISION_HISTORY),
        progress_deadline: seconds(progress_deadline),
        paused: spec.paused.unwrap_or(false),
    }
}

/// The selector in a field.
pub(super) fn label_selector(spec: SelectorSpec, field: &str, findings: &mut Findings) -> LabelSelector {
    let match_labels = spec.match_labels.unwrap_or_default();
    check_labels(findings, &format!("{field}.matchLabels"), &match_labels);
    let requirements = spec.match_expressions.unwrap_or_default();
    let mut match_expressions = Vec::new();
    for (i, spec) in requirements.into_iter().enumerate() {
        let operator = match spec.operator {
            Operator::In => SelectorOperator::In,
            Operator::NotIn => SelectorOperator::NotIn,
            Operator::Exists => SelectorOperator::Exists,
            Operator::DoesNotExist => SelectorOperator::DoesNotExist,
        };
        let requirement = Requirement { key: spec.key, operator, values: spec.values.unwrap_or_default() };
        if !requirement.is_complete() {
            let field = format!("{field}.matchExpressions[{i}].values");
            let (message, help) = if requirement.values.is_empty() {
                ("the operator compares with values, and there are none", "add the values")
            } else {
                ("the operator takes no values", "remove them")
            };
            findings.error(&field, message, help);
        }
        match_expressions.push(requirement);
    }
    LabelSelector { match_labels, match_expressions }
}

fn check_selector(selector: &LabelSelector, labels: &Labels, findings: &mut Findings) {
    if selector.match_labels.is_empty() && selector.match_expressions.is_empty() {
        let help = "add `matchLabels` with the labels of the template";
        findings.error("spec.selector", "an empty selector would claim every pod", help);
        return;
    }
    if selector.matches(labels) {
        return;
    }
    let differing = selector.match_labels.iter().find(|(key, value)| labels.get(*key) != Some(*value));
    if let Some((key, value)) = differing {
        let help = match labels.get(key) {
            Some(label) => format!("the template has `{key}: {label}`: make the two the same"),
            None => format!("add the label `{key}: {value}` to the template"),
        };
        let message = format!("`{key}: {value}` does not match the template's labels");
        findings.error(&below("spec.selector.matchLabels", key), message, help);
    } else {
        let help = "change the expressions or the template's labels";
        findings.error("spec.selector.matchExpressions", "they do not match the template's labels", help);
    }
}

fn strategy(spec: Option<StrategySpec>, findings: &mut Findings) -> Strategy {
    const FIELD: &str = "spec.strategy.rollingUpdate";
    let default = Strategy::RollingUpdate { max_surge: DEFAULT_ROLLING, max_unavailable: DEFAULT_ROLLING };
    let Some(spec) = spec else { return default };
    if matches!(spec.r#type, Some(StrategyType::Recreate)) {
        if spec.rolling_update.is_some() {
            findings.error(FIELD, "the strategy is Recreate", "remove `rollingUpdate`, or set `type: RollingUpdate`");
        }
        return Strategy::Recreate;
    }
    let Some(rolling) = spec.rolling_update else { return default };
    let mut share = |spec: Option<IntOrString>, name: &str| match spec {
        Some(spec) => int_or_percent(spec, &format!("{FIELD}.{name}"), findings),
        None => DEFAULT_ROLLING,
    };
    let max_surge = share(rolling.max_surge, "maxSurge");
    let max_unavailable = share(rolling.max_unavailable, "maxUnavailable");
    let is_zero = |share| matches!(share, IntOrPercent::Int(0) | IntOrPercent::Percent(0));
    if is_zero(max_surge) && is_zero(max_unavailable) {
        let message = "with `maxSurge` and `maxUnavailable` both 0 no pod could ever be replaced";
        findings.error(FIELD, message, "raise one of the two");
    }
    if matches!(max_unavailable, IntOrPercent::Percent(101..)) {
        let field = format!("{FIELD}.maxUnavailable");
        findings.error(&field, "more than 100% cannot be unavailable", "write at most 100%");
    }
    Strategy::RollingUpdate { max_surge, max_unavailable }
}

pub(super) fn int_or_percent(spec: IntOrString, field: &str, findings: &mut Findings) -> IntOrPercent {
    let read = match &spec {
        IntOrString::Int(n) => u32::try_from(*n).map(IntOrPercent::Int).ok(),
        IntOrString::Text(text) => {
            text.strip_suffix('%').and_then(|share| share.parse().ok()).map(IntOrPercent::Percent)
        }
    };
    read.unwrap_or_else(|| {
        let text = match spec {
            IntOrString::Int(n) => n.to_string(),
            IntOrString::Text(text) => text,
        };
        let help = "write a number of pods such as 1, or a share such as 25%";
        findings.error(field, format!("`{text}` is neither a number nor a percentage"), help);
        DEFAULT_ROLLING
    })
}
