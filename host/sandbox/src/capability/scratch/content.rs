//! The bytes of a file, in blocks, so that it grows without a copy and without spare room.
//!
//! A block that was never written to is not there, but counts: a file's cost follows from its size alone.

/// Bytes that are kept together.
pub(super) const BLOCK_BYTES: usize = 4096;

type Block = Box<[u8; BLOCK_BYTES]>;

/// The bytes of a file.
#[derive(Default)]
pub(super) struct Content {
    blocks: Vec<Option<Block>>,
    size: usize,
}

/// What a file of `size` bytes costs.
pub(super) fn cost(size: u64) -> u64 {
    let block = BLOCK_BYTES as u64;
    size.div_ceil(block).saturating_mul(block)
}

impl Content {
    /// Its size in bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// At most `count` bytes from `offset` on; none at the end.
    pub(super) fn read(&self, offset: usize, count: usize) -> Vec<u8> {
        let end = offset.saturating_add(count).min(self.size);
        let mut bytes = Vec::with_capacity(end.saturating_sub(offset));
        let mut at = offset;
        while at < end {
            let (start, stop) = within(at, end);
            match self.blocks.get(at / BLOCK_BYTES).and_then(Option::as_ref).and_then(|block| block.get(start..stop)) {
                Some(part) => bytes.extend_from_slice(part),
                None => bytes.resize(bytes.len() + (stop - start), 0),
            }
            at += stop - start;
        }
        bytes
    }

    /// Writes `bytes` at `offset`; what is between the end and there becomes zero.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len());
        if end > self.size {
            self.resize(end);
        }
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let (start, stop) = within(at, end);
            let (part, after) = rest.split_at(stop - start);
            if let Some(block) = self.blocks.get_mut(at / BLOCK_BYTES) {
                let block = block.get_or_insert_with(|| Box::new([0; BLOCK_BYTES]));
                if let Some(room) = block.get_mut(start..stop) {
                    room.copy_from_slice(part);
                }
            }
            at += stop - start;
            rest = after;
        }
    }

    /// Cuts the file, or lengthens it with zeros.
    pub(super) fn resize(&mut self, size: usize) {
        let shorter = size < self.size;
        self.blocks.resize_with(size.div_ceil(BLOCK_BYTES), || None);
        self.size = size;
        if shorter {
            // Nothing stays behind: neither room that does not count, nor bytes that a later growth would show.
            self.blocks.shrink_to_fit();
            let last = self.blocks.last_mut().and_then(Option::as_mut);
            if let Some(tail) = last.and_then(|block| block.get_mut(size % BLOCK_BYTES..))
                && !size.is_multiple_of(BLOCK_BYTES)
            {
                tail.fill(0);
            }
        }
    }
}

/// The part of the block of `at` that lies before `end`.
fn within(at: usize, end: usize) -> (usize, usize) {
    let start = at % BLOCK_BYTES;
    (start, (start + (end - at)).min(BLOCK_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn costs_are_whole_blocks() {
        assert_eq!([0, 1, 4096, 4097].map(cost), [0, 4096, 4096, 8192]);
        assert!(cost(u64::MAX) >= u64::MAX - 4096);
    }

    #[derive(Debug, Clone)]
    enum Edit {
        Write(usize, Vec<u8>),
        Resize(usize),
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            (0..20_000_usize, proptest::collection::vec(1_u8.., 0..9000))
                .prop_map(|(at, bytes)| Edit::Write(at, bytes)),
            (0..20_000_usize).prop_map(Edit::Resize),
        ]
    }

    proptest! {
        #[test]
        fn content_is_what_a_plain_vector_would_be(edits in proptest::collection::vec(edit(), 1..12)) {
            let (mut content, mut plain) = (Content::default(), Vec::new());
            for edit in edits {
                match edit {
                    Edit::Write(at, bytes) => {
                        content.write(at, &bytes);
                        plain.resize(plain.len().max(at + bytes.len()), 0);
                        plain[at..at + bytes.len()].copy_from_slice(&bytes);
                    }
                    Edit::Resize(size) => {
                        content.resize(size);
                        plain.resize(size, 0);
                    }
                }
                prop_assert_eq!(content.size(), plain.len());
                prop_assert!(content.read(0, usize::MAX) == plain);
                prop_assert_eq!(content.blocks.len(), plain.len().div_ceil(BLOCK_BYTES));
            }
            let at = plain.len() / 3;
            prop_assert!(content.read(at, 5000) == plain[at..plain.len().min(at + 5000)]);
            prop_assert!(content.read(plain.len() + 1, 10).is_empty());
        }
    }
}
