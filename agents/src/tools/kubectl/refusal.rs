//! Why a command line makes no action: what is wrong, and what to do instead.

/// Why a command line makes no action. The text is for the one who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is there.
    #[error("the command is empty: write one, such as `kubectl get pods`")]
    Empty,
    /// Something that only a shell does.
    #[error("there is no shell here, so {feature} cannot be used: {instead}")]
    Shell {
        /// What.
        feature: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// Quotes that do not match, or a backslash at the end.
    #[error("the words cannot be told apart: {problem}")]
    Words {
        /// What is wrong.
        problem: &'static str,
    },
    /// Another program.
    #[error("`{program}` is not kubectl: {instead}")]
    Program {
        /// As written.
        program: String,
        /// What to do.
        instead: &'static str,
    },
    /// A command that kubectl does not have.
    #[error("unknown command \"{command}\" for \"kubectl\"{}; commands that can be used: {known}", meant(*.nearest))]
    UnknownCommand {
        /// As written.
        command: String,
        /// The closest that exists.
        nearest: Option<&'static str>,
        /// All that can be used.
        known: String,
    },
    /// A command that kubectl has, and this tool has not.
    #[error("`kubectl {command}` cannot be used here: {reason}")]
    Closed {
        /// As written.
        command: String,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// A flag that the command does not have.
    #[error("unknown flag {flag}{}; write `{usage}`", meant(*.nearest))]
    UnknownFlag {
        /// As written.
        flag: String,
        /// The closest that exists.
        nearest: Option<&'static str>,
        /// How the command is written.
        usage: &'static str,
    },
    /// A flag that means something that cannot be done.
    #[error("{flag} cannot be used here: {reason}")]
    ClosedFlag {
        /// The flag.
        flag: String,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// A flag without its value.
    #[error("flag needs an argument: {flag}; write `{usage}`")]
    NoValue {
        /// The flag.
        flag: String,
        /// How the command is written.
        usage: &'static str,
    },
    /// A flag with a value that cannot be read, or cannot be honoured.
    #[error("invalid argument \"{value}\" for {flag}: {problem}")]
    Value {
        /// The flag.
        flag: String,
        /// As written.
        value: String,
        /// What is wrong.
        problem: String,
    },
    /// Something is not there that must be.
    #[error("{what} is missing; write `{usage}`")]
    Missing {
        /// What.
        what: &'static str,
        /// How the command is written.
        usage: &'static str,
    },
    /// A word too many.
    #[error("unexpected \"{word}\"; write `{usage}`, one command for one object")]
    Unexpected {
        /// The word.
        word: String,
        /// How the command is written.
        usage: &'static str,
    },
    /// A kind of object that Kubernetes does not have.
    #[error(
        "the server doesn't have a resource type \"{word}\"{}; a kind comes before a name, as in `deployment/NAME`",
        meant(*.nearest)
    )]
    UnknownKind {
        /// As written.
        word: String,
        /// The closest that exists.
        nearest: Option<&'static str>,
    },
    /// A kind of object with which the command does nothing here.
    #[error("{kind} cannot be used so here: {instead}")]
    Kind {
        /// The kind.
        kind: String,
        /// What to do.
        instead: &'static str,
    },
    /// A name that cannot be right.
    #[error("\"{name}\" is not the name of a {kind}: {instead}")]
    Name {
        /// What it should name.
        kind: &'static str,
        /// As written.
        name: String,
        /// What to do.
        instead: &'static str,
    },
    /// Another namespace, or all of them: the API server forbids it.
    #[error("Error from server (Forbidden): {message}")]
    Forbidden {
        /// Its words.
        message: String,
    },
    /// A selector that does not name one component.
    #[error("the selector \"{selector}\" cannot be used here: {instead}")]
    Selector {
        /// As written.
        selector: String,
        /// What to do.
        instead: &'static str,
    },
    /// A patch that is no single action.
    #[error("the patch cannot be applied: {problem}")]
    Patch {
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A manifest that cannot be had, or may not be applied.
    #[error("no manifest to use: {problem}")]
    Manifest {
        /// What is wrong, and what to do.
        problem: &'static str,
    },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|word| format!(", did you mean `{word}`?")).unwrap_or_default()
}
