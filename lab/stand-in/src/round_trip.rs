//! `echo` and `round-trips`: how long messages take between two containers that do nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::command::{Failure, system};

/// Bytes each way: those of a small request.
const MESSAGE: [u8; 128] = [b'.'; 128];
/// Rest before each message, after which both ends sleep as between two requests.
const REST: Duration = Duration::from_millis(5);
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

/// Until the other end closes, or breaks.
fn echo(mut connection: TcpStream) {
    let mut message = MESSAGE;
    let is_set = connection.set_nodelay(true).is_ok();
    while is_set && connection.read_exact(&mut message).is_ok() && connection.write_all(&message).is_ok() {}
}

/// Asks an `echo`, again and again on new connections, and says how long it took.
#[derive(Args)]
pub(crate) struct RoundTrips {
    /// Of the `echo`.
    address: SocketAddr,
    /// How often.
    #[arg(long, value_name = "N", default_value_t = 200)]
    count: u32,
}

impl RoundTrips {
    /// Prints the medians of the time to connect and of the time of a first exchange, in nanoseconds.
    ///
    /// # Errors
    /// Nobody answers.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let (mut connects, mut exchanges) = (Vec::new(), Vec::new());
        for _ in 0..self.count.max(1) {
            thread::sleep(REST);
            let (connect, exchange) =
                self.ask().map_err(|why| system(&format!("no echo from {}", self.address), why))?;
            connects.push(connect);
            exchanges.push(exchange);
        }
        let out = format!("{} {}\n", median(connects).as_nanos(), median(exchanges).as_nanos());
        std::io::stdout().write_all(out.as_bytes()).map_err(|why| system("cannot report", why))
    }

    fn ask(&self) -> std::io::Result<(Duration, Duration)> {
        let began = Instant::now();
        let mut connection = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        let connected = Instant::now();
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let mut message = MESSAGE;
        connection.write_all(&message)?;
        connection.read_exact(&mut message)?;
        Ok((connected - began, connected.elapsed()))
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
