//! A network between a queue and its broker that can be cut: bytes pass until as many have as were allowed, and then
//! both sides see their connection end. A new connection passes again.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToBroker,
    FromBroker,
}

#[derive(Default)]
struct State {
    passed: [AtomicU64; 2],
    cuts: AtomicU64,
    /// The way and the count of bytes after which the connection is cut.
    cut: Mutex<Option<(Way, u64)>>,
    open: Mutex<Vec<TcpStream>>,
}

/// It ends with the process.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // While the broker is away, whoever connects is turned away.
                if let Ok(broker) = TcpStream::connect(("127.0.0.1", port)) {
                    connect(&shared, &client, &broker);
                }
            }
        });
        Self { address, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many bytes have passed.
    pub(crate) fn passed(&self, way: Way) -> u64 {
        self.state.passed[way as usize].load(Ordering::SeqCst)
    }

    /// How often the connection was cut after a count of bytes.
    pub(crate) fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// Cuts the connection as soon as so many bytes in all have passed one way.
    pub(crate) fn cut_after(&self, way: Way, bytes: u64) {
        *lock(&self.state.cut) = Some((way, bytes));
    }

    /// Cuts all connections now.
    pub(crate) fn cut(&self) {
        self.state.end();
    }
}

impl State {
    fn end(&self) {
        for stream in lock(&self.open).drain(..) {
            // It may have ended by itself.
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// If the connection is to be cut within the next so many bytes: how many of them may pass before.
    fn cut_within(&self, way: Way, bytes: usize) -> Option<usize> {
        let mut cut = lock(&self.cut);
        let passed = self.passed[way as usize].load(Ordering::SeqCst);
        let (_, limit) = cut.filter(|(cut_way, limit)| *cut_way == way && passed + bytes as u64 >= *limit)?;
        *cut = None;
        self.cuts.fetch_add(1, Ordering::SeqCst);
        Some(limit.saturating_sub(passed) as usize)
    }
}

fn connect(state: &Arc<State>, client: &TcpStream, broker: &TcpStream) {
    let copy = |stream: &TcpStream| stream.try_clone().expect("a second handle");
    lock(&state.open).extend([copy(client), copy(broker)]);
    for (way, from, to) in [(Way::ToBroker, copy(client), copy(broker)), (Way::FromBroker, copy(broker), copy(client))]
    {
        let state = Arc::clone(state);
        thread::spawn(move || pass(&state, way, from, to));
    }
}

fn pass(state: &State, way: Way, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let cut = state.cut_within(way, count);
        let allowed = cut.unwrap_or(count);
        if to.write_all(&buffer[..allowed]).is_err() {
            break;
        }
        state.passed[way as usize].fetch_add(allowed as u64, Ordering::SeqCst);
        if cut.is_some() {
            state.end();
            break;
        }
    }
    for stream in [&from, &to] {
        stream.shutdown(Shutdown::Both).ok();
    }
}
