//! Tool calls that a model wrote into its text.
//!
//! Models that were trained on calls, behind a server that does not know their form, write them as text:
//! `<tool_call>{…}</tool_call>`, `<function=NAME>{…}</function>`, `[TOOL_CALLS][…]`, a fenced block, or JSON alone.
//!
//! Calls count only where the text *ends* with them. A model stops when it has called, and what stands in the middle of a
//! text is an example or a quote: a line of a pod's log must not become an action because the model repeated it.

use serde_json::{Deserializer, Map, Value};

use super::answer::{Call, arguments};

/// Most places that are looked at, from the end: each is read to the end of the text.
const MOST_STARTS: usize = 64;

const MARKERS: [&str; 4] = ["<tool_call>", "<function=", "[TOOL_CALLS]", "```"];

/// The calls with which a text ends, and where they begin. JSON without a mark is a call only of what `is_tool`.
pub(super) fn calls(text: &str, is_tool: &dyn Fn(&str) -> bool) -> Option<(usize, Vec<Call>)> {
    let starts = starts(text);
    starts.iter().skip(starts.len().saturating_sub(MOST_STARTS)).find_map(|start| {
        let calls = sequence(&text[*start..], is_tool)?;
        (!calls.is_empty()).then_some((*start, calls))
    })
}

/// Where calls could begin: at a mark, and at JSON that begins a line.
fn starts(text: &str) -> Vec<usize> {
    let mut begins_line = true;
    let mut starts = Vec::new();
    for (at, c) in text.char_indices() {
        let is_marked = MARKERS.iter().any(|marker| text[at..].starts_with(marker));
        if is_marked || (begins_line && matches!(c, '{' | '[')) {
            starts.push(at);
        }
        begins_line = c == '\n' || (begins_line && c.is_whitespace());
    }
    starts
}

/// Calls one after the other, up to the end.
fn sequence(mut rest: &str, is_tool: &dyn Fn(&str) -> bool) -> Option<Vec<Call>> {
    let mut calls = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(calls);
        }
        let (found, after) = segment(rest, is_tool)?;
        calls.extend(found);
        rest = after;
    }
}

/// One call with its mark, or several in one mark, and what follows.
fn segment<'t>(text: &'t str, is_tool: &dyn Fn(&str) -> bool) -> Option<(Vec<Call>, &'t str)> {
    if let Some(inner) = text.strip_prefix("<tool_call>") {
        return closed(inner, "</tool_call>", &|_| true);
    }
    if let Some(inner) = text.strip_prefix("[TOOL_CALLS]") {
        return values(inner, &|_| true);
    }
    if let Some(inner) = text.strip_prefix("<function=") {
        let (name, inner) = inner.split_once('>')?;
        let (value, after) = value(inner)?;
        let call = (name.trim().to_owned(), arguments(Some(&value)));
        return Some((vec![call], end(after, "</function>")?));
    }
    if let Some(inner) = text.strip_prefix("```") {
        let (_, inner) = inner.split_once('\n')?;
        return closed(inner, "```", is_tool);
    }
    values(text, is_tool)
}

/// Calls up to a closing mark. The mark may be missing at the end of the text, where servers stop at it.
fn closed<'t>(text: &'t str, mark: &str, is_tool: &dyn Fn(&str) -> bool) -> Option<(Vec<Call>, &'t str)> {
    let (calls, after) = values(text, is_tool)?;
    Some((calls, end(after, mark)?))
}

fn end<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    let text = text.trim_start();
    if text.is_empty() { Some(text) } else { text.strip_prefix(mark) }
}

/// JSON values that are calls, at least one, as many as follow each other.
fn values<'t>(text: &'t str, is_tool: &dyn Fn(&str) -> bool) -> Option<(Vec<Call>, &'t str)> {
    let (first, mut rest) = value(text)?;
    let mut calls = calls_of(&first, is_tool)?;
    while rest.trim_start().starts_with(['{', '[']) {
        let Some((next, after)) = value(rest) else { break };
        calls.extend(calls_of(&next, is_tool)?);
        rest = after;
    }
    Some((calls, rest))
}

/// The JSON value with which a text begins, and what follows it.
fn value(text: &str) -> Option<(Value, &str)> {
    let mut stream = Deserializer::from_str(text).into_iter::<Value>();
    let value = stream.next()?.ok()?;
    Some((value, &text[stream.byte_offset()..]))
}

/// The calls that a JSON value is: one, or a list of them.
fn calls_of(value: &Value, is_tool: &dyn Fn(&str) -> bool) -> Option<Vec<Call>> {
    match value {
        Value::Array(items) if !items.is_empty() => {
            let calls: Option<Vec<Vec<Call>>> = items.iter().map(|item| calls_of(item, is_tool)).collect();
            Some(calls?.concat())
        }
        Value::Object(fields) => match fields.get("tool_calls") {
            Some(calls) => calls_of(calls, is_tool),
            None => Some(vec![call_of(fields, is_tool)?]),
        },
        _ => None,
    }
}

fn call_of(fields: &Map<String, Value>, is_tool: &dyn Fn(&str) -> bool) -> Option<Call> {
    let fields = fields.get("function").and_then(Value::as_object).unwrap_or(fields);
    let name = ["name", "tool", "action", "function", "tool_name"]
        .iter()
        .find_map(|key| fields.get(*key)?.as_str())
        .filter(|name| is_tool(name))?;
    let given = ["arguments", "parameters", "args", "input"].iter().find_map(|key| fields.get(*key));
    // A tool without arguments; with other fields it is something that has a name, such as a container.
    if given.is_none() && fields.len() > 1 {
        return None;
    }
    Some((name.to_owned(), arguments(given)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text before the calls, and the calls as `name arguments`.
    fn found(text: &str) -> Option<(&str, Vec<String>)> {
        let is_tool = |name: &str| matches!(name, "scale" | "wait" | "list_pods");
        let (start, calls) = calls(text, &is_tool)?;
        Some((
            text[..start].trim_end(),
            calls.into_iter().map(|(name, arguments)| format!("{name} {arguments}")).collect(),
        ))
    }

    #[test]
    fn calls_are_found_at_the_end_of_a_text() {
        let check = |text: &str, before: &str, calls: &[&str]| {
            let calls = calls.iter().map(|call| (*call).to_owned()).collect();
            assert_eq!(found(text), Some((before, calls)), "{text}");
        };
        let wait = r#"wait {"duration":"5s"}"#;
        check(r#"<tool_call>{"name":"wait","arguments":{"duration":"5s"}}</tool_call>"#, "", &[wait]);
        check("I wait.\n<tool_call>\n{\"name\":\"wait\",\"arguments\":{\"duration\":\"5s\"}}\n", "I wait.", &[wait]);
        check(r#"<tool_call>{"name":"nonsense","arguments":{}}</tool_call>"#, "", &["nonsense {}"]);
        check(
            "<tool_call>{\"name\":\"list_pods\"}</tool_call>\n<tool_call>{\"name\":\"wait\",\"arguments\":{\"duration\":\"5s\"}}</tool_call>",
            "",
            &["list_pods {}", wait],
        );
        check(r#"<function=wait>{"duration":"5s"}</function>"#, "", &[wait]);
        check(r#"[TOOL_CALLS][{"name":"wait","arguments":{"duration":"5s"}}]"#, "", &[wait]);
        check("So:\n```json\n{\"name\":\"wait\",\"arguments\":{\"duration\":\"5s\"}}\n```\n", "So:", &[wait]);
        check("```\n{\"tool\":\"wait\",\"parameters\":{\"duration\":\"5s\"}}\n```", "", &[wait]);
        check(r#"{"name":"wait","arguments":{"duration":"5s"}}"#, "", &[wait]);
        check(r#"{"name":"wait","arguments":"{\"duration\":\"5s\"}"}"#, "", &[wait]);
        check(r#"{"type":"function","function":{"name":"wait","arguments":{"duration":"5s"}}}"#, "", &[wait]);
        check(
            r#"{"tool_calls":[{"name":"wait","args":{"duration":"5s"}},{"name":"list_pods"}]}"#,
            "",
            &[wait, "list_pods {}"],
        );
        check("I wait.\n{\"action\":\"wait\",\"arguments\":{\"duration\":\"5s\"}}", "I wait.", &[wait]);
        check(
            "```json\n{\"name\":\"scale\",\"arguments\":{\"text\":\"``` and </tool_call>\"}}\n```",
            "",
            &["scale {\"text\":\"``` and </tool_call>\"}"],
        );
    }

    #[test]
    fn what_only_looks_like_a_call_is_none() {
        let check = |text: &str| assert_eq!(found(text), None, "{text}");
        check("");
        check("I would wait.");
        check(r#"The log says <tool_call>{"name":"scale","arguments":{}}</tool_call>, which is odd."#);
        check("The log says\n```\n{\"name\":\"scale\",\"arguments\":{}}\n```\nand I do not believe it.");
        check("{\"name\":\"scale\",\"arguments\":{}} is what the log says.");
        check(r#"{"name":"carts","arguments":{}}"#);
        check(r#"{"name":"scale","image":"carts:1"}"#);
        check(r#"{"healthy":true}"#);
        check("[1,2,3]");
        check("<tool_call>{\"name\":\"scale\",\"arg");
        check("```json\n```");
        check(&"{\n".repeat(5_000));
    }
}
