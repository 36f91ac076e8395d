//! The words in which programs write to their logs when something goes wrong.
//!
//! A *format* belongs to a language or a driver: what a failure is called there, and which lines come of it. A service
//! names the format of its process, a client that of its driver where that has words of its own. What happens, and
//! when, is the data plane's ([`Entry`](crate::log::Entry)); what is here is only how it reads.
//!
//! A *template* is text with *placeholders*, a word of those that the line knows in braces: `connect to {host}:{port}`.
//! Braces around anything else are text. A line break begins another line of the log. A format writes nothing about
//! events that it has no template for. A service without a format writes in the words of [`LogFormat::plain`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::SimDuration;

/// How programs of one kind word what they write to their logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogFormat {
    /// What a call's failure is called: `{error}` in lines.
    #[serde(default)]
    pub errors: BTreeMap<CallError, String>,
    /// What is written when something happens.
    #[serde(default)]
    pub lines: BTreeMap<LogEvent, String>,
    /// Failures after which a call is tried again without a word, as a driver does that looks for its server.
    #[serde(default)]
    pub retries_quietly_after: Vec<CallError>,
    /// From what time on a request counts as a slow query (MongoDB's `slowms`). Default: none does.
    #[serde(default)]
    pub slow_after: Option<SimDuration>,
}

/// Declares the words of an enum of the profile.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])+ $variant:ident: [$($word:literal)*],)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[$variant_doc])+ $variant,)*
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The placeholders that its template may have, beside those of every line.
            pub const fn placeholders(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$($word),*],)*
                }
            }
        }
    };
}

words! {
    /// How a call failed, as its caller sees it.
    CallError {
        /// ECONNREFUSED: nobody listens there, or the Service has no endpoints.
        Refused: ["host" "port" "ip" "request" "method" "path" "waited" "waited-ms"],
        /// ECONNRESET, or the end of the stream: the server died, or somebody closed the connection.
        Reset: ["host" "port" "ip" "request" "method" "path" "waited" "waited-ms"],
        /// No answer within the client's patience.
        TimedOut: ["host" "port" "ip" "request" "method" "path" "waited" "waited-ms"],
        /// No connection within the client's patience, or the kernel's.
        ConnectTimedOut: ["host" "port" "ip" "request" "method" "path" "waited" "waited-ms"],
        /// EHOSTUNREACH: no machine has the address.
        Unreachable: ["host" "port" "ip" "request" "method" "path" "waited" "waited-ms"],
        /// The name does not resolve.
        UnknownHost: ["host" "port" "ip" "request" "method" "path" "waited" "waited-ms"],
        /// The client's circuit breaker is open: nobody was asked. Only the first such call since it opened is written.
        BreakerOpen: ["host" "port" "ip" "request" "method" "path" "waited" "waited-ms"],
    }
}

words! {
    /// What a process writes about.
    LogEvent {
        /// Its container was started.
        Starting: ["image"],
        /// It accepts connections.
        Listening: ["port"],
        /// A call failed and is not tried again.
        CallFailed: ["error" "host" "port" "ip" "request" "method" "path" "waited" "waited-ms" "attempt" "attempts"],
        /// An attempt at a call failed, and another one follows.
        Retry: ["error" "host" "port" "ip" "request" "method" "path" "waited" "waited-ms" "attempt" "attempts"],
        /// A call was answered with a status of 500 or more that the caller takes for an error.
        ErrorAnswer: ["status" "host" "port" "ip" "request" "method" "path"],
        /// A call that runs beside the handler was not done when the handler's patience with it ended.
        Late: ["host" "port" "ip" "request" "method" "path" "waited" "waited-ms"],
        /// The breaker around one of its endpoints is open: a request was refused. Only the first since it opened is
        /// written, since the others would push everything else out of what is kept of a log.
        BreakerRefused: ["request" "method" "path"],
        /// It exits because it did not expect a call to fail.
        CrashWithoutAnswer: ["host" "port" "ip" "request" "method" "path"],
        /// It exits because it did not expect this answer to a call.
        CrashAtAnswer: ["status" "host" "port" "ip" "request" "method" "path"],
        /// A service that it needs to start is not there yet.
        Waiting: ["error" "host" "port" "ip" "waited" "waited-ms"],
        /// The broker whose messages it handles is not there.
        ConsumerFailed: ["error" "host" "port" "ip" "queue" "waited" "waited-ms"],
        /// A variable that must be set is not.
        MissingVariable: ["variable" "value" "allowed"],
        /// A variable has none of the values that are allowed.
        InvalidValue: ["variable" "value" "allowed"],
        /// A variable asks for a port for which it has no privilege.
        PortDenied: ["variable" "value" "port"],
        /// A Java virtual machine does not understand `-Xmx`.
        InvalidMaximumHeap: ["variable" "value" "option"],
        /// A Java virtual machine does not understand `-Xms`.
        InvalidInitialHeap: ["variable" "value" "option"],
        /// A Java virtual machine's heap would begin larger than it may become.
        HeapOrder: ["variable" "value" "option"],
        /// A Java virtual machine takes a word for the main class.
        NoMainClass: ["variable" "value" "option"],
        /// A request took longer than the format's `slow_after`.
        SlowQuery: ["request" "method" "path" "took" "took-ms" "connection"],
        /// The same, of a request that looked at every document (`growth.scans`).
        SlowScan: ["request" "method" "path" "took" "took-ms" "connection" "documents"],
        /// A write found no space on its disk.
        DiskFull: ["directory" "request" "method" "path"],
    }
}

/// What every line and error may have: virtual time, which begins at zero as Unix time does, and the service's name.
pub(super) const EVERYWHERE: &[&str] = &["date", "date-slashes", "time", "millis", "service"];

impl LogFormat {
    /// The format of services that name none.
    pub fn plain() -> Self {
        let errors = CallError::ALL.iter().map(|&error| {
            let words = match error {
                CallError::Refused => "connection refused",
                CallError::Reset => "connection reset by peer",
                CallError::TimedOut => "no answer within {waited}",
                CallError::ConnectTimedOut => "no connection within {waited}",
                CallError::Unreachable => "no route to host",
                CallError::UnknownHost => "no such host",
                CallError::BreakerOpen => "circuit breaker is open",
            };
            (error, words.to_owned())
        });
        let lines = LogEvent::ALL.iter().map(|&event| (event, plain_line(event).to_owned()));
        Self { errors: errors.collect(), lines: lines.collect(), retries_quietly_after: Vec::new(), slow_after: None }
    }
}

fn plain_line(event: LogEvent) -> &'static str {
    match event {
        LogEvent::Starting => "starting {image}",
        LogEvent::Listening => "listening on port {port}",
        LogEvent::CallFailed => "error: {request} at {host}:{port}: {error}",
        LogEvent::Retry => {
            "warning: {request} at {host}:{port}: {error}; attempt {attempt} of {attempts}, trying again"
        }
        LogEvent::ErrorAnswer => "error: {request} at {host}:{port}: status {status}",
        LogEvent::Late => "error: {request} at {host}:{port}: not done after {waited}",
        LogEvent::BreakerRefused => "error: {request}: circuit breaker is open",
        LogEvent::CrashWithoutAnswer => "fatal: {request} at {host}:{port}: no answer",
        LogEvent::CrashAtAnswer => "fatal: {request} at {host}:{port}: unexpected answer, status {status}",
        LogEvent::Waiting => "waiting for {host}:{port}: {error}",
        LogEvent::ConsumerFailed => "error: cannot consume {queue} at {host}:{port}: {error}",
        LogEvent::MissingVariable => "fatal: {variable} is not set",
        LogEvent::InvalidValue => "fatal: {variable}: `{value}` is none of {allowed}",
        LogEvent::PortDenied => "fatal: cannot listen on port {port}: permission denied",
        LogEvent::InvalidMaximumHeap => "Invalid maximum heap size: {option}",
        LogEvent::InvalidInitialHeap => "Invalid initial heap size: {option}",
        LogEvent::HeapOrder => "Initial heap size set to a larger value than the maximum heap size",
        LogEvent::NoMainClass => "Error: Could not find or load main class {option}",
        LogEvent::SlowQuery => "slow query: {request} took {took-ms} ms",
        LogEvent::SlowScan => "slow query: {request} took {took-ms} ms, {documents} documents examined",
        LogEvent::DiskFull => "error: cannot write to {directory}: no space left on device",
    }
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken<'t> {
    /// It has a placeholder that the line does not know.
    Unknown(&'t str),
    /// The brace behind a placeholder is missing.
    Open(&'t str),
}

/// A part of a template.
enum Part<'t> {
    Text(&'t str),
    Placeholder(&'t str),
    /// A brace before a word, and no brace behind it.
    Open(&'t str),
}

/// The parts of a template, in order.
fn parts(template: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(behind) = rest.strip_prefix('{') else {
            let (text, next) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
            rest = next;
            return Some(Part::Text(text));
        };
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let (word, next) = behind.split_at(behind.find(|c| !is_word(c)).unwrap_or(behind.len()));
        if let Some(next) = next.strip_prefix('}')
            && !word.is_empty()
        {
            rest = next;
            return Some(Part::Placeholder(word));
        }
        let whole = rest;
        rest = next;
        Some(if word.is_empty() { Part::Text(&whole[..1]) } else { Part::Open(&whole[..=word.len()]) })
    })
}

/// What is wrong with a template whose line knows these words, if anything is.
pub(crate) fn broken<'t>(template: &'t str, known: &[&str]) -> Option<Broken<'t>> {
    let is_known = |word: &str| known.contains(&word) || EVERYWHERE.contains(&word);
    parts(template).find_map(|part| match part {
        Part::Placeholder(word) if !is_known(word) => Some(Broken::Unknown(word)),
        Part::Open(text) if is_known(&text[1..]) => Some(Broken::Open(&text[1..])),
        Part::Text(_) | Part::Placeholder(_) | Part::Open(_) => None,
    })
}

/// A template with its placeholders filled.
pub(crate) fn fill(template: &str, word: impl Fn(&str) -> String) -> String {
    parts(template).fold(String::with_capacity(template.len()), |mut filled, part| {
        match part {
            Part::Text(text) | Part::Open(text) => filled.push_str(text),
            Part::Placeholder(name) => filled.push_str(&word(name)),
        }
        filled
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_in_braces_are_placeholders() {
        for (template, filled) in [
            ("", ""),
            ("dial {host}:{port}", "dial <host>:<port>"),
            (r#"{"t":{"date":"{date}"},"attr":{}}"#, r#"{"t":{"date":"<date>"},"attr":{}}"#),
            ("state {type=UNKNOWN, exception={com.mongodb.X}}", "state {type=UNKNOWN, exception={com.mongodb.X}}"),
            ("{", "{"),
            ("{{host}}", "{<host>}"),
            ("{ host }", "{ host }"),
        ] {
            assert_eq!(fill(template, |word| format!("<{word}>")), filled, "{template}");
        }
    }

    #[test]
    fn mistakes_are_found() {
        let check = |template, expected| assert_eq!(broken(template, &["host"]), expected, "{template}");
        check("{host} {date} {type=1} {", None);
        check("{hots}", Some(Broken::Unknown("hots")));
        check("{port}", Some(Broken::Unknown("port")));
        check("{host", Some(Broken::Open("host")));
        check("{host:1}", Some(Broken::Open("host")));
    }

    #[test]
    fn the_plain_format_is_whole_and_right() {
        let plain = LogFormat::plain();
        for (error, template) in &plain.errors {
            assert_eq!(broken(template, error.placeholders()), None, "{error:?}");
        }
        for (event, template) in &plain.lines {
            assert_eq!(broken(template, event.placeholders()), None, "{event:?}");
        }
    }
}
