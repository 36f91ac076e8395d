//! Consumers: the messages that this service handles. Each of a queue's `concurrency` has a connection of its own to
//! the broker and works on one message after the other.

use std::sync::Arc;
use std::time::Duration;

use sim::program::Consumer;
use sim::traffic::Failure;

use crate::client::{Connection, Resolver, Way};
use crate::handler::Job;
use crate::process::{Process, resolver};
use crate::wire;

/// How long a consumer waits before it tries its broker again (`recoveryInterval` of Spring's listener containers).
const RECOVERY_INTERVAL: Duration = Duration::from_secs(5);

/// Starts the consumers of a service, in tasks of the current runtime.
pub(crate) fn start(process: &Arc<Process>) {
    for &spec in &process.service().consumers {
        for _ in 0..spec.concurrency {
            let process = process.clone();
            tokio::spawn(async move {
                let broker = resolver(&process.config, &process.programs.services[spec.broker.index()]);
                loop {
                    if subscribe(&process, spec, &broker).await.is_err() {
                        tokio::time::sleep(RECOVERY_INTERVAL).await;
                    }
                }
            });
        }
    }
}

/// Handles messages until the broker is lost.
async fn subscribe(process: &Arc<Process>, spec: Consumer, broker: &Resolver) -> Result<(), Failure> {
    let mut connection = Connection::open(broker.resolve(Way::Task).await?, Way::Task, None).await?;
    let (_, queue) = &process.programs.queues[spec.queue as usize];
    let path = wire::queue_path(queue);
    let request = format!("POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n", broker.query());
    loop {
        let answer = connection.exchange(request.as_bytes(), None).await?;
        if answer.status != 200 {
            return Err(Failure::Reset);
        }
        let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let attributes = wire::read_attributes(&process.programs.attributes, headers);
        let work = Job::new(process, attributes).message(spec.entry, process.memory.enter());
        process.stage.part(work).await.expect(crate::concurrency::NO_PANIC);
    }
}
