//! Recordings of a model: an episode that was played with one can be played again without it.
//!
//! A cassette is a text of JSON lines. The first says version and model; each further one is a request and what came of
//! it:
//!
//! ```text
//! {"cassette":1,"model":"openai:gpt-4o-mini"}
//! {"request":"9f2c…","ordinal":0,"tools":"01ab…","messages":["system 7d8e…",…],"answer":{"completion":{…}}}
//! {"request":"41d0…","ordinal":0,"tools":"01ab…","messages":["system 7d8e…",…],"answer":{"failure":{…}}}
//! ```
//!
//! - `request` is the SHA-256 of the request's canonical JSON: the key. The requests themselves are not kept: they are in
//!   the episode's log.
//! - `ordinal` counts requests that are equal, from 0, in the order in which they were *made*; the lines are in the order
//!   in which they were answered.
//! - `tools` and `messages` (role and digest of each) are for people: they tell where a conversation went another way.
//! - A completion has its usage with it, and so the time that the model was charged for.
//!
//! This crate does no file I/O: lines go to a [`Sink`], and the text comes from a
//! [`Source`](sim::diagnostic::Source). A cassette is of one episode: a [`Recorder`] per episode, each around the shared
//! model.

mod format;
mod recorder;
mod replayer;

pub use format::{Cassette, VERSION};
pub use recorder::{Recorder, Sink};
pub use replayer::Replayer;
