//! The generator's clock and timers.
//!
//! tokio's own timers have a resolution of a millisecond, which would bunch arrivals and shift response times. Here
//! one `timerfd`, set to the earliest of all due times, wakes the thread to within some 50 µs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use sim::time::SimTime;
use tokio::io::unix::AsyncFd;

/// The order of those that wait: when, and then who came first.
type Place = (SimTime, u64);

/// Time since the start of the run, and who waits for it.
#[derive(Debug)]
pub(crate) struct Clock {
    began: Instant,
    timer: AsyncFd<OwnedFd>,
    waiting: RefCell<BTreeMap<Place, Waker>>,
    /// How many have waited so far.
    count: Cell<u64>,
}

impl Clock {
    /// A clock that begins now. Needs tokio's I/O driver.
    pub(crate) fn start() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(deprecated, reason = "its successor is unsafe for the sake of types that lie about their descriptor")]
        let timer = AsyncFd::new(timer)?;
        Ok(Self { began: Instant::now(), timer, waiting: RefCell::default(), count: Cell::new(0) })
    }

    pub(crate) fn now(&self) -> SimTime {
        SimTime(self.began.elapsed().as_nanos() as u64)
    }

    /// Waits until `due`; not at all if that is past.
    pub(crate) fn until(&self, due: SimTime) -> Until<'_> {
        let number = self.count.get();
        self.count.set(number + 1);
        Until { clock: self, place: (due, number), is_waiting: false }
    }

    /// Wakes whoever is due, for ever. Must run beside those that wait.
    pub(crate) async fn run(&self) -> io::Error {
        loop {
            match self.wake().await {
                Ok(()) => {}
                Err(why) => return why,
            }
        }
    }

    async fn wake(&self) -> io::Result<()> {
        let mut ready = self.timer.readable().await?;
        ready.clear_ready();
        match rustix::io::read(self.timer.get_ref(), &mut [0_u8; 8]) {
            // Nothing to read: the timer was set anew meanwhile.
            Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
            Err(why) => return Err(why.into()),
        }
        let now = self.now();
        let mut waiting = self.waiting.borrow_mut();
        let later = waiting.split_off(&(SimTime(now.0 + 1), 0));
        for waker in std::mem::replace(&mut *waiting, later).into_values() {
            waker.wake();
        }
        match waiting.first_key_value() {
            Some(((due, _), _)) => self.set(*due),
            None => Ok(()),
        }
    }

    fn set(&self, due: SimTime) -> io::Result<()> {
        // Zero would mean never.
        let left = due.since(self.now().min(due)).0.max(1);
        let it_value = Timespec { tv_sec: (left / 1_000_000_000) as i64, tv_nsec: (left % 1_000_000_000) as i64 };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Itimerspec { it_interval, it_value };
        rustix::time::timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &value)?;
        Ok(())
    }
}

/// See [`Clock::until`].
#[derive(Debug)]
pub(crate) struct Until<'a> {
    clock: &'a Clock,
    place: Place,
    is_waiting: bool,
}

impl Future for Until<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (due, _) = self.place;
        if self.clock.now() >= due {
            return Poll::Ready(());
        }
        let mut waiting = self.clock.waiting.borrow_mut();
        waiting.insert(self.place, cx.waker().clone());
        let is_first = waiting.first_key_value().is_some_and(|(first, _)| *first == self.place);
        if is_first && due != SimTime::NEVER {
            self.clock.set(due).expect("the timer is ours and the time is valid");
        }
        drop(waiting);
        self.is_waiting = true;
        Poll::Pending
    }
}

impl Drop for Until<'_> {
    fn drop(&mut self) {
        if self.is_waiting {
            self.clock.waiting.borrow_mut().remove(&self.place);
        }
    }
}
