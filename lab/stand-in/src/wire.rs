//! How a request of the profile looks on the wire, and back.
//!
//! `GET /catalogue/{id}` is sent as it is, with `1` for the part in braces. The verbs of databases and brokers
//! (`select socks`) become `POST /select%20socks`. Attributes travel in headers, `x-sockpit-NAME: NUMBER`, down the
//! whole call tree; a message to a queue names it in `x-sockpit-queue`.

use std::fmt::Write;

use sim::program::Attributes;

/// Before the name of an attribute.
const PREFIX: &str = "x-sockpit-";
/// Names the queue of a published message.
pub(crate) const QUEUE: &str = "x-sockpit-queue";
/// Paths below this are the stand-in's own.
pub(crate) const OWN: &str = "/.sockpit/";

/// Method and path of a request that a profile writes in its own form.
pub(crate) fn method_and_path(request: &str) -> (&str, String) {
    match request.split_once(' ') {
        Some((method, path)) if path.starts_with('/') => {
            let path = path.split('?').next().unwrap_or_default();
            (method, path.split('/').map(concrete).collect::<Vec<_>>().join("/"))
        }
        _ => ("POST", format!("/{}", escaped(request))),
    }
}

fn concrete(segment: &str) -> String {
    if segment.starts_with('{') && segment.ends_with('}') { "1".to_owned() } else { escaped(segment) }
}

/// Percent-encodes what a path may not hold (RFC 3986, `pchar`).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
    out
}

/// The path that consumers ask for the next message of a queue.
pub(crate) fn queue_path(queue: &str) -> String {
    format!("{OWN}queues/{}", escaped(queue))
}

/// The headers of the attributes that are not zero: name, value.
pub(crate) fn attributes<'a>(
    names: &'a [String],
    values: &'a Attributes,
) -> impl Iterator<Item = (String, String)> + use<'a> {
    let given = names.iter().zip(values).filter(|(_, value)| **value != 0.0);
    given.map(|(name, value)| (format!("{PREFIX}{name}"), value.to_string()))
}

/// Appends the headers of the attributes that are not zero.
pub(crate) fn write_attributes(head: &mut Vec<u8>, names: &[String], values: &Attributes) {
    for (name, value) in attributes(names, values) {
        head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
}

/// The attributes among some headers.
pub(crate) fn read_attributes<'a>(names: &[String], headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Attributes {
    let mut values = Attributes::default();
    for (header, value) in headers {
        let Some(at) = attribute(names, header) else { continue };
        let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
        values[at] = number.unwrap_or_default();
    }
    values
}

fn attribute(names: &[String], header: &str) -> Option<usize> {
    let (prefix, name) = header.split_at_checked(PREFIX.len())?;
    let is_ours = prefix.eq_ignore_ascii_case(PREFIX);
    names.iter().position(|known| is_ours && known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_become_http() {
        let check = |request: &str, method: &str, path: &str| {
            assert_eq!(method_and_path(request), (method, path.to_owned()), "{request}");
        };
        check("GET /catalogue", "GET", "/catalogue");
        check("DELETE /carts/{id}/items/{item}", "DELETE", "/carts/1/items/1");
        check("GET /detail.html?id=7", "GET", "/detail.html");
        check("GET /", "GET", "/");
        check("select socks", "POST", "/select%20socks");
        check("publish", "POST", "/publish");
        assert_eq!(queue_path("shipping task"), "/.sockpit/queues/shipping%20task");
    }

    #[test]
    fn attributes_survive_the_journey() {
        let names = ["order_total".to_owned(), "Size".to_owned()];
        let values = [104.98, 0.0, 0.0, 0.0];
        let mut head = Vec::new();
        write_attributes(&mut head, &names, &values);
        assert_eq!(head, b"x-sockpit-order_total: 104.98\r\n");
        let headers = [("X-Sockpit-Order_Total", &b"104.98"[..]), ("x-sockpit-size", b"x"), ("host", b"a")];
        let read = read_attributes(&names, headers.into_iter());
        assert_eq!(read.map(f32::to_bits), values.map(f32::to_bits));
    }
}
