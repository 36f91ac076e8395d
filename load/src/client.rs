//! The HTTP client of one user: its connections and cookies.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, COOKIE, HOST, HeaderValue, SET_COOKIE};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use sim::program::Attributes;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use crate::cookies::Cookies;
use crate::plan::{BaseUrl, Plan, Route};

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// ECONNREFUSED: nobody listens there.
    Refused,
    /// The connection broke before the whole answer was there.
    Reset,
    /// The user's patience, or the kernel's, ended.
    TimedOut,
    /// No machine has the address.
    Unreachable,
    /// The host's name is not known.
    UnknownHost,
    /// What came is not HTTP.
    NotHttp,
    /// This machine could not: no port, file descriptor or memory was left.
    OwnMachine,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::TimedOut => "timed out",
            Self::Unreachable => "unreachable",
            Self::UnknownHost => "unknown host",
            Self::NotHttp => "not HTTP",
            Self::OwnMachine => "failed on this machine",
        })
    }
}

impl Failure {
    fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
        match error.kind() {
            ConnectionRefused => Self::Refused,
            ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof | NotConnected => Self::Reset,
            TimedOut => Self::TimedOut,
            HostUnreachable | NetworkUnreachable => Self::Unreachable,
            _ => Self::OwnMachine,
        }
    }

    fn of_hyper(error: &hyper::Error) -> Self {
        match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(error) => Self::of_io(error),
            None if error.is_parse() => Self::NotHttp,
            // The connection ended, before or within the answer.
            None => Self::Reset,
        }
    }
}

/// One connection, with the task that reads and writes it; closed when dropped.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<String>,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    async fn open(url: &BaseUrl) -> Result<Self, Failure> {
        let addresses = tokio::net::lookup_host((url.host.as_str(), url.port)).await;
        let mut failure = Failure::UnknownHost;
        for address in addresses.map_err(|_| Failure::UnknownHost)? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Self::over(stream).await,
                Err(error) => failure = Failure::of_io(&error),
            }
        }
        Err(failure)
    }

    async fn over(stream: TcpStream) -> Result<Self, Failure> {
        stream.set_nodelay(true).map_err(|error| Failure::of_io(&error))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| Failure::of_hyper(&error))?;
        let driver = tokio::task::spawn_local(async {
            // Its errors reach whoever waits for the answer.
            connection.await.ok();
        });
        Ok(Self { sender, driver: driver.abort_handle() })
    }
}

/// The head of an answer, and what it came over.
type Answered = (Connection, Response<Incoming>);

/// What one user talks HTTP with.
#[derive(Debug)]
pub(crate) struct Client {
    keep_alive: bool,
    /// By URL of the plan: the connection that is kept to it.
    kept: Vec<Option<Connection>>,
    cookies: Cookies,
}

impl Client {
    pub(crate) fn new(plan: &Plan, keep_alive: bool) -> Self {
        Self { keep_alive, kept: plan.urls.iter().map(|_| None).collect(), cookies: Cookies::default() }
    }

    /// Sends a request and reads the whole answer; its status. Counts the connections that it opens. Dropped before its
    /// end, it closes the connection.
    pub(crate) async fn send(
        &mut self,
        plan: &Plan,
        route: &Route,
        attributes: &Attributes,
        opened: &Cell<u64>,
    ) -> Result<u16, Failure> {
        let (connection, mut response) = match self.over_kept(plan, route, attributes).await? {
            Some(answered) => answered,
            None => self.over_new(plan, route, attributes, opened).await?,
        };
        read(response.body_mut()).await.map_err(|error| Failure::of_hyper(&error))?;
        for cookie in response.headers().get_all(SET_COOKIE) {
            self.cookies.set(&plan.urls[route.url].host, cookie);
        }
        if self.keep_alive {
            self.kept[route.url] = Some(connection);
        }
        Ok(response.status().as_u16())
    }

    /// Over the connection that was kept; none if there is none that can be used.
    async fn over_kept(
        &mut self,
        plan: &Plan,
        route: &Route,
        attributes: &Attributes,
    ) -> Result<Option<Answered>, Failure> {
        let kept = self.kept[route.url].take().filter(|connection| !connection.sender.is_closed());
        let Some(mut connection) = kept else { return Ok(None) };
        match connection.sender.send_request(self.request(plan, route, attributes)).await {
            Ok(response) => Ok(Some((connection, response))),
            // It was closed while it was idle, and the request has not left: it goes out on a new one.
            Err(error) if error.is_canceled() => Ok(None),
            Err(error) => Err(Failure::of_hyper(&error)),
        }
    }

    async fn over_new(
        &self,
        plan: &Plan,
        route: &Route,
        attributes: &Attributes,
        opened: &Cell<u64>,
    ) -> Result<Answered, Failure> {
        let mut connection = Connection::open(&plan.urls[route.url]).await?;
        opened.set(opened.get() + 1);
        let response = connection.sender.send_request(self.request(plan, route, attributes)).await;
        Ok((connection, response.map_err(|error| Failure::of_hyper(&error))?))
    }

    fn request(&self, plan: &Plan, route: &Route, attributes: &Attributes) -> Request<String> {
        let url = &plan.urls[route.url];
        let mut request = Request::new(String::new());
        *request.method_mut() = route.method.clone();
        *request.uri_mut() = route.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, url.authority.clone());
        if !self.keep_alive {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(cookies) = self.cookies.header(&url.host, route.path.path()) {
            headers.insert(COOKIE, cookies);
        }
        for (name, value) in plan.attributes.iter().zip(attributes) {
            let value = HeaderValue::from_str(&value.to_string()).expect("a number is plain ASCII");
            headers.insert(name.clone(), value);
        }
        request
    }
}

/// Reads a body to its end and throws it away.
async fn read(body: &mut Incoming) -> Result<(), hyper::Error> {
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        frame?;
    }
    Ok(())
}
