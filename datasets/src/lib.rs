//! What sockpit ships as data, and the typed loaders of it: applications, scenarios, strategies,
//! recordings.

pub mod apps;
pub mod comparisons;
pub mod embedded;
pub mod faults;
pub mod published;
pub mod scenarios;
pub mod strategies;
pub mod suite;
