//! One connection for all calls at once (`node_redis`, Spring's `CachingConnectionFactory`): requests follow each
//! other without waiting for answers, which come back in the same order.
//!
//! The server works on one request of a connection after the other, as Redis and an AMQP channel do.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use sim::traffic::Failure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

use super::answer;
use super::connection::{Connection, failure, within};

/// The connection, once there is one.
#[derive(Debug, Default)]
pub(super) struct Shared {
    line: tokio::sync::Mutex<Option<Line>>,
}

#[derive(Debug)]
struct Line {
    out: OwnedWriteHalf,
    waiting: Arc<Waiting>,
}

/// Who waits for an answer, in order; none once the connection is dead.
type Waiting = Mutex<Option<VecDeque<oneshot::Sender<u16>>>>;

impl Shared {
    /// Sends a request on the connection, which `open` opens if need be, and waits for its answer.
    pub(super) async fn exchange<O>(
        &self,
        open: impl FnOnce() -> O,
        request: &[u8],
        deadline: Option<Instant>,
    ) -> Result<u16, Failure>
    where
        O: Future<Output = Result<Connection, Failure>>,
    {
        let answer = within(deadline, self.send(open, request)).await??;
        // The sender is dropped when the connection dies.
        within(deadline, answer).await?.map_err(|_| Failure::Reset)
    }

    async fn send<O>(&self, open: impl FnOnce() -> O, request: &[u8]) -> Result<oneshot::Receiver<u16>, Failure>
    where
        O: Future<Output = Result<Connection, Failure>>,
    {
        let (sender, receiver) = oneshot::channel();
        let mut line = self.line.lock().await;
        let is_dead = |line: &Line| line.waiting.lock().expect(NO_PANIC).is_none();
        if line.as_ref().is_none_or(is_dead) {
            *line = None;
            *line = Some(Line::new(open().await?));
        }
        let Some(Line { out, waiting }) = &mut *line else {
            return Err(Failure::Reset);
        };
        match &mut *waiting.lock().expect(NO_PANIC) {
            Some(waiting) => waiting.push_back(sender),
            None => return Err(Failure::Reset),
        }
        if let Err(error) = out.write_all(request).await {
            *line = None;
            return Err(failure(error));
        }
        Ok(receiver)
    }
}

impl Line {
    fn new(connection: Connection) -> Self {
        let (read, out) = connection.into_halves();
        let waiting = Arc::new(Mutex::new(Some(VecDeque::new())));
        tokio::spawn(hand_out(read, waiting.clone()));
        Self { out, waiting }
    }
}

/// Gives each answer to whoever has waited longest, until the connection ends.
async fn hand_out(mut read: OwnedReadHalf, waiting: Arc<Waiting>) {
    let mut buffer = Vec::with_capacity(1024);
    while let Ok(1..) = read.read_buf(&mut buffer).await {
        while let Ok(Some(answer)) = answer::take(&mut buffer) {
            let next = waiting.lock().expect(NO_PANIC).as_mut().and_then(VecDeque::pop_front);
            // A caller that ran out of patience does not listen any more.
            next.map(|sender| sender.send(answer.status).is_ok());
        }
    }
    *waiting.lock().expect(NO_PANIC) = None;
}

const NO_PANIC: &str = "nobody panics while he holds it";
