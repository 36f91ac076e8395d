//! Notices that a model does the same again and again, and gets the same answer each time.

use serde_json::Value;

use super::Call;

/// The call that was made last, how it was answered, and how many times in a row.
#[derive(Default)]
pub(super) struct Repetition {
    last: Option<(String, Value, String)>,
    times: u32,
}

impl Repetition {
    /// How many times in a row this very call was answered in the same way.
    pub(super) fn has(&self, call: &Call) -> u32 {
        match &self.last {
            Some((name, arguments, _)) if call.is_same(name, arguments) => self.times,
            _ => 0,
        }
    }

    /// A call was carried out and answered.
    pub(super) fn answered(&mut self, call: &Call, answer: &str) {
        let Ok(arguments) = call.arguments() else { return };
        match &self.last {
            Some((name, last, said)) if call.is_same(name, last) && said == answer => self.times += 1,
            _ => {
                self.last = Some((call.name.clone(), arguments.clone(), answer.to_owned()));
                self.times = 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::call;
    use super::*;
    use crate::model::ToolCall;

    fn call(name: &str, arguments: &str) -> Call {
        let call = ToolCall { id: String::new(), name: name.into(), arguments: arguments.into() };
        call::read(vec![call], 1, 100).remove(0)
    }

    #[test]
    fn only_the_same_call_with_the_same_answer_in_a_row_counts() {
        let look = || call("describe", "{\"component\": \"carts\"}");
        let mut repetition = Repetition::default();
        let table = [
            (look(), "one", 1),
            (call("describe", "{\"component\":\"carts\"}"), "one", 2),
            (look(), "two", 1),
            (look(), "two", 2),
            (call("describe", "{\"component\":\"orders\"}"), "two", 0),
            (look(), "two", 1),
        ];
        for (index, (made, answer, times)) in table.into_iter().enumerate() {
            repetition.answered(&made, answer);
            assert_eq!(repetition.has(&look()), times, "after {}", index + 1);
        }
    }
}
