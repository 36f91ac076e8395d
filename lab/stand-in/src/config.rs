//! What the environment says: who to be, where the profile lies, and what to do differently.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use sim::diagnostic::{Diagnostic, Diagnostics};

/// Where an image has its profile.
const PROFILE: &str = "/profile.yaml";

/// The environment, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// `SOCKPIT_PROFILE`: path of the profile.
    pub(crate) profile: String,
    /// `SOCKPIT_IMAGE`: the image's name in the profile.
    pub(crate) image: Option<String>,
    /// `SOCKPIT_SERVICE`: which of the profile's services to play.
    pub(crate) service: Option<String>,
    /// `HOSTNAME`: the pod's name.
    pub(crate) hostname: Option<String>,
    /// `SOCKPIT_SPEED`: how fast this machine is said to be, relative to the profile's; bursts are divided by it.
    pub(crate) speed: f64,
    /// `SOCKPIT_MEMORY_SHARE`: how much of the claimed memory is really touched, 0 to 1.
    pub(crate) memory_share: f64,
    /// `SOCKPIT_ABSORB`: whether bursts are shortened by what the process spends beside them. Default: yes.
    pub(crate) absorbs: bool,
    /// `SOCKPIT_SEED`: for the random costs. Default: another one each time.
    pub(crate) seed: Option<u64>,
    /// `SOCKPIT_LISTEN`: in place of the profile's port on all addresses.
    pub(crate) listen: Option<SocketAddr>,
    /// `SOCKPIT_HOSTS`: addresses in place of DNS names, as `name=host:port,…`.
    pub(crate) hosts: BTreeMap<String, String>,
    /// `SOCKPIT_CRASH_AFTER`: exits with code 1 after so many seconds.
    pub(crate) crash_after: Option<Duration>,
    /// `SOCKPIT_UNREADY_AFTER`: the kubelet's probes fail from then on, save those of `/.sockpit/alive`.
    pub(crate) unready_after: Option<Duration>,
    /// `SOCKPIT_UNHEALTHY_AFTER`: the kubelet's probes fail from then on, save those of `/.sockpit/ready`.
    pub(crate) unhealthy_after: Option<Duration>,
    /// Ports of the Kubernetes Services as the kubelet tells them, by their names.
    pub(crate) service_ports: BTreeMap<String, u16>,
}

impl Config {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// All values that mean nothing.
    pub(crate) fn from_environment() -> Result<Self, Diagnostics> {
        Self::read(&std::env::vars().collect())
    }

    fn read(variables: &BTreeMap<String, String>) -> Result<Self, Diagnostics> {
        let mut reader = Reader { variables, found: Vec::new() };
        let config = Self {
            profile: reader.text("SOCKPIT_PROFILE").unwrap_or_else(|| PROFILE.to_owned()),
            image: reader.text("SOCKPIT_IMAGE"),
            service: reader.text("SOCKPIT_SERVICE"),
            hostname: reader.text("HOSTNAME"),
            speed: reader.number("SOCKPIT_SPEED", 1e-3, 1e9).unwrap_or(1.0),
            memory_share: reader.number("SOCKPIT_MEMORY_SHARE", 0.0, 1.0).unwrap_or(1.0),
            absorbs: reader.switch("SOCKPIT_ABSORB").unwrap_or(true),
            seed: reader.parsed("SOCKPIT_SEED", "a whole number"),
            listen: reader.parsed("SOCKPIT_LISTEN", "an address and a port, such as 127.0.0.1:8080"),
            hosts: reader.hosts("SOCKPIT_HOSTS"),
            crash_after: reader.seconds("SOCKPIT_CRASH_AFTER"),
            unready_after: reader.seconds("SOCKPIT_UNREADY_AFTER"),
            unhealthy_after: reader.seconds("SOCKPIT_UNHEALTHY_AFTER"),
            service_ports: service_ports(variables),
        };
        if reader.found.is_empty() { Ok(config) } else { Err(Diagnostics(reader.found)) }
    }

    /// The port that a Kubernetes Service has, if the kubelet told it (`{NAME}_SERVICE_PORT`, its first port).
    pub(crate) fn service_port(&self, service: &str) -> Option<u16> {
        self.service_ports.get(&service.to_uppercase().replace('-', "_")).copied()
    }
}

/// What the kubelet's variables of the form `{NAME}_SERVICE_PORT` say.
fn service_ports(variables: &BTreeMap<String, String>) -> BTreeMap<String, u16> {
    let ports = variables.iter().filter_map(|(name, value)| {
        let service = name.strip_suffix("_SERVICE_PORT")?;
        Some((service.to_owned(), value.parse().ok()?))
    });
    ports.collect()
}

struct Reader<'a> {
    variables: &'a BTreeMap<String, String>,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn refuse(&mut self, name: &str, value: &str, expected: &str) {
        let message = format!("`{value}` is not {expected}");
        self.found.push(Diagnostic::error("environment", 0, name, message).help("mend it, or unset it"));
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let value = self.text(name)?;
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.refuse(name, &value, expected);
        }
        parsed
    }

    fn number(&mut self, name: &str, low: f64, high: f64) -> Option<f64> {
        let value: f64 = self.parsed(name, "a number")?;
        if !(low..=high).contains(&value) {
            self.refuse(name, &value.to_string(), &format!("a number from {low} to {high}"));
        }
        Some(value)
    }

    fn seconds(&mut self, name: &str) -> Option<Duration> {
        self.number(name, 0.0, 1e9).map(Duration::from_secs_f64)
    }

    fn switch(&mut self, name: &str) -> Option<bool> {
        let value = self.text(name)?;
        match value.as_str() {
            "on" => Some(true),
            "off" => Some(false),
            other => {
                self.refuse(name, other, "`on` or `off`");
                None
            }
        }
    }

    fn hosts(&mut self, name: &str) -> BTreeMap<String, String> {
        let list = self.text(name).unwrap_or_default();
        let mut hosts = BTreeMap::new();
        for entry in list.split(',').filter(|entry| !entry.is_empty()) {
            match entry.split_once('=').filter(|(_, address)| address.contains(':')) {
                Some((host, address)) => {
                    hosts.insert(host.to_owned(), address.to_owned());
                }
                None => self.refuse(name, entry, "of the form name=host:port"),
            }
        }
        hosts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, Diagnostics> {
        Config::read(&variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn an_empty_environment_is_a_whole_config() {
        let config = read(&[]).unwrap();
        assert_eq!((config.speed, config.memory_share, config.absorbs), (1.0, 1.0, true));
        assert_eq!(config.profile, PROFILE);
        assert_eq!(config.service_port("catalogue"), None);
    }

    #[test]
    fn hosts_and_the_kubelets_ports_are_read() {
        let config = read(&[
            ("SOCKPIT_HOSTS", "catalogue=127.0.0.1:8001,user=[::1]:8002"),
            ("FRONT_END_SERVICE_PORT", "80"),
            ("RABBITMQ_SERVICE_PORT_EXPORTER", "9090"),
            ("SOCKPIT_CRASH_AFTER", "1.5"),
        ])
        .unwrap();
        assert_eq!(config.hosts["catalogue"], "127.0.0.1:8001");
        assert_eq!(config.hosts["user"], "[::1]:8002");
        assert_eq!(config.service_port("front-end"), Some(80));
        assert_eq!(config.crash_after, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn all_mistakes_are_found_at_once() {
        let Err(Diagnostics(found)) = read(&[
            ("SOCKPIT_SPEED", "fast"),
            ("SOCKPIT_MEMORY_SHARE", "2"),
            ("SOCKPIT_HOSTS", "catalogue"),
            ("SOCKPIT_ABSORB", "maybe"),
            ("SOCKPIT_LISTEN", "80"),
        ]) else {
            panic!("all of them are mistakes");
        };
        let fields: Vec<_> = found.iter().map(|d| d.field.as_str()).collect();
        let expected = ["SOCKPIT_SPEED", "SOCKPIT_MEMORY_SHARE", "SOCKPIT_ABSORB", "SOCKPIT_LISTEN", "SOCKPIT_HOSTS"];
        assert_eq!(fields, expected);
    }
}
