//! What a process makes of its environment variables, by the profile's rules ([`Variable`]). The twin and the lab's
//! stand-in read them here.

use super::Programs;
use crate::ids::ServiceIx;
use crate::profile::{LogEvent, Variable};

/// Exit code of a Java virtual machine that does not understand its options.
const EXIT_JAVA: u8 = 1;
/// Exit code of a process to which `listen` is denied (EACCES).
const EXIT_DENIED: u8 = 1;
/// Ports below this one need a privilege (`net.ipv4.ip_unprivileged_port_start`).
const FIRST_UNPRIVILEGED: u16 = 1024;

/// A variable: its name and its value, if it is known here.
pub type Setting<'a> = (&'a str, Option<&'a str>);

/// What a process's environment makes of it. The default is what it does with the image's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// It exits at once with this code.
    pub exits: Option<u8>,
    /// It goes on trying to start for ever.
    pub never_listens: bool,
    /// It listens elsewhere: on this port, or on no port at all.
    pub listens_on: Option<Option<u16>>,
    /// Where it looks for services that its variables name.
    pub addresses: Vec<(ServiceIx, HostAndPort)>,
    /// Why it exits or never listens.
    pub complaint: Option<Complaint>,
}

/// What a process has to say about a variable that it cannot use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong.
    pub event: LogEvent,
    /// The variable.
    pub variable: String,
    /// Its value; empty if there is none.
    pub value: String,
    /// The part of it that is wrong, or all of it.
    pub option: String,
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAndPort {
    /// The host's name.
    pub host: String,
    /// The port; none: that of the client's protocol. Zero if what is there is no port.
    pub port: Option<u16>,
}

impl Programs {
    /// What a service makes of these variables. One whose value is not known counts as right; of two of the same name the
    /// last one counts, as Kubernetes has it.
    pub fn environment(&self, service: ServiceIx, settings: &[Setting<'_>]) -> Environment {
        let service = &self.services[service.index()];
        let mut made = Environment::default();
        for (name, variable) in &service.environment {
            let setting = settings.iter().rev().find(|(set, _)| set == name);
            match (variable, setting) {
                (Variable::Required(code), None | Some((_, Some("")))) => {
                    made.exits_with(*code, LogEvent::MissingVariable, name, "", "");
                }
                (Variable::OneOf { values, exits }, Some((_, Some(value)))) if !values.iter().any(|v| v == value) => {
                    made.never_listens |= exits.is_none();
                    match exits {
                        Some(code) => made.exits_with(*code, LogEvent::InvalidValue, name, value, value),
                        None => made.complains(LogEvent::InvalidValue, name, value, value),
                    }
                }
                (Variable::Port, Some((_, Some(value)))) => match value.parse::<u16>() {
                    Ok(port) if port == service.port => {}
                    Ok(port) if port < FIRST_UNPRIVILEGED => {
                        made.exits_with(EXIT_DENIED, LogEvent::PortDenied, name, value, value);
                    }
                    other => made.listens_on = Some(other.ok()),
                },
                (Variable::JavaOptions, Some((_, Some(value)))) => {
                    if let Err((event, option)) = check_java(value) {
                        made.exits_with(EXIT_JAVA, event, name, value, option);
                    }
                }
                (Variable::AddressOf(other), Some((_, Some(value)))) => {
                    if let Some(other) = self.service(other) {
                        made.addresses.push((other, HostAndPort::of(value)));
                    }
                }
                _ => {}
            }
        }
        made
    }
}

impl Environment {
    /// It exits at this variable, unless it has already done so at another.
    fn exits_with(&mut self, code: u8, event: LogEvent, variable: &str, value: &str, option: &str) {
        if self.exits.is_none() {
            self.exits = Some(code);
            self.complaint = None;
        }
        self.complains(event, variable, value, option);
    }

    fn complains(&mut self, event: LogEvent, variable: &str, value: &str, option: &str) {
        self.complaint.get_or_insert_with(|| Complaint {
            event,
            variable: variable.to_owned(),
            value: value.to_owned(),
            option: option.to_owned(),
        });
    }
}

impl HostAndPort {
    /// Of `host`, `host:port` or a URL around them; the first of several hosts.
    fn of(address: &str) -> Self {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let rest = rest.split(['/', '?', ',']).next().unwrap_or_default();
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().unwrap_or(0))),
            None => (rest, None),
        };
        Self { host: host.trim_end_matches('.').to_owned(), port }
    }
}

/// Whether a Java virtual machine starts with these options: each begins with a dash (another word would be the main
/// class), sizes are sizes, and the heap's first is not larger than its last. Else what is wrong, and with which option.
fn check_java(options: &str) -> Result<(), (LogEvent, &str)> {
    let mut heap = (None, None);
    for option in options.split_whitespace() {
        if !option.starts_with('-') || option == "-" {
            return Err((LogEvent::NoMainClass, option));
        }
        for (prefix, size, invalid) in
            [("-Xms", &mut heap.0, LogEvent::InvalidInitialHeap), ("-Xmx", &mut heap.1, LogEvent::InvalidMaximumHeap)]
        {
            if let Some(text) = option.strip_prefix(prefix) {
                *size = java_size(text);
                if size.is_none() {
                    return Err((invalid, option));
                }
            }
        }
    }
    match heap {
        (Some(first), Some(last)) if first > last => Err((LogEvent::HeapOrder, options)),
        _ => Ok(()),
    }
}

fn java_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok().filter(|size| *size > 0).map(|size| size << unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_urls() {
        for (address, host, port) in [
            ("user-db:27017", "user-db", Some(27017)),
            ("user-db", "user-db", None),
            ("mongodb://user:secret@carts-db.sock-shop:27017/data?w=1", "carts-db.sock-shop", Some(27017)),
            ("mongodb://a,b:1", "a", None),
            ("carts-db.sock-shop.svc.cluster.local.:1", "carts-db.sock-shop.svc.cluster.local", Some(1)),
            ("host:port", "host", Some(0)),
        ] {
            assert_eq!(HostAndPort::of(address), HostAndPort { host: host.into(), port }, "{address}");
        }
    }

    #[test]
    fn java_exits_at_what_it_does_not_understand() {
        for (options, expected) in [
            (
                "-Xms64m -Xmx128m -XX:+UseG1GC -Djava.security.egd=file:/dev/urandom -Dspring.zipkin.enabled=false",
                Ok(()),
            ),
            ("", Ok(())),
            ("-Xms512m -Xmx128m", Err((LogEvent::HeapOrder, "-Xms512m -Xmx128m"))),
            ("-Xms64m -Xmx128x", Err((LogEvent::InvalidMaximumHeap, "-Xmx128x"))),
            ("-Xmx", Err((LogEvent::InvalidMaximumHeap, "-Xmx"))),
            ("-Xms1h", Err((LogEvent::InvalidInitialHeap, "-Xms1h"))),
            ("-a Xmx128m", Err((LogEvent::NoMainClass, "Xmx128m"))),
        ] {
            assert_eq!(check_java(options), expected, "{options}");
        }
    }
}
