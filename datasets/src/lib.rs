//! What sockpit ships as data, and the typed loaders of it: applications, scenarios, strategies, recordings; and what is
//! computed from the folders of comparisons.

pub mod analysis;
pub mod apps;
pub mod comparisons;
pub mod embedded;
pub mod faults;
pub mod published;
pub mod runs;
pub mod scenarios;
pub mod strategies;
pub mod suite;
