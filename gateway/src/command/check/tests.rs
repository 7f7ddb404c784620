//! What `sluice check` prints and how it ends.

use std::fs;
use std::path::{Path, PathBuf};

use super::{CheckArgs, Exit, Format, Style, run};

const GOOD: &str = "interfaces:
  inside: [{device: in0, networks: [10.1.0.0/24]}]
  outside: [{device: out0}]
network: flat
";

const POLICY: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {}, policyTypes: [Egress]}
";

/// A folder of a test's own, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("sluice-check-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("policies")).expect("a temporary folder");
        Folder(path)
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// Runs the command and takes the folder's own name out of what it prints.
    fn check(&self, strict: bool, output: Format, files: &[&Path]) -> (Exit, String) {
        let (exit, printed) = check(strict, output, files);
        (exit, printed.replace(&format!("{}/", self.0.display()), ""))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn check(strict: bool, output: Format, files: &[&Path]) -> (Exit, String) {
    let files = files.iter().map(|path| path.to_path_buf()).collect();
    let mut out = Vec::new();
    let exit = run(&CheckArgs { strict, output, files }, &mut out, Style::Plain)
        .expect("memory takes all");
    (exit, String::from_utf8(out).expect("text"))
}

#[test]
fn the_example_is_fine_but_for_what_is_not_enforced_yet() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/gateway.yaml");
    let (exit, printed) = check(false, Format::Text, &[&example]);
    assert_eq!(exit, Exit::Ok, "{printed}");
    assert!(printed.contains("warning: `dns` is not enforced by this version; `run` refuses it"));
    let last = printed.lines().last().expect("a line");
    assert!(last.contains("gateway.yaml: ok: 2 interfaces, "), "{last}");
    assert!(!printed.contains("error"), "{printed}");
    assert_eq!(check(true, Format::Text, &[&example]).0, Exit::No);
}

#[test]
fn a_configuration_is_checked_with_its_policies() {
    let folder = Folder::new("whole");
    let gateway = folder.put("gateway.yaml", &(GOOD.to_owned() + "policies: [policies]\n"));
    folder.put("policies/closed.yaml", POLICY);
    let (exit, printed) = folder.check(true, Format::Text, &[&gateway]);
    assert_eq!((exit, &*printed), (Exit::Ok, "gateway.yaml: ok: 2 interfaces, 1 policy, 0 pods\n"));
    // Mistakes in the configuration and in a policy show together.
    folder.put("gateway.yaml", &(GOOD.to_owned() + "policies: [policies]\ndeny: maybe\n"));
    folder.put("policies/closed.yaml", &POLICY.replace("[Egress]", "[Outward]"));
    let (exit, printed) = folder.check(false, Format::Text, &[&gateway]);
    assert_eq!(exit, Exit::Config);
    assert!(printed.contains("gateway.yaml:6:7: error: `deny` cannot be `maybe`"), "{printed}");
    assert!(printed.contains("policies/closed.yaml:4:"), "{printed}");
    assert!(printed.contains("4 | spec: {podSelector: {}, policyTypes: [Outward]}"), "{printed}");
    assert!(printed.ends_with("gateway.yaml: 2 errors\n"), "{printed}");
}

#[test]
fn a_finding_is_shown_as_people_know_it() {
    let folder = Folder::new("golden");
    let gateway = folder.put(
        "gateway.yaml",
        &GOOD.replace("10.1.0.0/24", "10.1.0.5/24").replace("network:", "netwrok:"),
    );
    let expected = "\
gateway.yaml:2:37: error: network 10.1.0.5/24 has host bits set
  |
2 |   inside: [{device: in0, networks: [10.1.0.5/24]}]
  |                                     ^^^^^^^^^^^
  = help: did you mean 10.1.0.0/24, or the one host 10.1.0.5/32?
gateway.yaml:4:1: error: the configuration has no key `netwrok`
  |
4 | netwrok: flat
  | ^^^^^^^
  = help: did you mean `network`?
gateway.yaml: 2 errors
";
    assert_eq!(folder.check(false, Format::Text, &[&gateway]), (Exit::Config, expected.to_owned()));
}

#[test]
fn json_is_one_array() {
    let folder = Folder::new("json");
    let gateway = folder.put("gateway.yaml", &(GOOD.to_owned() + "deny: maybe\n"));
    let (exit, printed) = folder.check(false, Format::Json, &[&gateway]);
    assert_eq!(exit, Exit::Config);
    let found: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(
        found,
        serde_json::json!([{
            "file": "gateway.yaml", "line": 5, "column": 7, "severity": "error",
            "message": "`deny` cannot be `maybe`", "help": "write one of: drop, reject",
        }])
    );
    folder.put("gateway.yaml", GOOD);
    let (exit, printed) = folder.check(false, Format::Json, &[&gateway]);
    assert_eq!((exit, printed.trim()), (Exit::Ok, "[]"));
}

#[test]
fn policies_are_checked_by_content() {
    let folder = Folder::new("content");
    let policy = folder.put("closed.txt", POLICY);
    let other = folder.put("policies/other.yaml", &POLICY.replace("closed", "other"));
    let all = folder.0.join("policies");
    let (exit, printed) = folder.check(false, Format::Text, &[&policy, &all, &other]);
    assert_eq!(exit, Exit::Ok, "{printed}");
    assert!(printed.contains("closed.txt: ok: 1 policy, 0 pods"), "{printed}");
    assert!(printed.contains("policies: ok: 1 policy, 0 pods"), "{printed}");
}

#[test]
fn exits_tell_kinds_of_failure_apart() {
    let folder = Folder::new("exits");
    let good = folder.put("good.yaml", GOOD);
    let warned = folder.put("warned.yaml", &(GOOD.to_owned() + "timeouts: {udp: 10s}\n"));
    let bad = folder.put("bad.yaml", &(GOOD.to_owned() + "}\n"));
    let missing = folder.0.join("missing.yaml");
    for (files, strict, expected) in [
        (vec![&good], true, Exit::Ok),
        (vec![&good, &warned], false, Exit::Ok),
        (vec![&good, &warned], true, Exit::No),
        (vec![&bad], false, Exit::Config),
        (vec![&missing], false, Exit::Usage),
        (vec![&good, &missing], true, Exit::Usage),
        (vec![&missing, &bad], false, Exit::Config),
        (vec![&folder.0.join("policies")], false, Exit::Ok),
        (vec![&folder.0.join("policies")], true, Exit::No),
    ] {
        let files: Vec<&Path> = files.into_iter().map(|path| &**path).collect();
        let (exit, printed) = folder.check(strict, Format::Text, &files);
        assert_eq!(exit, expected, "{files:?} strict {strict}\n{printed}");
        for file in files {
            let name = file.file_name().expect("a name").to_string_lossy();
            assert!(
                printed.lines().any(|line| line.starts_with(&format!("{name}: "))),
                "{printed}"
            );
        }
    }
}
