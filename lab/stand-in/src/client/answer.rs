//! Answers, read from what has arrived on a connection.

use std::io;

/// Headers that an answer may have: as many as a server that is no stand-in may send.
const MOST_HEADERS: usize = 64;

/// What the client wants to know of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the connection can carry another request.
    pub(crate) keeps: bool,
    /// Those that are the stand-ins' own: name, value.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// Takes one whole answer from the front of `buffer`, if it has arrived.
///
/// # Errors
/// What is not HTTP/1.
pub(crate) fn take(buffer: &mut Vec<u8>) -> io::Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let invalid = |why: httparse::Error| io::Error::new(io::ErrorKind::InvalidData, why);
    let httparse::Status::Complete(head) = response.parse(buffer).map_err(invalid)? else {
        return Ok(None);
    };
    let mut length = None;
    let mut answer = Answer { status: response.code.unwrap_or_default(), keeps: true, headers: Vec::new() };
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            length = std::str::from_utf8(header.value).ok().and_then(|text| text.parse::<usize>().ok());
        } else if header.name.eq_ignore_ascii_case("connection") {
            answer.keeps &= !header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.len() > 10 && header.name[..10].eq_ignore_ascii_case("x-sockpit-") {
            answer.headers.push((header.name.to_owned(), header.value.to_vec()));
        }
    }
    // A body of unknown length ends with its connection, which nobody waits for.
    answer.keeps &= length.is_some();
    let end = head + length.unwrap_or_default();
    if buffer.len() < end {
        return Ok(None);
    }
    buffer.drain(..end);
    Ok(Some(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_one_by_one() {
        let both = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nx-sockpit-total: 7\r\n\r\nabc\
                     HTTP/1.1 500 Oh\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n";
        let mut buffer = Vec::new();
        let mut taken = Vec::new();
        for byte in both {
            buffer.push(*byte);
            taken.extend(take(&mut buffer).unwrap());
        }
        let header = ("x-sockpit-total".to_owned(), b"7".to_vec());
        let first = Answer { status: 201, keeps: true, headers: vec![header] };
        let second = Answer { status: 500, keeps: false, headers: Vec::new() };
        assert_eq!(taken, [first, second]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn what_ends_with_its_connection_is_not_waited_for() {
        let mut buffer = b"HTTP/1.0 200 OK\r\n\r\nsome of the body".to_vec();
        assert!(!take(&mut buffer).unwrap().unwrap().keeps);
        assert!(take(&mut b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()).is_err());
    }
}
