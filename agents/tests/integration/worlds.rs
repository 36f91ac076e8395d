//! Worlds with a flaw: twins that say or do what a twin does not.

use sim::environment::{Environment, Failure, Observation, Query, Stage, Unavailable, Write};
use sim::episode::{Truth, WorldEvent};
use sim::time::SimTime;
use sim::world::Twin;

/// A call of the world that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Prepare,
    Advance,
    Observe,
    Act,
    Inject,
    Truth,
}

/// A twin with a flaw.
pub(crate) struct Flawed {
    twin: Twin,
    /// The last line of every log.
    line: Option<String>,
    /// Which call fails, after so many of its kind.
    fails: Option<(Call, u32)>,
}

impl Flawed {
    /// A twin in whose logs one more line stands.
    pub(crate) fn saying(twin: Twin, line: String) -> Self {
        Self { twin, line: Some(line), fails: None }
    }

    /// A twin whose API server dies: a call fails after so many of its kind.
    pub(crate) fn failing(twin: Twin, call: Call, after: u32) -> Self {
        Self { twin, line: None, fails: Some((call, after)) }
    }

    fn call(&mut self, call: Call) -> Result<(), Unavailable> {
        if let Some((_, left)) = self.fails.as_mut().filter(|(fails, _)| *fails == call) {
            *left = left.checked_sub(1).ok_or_else(|| Unavailable("connection refused".into()))?;
        }
        Ok(())
    }
}

impl Environment for Flawed {
    fn now(&self) -> SimTime {
        self.twin.now()
    }

    async fn observe(&mut self, query: &Query) -> Result<Observation, Failure> {
        self.call(Call::Observe)?;
        let mut seen = self.twin.observe(query).await?;
        if let Observation::Logs { lines, .. } = &mut seen {
            lines.extend(self.line.clone());
        }
        Ok(seen)
    }

    async fn act(&mut self, write: &Write) -> Result<String, Failure> {
        self.call(Call::Act)?;
        self.twin.act(write).await
    }

    async fn advance(&mut self, until: SimTime) -> Result<(), Unavailable> {
        self.call(Call::Advance)?;
        self.twin.advance(until).await
    }
}

impl Stage for Flawed {
    fn drain_journal(&mut self) -> Vec<WorldEvent> {
        self.twin.drain_journal()
    }

    async fn prepare(&mut self) -> Result<(), Unavailable> {
        self.call(Call::Prepare)?;
        self.twin.prepare().await
    }

    async fn inject(&mut self, index: usize) -> Result<(), Unavailable> {
        self.call(Call::Inject)?;
        self.twin.inject(index).await
    }

    async fn recover(&mut self, index: usize) -> Result<(), Unavailable> {
        self.twin.recover(index).await
    }

    async fn truth(&mut self) -> Result<Truth, Unavailable> {
        self.call(Call::Truth)?;
        self.twin.truth().await
    }
}
