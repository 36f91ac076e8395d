//! The quantities that are compared, and how far the twin may be off.

use serde::Serialize;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Quantity {
    Rate,
    Errors,
    Mean,
    P99,
    Cpu,
    Throttled,
    Memory,
    /// Seconds from the disturbance to the first sign of it in the cluster's objects.
    ToDetect,
    /// Seconds until all pods were ready again.
    ToReady,
    /// Seconds until the client's requests did not fail any more.
    ToRecover,
}

/// How two figures are set against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Ratio,
    /// 0 to 1.
    Share,
    Seconds,
}

impl Quantity {
    pub(super) const ALL: [Self; 10] = [
        Self::Rate,
        Self::Errors,
        Self::Mean,
        Self::P99,
        Self::Cpu,
        Self::Throttled,
        Self::Memory,
        Self::ToDetect,
        Self::ToReady,
        Self::ToRecover,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::Mean => "mean",
            Self::P99 => "p99",
            Self::Cpu => "CPU",
            Self::Throttled => "throttled",
            Self::Memory => "memory",
            Self::ToDetect => "to detect",
            Self::ToReady => "to Ready",
            Self::ToRecover => "to recover",
        }
    }

    pub(super) const fn scale(self) -> Scale {
        match self {
            Self::Rate | Self::Mean | Self::P99 | Self::Cpu | Self::Memory => Scale::Ratio,
            Self::Errors | Self::Throttled => Scale::Share,
            Self::ToDetect | Self::ToReady | Self::ToRecover => Scale::Seconds,
        }
    }

    /// What the twin aims at, in the unit of [`Self::off`]; of a time the least that is asked.
    pub(super) const fn aim(self) -> f64 {
        match self {
            Self::Rate => 0.03,
            Self::Errors | Self::Throttled => 0.05,
            Self::Mean => 0.15,
            Self::P99 => 0.3,
            Self::Cpu | Self::Memory => 0.1,
            Self::ToDetect | Self::ToReady | Self::ToRecover => 1.0,
        }
    }

    /// Below this on both sides a ratio says nothing: a few millicores are a scrape more or less.
    pub(super) const fn negligible(self) -> f64 {
        match self {
            Self::Cpu => 5.0,
            Self::Memory => 10.0,
            Self::Rate => 0.5,
            _ => 0.0,
        }
    }

    /// How far off the twin is: twin over lab, less one; of a share and of a time twin less lab.
    pub(super) fn off(self, twin: f64, lab: f64) -> f64 {
        match self.scale() {
            Scale::Ratio => twin / lab - 1.0,
            Scale::Share | Scale::Seconds => twin - lab,
        }
    }
}
