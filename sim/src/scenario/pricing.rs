//! What a scenario allows and what it charges: budget, think time, prices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::SimDuration;

/// What the agent may use up. Beyond it the episode goes on without the agent and is scored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Steps (calls to a policy) in one evaluation.
    pub steps: u32,
    /// From the start of the world until no step may begin any more.
    pub time: SimDuration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: 30, time: SimDuration::from_secs(600) }
    }
}

/// How much virtual time one step takes, since the world does not stop while a policy thinks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Thinking {
    /// None.
    Zero,
    /// The same each time.
    Fixed(SimDuration),
    /// By the tokens read and written: the same wherever the same text is exchanged.
    Tokens(TokenRates),
    /// As long as the call really took. Not reproducible.
    Measured,
}

/// A model's speed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenRates {
    /// Per step, whatever its length; all of it for policies that use no model.
    pub base: SimDuration,
    /// Tokens read per second.
    pub input_per_s: f64,
    /// Tokens written per second.
    pub output_per_s: f64,
}

impl Default for TokenRates {
    /// Round figures of a hosted model of 2024: 1 s, 2000 tokens/s read, 50 tokens/s written.
    fn default() -> Self {
        Self { base: SimDuration::SECOND, input_per_s: 2_000.0, output_per_s: 50.0 }
    }
}

impl Default for Thinking {
    fn default() -> Self {
        Self::Tokens(TokenRates::default())
    }
}

impl Thinking {
    /// The time of one step; none where only the clock can tell.
    pub fn charge(&self, tokens_in: u64, tokens_out: u64) -> Option<SimDuration> {
        match self {
            Self::Zero => Some(SimDuration::ZERO),
            Self::Fixed(length) => Some(*length),
            Self::Tokens(rates) => {
                let seconds = tokens_in as f64 / rates.input_per_s + tokens_out as f64 / rates.output_per_s;
                Some(rates.base + SimDuration::from_secs_f64(seconds))
            }
            Self::Measured => None,
        }
    }
}

/// Prices of the reward, in points: one point is a second in which one clause of weight 1 is violated.
///
/// The defaults set a pod of 100 mCPU and 100 MiB for ten minutes at 7 points, an action at 1 to 5, and a
/// violated clause at 60 per minute: mending comes first, then thrift, then restraint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// A requested core for a second.
    pub core_request_s: f64,
    /// A core of limit for a second.
    pub core_limit_s: f64,
    /// A requested GiB for a second.
    pub gib_request_s: f64,
    /// A GiB of limit for a second.
    pub gib_limit_s: f64,
    /// An action that replaces nothing that runs: scale, autoscaler, create, an applied object.
    pub light_action: f64,
    /// An action that replaces pods: restart, rollback, image, env, resources, delete pod.
    pub rollout_action: f64,
    /// An action that is destructive: deleting a Deployment, scaling to zero.
    pub destructive_action: f64,
    /// Harm: a request that a client saw fail.
    pub failed_request: f64,
    /// Harm: an action on a component that is not the agent's own.
    pub foreign_action: f64,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            core_request_s: 0.1,
            core_limit_s: 0.01,
            gib_request_s: 0.01,
            gib_limit_s: 0.001,
            light_action: 1.0,
            rollout_action: 5.0,
            destructive_action: 30.0,
            failed_request: 0.01,
            foreign_action: 10.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn think_time_follows_the_tokens() {
        let tokens = Thinking::default();
        assert_eq!(tokens.charge(0, 0), Some(SimDuration::SECOND), "a policy without a model");
        assert_eq!(tokens.charge(4_000, 100), Some(SimDuration::from_secs(5)));
        assert_eq!(Thinking::Fixed(SimDuration::from_secs(3)).charge(4_000, 100), Some(SimDuration::from_secs(3)));
        assert_eq!(Thinking::Zero.charge(4_000, 100), Some(SimDuration::ZERO));
        assert_eq!(Thinking::Measured.charge(4_000, 100), None);
    }
}
