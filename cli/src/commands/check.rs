//! `sockpit scenario check` and `scenario schema`: a user's own scenario.
pub(crate) fn run(_options: &crate::arguments::CheckOptions) -> Result<(), crate::output::Failed> { Ok(()) }
pub(crate) fn schema() -> Result<(), crate::output::Failed> { crate::output::json(&sim::scenario::json_schema()) }
