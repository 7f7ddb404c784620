//! Text for people: tinted spans that know nothing of a terminal, and numbers with separators.

use std::fmt::Write as _;

/// How a span is tinted where colours are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tint {
    Plain,
    Dim,
    Bold,
    Good,
    Bad,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Tint, pub(crate) String);

/// A line.
pub(crate) type Line = Vec<Span>;

/// A line of one span.
pub(crate) fn line(tint: Tint, text: impl Into<String>) -> Line {
    vec![Span(tint, text.into())]
}

/// The line as text, with ANSI codes when `colours`, cut to `width` characters.
pub(crate) fn render(line: &Line, width: usize, colours: bool) -> String {
    let mut out = String::new();
    let mut room = width;
    for Span(tint, text) in line {
        let cut: String = text.chars().take(room).collect();
        room -= cut.chars().count();
        let code = match tint {
            Tint::Plain => "",
            Tint::Dim => "2",
            Tint::Bold => "1",
            Tint::Good => "32",
            Tint::Bad => "31",
        };
        if colours && !code.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\x1b[{code}m{cut}\x1b[0m");
        } else {
            out.push_str(&cut);
        }
    }
    out
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: impl Into<i128>) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in
            [(0_i128, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_line_is_cut_by_characters_not_codes() {
        let line = vec![Span(Tint::Good, "►ab".to_owned()), Span(Tint::Plain, "cd".to_owned())];
        assert_eq!(render(&line, 4, false), "►abc");
        assert_eq!(render(&line, 2, true), "\x1b[32m►a\x1b[0m");
    }
}
