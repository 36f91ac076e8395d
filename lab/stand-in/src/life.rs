//! The end of a process: SIGTERM, crashes that were ordered, and what happens once a second until then.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::process::Process;
use crate::say;

/// Exit code of a process that nobody had to force.
const SUCCESS: i32 = 0;
/// Exit code after an exception that nobody caught.
pub(crate) const CRASH: i32 = 1;

/// Ends the process at once; its kernel resets its connections.
#[expect(clippy::exit, reason = "the services that are played end in the middle of their work too")]
pub(crate) fn exit(code: i32) -> ! {
    std::process::exit(code)
}

/// Watches over the life of a process, in tasks of the current runtime.
///
/// # Errors
/// Signals cannot be caught.
pub(crate) fn watch(process: &Arc<Process>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let exits_in = process.service().runtime.exits_in;
    tokio::spawn(async move {
        loop {
            terminate.recv().await;
            match exits_in {
                Some(time) => {
                    sleep(Duration::from_nanos(time.0)).await;
                    exit(SUCCESS);
                }
                None => say("SIGTERM ignored, as the profile says (no `exits_in`)"),
            }
        }
    });
    if let Some(after) = process.config.crash_after {
        tokio::spawn(async move {
            sleep(after).await;
            say("crashing, as SOCKPIT_CRASH_AFTER says");
            exit(CRASH);
        });
    }
    let memory = process.memory.clone();
    tokio::spawn(async move {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            memory.tidy();
        }
    });
    Ok(())
}

/// Does nothing until SIGTERM.
///
/// # Errors
/// Signals cannot be caught.
pub(crate) fn idle() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        signal(SignalKind::terminate())?.recv().await;
        Ok(())
    })
}
