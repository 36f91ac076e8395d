//! simulate
pub(crate) fn run(_options: &crate::arguments::SimulateOptions) -> Result<(), crate::output::Failed> { Ok(()) }
