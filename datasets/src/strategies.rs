//! Strategies that ship: how chat models play, as examples and as contenders.
//!
//! A strategy's name is that of its file: `managed-typed` lies in `strategies/managed-typed.yaml`. What stands in it is read
//! by `agents`, which knows what a strategy is.

use sim::diagnostic::Source;

use crate::embedded;

/// The names of the shipped strategies, in order.
pub fn shipped() -> Vec<String> {
    embedded::below("strategies").filter_map(|file| Some(file.path.strip_suffix(".yaml")?.to_owned())).collect()
}

/// The text of a shipped strategy, by its name or as `strategies/NAME.yaml`; none if there is no such strategy.
pub fn find(name: &str) -> Option<Source> {
    let file = name.strip_prefix("strategies/").and_then(|file| file.strip_suffix(".yaml"));
    let name = file.unwrap_or(name);
    embedded::below("strategies").find(|file| file.path.strip_suffix(".yaml") == Some(name))
}

#[cfg(test)]
mod tests {
    use agents::mechanism::Mechanism;
    use agents::strategy::Strategy;
    use agents::tools::ToolForm;

    use super::*;

    /// All of one strategy, checked.
    fn load(name: &str) -> Strategy {
        let source = find(name).unwrap_or_else(|| panic!("{name} does not ship"));
        Strategy::load(&source).unwrap_or_else(|mistakes| panic!("{mistakes}")).value
    }

    #[test]
    fn every_shipped_strategy_loads_and_says_what_it_shows() {
        let names = shipped();
        assert_eq!(
            names,
            ["kubectl", "managed-typed", "peers", "runbook-manager", "script", "solo-critic-memory", "strong-manager"]
        );
        for name in names {
            let strategy = load(&name);
            assert!(strategy.description.len() > 40, "{name}");
            assert_eq!(find(&format!("strategies/{name}.yaml")), find(&name));
        }
        assert_eq!(find("strategies/gremlins.yaml"), None);
    }

    #[test]
    fn each_plays_as_its_name_says() {
        assert_eq!(load("managed-typed").mechanism, Some(Mechanism::Managed));
        assert_eq!(load("kubectl").tool_form, ToolForm::Kubectl);
        assert_eq!(load("script").tool_form, ToolForm::Script);
        assert_eq!(load("peers").mechanism, Some(Mechanism::Peers));
        let solo = load("solo-critic-memory");
        assert_eq!((solo.mechanism, solo.memory, solo.critic.is_some()), (Some(Mechanism::Solo), true, true));
        let runbook = load("runbook-manager");
        assert_eq!((runbook.manager().model.as_deref(), runbook.agent.model.as_deref()), (Some("runbook"), None));
        let strong = load("strong-manager");
        assert_ne!(strong.manager().model, strong.agent.model);
    }

    /// Whoever edits them in an editor has the schema.
    #[test]
    fn each_follows_the_schema() {
        let validator = jsonschema::validator_for(&agents::strategy::json_schema()).unwrap();
        for name in shipped() {
            let text = find(&name).unwrap_or_else(|| panic!("{name} ships")).text;
            let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
            let mistakes: Vec<String> =
                validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(mistakes.is_empty(), "{name}: {mistakes:?}");
        }
    }
}
