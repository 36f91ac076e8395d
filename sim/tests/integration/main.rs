//! One integration binary; one file per behaviour.
mod broken_scenarios;
mod apps;
mod cluster;
mod calls;
mod cpu;
mod cpu_reference;
mod cpu_theory;
mod engine;
mod promql_answers;
mod promql_errors;
mod manifest;
mod small_world;
mod sock_shop_profile;
mod theory;
mod traffic;
mod promql_naive;
mod promql_recorded;
