//! Tool calls as a model wrote them, made safe to keep and read as far as JSON goes.
//!
//! A conversation is sent to a server again and again, and many a server refuses one that holds a name or arguments that
//! are not well formed. So what is kept of a call is always well formed, and what was wrong is said in its answer.

use std::collections::BTreeSet;

use serde_json::Value;
use sim::episode::MisstepKind;

use super::conversation::head;
use crate::model::ToolCall;
use crate::policy::Misstep;

/// How much of arguments that cannot be read is quoted.
const QUOTED: usize = 200;

/// A tool call.
pub(super) struct Call {
    /// The tool, as written.
    pub(super) name: String,
    /// How the conversation keeps it.
    pub(super) kept: ToolCall,
    arguments: Result<Value, Misstep>,
}

impl Call {
    /// Its arguments: a JSON object.
    pub(super) fn arguments(&self) -> Result<&Value, Misstep> {
        self.arguments.as_ref().map_err(Clone::clone)
    }

    /// Whether it is the same as another: the same tool with the same arguments.
    pub(super) fn is_same(&self, name: &str, arguments: &Value) -> bool {
        self.name == name && self.arguments.as_ref().is_ok_and(|own| own == arguments)
    }
}

/// Reads the first `at_most` calls of an answer.
pub(super) fn read(calls: Vec<ToolCall>, at_most: usize, characters: usize) -> Vec<Call> {
    let mut ids = BTreeSet::new();
    let calls = calls.into_iter().take(at_most).enumerate();
    calls
        .map(|(index, mut call)| {
            // Servers that pair calls and answers by id need one for each.
            if call.id.is_empty() || !ids.insert(call.id.clone()) {
                call.id = format!("call-{index}");
                ids.insert(call.id.clone());
            }
            read_one(call, characters)
        })
        .collect()
}

fn read_one(call: ToolCall, characters: usize) -> Call {
    let (arguments, kept) = match object(&call.arguments, characters) {
        Ok((value, text)) => (Ok(value), text),
        Err(misstep) => (Err(misstep), "{}".to_owned()),
    };
    let kept = ToolCall { id: call.id, name: well_formed(&call.name), arguments: kept };
    Call { name: call.name, kept, arguments }
}

/// Arguments as an object, and the text that says the same.
fn object(text: &str, characters: usize) -> Result<(Value, String), Misstep> {
    if text.len() > characters {
        let text = format!("the arguments have {} characters; at most {characters} are read", text.len());
        return Err(Misstep { kind: MisstepKind::TooLong, text });
    }
    if text.trim().is_empty() {
        return Ok((Value::Object(serde_json::Map::new()), "{}".to_owned()));
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => Ok((value, text.to_owned())),
        Ok(Value::Null) => Ok((Value::Object(serde_json::Map::new()), "{}".to_owned())),
        // Some models write the object as a text in JSON.
        Ok(Value::String(inner)) => match serde_json::from_str::<Value>(&inner) {
            Ok(value @ Value::Object(_)) => Ok((value, inner)),
            _ => Err(unreadable(text, "they are a text")),
        },
        Ok(_) => Err(unreadable(text, "they are JSON, but no object")),
        Err(error) => Err(unreadable(text, &error.to_string())),
    }
}

fn unreadable(text: &str, why: &str) -> Misstep {
    let text = format!("the arguments are not a JSON object ({why}); written was: {}", head(text, QUOTED));
    Misstep { kind: MisstepKind::Unreadable, text }
}

/// A name that every server takes: letters, digits, `_` and `-`, at most 64.
fn well_formed(name: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = name.chars().take(64).map(|c| if is_allowed(c) { c } else { '_' }).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(name: &str, arguments: &str) -> Call {
        let call = ToolCall { id: "a".into(), name: name.into(), arguments: arguments.into() };
        read(vec![call], 1, 100).remove(0)
    }

    #[test]
    fn arguments_are_an_object_or_a_misstep() {
        let long = format!("{{\"a\": \"{}\"}}", "x".repeat(200));
        let table = [
            ("{\"replicas\": 3}", Ok("{\"replicas\":3}"), "{\"replicas\": 3}"),
            ("", Ok("{}"), "{}"),
            (" null ", Ok("{}"), "{}"),
            ("\"{\\\"replicas\\\":3}\"", Ok("{\"replicas\":3}"), "{\"replicas\":3}"),
            ("{\"replicas\": ", Err(MisstepKind::Unreadable), "{}"),
            ("[1]", Err(MisstepKind::Unreadable), "{}"),
            ("\"three\"", Err(MisstepKind::Unreadable), "{}"),
            (long.as_str(), Err(MisstepKind::TooLong), "{}"),
        ];
        for (written, expected, kept) in table {
            let call = called("scale", written);
            let found = call.arguments().map(ToString::to_string).map_err(|misstep| misstep.kind);
            assert_eq!(found, expected.map(ToOwned::to_owned), "{written}");
            assert_eq!(call.kept.arguments, kept, "{written}");
        }
    }

    #[test]
    fn what_is_kept_is_well_formed() {
        for (written, kept) in [("scale", "scale"), ("kubectl get pods", "kubectl_get_pods"), ("", "unnamed")] {
            let call = called(written, "{}");
            assert_eq!((call.name.as_str(), call.kept.name.as_str()), (written, kept));
        }
        assert_eq!(called(&"ü".repeat(100), "{}").kept.name, "_".repeat(64));
    }

    #[test]
    fn every_call_has_an_id_of_its_own_and_no_more_are_read_than_allowed() {
        let call = |id: &str| ToolCall { id: id.into(), name: "wait".into(), arguments: "{}".into() };
        let calls = read(vec![call("a"), call("a"), call(""), call("b")], 3, 100);
        let ids: Vec<&str> = calls.iter().map(|call| call.kept.id.as_str()).collect();
        assert_eq!(ids, ["a", "call-1", "call-2"]);
    }
}
