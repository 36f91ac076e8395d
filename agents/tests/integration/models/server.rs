//! A server of chat completions that answers from a script.

use std::io;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

/// What a server does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// It answers.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// It quotes the request's Authorization header in place of `{key}`.
    Echo { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// It closes the connection.
    Cut,
    /// It never answers.
    Hang,
    /// It answers when so many requests are there.
    Gather(Arc<Barrier>, String),
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, &body.to_string())
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.to_owned() }
    }

    /// The same with a header.
    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push((name, value.to_owned()));
                Self::Answer { status, headers, body }
            }
            other => other,
        }
    }
}

/// A request that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

#[derive(Default)]
struct State {
    replies: Vec<Reply>,
    seen: Vec<Seen>,
    under_way: usize,
    most_under_way: usize,
}

/// A server that gives its replies in order, and the last one again and again. It ends with its runtime.
pub(crate) struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { replies, ..State::default() }));
        tokio::spawn(accept(listener, state.clone()));
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.seen().into_iter().map(|seen| seen.body).collect()
    }

    /// Most requests that were there at once.
    pub(crate) fn most_under_way(&self) -> usize {
        self.state.lock().unwrap().most_under_way
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, state.clone()));
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let service = service_fn(|request| handle(request, state.clone()));
    // How a connection ends is its client's affair.
    let _was_orderly = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.is_ok();
}

async fn handle(request: Request<Incoming>, state: Arc<Mutex<State>>) -> io::Result<Response<Full<Bytes>>> {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let body = serde_json::from_slice(&body).unwrap();
    let reply = {
        let mut state = state.lock().unwrap();
        let turn = state.seen.len().min(state.replies.len() - 1);
        state.seen.push(Seen { path, authorization: authorization.clone(), body });
        state.under_way += 1;
        state.most_under_way = state.most_under_way.max(state.under_way);
        state.replies[turn].clone()
    };
    let answer = match reply {
        Reply::Answer { status, headers, body } => Ok(response(status, &headers, body)),
        Reply::Echo { status, headers, body } => {
            let key = authorization.unwrap_or_default();
            let quoted: Vec<_> =
                headers.into_iter().map(|(name, value)| (name, value.replace("{key}", &key))).collect();
            Ok(response(status, &quoted, body.replace("{key}", &key)))
        }
        Reply::Cut => Err(io::Error::other("cut")),
        Reply::Hang => std::future::pending().await,
        Reply::Gather(barrier, body) => {
            barrier.wait().await;
            Ok(response(200, &[], body))
        }
    };
    state.lock().unwrap().under_way -= 1;
    answer
}

fn response(status: u16, headers: &[(&'static str, String)], body: String) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        response = response.header(HeaderName::from_static(name), value);
    }
    response.body(Full::new(Bytes::from(body))).unwrap()
}
