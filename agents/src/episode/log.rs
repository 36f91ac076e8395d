//! The log of an episode as it is written: numbered, in order, handed on at once.

use sim::episode::{Entry, EpisodeEvent};
use sim::time::SimTime;

/// Gets each entry as it happens, for example to write it to a file.
pub type Sink<'a> = &'a mut dyn FnMut(&Entry);

/// The log so far.
pub struct Log<'a> {
    entries: Vec<Entry>,
    sink: Option<Sink<'a>>,
}

impl<'a> Log<'a> {
    /// A log that also hands every entry to `sink`.
    pub fn new(sink: Option<Sink<'a>>) -> Self {
        Self { entries: Vec::new(), sink }
    }

    /// Everything that has happened.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Everything that has happened, to keep.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    pub(super) fn push(&mut self, now: SimTime, event: EpisodeEvent) {
        let entry = Entry { seq: self.entries.len() as u64 + 1, t_ns: now, event };
        if let Some(sink) = &mut self.sink {
            sink(&entry);
        }
        self.entries.push(entry);
    }
}
