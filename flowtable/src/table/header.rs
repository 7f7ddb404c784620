//! What stands at the front of a table that others map: which layout it has, and how large it is.

use std::fmt;

/// The first words of a table in shared memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// How many flows fit.
    pub flows: u32,
    /// How many buckets the index has.
    pub buckets: u32,
    /// How many workers write it.
    pub workers: u16,
}

/// Why memory is not a table of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderError {
    /// It does not start with the magic number.
    NotATable,
    /// It has a layout of another version.
    Version(u64),
    /// The header is damaged.
    Checksum,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATable => write!(f, "this memory holds no flow table"),
            Self::Version(found) => {
                write!(f, "flow table layout {found}, this program knows {}", Header::VERSION)
            }
            Self::Checksum => write!(f, "the flow table's header is damaged"),
        }
    }
}

impl std::error::Error for HeaderError {}

impl Header {
    /// "sluiceft" in ASCII.
    pub const MAGIC: u64 = u64::from_be_bytes(*b"sluiceft");
    /// The layout of the index, records and cold lines. Any change of it changes this number.
    pub const VERSION: u64 = 1;

    pub(crate) const fn new(flows: u32, buckets: u32, workers: u16) -> Self {
        Self { flows, buckets, workers }
    }

    /// The header in words: magic, version, sizes, and a checksum of those before it.
    #[must_use]
    pub const fn to_words(&self) -> [u64; 5] {
        let sizes = (self.flows as u64) << 32 | self.buckets as u64;
        let body = [Self::MAGIC, Self::VERSION, sizes, self.workers as u64];
        [body[0], body[1], body[2], body[3], Self::checksum(body)]
    }

    /// The header that [`Header::to_words`] gave.
    #[expect(clippy::cast_possible_truncation, reason = "fields are cut out of packed words")]
    pub const fn from_words(words: [u64; 5]) -> Result<Self, HeaderError> {
        let [magic, version, sizes, workers, checksum] = words;
        if magic != Self::MAGIC {
            return Err(HeaderError::NotATable);
        }
        if version != Self::VERSION {
            return Err(HeaderError::Version(version));
        }
        if checksum != Self::checksum([magic, version, sizes, workers]) {
            return Err(HeaderError::Checksum);
        }
        Ok(Self { flows: (sizes >> 32) as u32, buckets: sizes as u32, workers: workers as u16 })
    }

    /// FNV-1a over the words. Against damage, not against anyone who can write the mapping.
    const fn checksum(words: [u64; 4]) -> u64 {
        let mut sum = 0xcbf2_9ce4_8422_2325_u64;
        let mut word = 0;
        while word < words.len() {
            sum = (sum ^ words[word]).wrapping_mul(0x0000_0100_0000_01b3);
            word += 1;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::{Header, HeaderError};

    #[test]
    fn a_header_survives_its_words_and_no_damage() {
        let header = Header::new(1 << 20, 1 << 19, 3);
        let words = header.to_words();
        assert_eq!(Header::from_words(words), Ok(header));
        for (word, error) in [
            (0, HeaderError::NotATable),
            (1, HeaderError::Version(Header::VERSION ^ 4)),
            (2, HeaderError::Checksum),
            (3, HeaderError::Checksum),
            (4, HeaderError::Checksum),
        ] {
            let mut damaged = words;
            damaged[word] ^= 4;
            assert_eq!(Header::from_words(damaged), Err(error));
        }
    }
}
