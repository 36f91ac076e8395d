//! What models are asked in an episode is recorded on a cassette for each role, or answered from one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agents::model::ChatModel;
use agents::model::cassette::{Cassette, Recorder, Replayer};
use anyhow::Context;
use sim::diagnostic::Source;

use super::Brain;

/// The cassettes of one episode.
pub(super) struct Reel<'a> {
    pub(super) seed: u64,
    /// Where recordings go.
    pub(super) tapes: Option<&'a Path>,
}

/// Where the recording of a role's model lies.
pub(super) fn cassette_file(folder: &Path, seed: u64, role: &str) -> PathBuf {
    folder.join(format!("seed-{seed}.{role}.cassette.jsonl"))
}

impl Reel<'_> {
    /// The model of a role in this episode; none for a policy that needs none.
    pub(super) fn model(&self, brain: &Brain, role: &str) -> anyhow::Result<Option<Arc<dyn ChatModel>>> {
        Ok(match brain {
            Brain::BuiltIn(_) | Brain::Script(_) => None,
            Brain::Replay(folder) => {
                let path = cassette_file(folder, self.seed, role);
                let text = fs::read_to_string(&path).with_context(|| {
                    format!(
                        "cannot read {}: name the folder in which this seed was recorded with a model",
                        path.display()
                    )
                })?;
                let cassette = Cassette::read(&Source { path: path.display().to_string(), text })?;
                Some(Arc::new(Replayer::new(cassette)))
            }
            Brain::Chat(model) => Some(match self.tapes {
                Some(folder) => {
                    let path = cassette_file(folder, self.seed, role);
                    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
                    let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
                    let sink = Box::new(move |line: &str| file.write_all(line.as_bytes()));
                    let recorder = Recorder::new(Arc::clone(model), sink);
                    Arc::new(recorder.with_context(|| format!("cannot write {}", path.display()))?)
                }
                None => Arc::clone(model),
            }),
        })
    }
}
