//! Plain HTTP to the lab's own servers: enough to ask whether they are well and to push an image.
//!
//! HTTP/1.0, so that an answer ends where the connection does and is never in chunks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::LabError;

const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(30);

/// Anything; a registry gives a manifest only to those who name its type.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, */*";

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self { status, headers, body: bytes[end + 4..].to_vec() })
    }
}

/// Sends a request to `address`, such as `10.200.0.1:9090`.
pub(crate) fn send(
    method: &str,
    address: &str,
    path: &str,
    content: Option<(&str, &[u8])>,
) -> Result<Answer, LabError> {
    let problem = |problem: String| LabError::Http { url: format!("{method} http://{address}{path}"), problem };
    let exchange = || -> std::io::Result<Vec<u8>> {
        let socket: SocketAddr = address.parse().map_err(std::io::Error::other)?;
        let mut stream = TcpStream::connect_timeout(&socket, CONNECT)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        let (kind, body) = content.unwrap_or_default();
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {ACCEPT}\r\n{kind}Content-Length: {length}\r\n\r\n"
        )?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let bytes = exchange().map_err(|why| problem(why.to_string()))?;
    Answer::parse(&bytes).ok_or_else(|| problem("the answer is not HTTP".to_owned()))
}

/// Whether a server answers a GET with 200; if not, why.
pub(crate) fn is_well(address: &str, path: &str) -> Result<(), String> {
    match send("GET", address, path, None) {
        Ok(Answer { status: 200, .. }) => Ok(()),
        Ok(answer) => Err(format!("http://{address}{path} answers {}", answer.status)),
        Err(why) => Err(why.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole() {
        let answer = Answer::parse(b"HTTP/1.1 202 Accepted\r\nLocation: /v2/x\r\nContent-Length: 2\r\n\r\nok").unwrap();
        assert_eq!(
            (answer.status, answer.header("location"), answer.body.as_slice()),
            (202, Some("/v2/x"), &b"ok"[..])
        );
        assert_eq!(Answer::parse(b"HTTP/1.1 200 OK\r\n"), None);
    }
}
