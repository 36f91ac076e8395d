//! An HTTP server that does what the path says, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Which connection it came on.
    pub(crate) connection: usize,
    pub(crate) line: String,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Seen {
    /// Method and path.
    pub(crate) fn request(&self) -> &str {
        self.line.trim_end_matches(" HTTP/1.1")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Listens on a port of its own until the process ends.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let theirs = seen.clone();
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let seen = theirs.clone();
                // A client that hangs up is no concern of the server's.
                std::thread::spawn(move || serve(connection, &stream.unwrap(), &seen).ok());
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything asked so far, in order of arrival.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(connection: usize, stream: &TcpStream, seen: &Mutex<Vec<Seen>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next() {
        let line = line?;
        let mut headers = BTreeMap::new();
        for header in lines.by_ref() {
            let header = header?;
            let Some((name, value)) = header.split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let asked = Seen { connection, line, headers };
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(asked.clone());
            seen.len()
        };
        if !answer(&asked, number, stream)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether the connection stays.
fn answer(asked: &Seen, number: usize, mut stream: &TcpStream) -> std::io::Result<bool> {
    let path = asked.request().split_once(' ').map_or("/", |(_, path)| path);
    let mut cookie = String::new();
    let status = match path.split('/').nth(1) {
        Some("silence") => return Ok(std::io::copy(&mut stream, &mut std::io::sink())? > 0),
        Some("hang-up") => return Ok(false),
        Some("half") => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")?;
            return Ok(false);
        }
        Some("nonsense") => {
            stream.write_all(b"220 mail.example ESMTP\r\n\r\n")?;
            return Ok(false);
        }
        Some("status") => path.rsplit('/').next().unwrap_or_default(),
        // As the twin's program of the same name: by the attribute.
        Some("order") => match asked.header("x-sockpit-order_total").map(str::parse::<f32>) {
            Some(Ok(total)) if total > 50.0 => "406",
            _ => "200",
        },
        _ => "200",
    };
    if asked.header("cookie").is_none() {
        cookie = format!("set-cookie: user={number}; Path=/\r\n");
    }
    // In one piece, or Nagle's algorithm waits for delayed acknowledgements.
    stream.write_all(format!("HTTP/1.1 {status} whatever\r\n{cookie}content-length: 2\r\n\r\nok").as_bytes())?;
    // The next request of a kept connection finds it closed.
    Ok(asked.header("connection") != Some("close") && !path.starts_with("/last"))
}
