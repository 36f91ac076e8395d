//! Calls of models: the one that plays, and its critic.

use sim::episode::MisstepKind;
use sim::time::SimDuration;

use super::{Awaiting, Chat, Seat, Spent, call, conversation, critic};
use crate::model::{Completion, ModelFailure, Usage};
use crate::policy::{Decided, Misstep, Percept};
use crate::prompts::Proposal;

/// The most characters of a conversation that a critic reads.
const TRANSCRIPT: usize = 24_000;

/// What a critic says of an action.
pub(super) enum Review<A> {
    Approved,
    /// It is not done; the one who proposed it is told what was declined and why.
    Declined(Misstep),
    /// There is no verdict; what comes of the step instead.
    Failed(Decided<A>),
}

impl<R: Seat> Chat<R> {
    /// Asks the critic, if there is one and the action is a change.
    pub(super) async fn review(
        &mut self,
        action: &R::Action,
        percept: &Percept<R::Heard>,
        spent: &mut Spent,
    ) -> Review<R::Action> {
        let (Some(critic), Some(change)) = (&self.critic, R::change(action)) else { return Review::Approved };
        let (transcript, cut) = self.conversation.transcript(TRANSCRIPT);
        let proposal = Proposal {
            task: self.conversation.task(),
            transcript: &transcript,
            cut,
            proposal: &change,
            steps_left: percept.steps_left,
        };
        let question = match self.prompts.proposal(&proposal) {
            Ok(question) => question,
            Err(failure) => return Review::Failed(Decided::Lost(failure.to_string())),
        };
        let (verdict, usage) = critic::ask(&**critic, &self.critic_prompt, question).await;
        self.tokens += usage.tokens.input + usage.tokens.output;
        spent.add(usage);
        match verdict {
            Ok(verdict) if verdict.approve => Review::Approved,
            Ok(verdict) => {
                let text = format!("not done, since the critic declines {change}: {}", verdict.reason);
                Review::Declined(Misstep { kind: MisstepKind::Declined, text })
            }
            Err(failure) if failure.is_final() => Review::Failed(Decided::Lost(failure.to_string())),
            Err(failure) => Review::Failed(Decided::Misstep(Misstep {
                kind: MisstepKind::ModelFailed,
                text: format!("not done, since the critic gave no verdict: {failure}"),
            })),
        }
    }

    /// Asks the model for its next answer; a decision if nothing can be carried out of it.
    pub(super) async fn ask(&mut self, percept: &Percept<R::Heard>, spent: &mut Spent) -> Option<Decided<R::Action>> {
        let limits = self.settings.limits;
        if let Some(budget) = limits.tokens.filter(|budget| self.tokens >= *budget) {
            return Some(self.remark(MisstepKind::TokensSpent, format!("the budget of {budget} tokens is used up")));
        }
        if percept.steps_left <= limits.warned_at && !self.is_warned {
            self.is_warned = true;
            self.conversation.told(&format!(
                "Steps left, the next one included: {}. Call `{}` with what you know before they run out.",
                percept.steps_left,
                R::LAST_TOOL
            ));
        }
        self.conversation.fit();
        match self.model.complete(self.conversation.request()).await {
            Ok(completion) => {
                self.tokens += completion.usage.tokens.input + completion.usage.tokens.output;
                spent.add(completion.usage);
                self.take_in(completion)
            }
            Err(failure) => Some(self.failed(&failure, spent)),
        }
    }

    /// A model call that brought no answer.
    fn failed(&mut self, failure: &ModelFailure, spent: &mut Spent) -> Decided<R::Action> {
        let took = if let ModelFailure::TimedOut(limit) = failure { *limit } else { SimDuration::ZERO };
        spent.add(Usage { took, ..Usage::default() });
        if failure.is_final() {
            return Decided::Lost(failure.to_string());
        }
        if matches!(failure, ModelFailure::TooLong(_)) {
            self.conversation.was_too_long();
        }
        self.remark(MisstepKind::ModelFailed, failure.to_string())
    }

    /// Takes in an answer: what it says, and the tools that it calls.
    fn take_in(&mut self, completion: Completion) -> Option<Decided<R::Action>> {
        let limits = self.settings.limits;
        let length = completion.text.len();
        let mut text = conversation::head(&completion.text, limits.answer_characters);
        let written = completion.calls.len();
        let calls = call::read(completion.calls, limits.calls_per_answer, limits.answer_characters);
        if written > calls.len() {
            let more = written - calls.len();
            text = format!("{text}\n[cut: {more} more tool calls; at most {} are read]", limits.calls_per_answer);
        }
        self.conversation.said(text, &calls);
        if !calls.is_empty() {
            self.queue = calls.into();
            return None;
        }
        let last = R::LAST_TOOL;
        Some(if length > limits.answer_characters {
            let text = format!(
                "the answer has {length} characters, of which {} are read, and calls no tool: be brief, and call one",
                limits.answer_characters
            );
            self.remark(MisstepKind::TooLong, text)
        } else {
            let text = format!("nothing was done, since no tool was called: call one, or `{last}` if you are done");
            self.remark(MisstepKind::NoAction, text)
        })
    }

    /// A misstep without a tool call: what it hears of it, it hears as from a user.
    fn remark(&mut self, kind: MisstepKind, text: String) -> Decided<R::Action> {
        self.awaiting = Awaiting::Remark;
        Decided::Misstep(Misstep { kind, text })
    }
}
