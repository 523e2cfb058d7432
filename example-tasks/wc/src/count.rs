//! Counting; pure.

/// What was counted in one input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Line feeds, as POSIX counts lines.
    pub(crate) lines: usize,
    pub(crate) words: usize,
    /// Absent where the input is not UTF-8.
    pub(crate) chars: Option<usize>,
    pub(crate) bytes: usize,
}

impl Counts {
    pub(crate) fn of(input: &[u8]) -> Self {
        Self {
            lines: input.iter().filter(|byte| **byte == b'\n').count(),
            words: input.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count(),
            chars: std::str::from_utf8(input).ok().map(|text| text.chars().count()),
            bytes: input.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn text_is_counted() {
        let counts = Counts::of("one two\n  thrée".as_bytes());
        assert_eq!(counts, Counts { lines: 1, words: 3, chars: Some(15), bytes: 16 });
    }

    #[test]
    fn bytes_that_are_not_text_have_no_characters() {
        assert_eq!(Counts::of(b"\xff\n"), Counts { lines: 1, words: 1, chars: None, bytes: 2 });
    }

    #[test]
    fn nothing_is_counted_in_nothing() {
        assert_eq!(Counts::of(b""), Counts { lines: 0, words: 0, chars: Some(0), bytes: 0 });
    }
}
