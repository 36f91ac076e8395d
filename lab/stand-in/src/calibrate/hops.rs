//! What a request costs beside bursts: stand-ins of each concurrency model whose programs compute nothing, as
//! processes of their own on loopback, and the CPU time that the kernel says they used.

use std::fs;
use std::io::{self, BufRead, BufReader, Error, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use crate::client::{Connection, Way};

/// `LEAF` answers, `CALLER` calls it in each of the ways in which clients connect.
const PROFILE: &str = "
apiVersion: sockpit/v1alpha1
kind: Profile
images: [{image: leaf, runs: [leaf]}, {image: caller, runs: [caller-new, caller-kept, caller-shared]}]
services:
  leaf:
    {port: 80, runtime: {model: MODEL}, memory: {base: 1Mi}, endpoints: [{request: GET /, program: []}]}
  caller-new:
    {port: 80, runtime: {model: MODEL}, memory: {base: 1Mi}, endpoints: &calls [{request: GET /, program: [{call: {to: leaf, request: GET /}}]}]}
  caller-kept:
    {port: 80, runtime: {model: MODEL}, memory: {base: 1Mi}, clients: {leaf: {connections: {pool: {}}}}, endpoints: *calls}
  caller-shared:
    {port: 80, runtime: {model: MODEL}, memory: {base: 1Mi}, clients: {leaf: {connections: shared}}, endpoints: *calls}
";
const MODELS: [&str; 3] = ["event-loop", "goroutines", "threads"];
const CALLERS: [&str; 3] = ["caller-new", "caller-kept", "caller-shared"];

/// Measures and writes a table.
pub(super) fn report(out: &mut impl Write, requests: u32) -> io::Result<()> {
    writeln!(out, "\nCPU time per request beside bursts, us; {requests} requests each, one after the other")?;
    writeln!(out, "              to answer one                  to make one call more")?;
    writeln!(out, "model         new connection   kept          new connection   kept     shared")?;
    for model in MODELS {
        let mut leaf = StandIn::start(model, "leaf", "")?;
        let answer_new = leaf.per_request(requests, false)?;
        let answer_kept = leaf.per_request(requests, true)?;
        write!(out, "{model:<12} {answer_new:>14.0} {answer_kept:>9.0}")?;
        for caller in CALLERS {
            let mut caller = StandIn::start(model, caller, &format!("leaf={}", leaf.address))?;
            let call = caller.per_request(requests, true)? - answer_kept;
            write!(out, " {call:>12.0}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// A stand-in in a process of its own.
struct StandIn {
    child: Child,
    address: SocketAddr,
}

impl StandIn {
    fn start(model: &str, service: &str, hosts: &str) -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut child = Command::new(std::env::current_exe()?)
            .env_clear()
            // A container may have no place for a file.
            .env("SOCKPIT_PROFILE", "/dev/stdin")
            .env("SOCKPIT_SERVICE", service)
            .env("SOCKPIT_HOSTS", hosts)
            .env("SOCKPIT_LISTEN", address.to_string())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(PROFILE.replace("MODEL", model).as_bytes())?;
        }
        let mut said = String::new();
        if let Some(stderr) = child.stderr.take() {
            let mut lines = BufReader::new(stderr);
            while !said.contains("listens on") {
                if lines.read_line(&mut said)? == 0 {
                    return Err(Error::other(format!("the stand-in of {service} ended: {said}")));
                }
            }
        }
        Ok(Self { child, address })
    }

    /// CPU time per request in microseconds.
    fn per_request(&mut self, requests: u32, keeps: bool) -> io::Result<f64> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // The first ones open connections and touch memory.
        runtime.block_on(self.ask(requests.div_ceil(10), keeps))?;
        let before = self.cpu()?;
        runtime.block_on(self.ask(requests, keeps))?;
        Ok((self.cpu()? - before) as f64 / 1e3 / f64::from(requests))
    }

    async fn ask(&self, requests: u32, keeps: bool) -> io::Result<()> {
        let failed = |failure| Error::other(format!("{failure:?}"));
        let close = if keeps { "" } else { "connection: close\r\n" };
        let request = format!("GET / HTTP/1.1\r\nhost: test\r\n{close}\r\n");
        let mut kept = None;
        for _ in 0..requests {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => Connection::open(self.address, Way::Thread, None).await.map_err(failed)?,
            };
            let answer = connection.exchange(request.as_bytes(), None).await.map_err(failed)?;
            kept = answer.keeps.then_some(connection);
        }
        Ok(())
    }

    /// CPU time of all its threads in nanoseconds (the first number of `schedstat`).
    fn cpu(&self) -> io::Result<u64> {
        let mut total = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let schedstat = fs::read_to_string(thread?.path().join("schedstat"))?;
            total += schedstat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or_default();
        }
        Ok(total)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _was_running = self.child.kill().is_ok();
        let _has_ended = self.child.wait().is_ok();
    }
}
