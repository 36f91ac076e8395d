//! HTTP GET over a connection of its own, which is what a query now and then needs.

use std::fmt::Write as _;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::error::chain;

/// Gets a page: its status and body. Errors are texts for people.
pub(crate) async fn get(uri: &Uri) -> Result<(StatusCode, Bytes), String> {
    let host = uri.host().ok_or("it names no host")?;
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| chain(&error))?;
    let exchange = async {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map_or(host, |authority| authority.as_str());
        let request = Request::get(path).header(HOST, authority).body(Empty::<Bytes>::new());
        let response = sender.send_request(request.map_err(|error| chain(&error))?).await;
        let response = response.map_err(|error| chain(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| chain(&error))?;
        Ok((status, body.to_bytes()))
    };
    // The connection must be driven while its answer is waited for, and is closed with it.
    tokio::select! {
        answer = exchange => answer,
        Err(error) = connection => Err(chain(&error)),
    }
}

/// Text as a part of a query string (RFC 3986, section 2.3: what is not unreserved is encoded).
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes everything");
        }
    }
    encoded
}
