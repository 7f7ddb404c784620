//! What a figure was measured on.

use serde_json::{Value, json};
use std::fs;
use std::hint::black_box;
use std::time::Instant;

/// Steps of the chain that measures the core's frequency.
const STEPS: u32 = 20_000_000;
/// Cycles of one step on every x86-64 core since 2008 and on Arm's large cores: xor 1, multiply 3.
const CYCLES_PER_STEP: f64 = 4.0;

/// The core's frequency right now in GHz, from a chain of instructions that each wait for the last.
#[must_use]
pub(crate) fn gigahertz() -> f64 {
    let (mask, factor) =
        (black_box(0x5555_5555_5555_5555_u64), black_box(0x9e37_79b9_7f4a_7c15_u64));
    let start = Instant::now();
    let mut x = black_box(1u64);
    for _ in 0..STEPS {
        x = (x ^ mask).wrapping_mul(factor);
    }
    black_box(x);
    let nanos = start.elapsed().as_secs_f64() * 1e9;
    f64::from(STEPS) * CYCLES_PER_STEP / nanos
}

/// The machine's facts.
#[must_use]
pub(crate) fn facts() -> Value {
    let line = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "cpu": line("/proc/cpuinfo", "model name"),
        "cpus": std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get),
        "memory": line("/proc/meminfo", "MemTotal"),
        "kernel": kernel.trim(),
        "load": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    })
}
