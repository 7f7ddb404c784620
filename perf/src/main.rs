//! `sluice-perf`: what the data plane costs, with peers measured in the same run.
fn main() {}
