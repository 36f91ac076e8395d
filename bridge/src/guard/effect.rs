//! What a change does to its object.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{Field, difference, get};
use super::object::cleaned;

/// What a change does to its object. Values are those of users: without status and what controllers set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Nothing that could be put back.
    Nothing,
    /// It creates the object.
    Created {
        /// All of it.
        object: Value,
    },
    /// It deletes the object.
    Deleted,
    /// It changes fields of it.
    Changed {
        /// Which, with their values before and after.
        fields: Vec<Field>,
    },
}

impl Effect {
    /// From one state of the object to another, as the API server shows them.
    pub(crate) fn between(before: Option<&Value>, after: Option<&Value>) -> Self {
        match (before.map(cleaned), after.map(cleaned)) {
            (None, None) => Self::Nothing,
            (None, Some(object)) => Self::Created { object },
            (Some(_), None) => Self::Deleted,
            (Some(before), Some(after)) => match difference(&before, &after) {
                fields if fields.is_empty() => Self::Nothing,
                fields => Self::Changed { fields },
            },
        }
    }

    /// The same with the values that the object really has afterwards: a dry run does not know those that the API server
    /// allocates, nor the time of a restart. An object that is gone again says nothing.
    pub(crate) fn seen(&self, after: Option<&Value>) -> Self {
        let Some(after) = after.map(cleaned) else { return self.clone() };
        match self {
            Self::Nothing | Self::Deleted => self.clone(),
            Self::Created { .. } => Self::Created { object: after },
            Self::Changed { fields } => {
                let seen = |field: &Field| Field { after: get(&after, &field.path).cloned(), ..field.clone() };
                Self::Changed { fields: fields.iter().map(seen).collect() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_seen_replaces_what_was_expected() {
        let (before, tried) = (json!({ "spec": { "at": 1, "n": 1 } }), json!({ "spec": { "at": 2, "n": 1 } }));
        let effect = Effect::between(Some(&before), Some(&tried));
        let Effect::Changed { fields } = effect.seen(Some(&json!({ "spec": { "at": 3, "n": 9 }, "status": 1 }))) else {
            panic!("{effect:?}")
        };
        let path = vec!["spec".to_owned(), "at".to_owned()];
        assert_eq!(fields, [Field { path, before: Some(json!(1)), after: Some(json!(3)) }]);
        assert_eq!(effect.seen(None), effect);
        let created = Effect::between(None, Some(&tried)).seen(Some(&before));
        assert_eq!(created, Effect::Created { object: before.clone() });
        assert_eq!(Effect::between(Some(&before), None), Effect::Deleted);
        assert_eq!(Effect::between(Some(&before), Some(&before)), Effect::Nothing);
    }
}
