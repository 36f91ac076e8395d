//! A whole application of stand-ins on loopback, and a plain HTTP client for them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use sim::diagnostic::Source;
use sim::profile::{Profile, Variable};

/// A file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Stand-ins for all services of a profile. They are killed in the end.
pub(crate) struct Troupe {
    profile: PathBuf,
    hosts: String,
    variables: BTreeMap<String, BTreeMap<String, String>>,
    addresses: BTreeMap<String, SocketAddr>,
    running: BTreeMap<String, Child>,
}

impl Troupe {
    /// Chooses addresses; nothing runs yet.
    pub(crate) fn of(profile: &str) -> Self {
        let path = repository(profile);
        let text = std::fs::read_to_string(&path).expect("a file of this repository");
        let loaded = Profile::load(&Source { path: profile.into(), text }).expect("a sound profile").0.value;
        // All at once, so that no two get the same.
        let free: Vec<_> =
            loaded.services.iter().map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let address = |listener: &TcpListener| listener.local_addr().expect("it is bound");
        let addresses: BTreeMap<_, _> = loaded.services.keys().cloned().zip(free.iter().map(address)).collect();
        let host = |(name, address): (&String, &SocketAddr)| {
            let dns = loaded.services[name].address.as_ref().unwrap_or(name);
            format!("{dns}={address}")
        };
        let hosts = addresses.iter().map(host).collect::<Vec<_>>().join(",");
        let variables = required(&loaded);
        Self { profile: path, hosts, variables, addresses, running: BTreeMap::new() }
    }

    /// Sets a variable of one service.
    pub(crate) fn with(mut self, service: &str, variable: &str, value: &str) -> Self {
        self.variables.entry(service.to_owned()).or_default().insert(variable.into(), value.into());
        self
    }

    /// Starts everything and waits until it listens.
    pub(crate) fn play(mut self) -> Self {
        let names: Vec<String> = self.addresses.keys().cloned().collect();
        let mut starting: Vec<_> = names.iter().map(|name| (name, self.spawn(name))).collect();
        for (name, child) in &mut starting {
            wait_until_it_listens(name, child);
        }
        self.running = starting.into_iter().map(|(name, child)| (name.clone(), child)).collect();
        self
    }

    fn spawn(&self, service: &str) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stand-in"));
        command
            .env_clear()
            .env("SOCKPIT_PROFILE", &self.profile)
            .env("SOCKPIT_SERVICE", service)
            .env("SOCKPIT_HOSTS", &self.hosts)
            .env("SOCKPIT_LISTEN", self.addresses[service].to_string())
            .env("SOCKPIT_SPEED", "1000")
            .env("SOCKPIT_MEMORY_SHARE", "0.01")
            .env("SOCKPIT_SEED", "1")
            .envs(self.variables.get(service).into_iter().flatten())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().expect("it was built")
    }

    /// Starts one service again.
    pub(crate) fn restart(&mut self, service: &str) {
        self.kill(service);
        let mut child = self.spawn(service);
        wait_until_it_listens(service, &mut child);
        self.running.insert(service.to_owned(), child);
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, service: &str) {
        if let Some(mut child) = self.running.remove(service) {
            child.kill().expect("it is ours");
            child.wait().expect("it was killed");
        }
    }

    /// SIGTERM; waits for the end.
    pub(crate) fn terminate(&mut self, service: &str) -> ExitStatus {
        let id = self.running[service].id().to_string();
        let kill = Command::new("kill").args(["-TERM", &id]).status();
        assert!(kill.expect("every Linux has it").success());
        self.wait(service)
    }

    /// Waits for the end of a process.
    pub(crate) fn wait(&mut self, service: &str) -> ExitStatus {
        let mut child = self.running.remove(service).expect("it was started");
        child.wait().expect("it is ours")
    }

    /// The status of an answer, on a new connection. None: there was no answer.
    pub(crate) fn ask(&self, service: &str, request: &str, header: &str) -> Option<u16> {
        let answer = self.exchange(service, request, header)?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// The whole answer.
    pub(crate) fn exchange(&self, service: &str, request: &str, header: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.addresses[service]).ok()?;
        let request = format!("{request} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        (!answer.is_empty()).then_some(answer)
    }

    /// How often the main thread of a service has got a processor.
    pub(crate) fn turns_of_main_thread(&self, service: &str) -> u64 {
        let path = format!("/proc/{}/schedstat", self.running[service].id());
        let text = std::fs::read_to_string(path).expect("it runs");
        // Time on processors, time waited for one, turns (Documentation/scheduler/sched-stats.rst).
        text.split_whitespace().nth(2).and_then(|turns| turns.parse().ok()).expect("three numbers")
    }

    /// A sample of a service's metrics: the whole series, as it is written.
    pub(crate) fn metric(&self, service: &str, series: &str) -> Option<f64> {
        let text = self.exchange(service, "GET /.sockpit/metrics", "").expect("it is up");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(value.parse().expect("a number"))
    }
}

impl Drop for Troupe {
    fn drop(&mut self) {
        let names: Vec<String> = self.running.keys().cloned().collect();
        for name in names {
            self.kill(&name);
        }
    }
}

/// What a service must be told, as its manifest does.
fn required(profile: &Profile) -> BTreeMap<String, BTreeMap<String, String>> {
    let of = |variables: &BTreeMap<String, Variable>| -> BTreeMap<String, String> {
        let required = variables.iter().filter(|(_, variable)| matches!(variable, Variable::Required(_)));
        required.map(|(name, _)| (name.clone(), "anything".to_owned())).collect()
    };
    profile.services.iter().map(|(name, service)| (name.clone(), of(&service.environment))).collect()
}

fn wait_until_it_listens(name: &str, child: &mut Child) {
    let mut said = String::new();
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
    while !said.contains("listens on") {
        assert!(lines.read_line(&mut said).expect("UTF-8") > 0, "{name} ended: {said}");
    }
}
