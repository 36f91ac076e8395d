//! What was said since the task, kept below the length that a model can read.
//!
//! What is too long is cut, oldest first: the answers of tools, then what the model itself said, then the latest answers
//! to an even share. The prompt, the task and what the model was told since stay whole. A cut takes away more than it
//! must, so that not every step cuts again (and a server can reuse what it read before).
//!
//! Lengths are bytes of UTF-8, which are characters for all that Kubernetes prints.

use super::Call;
use crate::model::{ChatRequest, Message, ToolCall};
use crate::tools::Tool;

/// What is left of anything that is cut, at most, beside the line that says so.
const KEPT: usize = 120;

/// The conversation of one task.
pub(super) struct Conversation {
    request: ChatRequest,
    /// The length of what the tools say of themselves.
    tools: usize,
    limit: usize,
}

impl Conversation {
    /// An empty one, of at most so many characters.
    pub(super) fn new(tools: Vec<Tool>, limit: usize) -> Self {
        let length = |tool: &Tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len();
        let of_tools = tools.iter().map(length).sum();
        Self { request: ChatRequest { messages: Vec::new(), tools }, tools: of_tools, limit }
    }

    /// Begins anew.
    pub(super) fn begin(&mut self, system: String, task: String) {
        self.request.messages = vec![Message::System { text: system }, Message::User { text: task }];
    }

    /// As it is put to the model.
    pub(super) const fn request(&self) -> &ChatRequest {
        &self.request
    }

    /// The task, as the model was told of it.
    pub(super) fn task(&self) -> &str {
        match self.request.messages.get(1) {
            Some(Message::User { text }) => text,
            _ => "",
        }
    }

    /// The model is told something that no tool says.
    pub(super) fn told(&mut self, text: &str) {
        match self.request.messages.last_mut() {
            // Many a model knows no two messages of a user in a row.
            Some(Message::User { text: before }) => {
                before.push_str("\n\n");
                before.push_str(text);
            }
            _ => self.request.messages.push(Message::User { text: text.to_owned() }),
        }
    }

    /// The model says something.
    pub(super) fn said(&mut self, text: String, calls: &[Call]) {
        // Servers refuse an answer that says nothing.
        if text.trim().is_empty() && calls.is_empty() {
            return;
        }
        let calls = calls.iter().map(|call| call.kept.clone()).collect();
        self.request.messages.push(Message::Assistant { text, calls });
    }

    /// A tool answers.
    pub(super) fn answered(&mut self, call: &Call, text: String) {
        self.request.messages.push(Message::Tool { call: call.kept.id.clone(), text });
    }

    /// The conversation since the task in lines, of at most so many characters; whether its beginning is left out.
    pub(super) fn transcript(&self, limit: usize) -> (String, bool) {
        let lines: Vec<String> = self.request.messages.iter().skip(2).map(told_to_others).collect();
        let mut length = 0;
        let fits = |line: &&String| {
            length += line.len() + 1;
            length <= limit
        };
        let mut kept: Vec<&str> = lines.iter().rev().take_while(fits).map(String::as_str).collect();
        kept.reverse();
        (kept.join("\n"), kept.len() < lines.len())
    }

    /// Cuts as much as is needed, and some more, if it has become too long.
    pub(super) fn fit(&mut self) {
        if self.length() <= self.limit {
            return;
        }
        let goal = self.limit / 4 * 3;
        let messages = self.request.messages.len();
        let is_answer = |message: &Message| matches!(message, Message::Assistant { .. });
        let latest = self.request.messages.iter().rposition(is_answer).unwrap_or(messages);
        for shorten in [shorten_answer, shorten_words] {
            for index in 0..latest {
                if self.length() <= goal {
                    return;
                }
                shorten(&mut self.request.messages[index]);
            }
        }
        self.shorten_latest(latest, goal);
    }

    /// The model could not read all of it: the limit is lower than was thought.
    pub(super) fn was_too_long(&mut self) {
        self.limit = self.limit.min(self.length()) / 4 * 3;
    }

    fn length(&self) -> usize {
        self.tools + self.request.messages.iter().map(length_of).sum::<usize>()
    }

    /// Cuts the answers from `latest` on to an even share of what is left to them.
    fn shorten_latest(&mut self, latest: usize, goal: usize) {
        let excess = self.length().saturating_sub(goal);
        let mut answers: Vec<&mut String> = self.request.messages[latest..]
            .iter_mut()
            .filter_map(|message| match message {
                Message::Tool { text, .. } => Some(text),
                _ => None,
            })
            .collect();
        let all: usize = answers.iter().map(|text| text.len()).sum();
        let share = all.saturating_sub(excess) / answers.len().max(1);
        for text in &mut answers {
            **text = head(text, share.max(KEPT));
        }
    }
}

fn length_of(message: &Message) -> usize {
    match message {
        Message::System { text } | Message::User { text } => text.len(),
        Message::Tool { call, text } => call.len() + text.len(),
        Message::Assistant { text, calls } => {
            text.len() + calls.iter().map(|call| call.id.len() + call.name.len() + call.arguments.len()).sum::<usize>()
        }
    }
}

/// Cuts what a tool answered.
fn shorten_answer(message: &mut Message) {
    if let Message::Tool { text, .. } = message
        && text.len() > KEPT
    {
        *text = format!("[cut: an older answer of {} characters]", text.len());
    }
}

/// Cuts what the model said, and what it gave to its tools.
fn shorten_words(message: &mut Message) {
    if let Message::Assistant { text, calls } = message {
        *text = head(text, KEPT);
        for ToolCall { arguments, .. } in calls {
            if arguments.len() > KEPT {
                "{}".clone_into(arguments);
            }
        }
    }
}

/// How a message reads for somebody who looks on.
fn told_to_others(message: &Message) -> String {
    match message {
        Message::System { text } | Message::User { text } => format!("it was told: {text}"),
        Message::Tool { text, .. } => format!("answer: {text}"),
        Message::Assistant { text, calls } => {
            let calls = calls.iter().map(|call| format!("it called {} with {}", call.name, call.arguments));
            let said = (!text.is_empty()).then(|| format!("it said: {text}"));
            said.into_iter().chain(calls).collect::<Vec<_>>().join("\n")
        }
    }
}

/// The beginning of a text, of at most `limit` characters beside the note that says what was cut.
pub(super) fn head(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n[cut: {} more characters]", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::super::call;
    use super::*;

    fn call(id: usize, arguments: &str) -> Call {
        let call = ToolCall { id: format!("c{id}"), name: "look".into(), arguments: arguments.into() };
        call::read(vec![call], 1, 10_000).remove(0)
    }

    /// A conversation of `turns` looks, each answered with `length` characters.
    fn talk(turns: usize, length: usize, limit: usize) -> Conversation {
        let mut conversation = Conversation::new(Vec::new(), limit);
        conversation.begin("system".into(), "the task".into());
        for turn in 0..turns {
            let call = call(turn, "{}");
            conversation.said(format!("thought {turn}"), std::slice::from_ref(&call));
            conversation.answered(&call, format!("{turn}{}", "x".repeat(length)));
        }
        conversation
    }

    fn texts(conversation: &Conversation) -> Vec<String> {
        let text = |message: &Message| match message {
            Message::System { text }
            | Message::User { text }
            | Message::Tool { text, .. }
            | Message::Assistant { text, .. } => text.clone(),
        };
        conversation.request.messages.iter().map(text).collect()
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let mut conversation = talk(5, 1000, 100_000);
        let before = texts(&conversation);
        conversation.fit();
        assert_eq!(texts(&conversation), before);
    }

    #[test]
    fn the_oldest_answers_are_cut_first_and_never_the_task() {
        let mut conversation = talk(10, 1000, 8_000);
        conversation.fit();
        let cut: Vec<bool> = texts(&conversation).iter().map(|text| text.starts_with("[cut:")).collect();
        let answers: Vec<bool> = cut.iter().skip(3).step_by(2).copied().collect();
        assert_eq!(answers, [true, true, true, true, true, false, false, false, false, false]);
        assert_eq!(texts(&conversation)[..2], ["system", "the task"]);
        assert!(conversation.length() <= 6_000, "{}", conversation.length());
        let again = texts(&conversation);
        conversation.fit();
        assert_eq!(texts(&conversation), again, "it is not cut at every step");
    }

    #[test]
    fn if_all_else_fails_the_latest_answers_are_cut_too() {
        let mut conversation = talk(1, 50_000, 8_000);
        conversation.fit();
        let latest = texts(&conversation).pop().unwrap();
        assert!(latest.starts_with("0xxx") && latest.ends_with("more characters]"), "{latest}");
        assert!(conversation.length() <= 8_000, "{}", conversation.length());
    }

    #[test]
    fn a_model_that_reads_less_than_was_thought_is_told_less() {
        let mut conversation = talk(10, 1000, 100_000);
        let length = conversation.length();
        conversation.was_too_long();
        conversation.fit();
        assert!(conversation.length() <= length / 4 * 3, "{}", conversation.length());
    }

    #[test]
    fn what_users_say_in_a_row_is_one_message() {
        let mut conversation = talk(0, 0, 1000);
        conversation.told("a reminder");
        conversation.said(String::new(), &[]);
        conversation.told("another");
        assert_eq!(texts(&conversation), ["system", "the task\n\na reminder\n\nanother"]);
    }

    #[test]
    fn a_transcript_is_what_happened_since_the_task() {
        let conversation = talk(2, 3, 1000);
        let whole = "it said: thought 0\nit called look with {}\nanswer: 0xxx\nit said: thought 1\nit called look with {}\nanswer: 1xxx";
        assert_eq!(conversation.transcript(1000), (whole.to_owned(), false));
        assert_eq!(conversation.transcript(20), ("answer: 1xxx".to_owned(), true));
    }

    #[test]
    fn a_head_is_cut_between_characters() {
        assert_eq!(head("äöü", 3), "ä\n[cut: 4 more characters]");
        assert_eq!(head("abc", 3), "abc");
    }
}
