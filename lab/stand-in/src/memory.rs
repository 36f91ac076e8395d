//! Resident memory, touched for real: `base + heap · (1 - exp(-served / heap_requests)) + per_request · in flight +
//! leak · served`, the process itself included.
//!
//! It grows at once, by the thread that needs it. Requests that end do not give memory back one by one, as an
//! allocator would not: once a second what was not needed in that second is returned.

use std::fs;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use sim::profile::Memory as Settings;
use sim::units::Bytes;

const PAGE: usize = 4096;
/// Above glibc's largest `M_MMAP_THRESHOLD` (32 MiB), so that a block is always mapped afresh (zero pages that take
/// no memory until they are touched) and unmapped when it is dropped.
const BLOCK: usize = 64 << 20;
/// Memory is taken in steps of this, so that not every request touches a page.
const STEP: u64 = 256 << 10;

/// What this process occupies beside its own needs.
#[derive(Debug)]
pub(crate) struct Memory {
    settings: Settings,
    share: f64,
    /// What the process has without anything touched.
    own: Bytes,
    in_flight: AtomicU32,
    /// Most requests at once since the last [`Self::tidy`].
    peak: AtomicU32,
    served: AtomicU64,
    /// Share of the start-up that is done, in thousandths; 1000 once the process listens.
    started: AtomicU64,
    /// What is never given back: base, heap, leaks.
    kept: Ballast,
    /// What requests in progress occupy.
    borrowed: Ballast,
}

impl Memory {
    /// Nothing is touched yet, and the process has `own` without that. `share` of all that is claimed will be.
    pub(crate) fn new(settings: Settings, share: f64, own: Bytes) -> Self {
        Self {
            settings,
            share,
            own,
            in_flight: AtomicU32::new(0),
            peak: AtomicU32::new(0),
            served: AtomicU64::new(0),
            started: AtomicU64::new(0),
            kept: Ballast::default(),
            borrowed: Ballast::default(),
        }
    }

    /// The start-up is so far, 0 to 1.
    pub(crate) fn starting(&self, done: f64) {
        self.started.fetch_max((done * 1000.0) as u64, Relaxed);
        self.kept.grow(self.to_keep());
    }

    /// A request or a message is in the process, until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(now, Relaxed);
        self.kept.grow(self.to_keep());
        self.borrowed.grow(self.to_borrow(now));
        InFlight(self.clone())
    }

    /// Requests in the process now, and answered so far.
    pub(crate) fn requests(&self) -> (u32, u64) {
        (self.in_flight.load(Relaxed), self.served.load(Relaxed))
    }

    /// Returns what was not needed since the last time.
    pub(crate) fn tidy(&self) {
        let peak = self.peak.swap(self.in_flight.load(Relaxed), Relaxed);
        self.borrowed.shrink(self.to_borrow(peak));
    }

    /// What must stay touched beside what the process has anyway.
    fn to_keep(&self) -> u64 {
        let Settings { base, heap, heap_requests, per_request: _, leak_per_request } = &self.settings;
        let served = self.served.load(Relaxed) as f64;
        let started = self.started.load(Relaxed) as f64 / 1000.0;
        let heap = heap.0 as f64 * (1.0 - (-served / f64::from(*heap_requests)).exp());
        let claimed = base.0 as f64 * started + heap + leak_per_request.0 as f64 * served;
        ((claimed * self.share) as u64).saturating_sub(self.own.0)
    }

    fn to_borrow(&self, in_flight: u32) -> u64 {
        (self.settings.per_request.0 as f64 * f64::from(in_flight) * self.share) as u64
    }
}

/// Touched memory.
#[derive(Debug, Default)]
struct Ballast {
    /// Its size, as a hint that needs no lock.
    touched: AtomicU64,
    blocks: Mutex<Vec<Block>>,
}

/// A mapping whose first `touched` bytes are resident.
#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    touched: usize,
}

impl Ballast {
    fn grow(&self, target: u64) {
        if target >= self.touched.load(Relaxed) + STEP {
            self.touch(&mut self.blocks.lock().expect(NO_PANIC), target);
        }
    }

    /// Gives everything back and touches anew what is still wanted.
    fn shrink(&self, target: u64) {
        if self.touched.load(Relaxed) > target + 2 * STEP {
            let mut blocks = self.blocks.lock().expect(NO_PANIC);
            blocks.clear();
            self.touched.store(0, Relaxed);
            self.touch(&mut blocks, target);
        }
    }

    fn touch(&self, blocks: &mut Vec<Block>, target: u64) {
        let mut touched = self.touched.load(Relaxed);
        while touched + STEP <= target {
            if blocks.last().is_none_or(|block| block.touched == BLOCK) {
                blocks.push(Block { bytes: vec![0; BLOCK], touched: 0 });
            }
            let block = blocks.last_mut().expect("one was pushed if there was none");
            let end = block.touched + ((target - touched) as usize).min(BLOCK - block.touched);
            for page in block.bytes[block.touched..end].chunks_mut(PAGE) {
                page[0] = 1;
            }
            touched += (end - block.touched) as u64;
            block.touched = end;
        }
        self.touched.store(touched, Relaxed);
    }
}

const NO_PANIC: &str = "nobody panics while he holds it";

/// Anonymous resident memory of this process now. Zero where `/proc` cannot be read. The pages of the program's file
/// do not count: they are charged once, to the control group that first touched them.
pub(crate) fn anonymous() -> Bytes {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = statm.split(' ').skip(1).map_while(|pages| pages.parse::<u64>().ok());
    let (resident, of_files) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    Bytes(resident.saturating_sub(of_files) * PAGE as u64)
}

/// A request in the process.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Memory>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
        self.0.served.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(memory: &Memory, mebibytes: u64) {
        let ballasts = [&memory.kept, &memory.borrowed];
        let touched: u64 = ballasts.iter().map(|ballast| ballast.touched.load(Relaxed)).sum();
        let off = (touched + memory.own.0).abs_diff(mebibytes << 20);
        assert!(off <= 2 * STEP, "{touched} bytes are not {mebibytes} MiB");
        let blocks = ballasts.iter().map(|ballast| ballast.blocks.lock().unwrap());
        let resident: usize = blocks.map(|blocks| blocks.iter().map(|block| block.touched).sum::<usize>()).sum();
        assert_eq!(resident as u64, touched);
    }

    #[test]
    fn memory_follows_start_up_requests_and_leaks() {
        let mebibytes = Bytes::from_mebibytes;
        let settings = Settings {
            base: mebibytes(100),
            heap: mebibytes(0),
            heap_requests: 1000,
            per_request: mebibytes(10),
            leak_per_request: mebibytes(1),
        };
        let memory = Arc::new(Memory::new(settings, 1.0, mebibytes(2)));
        memory.starting(0.5);
        check(&memory, 50);
        memory.starting(1.0);
        check(&memory, 100);
        let requests: Vec<_> = (0..4).map(|_| memory.enter()).collect();
        check(&memory, 140);
        drop(requests);
        // What four finished requests leaked is touched when the next one comes.
        memory.tidy();
        check(&memory, 140);
        memory.tidy();
        check(&memory, 100);
        drop(memory.enter());
        check(&memory, 114);
        assert_eq!(memory.requests(), (0, 5));
    }
}
