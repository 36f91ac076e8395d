//! The thread that plays the users.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::time::{ClockId, clock_gettime};
use sim::time::{SimDuration, SimTime};
use sim::workload::{Behaviour, Change, Course, Progress, user_key};
use tokio::task::{LocalSet, spawn_local};

use crate::client::{Client, Failure};
use crate::clock::Clock;
use crate::plan::{Load, Plan, Route};
use crate::recorder::{Finished, Recorder};
use crate::report::{Generator, Latencies, Report, to_ms};
use crate::running::{Live, Options};

struct Worker {
    plan: Plan,
    clock: Clock,
    recorder: RefCell<Recorder>,
    /// Connections opened.
    connections: Cell<u64>,
    live: Arc<Live>,
}

/// Plays a plan to its end, or until it is stopped.
pub(crate) fn run(plan: Plan, options: Options, live: Arc<Live>) -> io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let measured_from = SimTime::ZERO + options.warm_up;
        let worker = Rc::new(Worker {
            clock: Clock::start()?,
            recorder: RefCell::new(Recorder::new(plan.kinds.len(), measured_from, options.every)),
            connections: Cell::new(0),
            live,
            plan,
        });
        // Dropping the set ends all users where they are.
        let users = LocalSet::new();
        users.run_until(worker.clone().play(options)).await
    })
}

impl Worker {
    async fn play(self: Rc<Self>, options: Options) -> io::Result<Report> {
        for ix in 0..self.plan.loads.len() {
            spawn_local(self.clone().load(ix));
        }
        let measured_from = SimTime::ZERO + options.warm_up;
        let until = options.duration.map_or(SimTime::NEVER, |duration| measured_from + duration);
        let cpu_before = Cell::new(SimDuration::ZERO);
        let course = async {
            self.clock.until(measured_from).await;
            cpu_before.set(cpu_time());
            self.clock.until(until).await;
        };
        let is_cut_short = tokio::select! {
            biased;
            why = self.clock.run() => return Err(why),
            () = self.live.stop.notified() => true,
            () = course => false,
        };
        let now = self.clock.now().min(until).max(measured_from);
        let cpu = if self.clock.now() > measured_from { cpu_time() - cpu_before.get() } else { SimDuration::ZERO };
        Ok(self.report(options, now, cpu, is_cut_short))
    }

    fn report(&self, options: Options, now: SimTime, cpu: SimDuration, is_cut_short: bool) -> Report {
        let mut recorder = self.recorder.borrow_mut();
        let measured = now.since(SimTime::ZERO + options.warm_up).as_secs_f64();
        let (unfinished, oldest) = recorder.under_way();
        let (total, requests) = recorder.requests(&self.plan.kinds, measured);
        Report {
            seed: self.plan.seed,
            warm_up_s: options.warm_up.as_secs_f64(),
            measured_s: measured,
            is_cut_short,
            users: recorder.users,
            users_started: recorder.users_started,
            connections: self.connections.get(),
            unfinished,
            oldest_unfinished_ms: oldest.map(|due| to_ms(now.since(due.min(now)).as_secs_f64())),
            total,
            requests,
            windows: recorder.windows(now),
            generator: Generator {
                cpu_s: cpu.as_secs_f64(),
                cpu_cores: if measured > 0.0 { cpu.as_secs_f64() / measured } else { 0.0 },
                lateness: Latencies::of(&recorder.lateness),
            },
        }
    }

    /// Waits until something is due, and notes by how much that was late.
    async fn until(&self, due: SimTime) {
        self.clock.until(due).await;
        let now = self.clock.now();
        self.recorder.borrow_mut().late(now, now.since(due));
    }

    /// Starts and stops the users of a load, for ever.
    async fn load(self: Rc<Self>, ix: usize) {
        let Load { course, start, key, .. } = &self.plan.loads[ix];
        let user = |number, due, is_stopping| {
            self.start_user(User { load: ix, number, due, is_stopping: Rc::new(Cell::new(is_stopping)) })
        };
        let mut started = 0;
        match course.clone() {
            Course::Closed(mut staircase) => {
                let mut active: Vec<Rc<Cell<bool>>> = Vec::new();
                let mut due = *start;
                while due != SimTime::NEVER {
                    self.until(due).await;
                    // Asked for the moment that was due, a staircase gives the twin's answers, however late we are.
                    let (change, next) = staircase.tick(due, active.len() as u32);
                    match change {
                        Some(Change::Start) => {
                            active.push(user(started, due, false));
                            started += 1;
                        }
                        Some(Change::Stop) => active.pop().expect("more users than wanted are at least one").set(true),
                        None => {}
                    }
                    self.count_users(change);
                    due = next;
                }
            }
            mut course => {
                while let Some(after) = course.arrival(*key, started) {
                    self.until(*start + after).await;
                    user(started, *start + after, true);
                    started += 1;
                }
            }
        }
    }

    fn count_users(&self, change: Option<Change>) {
        let mut recorder = self.recorder.borrow_mut();
        match change {
            Some(Change::Start) => recorder.users += 1,
            Some(Change::Stop) => recorder.users -= 1,
            None => {}
        }
        self.live.users.store(recorder.users, Ordering::Relaxed);
    }

    fn start_user(self: &Rc<Self>, user: User) -> Rc<Cell<bool>> {
        self.recorder.borrow_mut().users_started += 1;
        let is_stopping = user.is_stopping.clone();
        spawn_local(self.clone().user(user));
        is_stopping
    }

    /// The life of a user: tasks until it is asked to stop.
    async fn user(self: Rc<Self>, user: User) {
        let Load { behaviour, key, .. } = &self.plan.loads[user.load];
        let key = user_key(*key, user.number);
        let mut client = Client::new(&self.plan, behaviour.keep_alive);
        let mut progress = Progress::new(behaviour, user.due);
        // When the task begins, and since when it is due: earlier, if a paced user fell behind.
        let (mut begins, mut due) = (user.due, user.due);
        loop {
            let ended = loop {
                progress.next_request(behaviour, key, begins);
                let ended = self.request(&mut client, behaviour, &progress, due).await;
                due = ended;
                if progress.finish(behaviour) {
                    break ended;
                }
            };
            if user.is_stopping.get() {
                return;
            }
            begins = progress.next_task(behaviour, key, ended);
            due = behaviour.pace().map_or(begins, |pace| begins.min(progress.task_began() + pace));
            // Without a wait there is no timer that could be late.
            if begins > ended {
                self.until(begins).await;
            }
            if user.is_stopping.get() {
                return;
            }
        }
    }

    /// Sends a user's current request; when it was over.
    async fn request(
        &self,
        client: &mut Client,
        behaviour: &Behaviour<Route>,
        progress: &Progress,
        due: SimTime,
    ) -> SimTime {
        let route = progress.current(behaviour);
        let ticket = self.recorder.borrow_mut().begin(due);
        self.live.interval().begin();
        let began = self.clock.now();
        let patience = behaviour.timeout.map_or(SimTime::NEVER, |timeout| began + timeout);
        let outcome = tokio::select! {
            biased;
            outcome = client.send(&self.plan, route, progress.attributes(), &self.connections) => outcome,
            () = self.clock.until(patience) => Err(Failure::TimedOut),
        };
        let ended = self.clock.now();
        self.recorder.borrow_mut().end(ticket, route.kind, &Finished { due, began, ended, outcome });
        self.live.interval().end(&self.plan.kinds[route.kind].service, ended.since(began), outcome);
        self.live.finished.fetch_add(1, Ordering::Relaxed);
        if !matches!(outcome, Ok(..500)) {
            self.live.failed.fetch_add(1, Ordering::Relaxed);
        }
        ended
    }
}

/// One user.
struct User {
    /// Its load, and its number there.
    load: usize,
    number: u64,
    /// When it was to start.
    due: SimTime,
    /// It goes after the task that it is in.
    is_stopping: Rc<Cell<bool>>,
}

/// CPU time of this thread so far.
fn cpu_time() -> SimDuration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    SimDuration(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
