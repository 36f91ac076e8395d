//! One integration binary; one file per behaviour.
