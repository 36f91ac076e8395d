//! How a chat model plays, and what it may use up.

use crate::mechanism::Mechanism;
use crate::tools::ToolForm;

/// How a chat model plays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatSettings {
    /// How the agents of a group work together.
    pub mechanism: Mechanism,
    /// In which form an agent has its tools. A group manager's are typed.
    pub form: ToolForm,
    /// What is read and what may be used up.
    pub limits: ChatLimits,
    /// With it, the model is told at each task what it noted in earlier ones, after this text, which may be empty.
    pub memory: Option<String>,
}

/// What is read of a model's answers, and what it may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatLimits {
    /// Tokens that the model can read, prompt and tools included; counted as a third of the characters.
    pub context_tokens: usize,
    /// Characters of one answer that are read, and those of the arguments of one tool call.
    pub answer_characters: usize,
    /// Tool calls of one answer that are carried out.
    pub calls_per_answer: usize,
    /// How many times in a row the same call may be answered in the same way before it is refused.
    pub repetitions: u32,
    /// The model is told when it has this many steps left.
    pub warned_at: u32,
    /// Tokens read and written in a whole episode, the critic's among them, after which the model is asked no more; none
    /// for as many as it takes.
    pub tokens: Option<u64>,
}

impl Default for ChatLimits {
    fn default() -> Self {
        Self {
            context_tokens: 32_000,
            answer_characters: 16_000,
            calls_per_answer: 8,
            repetitions: 3,
            warned_at: 2,
            tokens: None,
        }
    }
}
