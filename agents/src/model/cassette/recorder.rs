//! Recording.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::format::{Answer, Header, Ordinals, Summary, Take, VERSION};
use crate::model::{ChatModel, ChatRequest, Completing, Completion, ModelFailure};

/// Takes a line of a cassette, with its end. Who gives it decides when it is on the disk: a killed run loses what was
/// not flushed.
pub type Sink = Box<dyn FnMut(&str) -> io::Result<()> + Send>;

/// A model whose answers are recorded, failures among them.
///
/// An answer that cannot be recorded is a [`ModelFailure::Unrecorded`]: a run that seems to be recorded and is not would
/// be found out too late.
pub struct Recorder<M> {
    model: M,
    tape: Mutex<Tape>,
}

struct Tape {
    sink: Sink,
    ordinals: Ordinals,
}

impl<M: ChatModel> Recorder<M> {
    /// Records a model from here on.
    ///
    /// # Errors
    /// The first line could not be written.
    pub fn new(model: M, sink: Sink) -> io::Result<Self> {
        let header = Header { cassette: VERSION, model: model.name().to_owned() };
        let mut tape = Tape { sink, ordinals: Ordinals::default() };
        tape.write(&header)?;
        Ok(Self { model, tape: Mutex::new(tape) })
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn record(&self, request: &ChatRequest, summary: Summary, ordinal: u32) -> Result<Completion, ModelFailure> {
        let answer = self.model.complete(request).await;
        let Summary { request, tools, messages } = summary;
        let take = Take { request, ordinal, tools, messages, answer: Answer::from(answer.clone()) };
        self.tape().write(&take).map_err(|e| ModelFailure::Unrecorded(e.to_string()))?;
        answer
    }
}

impl Tape {
    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        (self.sink)(&text)
    }
}

impl<M: ChatModel> ChatModel for Recorder<M> {
    fn name(&self) -> &str {
        self.model.name()
    }

    /// Equal requests are counted here, before anything is waited for: the order in which a conductor asks is always the
    /// same, and the order in which answers arrive is not.
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> Completing<'a> {
        let summary = Summary::of(request);
        let ordinal = self.tape().ordinals.next(&summary.request);
        Box::pin(self.record(request, summary, ordinal))
    }
}
