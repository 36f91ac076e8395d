//! What a process does before it listens: waits for its disk, computes, fills its memory, waits for the services
//! that it needs.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use sim::profile::StartUp;
use sim::time::SimDuration;

use crate::process::{Process, resolver};

/// How often it tries services that it waits for, and how long each time.
const RETRY: Duration = Duration::from_secs(1);
/// CPU time between two looks at how much memory it should have by now.
const SLICE: SimDuration = SimDuration::from_millis(10);

/// Blocks until the process may listen.
pub(crate) fn start_up(process: &Process) {
    let StartUp { cpu, threads, wait, first_request: _ } = process.service().runtime.start_up;
    thread::sleep(Duration::from_nanos(wait.0));
    compute(process, cpu, threads.max(1));
    process.memory.starting(1.0);
    for name in &process.service().runtime.waits_for {
        let Some(service) = process.programs.service(name) else { continue };
        let target = resolver(&process.config, &process.programs.services[service.index()]);
        while !is_reachable(target.query()) {
            thread::sleep(RETRY);
        }
    }
    process.costs.listening();
}

/// Burns `cpu` on several threads; memory rises with it.
fn compute(process: &Process, cpu: SimDuration, threads: u32) {
    let done = AtomicU64::new(0);
    let each = cpu.0 / u64::from(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut left = each;
                while left > 0 {
                    let slice = left.min(SLICE.0);
                    process.costs.plain(SimDuration(slice));
                    left -= slice;
                    let done = done.fetch_add(slice, Relaxed) + slice;
                    process.memory.starting(done as f64 / cpu.0 as f64);
                }
            });
        }
    });
}

fn is_reachable(query: &str) -> bool {
    let address = query.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    address.is_some_and(|address| TcpStream::connect_timeout(&address, RETRY).is_ok())
}
