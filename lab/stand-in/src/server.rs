//! The server's side: connections, and what is asked on them.
//!
//! Paths below `/.sockpit/` are the stand-in's own: `metrics`, `ready`, `alive` (for probes), `queues/…` (for
//! consumers). Everything else is for the profile's endpoints.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sim::ids::EndpointIx;
use sim::program::{Attributes, EndpointKind};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::broker::{self, Unacknowledged};
use crate::handler::Job;
use crate::process::Process;
use crate::wire;

type Answer = Response<Full<Bytes>>;

/// The process's socket, listening with the profile's backlog.
///
/// # Errors
/// The port is taken, or may not be used.
pub(crate) fn listen(process: &Process) -> io::Result<TcpListener> {
    let service = process.service();
    let address = process.config.listen.unwrap_or_else(|| ([0, 0, 0, 0], service.port).into());
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(service.runtime.backlog)
}

/// Serves until the process ends.
pub(crate) async fn serve(process: Arc<Process>, listener: TcpListener) {
    let routes = Arc::new(Routes::new(&process));
    loop {
        process.stage.room().await;
        // What fails is one connection (ECONNABORTED, EMFILE), not the socket.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(process.clone(), routes.clone(), stream));
        }
    }
}

async fn connection(process: Arc<Process>, routes: Arc<Routes>, stream: TcpStream) {
    // A connection that is dead already needs no option.
    let _is_alive = stream.set_nodelay(true).is_ok();
    let unacknowledged = Arc::new(Unacknowledged::default());
    let service = service_fn(|request| {
        let (process, routes, unacknowledged) = (process.clone(), routes.clone(), unacknowledged.clone());
        async move { Ok::<_, Infallible>(answer(&process, &routes, &unacknowledged, request).await) }
    });
    let mut http = http1::Builder::new();
    http.header_read_timeout(None).pipeline_flush(true);
    // How a connection ends is its client's affair.
    let _was_orderly = http.serve_connection(TokioIo::new(stream), service).await.is_ok();
    process.broker.lose(&unacknowledged);
}

async fn answer(
    process: &Arc<Process>,
    routes: &Routes,
    unacknowledged: &Unacknowledged,
    request: Request<Incoming>,
) -> Answer {
    let (head, mut body) = request.into_parts();
    while !body.is_end_stream() {
        if !matches!(body.frame().await, Some(Ok(_))) {
            break;
        }
    }
    let path = head.uri.path();
    if let Some(own) = path.strip_prefix(wire::OWN) {
        return own_path(process, path, own, unacknowledged).await;
    }
    if fails_probe(process, &head.headers) {
        return status(503);
    }
    let names = &process.programs.attributes;
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let attributes = wire::read_attributes(names, headers);
    let endpoint = routes.find(process, head.method.as_str(), path);
    let in_flight = process.memory.enter();
    let work = Job::new(process, attributes).request(endpoint, in_flight);
    let code = process.stage.handler(work).await.expect("a request always gets a status");
    if let Some(queue) = head.headers.get(wire::QUEUE).and_then(|queue| queue.to_str().ok())
        && code < 400
    {
        process.broker.publish(queue, attributes);
    }
    if process.endpoint(endpoint).kind == EndpointKind::Scrape || routes.scrape == Some(endpoint) {
        return text(process.metrics.render(process));
    }
    status(code)
}

/// The stand-in's own paths: the whole path, and what follows the prefix.
async fn own_path(process: &Arc<Process>, path: &str, own: &str, unacknowledged: &Unacknowledged) -> Answer {
    let config = &process.config;
    match own {
        "metrics" => text(process.metrics.render(process)),
        "ready" if process.has_lived(config.unready_after) => status(503),
        "alive" if process.has_lived(config.unhealthy_after) => status(503),
        "ready" | "alive" => status(200),
        _ => match process.broker.at(path) {
            Some(queue) => message(process, &broker::next(process, queue, unacknowledged).await),
            None => status(404),
        },
    }
}

/// Whether a probe must fail that does not say by its path what it is for.
fn fails_probe(process: &Process, headers: &HeaderMap) -> bool {
    let config = &process.config;
    let is_due = process.has_lived(config.unready_after) || process.has_lived(config.unhealthy_after);
    // The kubelet's (`pkg/probe/http/request.go`).
    is_due && headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"kube-probe/"))
}

fn status(code: u16) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
}

/// Prometheus' text format.
fn text(text: String) -> Answer {
    let mut answer = Response::new(Full::from(text));
    let format = HeaderValue::from_static("text/plain; version=0.0.4");
    answer.headers_mut().insert(hyper::header::CONTENT_TYPE, format);
    answer
}

fn message(process: &Process, message: &Attributes) -> Answer {
    let mut answer = status(200);
    for (name, value) in wire::attributes(&process.programs.attributes, message) {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("`features` refuses other names");
        answer.headers_mut().insert(name, HeaderValue::from_str(&value).expect("a number is a header's value"));
    }
    answer
}

/// From method and path to the endpoint.
#[derive(Debug)]
struct Routes {
    /// As other stand-ins send them.
    exact: BTreeMap<String, EndpointIx>,
    /// The endpoint that Prometheus scrapes.
    scrape: Option<EndpointIx>,
}

impl Routes {
    fn new(process: &Process) -> Self {
        let service = process.service();
        let (from, to) = service.endpoints;
        let exact = (from..to).filter(|&ix| EndpointIx(ix) != service.not_found).map(|ix| {
            let (method, path) = wire::method_and_path(&process.programs.endpoint_names[ix as usize].request);
            (format!("{method} {path}"), EndpointIx(ix))
        });
        Self { exact: exact.collect(), scrape: service.scrape }
    }

    fn find(&self, process: &Process, method: &str, path: &str) -> EndpointIx {
        let request = format!("{method} {path}");
        let known = self.exact.get(&request).copied();
        known.unwrap_or_else(|| process.programs.endpoint_or_not_found(process.service, &request))
    }
}
