//! Whole episodes, played as users play them: shipped scenarios, every built-in policy, the judge.
//! One integration binary; one file per promise.

mod passes;
mod play;
