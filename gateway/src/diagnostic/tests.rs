//! What a finding looks like.

use super::{Diagnostic, Place, Report, Severity, SourceText, Style};

const TEXT: &str = "interfaces:\n\tinside: é [10.1.0.5/24]\n";

fn report() -> Report {
    let source = SourceText::new("gateway.yaml", TEXT.to_owned());
    let start = TEXT.find("10.").expect("in the text");
    let place = Place { line: 2, column: 13, start, end: start + "10.1.0.5/24".len() };
    let mut report = Report::new();
    report.push(
        Diagnostic::at(Severity::Error, &source, place, "network 10.1.0.5/24 has host bits set")
            .with_help("did you mean 10.1.0.0/24?"),
    );
    report.push(Diagnostic::whole_file(Severity::Warning, "policies", "has no policy file"));
    report
}

#[test]
fn text_is_as_people_know_it() {
    let expected = "\
gateway.yaml:2:13: error: network 10.1.0.5/24 has host bits set
  |
2 |  inside: é [10.1.0.5/24]
  |             ^^^^^^^^^^^
  = help: did you mean 10.1.0.0/24?
policies: warning: has no policy file
";
    assert_eq!(report().to_text(), expected);
}

#[test]
fn colours_are_only_added() {
    let mut coloured = Vec::new();
    report().render(&mut coloured, Style::Colour).expect("memory takes all");
    let coloured = String::from_utf8(coloured).expect("text");
    assert!(coloured.contains("\u{1b}[1;31merror\u{1b}[0m"), "{coloured:?}");
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain += before;
        rest = after.split_once('m').expect("an escape ends").1;
    }
    assert_eq!(plain + rest, report().to_text());
}

#[test]
fn json_has_every_part() {
    let expected = serde_json::json!([
        {"file": "gateway.yaml", "line": 2, "column": 13, "severity": "error",
         "message": "network 10.1.0.5/24 has host bits set", "help": "did you mean 10.1.0.0/24?"},
        {"file": "policies", "line": 0, "column": 0, "severity": "warning",
         "message": "has no policy file", "help": null},
    ]);
    assert_eq!(report().to_json(), expected);
}

#[test]
fn terminals_are_not_driven_and_lines_not_flooded() {
    let text = format!("{}\u{1b}[2J{}", "a".repeat(5000), "b".repeat(5000));
    let source = SourceText::new("\u{1b}]0;x", text.clone());
    let place = Place { line: 1, column: 5001, start: 5000, end: text.len() };
    let mut report = Report::new();
    report.push(Diagnostic::at(Severity::Error, &source, place, "a \u{202e}b"));
    let shown = report.to_text();
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() < 220), "{shown}");
}

#[test]
fn places_outside_the_text_do_no_harm() {
    let source = SourceText::new("x", "é".to_owned());
    for (start, end) in [(0, 0), (1, 1), (1, 99), (99, 1), (usize::MAX, usize::MAX)] {
        let place = Place { line: 1, column: 1, start, end };
        let mut report = Report::new();
        report.push(Diagnostic::at(Severity::Error, &source, place, "x"));
        assert!(report.to_text().contains('^'));
    }
}
