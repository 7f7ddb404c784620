//! A text to read, and where in it something stands. Knows no format.

/// A text and the name to show for it. Who reads files gives their paths as the user wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name in messages and provenance.
    pub name: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// A text under a name.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// A piece of a text: `len` bytes from byte `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// Bytes before it.
    pub offset: usize,
    /// Bytes in it; 0 for a place between two characters.
    pub len: usize,
}

/// Where an object or one of its rules was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The text, as its index in what was loaded.
    pub source: usize,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The bytes.
    pub span: Span,
}

/// Where the lines of a text begin: offsets to lines and columns without reading the text again.
#[derive(Debug)]
pub(crate) struct LineIndex<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> LineIndex<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let after_break = text.bytes().enumerate().filter(|&(_, b)| b == b'\n').map(|(i, _)| i + 1);
        Self { text, starts: std::iter::once(0).chain(after_break).collect() }
    }

    /// Line and column of a byte, both from 1; the column counts characters. An offset outside the text or
    /// inside a character is taken back to the nearest place before it.
    pub(crate) fn position(&self, offset: usize) -> (u32, u32) {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = self.starts[line - 1];
        let column = self.text[start..offset].chars().count() + 1;
        (saturate(line), saturate(column))
    }
}

/// Counts above four billion are shown as four billion.
fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let index = LineIndex::new("aé: b\r\n\nlast");
        for (offset, position) in [
            (0, (1, 1)),
            (3, (1, 3)),
            (7, (1, 7)),
            (8, (2, 1)),
            (9, (3, 1)),
            (13, (3, 5)),
            (99, (3, 5)),
        ] {
            assert_eq!(index.position(offset), position, "byte {offset}");
        }
        assert_eq!(LineIndex::new("").position(0), (1, 1));
    }
}
