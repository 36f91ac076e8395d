//! The shipped files, inside the binary, so that it runs anywhere.

use sim::diagnostic::Source;

/// Path below `datasets` with `/` between its parts, and text; in the order of paths within each of its folders.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The shipped files below a folder such as `apps/sock-shop`, with paths relative to it.
pub fn below(folder: &str) -> impl Iterator<Item = Source> {
    FILES.iter().filter_map(move |(path, text)| {
        let path = path.strip_prefix(folder)?.strip_prefix('/')?;
        Some(Source { path: path.to_owned(), text: (*text).to_owned() })
    })
}
