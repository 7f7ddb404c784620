//! Tests of the configuration: the example with every field, every mistake with its place, and texts nobody wrote.

mod bad;
mod example;
mod files;
mod mutation;

use std::path::Path;

use super::{Loaded, load_text};
use crate::diagnostic::Report;

/// The example that is shipped, which is the one the documentation shows.
const EXAMPLE: &str = include_str!("../../../examples/gateway.yaml");

/// The least a configuration has.
const LEAST: &str = "interfaces:
  inside: [{device: in0, networks: [10.1.0.0/24]}]
  outside: [{device: out0}]
network: flat
";

/// Reads a text whose policies are those of the examples.
fn load(text: &str) -> Result<Loaded, Report> {
    load_text("gateway.yaml", text, &examples())
}

fn examples() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}
