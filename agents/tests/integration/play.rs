//! How the tests play an episode.

use std::sync::Arc;

use agents::episode::{self, Cast, Forks, Log, Setup};
use agents::mechanism::Mechanism;
use agents::policy::{AutonomicAgent, Policy, script};
use datasets::scenarios::{self, Loaded};
use sim::diagnostic::Source;
use sim::environment::{Environment, Stage, ready};
use sim::episode::{Entry, EpisodeEvent, MessageEvent, MessageState, Truth};
use sim::scenario::{Level, Script};
use sim::score::{self, EpisodeScore, Judge, Outcome};
use sim::world::Twin;

/// Any autonomic agent.
pub(crate) type Player = Box<dyn Policy<AutonomicAgent>>;

/// An episode that was played to its end.
pub(crate) struct Episode {
    pub(crate) entries: Vec<Entry>,
    pub(crate) score: EpisodeScore,
}

impl Episode {
    /// Plays a scenario with a seed.
    pub(crate) fn play(loaded: &Loaded, seed: u64, player: Player) -> Self {
        Self::play_by(loaded, seed, Cast::solo(player))
    }

    /// Plays a scenario with a seed, by all agents that its task needs.
    pub(crate) fn play_by(loaded: &Loaded, seed: u64, cast: Cast<'_>) -> Self {
        let (episode, world) = Self::play_in(loaded, seed, cast, |twin| twin, Some(Forks::of_world()));
        world.check_conservation().expect("no request is lost");
        episode
    }

    /// The same in a world that is made of the twin.
    pub(crate) fn play_in<W: Environment + Stage>(
        loaded: &Loaded,
        seed: u64,
        cast: Cast<'_>,
        world: impl FnOnce(Twin) -> W,
        forks: Option<Forks<W>>,
    ) -> (Self, W) {
        set_up(loaded, None, seed, |setup, twin| {
            let mut world = world(twin);
            let mut log = Log::new(None);
            ready(episode::play(&mut world, &setup, cast, forks, &mut log)).expect("the twin is always there");
            let score = score::score(setup.judge, log.entries());
            (Self { entries: log.into_entries(), score }, world)
        })
    }

    /// The log as it is written, without its header.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let lines = self.entries.iter().map(|entry| serde_json::to_string(entry).expect("every entry is JSON") + "\n");
        lines.collect::<String>().into_bytes()
    }

    /// What the judge saw, in order.
    pub(crate) fn truths(&self) -> impl Iterator<Item = &Truth> {
        self.entries.iter().filter_map(Entry::truth)
    }

    /// Every text that the agent read: its tasks and the answers to its steps.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match &entry.event {
            EpisodeEvent::TaskStarted { text, .. }
            | EpisodeEvent::Answer { text, .. }
            | EpisodeEvent::Misstep { text, .. }
            | EpisodeEvent::Message(MessageEvent { state: MessageState::Published { text }, .. }) => {
                Some(text.as_str())
            }
            _ => None,
        })
    }

    /// The levels that the scenario asks for.
    pub(crate) fn levels(&self) -> impl Iterator<Item = (Level, &Outcome)> {
        let all = [Level::L1, Level::L2, Level::L3, Level::L4, Level::L5];
        all.into_iter().filter_map(|level| Some((level, self.score.levels.get(level)?)))
    }

    /// The levels that say that the world is as the task wants it.
    pub(crate) fn results(&self) -> impl Iterator<Item = (Level, &Outcome)> {
        self.levels().filter(|(level, _)| matches!(level, Level::L1 | Level::L2 | Level::L5))
    }
}

/// Sets a scenario up, and lets somebody play it.
pub(crate) fn set_up<T>(
    loaded: &Loaded,
    mechanism: Option<Mechanism>,
    seed: u64,
    play: impl FnOnce(Setup<'_>, Twin) -> T,
) -> T {
    let scenario = Arc::new(loaded.scenario.value.clone());
    let distance = |a: &str, b: &str| loaded.app.distance(a, b);
    let judge = Judge::new(&scenario, &loaded.words, &distance);
    play(Setup::new(&judge, &loaded.app, mechanism), Twin::new(&loaded.app, &scenario, seed))
}

/// A shipped scenario.
pub(crate) fn shipped(name: &str) -> Loaded {
    scenarios::load(name, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// A shipped scenario whose text was changed: each part, which must be there, by another.
pub(crate) fn changed(name: &str, changes: &[(&str, &str)]) -> Loaded {
    let Source { path, mut text } = scenarios::find(name).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    for (old, new) in changes {
        assert!(text.contains(old), "`{old}` is not in {name}");
        text = text.replacen(old, new, 1);
    }
    scenarios::load_source(&Source { path, text }, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// A player of these steps, as YAML list items.
pub(crate) fn steps(steps: &str) -> Player {
    let text = format!("apiVersion: sockpit/v1alpha1\nkind: Script\nsteps:\n{steps}");
    let source = Source { path: "steps".into(), text };
    Box::new(script(Script::load(&source).unwrap_or_else(|mistakes| panic!("{mistakes}")).value.steps))
}
