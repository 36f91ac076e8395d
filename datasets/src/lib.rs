//! What sockpit ships as data, and the typed loaders of it: applications, scenarios, strategies, recordings; what is
//! computed from the folders of comparisons; and profiles fitted to what was measured.

pub mod analysis;
pub mod apps;
pub mod calibration;
pub mod comparisons;
pub mod embedded;
pub mod faults;
pub mod published;
pub mod runs;
pub mod scenarios;
pub mod strategies;
pub mod suite;
