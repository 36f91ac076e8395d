//! `echo` and `round-trips`: how long messages take between two containers that do nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::burn::process_cpu;
use crate::command::{Failure, system};

/// Bytes each way: those of a small request.
const MESSAGE: [u8; 128] = [b'.'; 128];
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends back what comes.
#[derive(Args)]
pub(crate) struct Echo {
    /// Where to listen.
    #[arg(long)]
    port: u16,
    /// For how long.
    #[arg(long, value_name = "S")]
    seconds: u64,
}

impl Echo {
    /// Serves until its time is over.
    ///
    /// # Errors
    /// The port is taken.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let listener = TcpListener::bind(("0.0.0.0", self.port)).map_err(|why| system("cannot listen", why))?;
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                thread::spawn(move || echo(connection));
            }
        });
        thread::sleep(Duration::from_secs(self.seconds));
        Ok(())
    }
}

/// Until the other end closes, or breaks. An answer begins with the CPU time that this process has used.
fn echo(mut connection: TcpStream) {
    let mut message = MESSAGE;
    let is_set = connection.set_nodelay(true).is_ok();
    while is_set && connection.read_exact(&mut message).is_ok() {
        message[..8].copy_from_slice(&process_cpu().to_le_bytes());
        if connection.write_all(&message).is_err() {
            break;
        }
    }
}

/// Asks an `echo`, again and again on new connections, and says how long it took.
#[derive(Args)]
pub(crate) struct RoundTrips {
    /// Of the `echo`.
    address: SocketAddr,
    /// How often.
    #[arg(long, value_name = "N", default_value_t = 200)]
    count: u32,
    /// Rest before each message. The default lets both ends sleep as between two requests.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 5_000)]
    rest: u64,
}

/// One connection, a message and its answer.
struct Asked {
    connect: Duration,
    exchange: Duration,
    /// CPU time of this process.
    own_cpu: Duration,
    /// That the `echo` has used so far.
    echo_cpu: Duration,
}

impl RoundTrips {
    /// Prints the medians of the time to connect and of the time of a first exchange, and of the CPU time that both took,
    /// here and at the other end, in nanoseconds: what services use for their messages is part of their bursts.
    ///
    /// # Errors
    /// Nobody answers.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut all = Vec::new();
        for _ in 0..self.count.max(2) {
            thread::sleep(Duration::from_micros(self.rest));
            all.push(self.ask().map_err(|why| system(&format!("no echo from {}", self.address), why))?);
        }
        let figures = [
            median(all.iter().map(|one| one.connect)),
            median(all.iter().map(|one| one.exchange)),
            median(all.iter().map(|one| one.own_cpu)),
            median(all.windows(2).map(|two| two[1].echo_cpu.saturating_sub(two[0].echo_cpu))),
        ];
        let out = figures.map(|figure| figure.as_nanos().to_string()).join(" ") + "\n";
        std::io::stdout().write_all(out.as_bytes()).map_err(|why| system("cannot report", why))
    }

    fn ask(&self) -> std::io::Result<Asked> {
        let cpu = process_cpu();
        let began = Instant::now();
        let mut connection = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        let connected = Instant::now();
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let mut message = MESSAGE;
        connection.write_all(&message)?;
        connection.read_exact(&mut message)?;
        let exchange = connected.elapsed();
        let mut echo_cpu = [0; 8];
        echo_cpu.copy_from_slice(&message[..8]);
        Ok(Asked {
            connect: connected - began,
            exchange,
            own_cpu: Duration::from_nanos(process_cpu() - cpu),
            echo_cpu: Duration::from_nanos(u64::from_le_bytes(echo_cpu)),
        })
    }
}

/// Of at least one.
fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}
