//! The critic: a model that approves or declines what another one proposes.

use serde::Deserialize;
use serde_json::json;

use crate::model::{ChatModel, ChatRequest, Message, ModelFailure, Usage};
use crate::tools::Tool;

/// What a critic says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Verdict {
    /// Whether the proposal is carried out.
    pub(super) approve: bool,
    /// Why, for the one who proposed it.
    #[serde(default)]
    pub(super) reason: String,
}

/// Asks for a verdict. Without one nobody may act: that is a failure of the model.
pub(super) async fn ask(
    model: &dyn ChatModel,
    system: &str,
    question: String,
) -> (Result<Verdict, ModelFailure>, Usage) {
    let request = ChatRequest {
        messages: vec![Message::System { text: system.to_owned() }, Message::User { text: question }],
        tools: vec![tool()],
    };
    match model.complete(&request).await {
        Ok(completion) => {
            let verdict = match completion.calls.first() {
                Some(call) => serde_json::from_str(&call.arguments).ok(),
                None => in_words(&completion.text),
            };
            let unreadable = || ModelFailure::Unreadable("it holds no verdict".to_owned());
            (verdict.ok_or_else(unreadable), completion.usage)
        }
        Err(failure) => (Err(failure), Usage::default()),
    }
}

/// The verdict of a model that calls no tool: its first word.
fn in_words(text: &str) -> Option<Verdict> {
    let first = text.split(|c: char| !c.is_alphabetic()).find(|word| !word.is_empty())?.to_lowercase();
    let approve = match first.as_str() {
        "approve" | "approved" => true,
        "decline" | "declined" => false,
        _ => return None,
    };
    Some(Verdict { approve, reason: text.trim().to_owned() })
}

fn tool() -> Tool {
    Tool {
        name: "verdict",
        description: "Approve the proposal, or decline it.",
        parameters: json!({
            "type": "object",
            "properties": {
                "approve": {"type": "boolean", "description": "Whether the proposal is to be carried out."},
                "reason": {"type": "string", "description": "Why, in one or two sentences, for the one who proposes it."},
            },
            "required": ["approve", "reason"],
            "additionalProperties": false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_in_words_is_its_first_word() {
        for (text, approve) in [
            ("Approve.", Some(true)),
            ("**Declined**: nothing was measured", Some(false)),
            ("I would say that", None),
            ("", None),
        ] {
            assert_eq!(in_words(text).map(|verdict| verdict.approve), approve, "{text}");
        }
    }
}
