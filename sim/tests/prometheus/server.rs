//! A real Prometheus: started with an empty database, filled through its remote-write receiver (which,
//! unlike an import of `OpenMetrics`, carries stale markers) and asked through its HTTP API.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use sim::telemetry::Store;

use crate::compare::Case;
use crate::samples::by_labels;

/// A running server; it is killed when this is dropped.
pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Server {
    /// Starts a program on a free port of this machine, with its data in `folder`.
    pub(crate) fn start(program: &str, folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let configuration = folder.join("prometheus.yml");
        std::fs::write(&configuration, "global: {evaluation_interval: 1m}\n").unwrap();
        let process = Command::new(program)
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--storage.tsdb.retention.time=100y", "--web.enable-remote-write-receiver", "--log.level=warn"])
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let server = Self { process, address };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        for _ in 0..600 {
            if matches!(self.ask("GET", "/-/ready", "", &[]), Ok((200, _))) {
                return;
            }
            wait(Duration::from_millis(50));
        }
        panic!("Prometheus was not ready within 30 s");
    }

    /// One request in HTTP/1.0, whose answer ends with the connection.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "{method} {path} HTTP/1.0\r\n{headers}Content-Length: {}\r\n\r\n", body.len())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let head_end = answer.windows(4).position(|end| end == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let head = String::from_utf8_lossy(&answer[..head_end]);
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, answer.split_off(head_end + 4)))
    }

    /// What the HTTP API answers to a form.
    fn api(&self, path: &str, form: &[(&str, String)]) -> Json {
        let fields: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
        let (_, body) = self.ask("POST", &format!("/api/v1/{path}"), headers, fields.join("&").as_bytes()).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// The answer to a question.
    pub(crate) fn answer(&self, case: &Case) -> Json {
        let seconds = |ms: i64| format!("{:.3}", ms as f64 / 1e3);
        let query = ("query", case.query.clone());
        if case.step_ms == 0 {
            return self.api("query", &[query, ("time", seconds(case.start_ms))]);
        }
        let (start, end) = (("start", seconds(case.start_ms)), ("end", seconds(case.end_ms)));
        self.api("query_range", &[query, start, end, ("step", format!("{}ms", case.step_ms))])
    }

    /// Gives the server all samples of a store.
    pub(crate) fn fill(&self, store: &Store) {
        let headers = "Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n\
                       X-Prometheus-Remote-Write-Version: 0.1.0\r\n";
        let (status, answer) = self.ask("POST", "/api/v1/write", headers, &snappy(&write_request(store))).unwrap();
        assert_eq!(status, 204, "{}", String::from_utf8_lossy(&answer));
    }
}

#[expect(clippy::disallowed_methods, reason = "this is not the twin: a real server takes real time")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// Percent-encoded.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The message `WriteRequest` of Prometheus' `prompb/remote.proto`.
fn write_request(store: &Store) -> Vec<u8> {
    let mut request = Vec::new();
    for series in by_labels(store) {
        let mut message = Vec::new();
        for (name, value) in store.labels(series).iter() {
            let mut label = Vec::new();
            field(&mut label, 1, name.as_bytes());
            field(&mut label, 2, value.as_bytes());
            field(&mut message, 1, &label);
        }
        for sample in store.samples(series, i64::MIN, i64::MAX) {
            let mut point = vec![1 << 3 | 1]; // Field 1, eight bytes.
            point.extend(sample.value.to_le_bytes());
            point.push(2 << 3); // Field 2, a varint.
            varint(&mut point, sample.t_ms as u64);
            field(&mut message, 2, &point);
        }
        field(&mut request, 1, &message);
    }
    request
}

/// A field of Protocol Buffers whose value has a length.
fn field(message: &mut Vec<u8>, number: u8, value: &[u8]) {
    message.push(number << 3 | 2);
    varint(message, value.len() as u64);
    message.extend(value);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

/// Snappy's block format without any compression: literals of at most 64 KiB.
fn snappy(data: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    varint(&mut block, data.len() as u64);
    for literal in data.chunks(1 << 16) {
        block.push(61 << 2); // A literal whose length, less one, is in two bytes.
        block.extend(((literal.len() - 1) as u16).to_le_bytes());
        block.extend(literal);
    }
    block
}
