//! Texts nobody wrote: whatever they say, an answer in bounded time and memory, and no panic.

use std::path::Path;
use std::time::{Duration, Instant};

use super::super::{TEXT_MAX, parse, unbuilt};
use super::{EXAMPLE, LEAST};
use crate::diagnostic::{Report, SourceText};

/// Reads a text, renders everything found, and returns whether it was refused.
fn survives(text: &str) -> bool {
    let source = SourceText::new("mutated.yaml", text.to_owned());
    let mut found = Report::new();
    // The text alone: the paths in it may have become anyone's.
    if let Some(config) = parse(&source, Path::new("/nonexistent"), &mut found) {
        let _ = unbuilt(&config);
    }
    let shown = found.to_text();
    let _ = found.to_json();
    assert!(shown.lines().all(|line| !line.contains('\u{1b}')), "an escape got through");
    for found in found.diagnostics() {
        assert!(found.place.end <= text.len().max(found.place.start), "{found}");
        assert!((found.line() as usize) <= text.lines().count() + 1, "{found}");
    }
    found.has_errors()
}

/// SplitMix64: enough to mutate with, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const TOKENS: [&str; 44] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ", ",
    "- ",
    "\n",
    "  ",
    "&a ",
    "*a",
    "!!str ",
    "!x ",
    "|",
    ">",
    "? ",
    "<<: ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "\"",
    "'",
    "#",
    "~",
    "null",
    "-1",
    "0",
    "4294967296",
    "0.0.0.0/0",
    "::/0",
    "::ffff:1.2.3.4",
    "255.255.255.255",
    "1-0",
    "65536",
    "99999999d",
    "\u{feff}",
    "\u{202e}",
    "\u{1b}[2J",
    "\0",
    "é",
    "\t",
    "\r\n",
    "*",
];

fn mutate(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(40)).min(bytes.len());
        match random.below(8) {
            0 if !bytes.is_empty() => bytes[at] = u8::try_from(random.below(256)).unwrap_or(0),
            1 => drop(bytes.drain(at.min(end)..end)),
            2 => {
                let copy = bytes[at.min(end)..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            3 => bytes.truncate(at),
            4 => {
                let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
                let (a, b) = (random.below(lines.len()), random.below(lines.len()));
                lines.swap(a, b);
                bytes = lines.join(&b'\n');
            }
            5 => {
                let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
                let line = lines[random.below(lines.len())];
                lines.insert(random.below(lines.len()), line);
                bytes = lines.join(&b'\n');
            }
            _ => {
                let token = random.pick(&TOKENS);
                bytes.splice(at..at, token.bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn mutated_texts_are_answered() {
    // The long run of the release check sets this to 100000.
    let rounds = std::env::var("SLUICE_CONFIG_MUTATIONS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(3000);
    let mut refused = 0;
    for seed in 0..rounds {
        let text = mutate(if seed % 3 == 0 { LEAST } else { EXAMPLE }, &mut Random(seed));
        let start = Instant::now();
        let caught = std::panic::catch_unwind(|| survives(&text));
        let taken = start.elapsed();
        match caught {
            Ok(was_refused) => refused += u64::from(was_refused),
            Err(_) => panic!("seed {seed} panicked on:\n{text}"),
        }
        assert!(taken < Duration::from_secs(2), "seed {seed} took {taken:?}:\n{text}");
    }
    assert!(refused > rounds / 2, "only {refused} of {rounds} mutations were noticed");
}

/// Texts made to be expensive.
#[test]
fn bombs_are_refused_quickly() {
    let mut laughs = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (from, to) in ('a'..='y').zip('b'..='z') {
        let tens = format!("*{from}, ").repeat(10);
        laughs += &format!("{to}: &{to} [{tens}]\n");
    }
    let quadratic = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(30_000), "*a, ".repeat(30_000));
    let megabyte = "x".repeat(1 << 20);
    let bombs = [
        ("billion laughs", laughs),
        ("quadratic aliases", quadratic),
        ("a megabyte of aliases", format!("a: &a 1\nb: [{}]\n", "*a,".repeat(340_000))),
        ("deep lists", "[".repeat(500_000)),
        ("deep mappings", "{a: ".repeat(250_000)),
        ("deep block lists", "- ".repeat(500_000)),
        (
            "nested anchors",
            (0..31).map(|n| format!("&a{n} [")).collect::<String>() + &"x,".repeat(90_000),
        ),
        ("an alias of itself", "a: &a [*a]\n".to_owned()),
        ("many keys", (0..90_000).map(|n| format!("k{n}: 1\n")).collect()),
        ("the same key", "k: 1\n".repeat(90_000)),
        ("a long key", format!("{megabyte}: 1\n")),
        ("a long value", format!("unmatched: {}\n", &megabyte[..1 << 19])),
        ("a long quoted value", format!("unmatched: \"{}\"\n", "\\u00e9".repeat(1 << 17))),
        ("many CPUs", format!("workers: {{cpus: [{}]}}\n", "0-1023, ".repeat(90_000))),
        ("comments", "#\n".repeat(500_000)),
        ("documents", "---\n".repeat(250_000)),
        ("too long", format!("#{}", "x".repeat(TEXT_MAX))),
        ("zeros", "\0".repeat(1 << 20)),
        ("tabs", "\t".repeat(1 << 20)),
        ("open quote", format!("a: \"{megabyte}")),
        ("question marks", "? ".repeat(500_000)),
        ("tags", "!!map ".repeat(100_000)),
        ("anchors", "&a ".repeat(100_000)),
    ];
    for (label, text) in bombs {
        let start = Instant::now();
        assert!(survives(&text), "{label} was accepted");
        let taken = start.elapsed();
        assert!(taken < Duration::from_secs(5), "{label} took {taken:?}");
    }
}

#[test]
fn every_prefix_of_the_example_is_answered() {
    for end in (0..EXAMPLE.len()).step_by(7) {
        if let Some(text) = EXAMPLE.get(..end) {
            survives(text);
        }
    }
}
