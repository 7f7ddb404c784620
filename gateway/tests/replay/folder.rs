//! A folder of a test's own, and the binary run in it.

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The configuration every replay starts from, as `gateway.yaml`.
pub(crate) const CONFIG: &str = r#"
interfaces:
  inside:
    - {device: in0, networks: [10.1.0.0/24]}
    - {device: in1, networks: [10.2.0.0/24]}
  outside:
    - {device: out0}
network: {ipv4: overlay, ipv6: flat}
snat:
  pools:
    - {name: default, addresses: [203.0.113.1], ports: 1024-65535}
unmatched: allow
limits: {flows: 1024}
static:
  interfaces:
    in0: {mac: "02:00:00:00:01:01", addresses: [10.1.0.1/24]}
    in1: {mac: "02:00:00:00:02:01", addresses: [10.2.0.1/24]}
    out0: {mac: "02:00:00:00:03:01", addresses: [203.0.113.2/24]}
  routes: [{to: 0.0.0.0/0, via: 203.0.113.254, device: out0}]
  neighbors:
    - {address: 203.0.113.254, mac: "02:00:00:00:03:fe", device: out0}
    - {address: 10.1.0.5, mac: "02:00:00:00:01:05", device: in0}
    - {address: 10.2.0.5, mac: "02:00:00:00:02:05", device: in1}
"#;

/// A folder that is gone when the test is over.
pub(crate) struct Folder(PathBuf);

/// What a run of the binary left.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Replayed {
    /// It worked.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self
    }

    /// It worked, and printed these counts.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok().stdout).expect("JSON")
    }

    /// It ended with that code, nothing on standard output, and a text that names what is wrong.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, word: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{self:?}");
        assert!(self.stderr.contains(word), "no `{word}` in: {}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

impl Folder {
    /// A fresh folder with `gateway.yaml` in it.
    pub(crate) fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("replay-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder below target");
        let folder = Self(path);
        folder.write("gateway.yaml", CONFIG.as_bytes());
        folder
    }

    /// A file's path.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file's content.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a folder of our own");
    }

    /// Replays with `gateway.yaml`.
    pub(crate) fn replay(&self, out: &str, arguments: &[&str]) -> Replayed {
        self.replay_with("gateway.yaml", out, arguments)
    }

    /// Replays with another configuration.
    pub(crate) fn replay_with(&self, config: &str, out: &str, arguments: &[&str]) -> Replayed {
        let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
            .current_dir(&self.0)
            .args(["replay", "-c", config, "--out", out, "-o", "json"])
            .args(arguments)
            .output()
            .expect("the binary runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Replayed {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of a failed removal lies below target and harms nobody.
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}
