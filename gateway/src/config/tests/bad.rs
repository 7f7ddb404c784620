//! One mistake each: where it is reported, what is said, what would do.
//!
//! `▸` in a text stands where the finding points to; it is taken out before the text is read.

mod sections;

use super::super::examine;
use super::{LEAST, examples};
use crate::diagnostic::{Diagnostic, Severity};

fn found(text: &str) -> Vec<Diagnostic> {
    examine("gateway.yaml", text.to_owned(), &examples()).found.into_iter().collect()
}

/// Reads `text`, after [`LEAST`] unless it has interfaces of its own, and expects one finding at its mark.
fn expect(severity: Severity, text: &str, message: &str, help: &str) {
    let mut text = text.to_owned();
    if !text.contains("interfaces:\n") {
        let least: String = LEAST
            .lines()
            .filter(|line| !text.contains("network:") || !line.starts_with("network:"))
            .map(|line| format!("{line}\n"))
            .collect();
        text.insert_str(0, &least);
    }
    let (before, _) = text.split_once('▸').expect("a mark in the text");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let found = found(&text.replacen('▸', "", 1));
    let shown: Vec<_> =
        found.iter().map(|found| format!("{found} (help: {:?})", found.help)).collect();
    let here = found.iter().any(|found| {
        found.severity == severity
            && (found.line() as usize, found.column() as usize) == (line, column)
            && found.message.contains(message)
            && found.help.as_deref().unwrap_or("").contains(help)
    });
    assert!(
        here,
        "expected {line}:{column}: {severity}: {message} (help: {help})\n{text}\ngot: {shown:#?}"
    );
    assert_eq!(found.len(), 1, "one mistake, one finding\n{text}\ngot: {shown:#?}");
    for found in &found {
        let first = found.message.chars().next().unwrap_or(' ');
        assert!(
            !first.is_uppercase()
                || found.message.starts_with("CPU")
                || found.message.starts_with("MAC"),
            "{found}"
        );
        assert!(!found.message.ends_with('.'), "{found}");
    }
}

fn errors(cases: &[(&str, &str, &str)]) {
    for (text, message, help) in cases {
        expect(Severity::Error, text, message, help);
    }
}

fn warnings(cases: &[(&str, &str, &str)]) {
    for (text, message, help) in cases {
        expect(Severity::Warning, text, message, help);
    }
}

#[test]
fn keys() {
    errors(&[
        ("▸snta: {}\n", "no key `snta`", "did you mean `snat`?"),
        ("▸colour: red\n", "no key `colour`", "interfaces, workers, network"),
        ("limits: {▸flow: 5}\n", "`limits` has no key `flow`", "did you mean `flows`?"),
        ("timeouts: {▸TCP-established: 5h}\n", "no key `TCP-established`", "`tcp_established`"),
        ("deny: drop\n▸deny: drop\n", "`deny` is given twice", "the first is on line 5"),
        ("▸<<: {deny: drop}\n", "no key `<<`", "knows"),
        ("snat: {pools: [▸{addresses: [192.0.2.1]}]}\n", "a pool has no `name`", "name: default"),
        ("metrics: ▸{}\n", "`metrics` has no `listen`", "127.0.0.1:9477"),
        ("nsg: [▸{attach: {nic: 10.1.0.5}}]\n", "no `group`", "name of the network security group"),
        ("dns: {▸resolvers: }\n", "`resolvers` has no value", "list the addresses"),
    ]);
    warnings(&[("▸policies:\n", "`policies` has no value", "remove the key")]);
}

#[test]
fn types() {
    errors(&[
        ("limits: ▸5\n", "`limits` wants a mapping, not `5`", "key: value"),
        ("policies: ▸policies/\n", "`policies` wants a list", "write [policies/]"),
        ("limits: {flows: ▸many}\n", "`flows` cannot be `many`", "from 1 to 268435456"),
        ("limits: {flows: ▸\"16\"}\n", "`flows` cannot be", "whole number"),
        ("limits: {flows: ▸-1}\n", "`flows` cannot be `-1`", "from 1"),
        ("limits: {frames: ▸63}\n", "`frames` cannot be `63`", "from 64"),
        ("limits: {flows: ▸99999999999999999999}\n", "`flows` cannot be", "from 1"),
        ("unmatched: ▸[deny]\n", "wants one value, not a list", "one value"),
        ("unmatched: ▸denny\n", "`unmatched` cannot be `denny`", "did you mean `deny`?"),
        ("on_failure: ▸open\n", "`on_failure` cannot be `open`", "block, pass"),
        ("network: ▸nat\n", "`network` cannot be `nat`", "overlay, flat"),
        (
            "network: {ipv4: ▸Overlay, ipv6: flat}\n",
            "cannot be `Overlay`",
            "did you mean `overlay`?",
        ),
        ("names: {enforce: ▸when_seen}\n", "cannot be `when_seen`", "did you mean `when-seen`?"),
        ("dns: {resolvers: [▸fd00::]}\n", "wants one value, not a mapping", "needs quotes"),
        ("tcp_mss_clamp: ▸5\n", "cannot be `5`", "536"),
        ("metrics: {listen: ▸localhost}\n", "no address with a port", "127.0.0.1:9477"),
        ("policies: [▸\"\"]\n", "is no path", "name of a file"),
    ]);
}

#[test]
fn yaml() {
    errors(&[
        ("limits: ▸{flows: 5\n", "not valid YAML: unclosed bracket", "brackets, quotes"),
        ("? ▸[1, 2]\n: 3\n", "a key is one word", ""),
        ("limits: ▸!big {flows: 5}\n", "the tag !big means nothing", "leave the tag out"),
        ("limits: ▸*nothing\n", "not valid YAML", ""),
        ("▸---\na: 1\n", "a second document", "one document"),
    ]);
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let text = "interfaces:
  inside: [{device: in0, networks: [10.1.0.5/24], vlna: 5}]
  outside: [{devise: out0}]
snat: {pools: [{name: a, addresses: [x], ports: 9-1}]}
unmatched: maybe
timeouts: {udp: 5}
workers: {cpus: [1, 1]}
on_failure: pass
";
    let lines: Vec<u32> = found(text).iter().map(Diagnostic::line).collect();
    assert_eq!(lines, [2, 2, 3, 3, 4, 4, 5, 6, 7, 8]);
}

#[test]
fn findings_are_bounded() {
    let text = LEAST.to_owned() + &(0..5000).map(|n| format!("key{n}: 1\n")).collect::<String>();
    let found = found(&text);
    assert_eq!(found.len(), 101);
    assert!(found[100].message.contains("4900 more findings"), "{}", found[100]);
}
