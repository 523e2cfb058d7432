//! Frames: four bytes of length, then so many bytes of postcard. The length is judged before anything is kept.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of a frame's length.
pub(crate) const HEAD_BYTES: usize = 4;

/// A frame that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// Longer than anything that could be said now.
    #[error("a frame of {bytes} bytes, where at most {most} can be")]
    TooLong { bytes: usize, most: usize },
    /// Not the bytes of any word.
    #[error("a frame of {bytes} bytes that says nothing: {message}")]
    Unreadable { bytes: usize, message: String },
}

/// Appends `word` to `out` as one frame.
pub(crate) fn write<W: Serialize>(word: &W, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    let written = postcard::to_extend(word, std::mem::take(out));
    let unreadable = |message: String| FrameError::Unreadable { bytes: 0, message };
    *out = written.map_err(|error| unreadable(error.to_string()))?;
    let length = out.len() - start - HEAD_BYTES;
    let length = u32::try_from(length).map_err(|_| FrameError::TooLong { bytes: length, most: u32::MAX as usize })?;
    match out.get_mut(start..start + HEAD_BYTES) {
        Some(head) => head.copy_from_slice(&length.to_le_bytes()),
        None => return Err(unreadable("no room for its length".to_owned())),
    }
    Ok(())
}

/// The word in the body of a frame, which must be used up by it.
pub(crate) fn read<W: DeserializeOwned>(body: &[u8]) -> Result<W, FrameError> {
    let unreadable = |message: String| FrameError::Unreadable { bytes: body.len(), message };
    let (word, rest) = postcard::take_from_bytes(body).map_err(|error| unreadable(error.to_string()))?;
    if rest.is_empty() { Ok(word) } else { Err(unreadable(format!("{} bytes are left over", rest.len()))) }
}

/// Bytes as they come, cut into frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// Where the next frame begins.
    at: usize,
}

impl Frames {
    /// Where the next bytes are to be appended.
    pub(crate) fn room(&mut self) -> &mut Vec<u8> {
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        &mut self.bytes
    }

    /// The body of the next frame, where it is there whole. `most` is asked only where there is a length.
    pub(crate) fn next(&mut self, most: impl FnOnce() -> usize) -> Result<Option<&[u8]>, FrameError> {
        let Some(open) = self.bytes.get(self.at..) else { return Ok(None) };
        let Some((head, rest)) = open.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let bytes = u32::from_le_bytes(*head) as usize;
        if rest.len() < bytes {
            let most = most();
            return if bytes > most { Err(FrameError::TooLong { bytes, most }) } else { Ok(None) };
        }
        let most = most();
        if bytes > most {
            return Err(FrameError::TooLong { bytes, most });
        }
        let from = self.at + HEAD_BYTES;
        self.at = from + bytes;
        Ok(self.bytes.get(from..from + bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(chunks: &[&[u8]], most: usize) -> Result<Vec<String>, FrameError> {
        let (mut frames, mut read_so_far) = (Frames::default(), Vec::new());
        for chunk in chunks {
            frames.room().extend_from_slice(chunk);
            while let Some(body) = frames.next(|| most)? {
                read_so_far.push(read::<String>(body)?);
            }
        }
        Ok(read_so_far)
    }

    #[test]
    fn words_come_through_however_they_are_cut() {
        let mut bytes = Vec::new();
        for word in ["one", "", "three"] {
            write(&word, &mut bytes).unwrap();
        }
        for size in 1..=bytes.len() {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(frames(&chunks, 100).unwrap(), ["one", "", "three"]);
        }
    }

    #[test]
    fn a_length_is_judged_before_its_bytes_are_there() {
        let mut bytes = Vec::new();
        write(&"x".repeat(98), &mut bytes).unwrap();
        assert_eq!(frames(&[&bytes], 99).unwrap().len(), 1);
        let head = &bytes[..HEAD_BYTES];
        assert_eq!(frames(&[head], 98), Err(FrameError::TooLong { bytes: 99, most: 98 }));
        assert_eq!(frames(&[&[0xff; 4]], 98), Err(FrameError::TooLong { bytes: 0xffff_ffff, most: 98 }));
    }

    #[test]
    fn garbage_and_what_is_left_over_are_refused() {
        for body in [&[5, b'x'][..], &[1, b'x', b'y'], &[1, 0xff], &[0xff; 20], &[]] {
            let mut bytes = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
            bytes.extend_from_slice(body);
            assert!(matches!(frames(&[&bytes], 100), Err(FrameError::Unreadable { .. })), "{body:?}");
        }
    }
}
