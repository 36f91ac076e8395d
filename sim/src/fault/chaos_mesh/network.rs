//! `NetworkChaos`: what happens to the packets of pods. What each rule reaches, and why some reach nothing, is written in
//! `traffic::network::rules`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChaosMode, ChaosSelector, ChaosSpec, Delay, FaultKind, PodEffect, Target, Targets};
use crate::scenario::{AppWords, Checker};
use crate::time::SimDuration;
use crate::traffic::{Bandwidth, Direction, Netem, NetworkEffect};
use crate::units::Bytes;

/// The fields of its spec that not every kind has.
pub(super) const FIELDS: &[&str] = &["action", "delay", "loss", "bandwidth", "direction", "target"];

/// `tc … netem delay LATENCY JITTER`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PacketDelay {
    /// Added to each packet.
    pub latency: SimDuration,
    /// Uniform variation, to either side. Default: none.
    #[serde(default)]
    pub jitter: SimDuration,
    /// How far a packet's delay follows that of the packet before, per cent in quotes. Only `"0"` is played.
    #[serde(default)]
    pub correlation: Option<String>,
}

/// `tc … netem loss LOSS`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PacketLoss {
    /// Per cent of packets, in quotes.
    pub loss: String,
    /// How far a packet's fate follows that of the packet before, per cent in quotes. Only `"0"` is played.
    #[serde(default)]
    pub correlation: Option<String>,
}

/// `tc … tbf rate RATE burst BUFFER limit LIMIT`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BandwidthLimit {
    /// A number with a unit of `tc`, such as `1mbps` (a megabyte per second) or `8mbit`.
    pub rate: String,
    /// Bytes that may wait for tokens.
    pub limit: u32,
    /// Bytes that may pass at once.
    pub buffer: u32,
}

/// Which packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PacketDirection {
    /// From the selected pods to the target.
    #[default]
    To,
    /// From the target to the selected pods.
    From,
    /// Both.
    Both,
}

/// The pods at the other end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PacketTarget {
    /// How many of the selected pods.
    pub mode: ChaosMode,
    /// The number or percentage of the modes that need one, in quotes.
    #[serde(default)]
    pub value: Option<String>,
    /// Which pods.
    pub selector: ChaosSelector,
}

pub(super) fn kind(spec: &ChaosSpec) -> Option<FaultKind> {
    match spec.action.as_deref()? {
        "delay" => Some(FaultKind::NetworkDelay),
        "loss" => Some(FaultKind::NetworkLoss),
        "bandwidth" => Some(FaultKind::NetworkBandwidth),
        "partition" => Some(FaultKind::NetworkPartition),
        _ => None,
    }
}

pub(super) fn effect(spec: &ChaosSpec, severity: f64) -> Option<PodEffect> {
    let effect = match kind(spec)? {
        FaultKind::NetworkDelay => {
            let Some(Delay::Packets(delay)) = &spec.delay else { return None };
            let (delay, jitter) = (delay.latency.scaled(severity), delay.jitter.scaled(severity));
            NetworkEffect::Netem(Netem { delay, jitter, loss: 0.0 })
        }
        FaultKind::NetworkLoss => {
            let loss = spec.loss.as_ref()?.share()? * severity;
            NetworkEffect::Netem(Netem { loss, ..Netem::default() })
        }
        FaultKind::NetworkBandwidth => {
            let BandwidthLimit { limit, buffer, .. } = spec.bandwidth.as_ref()?;
            let rate = spec.bandwidth.as_ref()?.bytes_per_second()?;
            NetworkEffect::Bandwidth(Bandwidth {
                rate,
                limit: Bytes(u64::from(*limit)),
                buffer: Bytes(u64::from(*buffer)),
            })
        }
        FaultKind::NetworkPartition => NetworkEffect::Partition,
        _ => return None,
    };
    let target = match &spec.target {
        None => None,
        Some(Target::Pods(target)) => Some(target.targets()?),
        Some(Target::Message(_)) => return None,
    };
    let direction = match spec.direction.unwrap_or_default() {
        PacketDirection::To => Direction::To,
        PacketDirection::From => Direction::From,
        PacketDirection::Both => Direction::Both,
    };
    Some(PodEffect::Network { target, direction, effect })
}

impl PacketTarget {
    fn targets(&self) -> Option<Targets> {
        Some(Targets {
            namespaces: self.selector.namespaces.clone(),
            labels: self.selector.label_selectors.clone(),
            choice: self.mode.choice(self.value.as_deref())?,
        })
    }
}

impl PacketLoss {
    /// The share, 0 to 1; none if it is no percentage.
    fn share(&self) -> Option<f64> {
        self.loss.trim().parse().ok().filter(|share| (0.0..=100.0).contains(share)).map(|share: f64| share / 100.0)
    }
}

impl BandwidthLimit {
    /// As `get_rate` of iproute2's `tc/tc_util.c` reads it: `bps` are bytes, `bit` are bits, prefixes are decimal.
    fn bytes_per_second(&self) -> Option<u64> {
        let rate = self.rate.trim().to_ascii_lowercase();
        let units = [
            ("kbit", 1_000 / 8),
            ("mbit", 1_000_000 / 8),
            ("gbit", 1_000_000_000 / 8),
            ("tbps", 1_000_000_000_000),
            ("gbps", 1_000_000_000),
            ("mbps", 1_000_000),
            ("kbps", 1_000),
            ("bps", 1),
        ];
        let (number, unit) = units.iter().find_map(|(name, unit)| Some((rate.strip_suffix(name)?, *unit)))?;
        number.trim().parse::<u64>().ok()?.checked_mul(unit).filter(|rate| *rate > 0)
    }
}

pub(super) fn check(checker: &mut Checker<'_>, spec: &str, body: &ChaosSpec, words: &AppWords) {
    check_action(checker, spec, body);
    if let Some(Target::Pods(target)) = &body.target {
        let field = format!("{spec}.target");
        target.selector.check(checker, &format!("{field}.selector"), words);
        if target.targets().is_none() {
            let help = "write how many pods, in quotes, such as `value: \"1\"`";
            checker.refuse(&format!("{field}.value"), "this mode needs a value that is a whole number", help);
        }
    } else if body.target.is_some() {
        let help = "write `{mode: all, selector: {labelSelectors: {name: …}}}`";
        checker.refuse(&format!("{spec}.target"), "a target of NetworkChaos is pods", help);
    } else if body.direction.is_some_and(|direction| direction != PacketDirection::To) {
        // As the webhook of Chaos Mesh has it (`networkchaos_webhook.go`).
        let help = "write a `target`, or leave the direction out";
        checker.refuse(&format!("{spec}.direction"), "`from` and `both` need a target", help);
    }
}

/// The action, and the one field that belongs to it.
fn check_action(checker: &mut Checker<'_>, spec: &str, body: &ChaosSpec) {
    let actions = "write `action: delay`, `loss`, `bandwidth` or `partition`";
    let action = match body.action.as_deref() {
        Some(action @ ("delay" | "loss" | "bandwidth" | "partition")) => action,
        Some(other) => {
            let message = format!("the action `{other}` is not played");
            return checker.refuse(&format!("{spec}.action"), message, actions);
        }
        None => return checker.refuse(spec, "NetworkChaos needs an action", actions),
    };
    for (field, is_there) in
        [("delay", body.delay.is_some()), ("loss", body.loss.is_some()), ("bandwidth", body.bandwidth.is_some())]
    {
        let at = format!("{spec}.{field}");
        if is_there && field != action {
            checker.refuse(&at, format!("this belongs to `action: {field}`"), "remove it or change the action");
        } else if !is_there && field == action {
            checker.refuse(spec, format!("`action: {action}` needs `{field}`"), needs(action));
        }
    }
    check_correlation(checker, spec, body);
    let mistaken = match action {
        "delay" => matches!(&body.delay, Some(Delay::Time(_))),
        "loss" => body.loss.as_ref().is_some_and(|loss| loss.share().is_none_or(|share| share <= 0.0)),
        "bandwidth" => body.bandwidth.as_ref().is_some_and(|limit| limit.bytes_per_second().is_none()),
        _ => false,
    };
    if mistaken {
        checker.refuse(&format!("{spec}.{action}"), "it is not what is played", needs(action));
    }
}

/// The state of one packet would shape the next, which keyed chance does not have.
fn check_correlation(checker: &mut Checker<'_>, spec: &str, body: &ChaosSpec) {
    let of_delay = match &body.delay {
        Some(Delay::Packets(delay)) => delay.correlation.as_deref(),
        _ => None,
    };
    let of_loss = body.loss.as_ref().and_then(|loss| loss.correlation.as_deref());
    for (field, correlation) in [("delay", of_delay), ("loss", of_loss)] {
        if correlation.is_some_and(|text| text.trim().parse::<f64>() != Ok(0.0)) {
            let message = "a correlation of packets is not played";
            checker.refuse(&format!("{spec}.{field}.correlation"), message, "leave it out, or write \"0\"");
        }
    }
}

fn needs(action: &str) -> &'static str {
    match action {
        "delay" => "write `delay: {latency: 200ms, jitter: 20ms}`",
        "loss" => "write `loss: {loss: \"25\"}`, above 0 and up to 100 per cent",
        _ => "write `bandwidth: {rate: 1mbps, limit: 20971520, buffer: 10000}`",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fault;
    use super::*;
    use crate::fault::Effect;

    const REST: &str = "mode: all, selector: {labelSelectors: {name: carts}}";

    fn effect(spec: &str) -> Option<PodEffect> {
        match fault(&format!("{{{spec}, {REST}}}"), "NetworkChaos").effect() {
            Some(Effect::Pods(_, effect)) => Some(effect),
            _ => None,
        }
    }

    #[test]
    fn delay_and_loss_scale_with_the_severity() {
        let netem = |delay, jitter, loss| {
            let netem =
                Netem { delay: SimDuration::from_millis(delay), jitter: SimDuration::from_millis(jitter), loss };
            Some(PodEffect::Network { target: None, direction: Direction::To, effect: NetworkEffect::Netem(netem) })
        };
        assert_eq!(effect("action: delay, delay: {latency: 200ms, jitter: 20ms}"), netem(100, 10, 0.0));
        assert_eq!(effect("action: loss, loss: {loss: \"50\", correlation: \"0\"}"), netem(0, 0, 0.25));
        assert_eq!(effect("action: loss, loss: {loss: much}"), None);
        assert_eq!(effect("action: corrupt"), None);
    }

    #[test]
    fn rates_are_read_as_tc_reads_them() {
        for (rate, bytes) in [
            ("1mbps", Some(1_000_000)),
            ("8mbit", Some(1_000_000)),
            ("100 kbps", Some(100_000)),
            ("7bps", Some(7)),
            ("1gbit", Some(125_000_000)),
            ("0bps", None),
            ("fast", None),
            ("1", None),
        ] {
            let limit = BandwidthLimit { rate: rate.into(), limit: 1, buffer: 1 };
            assert_eq!(limit.bytes_per_second(), bytes, "{rate}");
        }
    }

    #[test]
    fn a_target_has_a_mode_of_its_own() {
        let found = effect(
            "action: partition, direction: both, target: {mode: fixed, value: \"1\", selector: {labelSelectors: {name: carts-db}}}",
        );
        let Some(PodEffect::Network { target: Some(target), direction, effect }) = found else { panic!("{found:?}") };
        assert_eq!((direction, effect), (Direction::Both, NetworkEffect::Partition));
        assert_eq!(target.choice, crate::fault::Choice::Count(1));
    }
}
