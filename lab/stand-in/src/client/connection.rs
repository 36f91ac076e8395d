//! One TCP connection to another service, and requests on it.
//!
//! A handler that is a task waits for its network asynchronously, one that has a thread of its own blocks it: then
//! no other thread takes part in a call, as in the services that are played.

use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use sim::traffic::Failure;
use tokio::io::AsyncWriteExt;

use super::answer::{self, Answer};

/// How a handler waits for the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Its task is woken.
    Task,
    /// Its thread blocks.
    Thread,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    /// What has arrived and was not looked at.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Task(tokio::net::TcpStream),
    Thread(std::net::TcpStream),
}

impl Connection {
    /// Connects. Without a deadline it takes as long as the kernel goes on sending SYN.
    pub(crate) async fn open(address: SocketAddr, way: Way, deadline: Option<Instant>) -> Result<Self, Failure> {
        let stream = match way {
            Way::Task => within(deadline, tokio::net::TcpStream::connect(address)).await?.map(Stream::Task),
            Way::Thread => match deadline {
                None => std::net::TcpStream::connect(address),
                Some(deadline) => std::net::TcpStream::connect_timeout(&address, left(deadline)?),
            }
            .map(Stream::Thread),
        };
        let stream = stream.map_err(failure)?;
        match &stream {
            Stream::Task(stream) => stream.set_nodelay(true),
            Stream::Thread(stream) => stream.set_nodelay(true),
        }
        .map_err(failure)?;
        Ok(Self { stream, buffer: Vec::with_capacity(512) })
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8], deadline: Option<Instant>) -> Result<Answer, Failure> {
        self.send(request, deadline).await?;
        loop {
            if let Some(answer) = answer::take(&mut self.buffer).map_err(failure)? {
                return Ok(answer);
            }
            self.receive(deadline).await?;
        }
    }

    async fn send(&mut self, request: &[u8], deadline: Option<Instant>) -> Result<(), Failure> {
        match &mut self.stream {
            Stream::Task(stream) => within(deadline, stream.write_all(request)).await?,
            Stream::Thread(stream) => stream.write_all(request),
        }
        .map_err(failure)
    }

    async fn receive(&mut self, deadline: Option<Instant>) -> Result<(), Failure> {
        let mut chunk = [0; 1024];
        let received = match &mut self.stream {
            Stream::Task(stream) => within(deadline, tokio::io::AsyncReadExt::read(stream, &mut chunk)).await?,
            Stream::Thread(stream) => {
                if let Some(deadline) = deadline {
                    stream.set_read_timeout(Some(left(deadline)?)).map_err(failure)?;
                }
                stream.read(&mut chunk)
            }
        };
        match received.map_err(failure)? {
            0 => Err(Failure::Reset),
            n => {
                self.buffer.extend_from_slice(&chunk[..n]);
                Ok(())
            }
        }
    }

    /// Whether the other end has neither closed nor reset it, as far as this kernel knows.
    pub(crate) fn is_open(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let seen = match &self.stream {
            Stream::Task(stream) => recv(stream, &mut [0; 1], flags),
            Stream::Thread(stream) => recv(stream, &mut [0; 1], flags),
        };
        // Bytes that nobody asked for would be taken for the next answer.
        matches!(seen, Err(rustix::io::Errno::AGAIN))
    }

    /// Its two directions, for one that many calls share.
    ///
    /// # Panics
    /// If it blocks a thread: only tasks share.
    pub(crate) fn into_halves(self) -> (tokio::net::tcp::OwnedReadHalf, tokio::net::tcp::OwnedWriteHalf) {
        match self.stream {
            Stream::Task(stream) => stream.into_split(),
            Stream::Thread(_) => unreachable!("a shared connection is opened as a task's"),
        }
    }
}

/// Waits for something asynchronous, but not beyond a deadline.
pub(crate) async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Result<F::Output, Failure> {
    match deadline {
        None => Ok(future.await),
        Some(deadline) => tokio::time::timeout_at(deadline.into(), future).await.map_err(|_| Failure::TimedOut),
    }
}

/// Time until a deadline.
fn left(deadline: Instant) -> Result<Duration, Failure> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Failure::TimedOut) } else { Ok(left) }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
pub(super) fn failure(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionRefused => Failure::Refused,
        // A blocking read that runs out of time says `WouldBlock`.
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Failure::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Failure::Unreachable,
        _ => Failure::Reset,
    }
}
