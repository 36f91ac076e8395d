//! Drawing candidates for a suite, evenly over templates and over the values of each axis.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sim::chance::Key;
use sim::diagnostic::Diagnostics;

use super::{Made, Parameters, Suite, Template};

/// After so many draws in a row that give a name which there is already, a template has no more to give.
const DRAWS_FOR_A_NEW_NAME: u64 = 200;
/// A template of which this many more were dropped than are in hand is given up.
const DROPPED_BEYOND: u32 = 12;

/// The parameters of a template's `n`th draw: of each axis, rounds in which every value comes once, in a new order each.
pub(super) fn parameters(seed: u64, name: &str, template: &Template, n: u64) -> Parameters {
    let key = Key::root(seed).with_str("suite").with_str(name);
    let mut parameters = Parameters::new();
    for (axis, values) in &template.axes {
        let (round, place) = (n / values.len() as u64, n as usize % values.len());
        let order = shuffled(values.len(), key.with_str(axis).with(round));
        match &values[order[place]] {
            Value::Object(variables) => parameters.extend(variables.clone()),
            value => _ = parameters.insert(axis.clone(), value.clone()),
        }
    }
    for (name, range) in &template.ranges {
        let n = key.with_str(name).with(n).draw().below(range.count());
        parameters.insert(name.clone(), range.nth(n).into());
    }
    parameters
}

/// The numbers below `n` in an order of chance (Fisher and Yates).
fn shuffled(n: usize, key: Key) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    let mut draw = key.draw();
    for last in (1..n).rev() {
        order.swap(last, draw.below(last as u64 + 1) as usize);
    }
    order
}

/// Candidates of a suite in an order of which each beginning is spread evenly.
pub struct Draws<'s> {
    suite: &'s Suite,
    seed: u64,
    decks: BTreeMap<&'s str, Deck>,
    names: BTreeSet<String>,
}

/// How far one template has been drawn.
#[derive(Default)]
struct Deck {
    share: u64,
    next: u64,
    /// Drawn and not dropped.
    in_hand: u32,
    dropped: u32,
    is_exhausted: bool,
}

impl Deck {
    fn gives(&self) -> bool {
        !self.is_exhausted && self.dropped < self.in_hand + DROPPED_BEYOND
    }

    /// How much of its share it has, were it drawn once more, as Sainte-Laguë counts seats; against another.
    fn is_behind(&self, other: &Self) -> bool {
        (2 * u64::from(self.in_hand) + 1) * other.share < (2 * u64::from(other.in_hand) + 1) * self.share
    }
}

impl<'s> Draws<'s> {
    /// All candidates of a suite with this seed.
    pub fn new(suite: &'s Suite, seed: u64) -> Self {
        let decks = suite
            .templates()
            .iter()
            .map(|(name, template)| (name.as_str(), Deck { share: template.share.into(), ..Deck::default() }));
        Self { suite, seed, decks: decks.collect(), names: BTreeSet::new() }
    }

    /// The next `n` candidates, of those templates that are most behind their share; fewer if there are no more.
    ///
    /// # Errors
    /// What is wrong in a template.
    pub fn take(&mut self, n: usize) -> Result<Vec<Made>, Diagnostics> {
        let mut taken = Vec::new();
        while taken.len() < n {
            let giving = self.decks.iter().filter(|(_, deck)| deck.gives());
            let Some((&name, _)) = giving.reduce(|best, next| if next.1.is_behind(best.1) { next } else { best })
            else {
                break;
            };
            taken.extend(self.draw(name)?);
        }
        Ok(taken)
    }

    /// The next candidate of a template, if it has one whose name is new.
    fn draw(&mut self, name: &'s str) -> Result<Option<Made>, Diagnostics> {
        let deck = self.decks.get_mut(name).expect("it is one of its own names");
        let template = &self.suite.templates()[name];
        for _ in 0..DRAWS_FOR_A_NEW_NAME {
            let made = self.suite.render(name, &parameters(self.seed, name, template, deck.next))?;
            deck.next += 1;
            if self.names.insert(made.name.clone()) {
                deck.in_hand += 1;
                return Ok(Some(made));
            }
        }
        deck.is_exhausted = true;
        Ok(None)
    }

    /// A candidate did not pass its checks: another one may take its place, with another name.
    pub fn drop(&mut self, made: &Made) {
        if let Some(deck) = self.decks.get_mut(made.origin.template.as_str()) {
            deck.in_hand -= 1;
            deck.dropped += 1;
        }
    }
}
