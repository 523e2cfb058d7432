//! Reads a path of a guest: relative, short, and never above the folder it starts at.

use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// The longest path, in bytes.
pub(super) const PATH_BYTES_MAX: usize = 4096;
/// The longest name, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'p> {
    Down(&'p str),
    Up,
}

/// A path that is well formed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'p> {
    /// The way to the folder that `last` is in.
    pub(super) way: Vec<Step<'p>>,
    /// The name at the end; none where the path ends at a folder that is on the way.
    pub(super) last: Option<&'p str>,
    /// Whether what is at the end must be a folder, as the path is written.
    pub(super) folder: bool,
}

impl<'p> Path<'p> {
    /// Reads a path. There are no links, so that steps up can be counted here.
    pub(super) fn parse(text: &'p str) -> Result<Self, ErrorCode> {
        match text.len() {
            0 => return Err(ErrorCode::NoEntry),
            1..=PATH_BYTES_MAX => {}
            _ => return Err(ErrorCode::NameTooLong),
        }
        if text.starts_with('/') {
            return Err(ErrorCode::NotPermitted);
        }
        if text.contains('\0') {
            return Err(ErrorCode::Invalid);
        }
        let (mut way, mut depth) = (Vec::new(), 0_usize);
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    depth = depth.checked_sub(1).ok_or(ErrorCode::NotPermitted)?;
                    way.push(Step::Up);
                }
                name if name.len() > NAME_BYTES_MAX => return Err(ErrorCode::NameTooLong),
                name => {
                    depth += 1;
                    way.push(Step::Down(name));
                }
            }
        }
        let last = match way.last() {
            Some(Step::Down(name)) => Some(*name),
            Some(Step::Up) | None => None,
        };
        if last.is_some() {
            way.pop();
        }
        let end = text.rsplit('/').next().unwrap_or_default();
        Ok(Self { way, last, folder: matches!(end, "" | "." | "..") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> ErrorCode {
        Path::parse(text).unwrap_err()
    }

    #[test]
    fn paths_never_leave_the_folder_they_start_at() {
        for text in ["..", "../a", "a/../..", "a/../../a", "./..", "a//../../b"] {
            assert_eq!(error(text), ErrorCode::NotPermitted, "{text}");
        }
        for text in ["/", "/scratch/a", "//a"] {
            assert_eq!(error(text), ErrorCode::NotPermitted, "{text}");
        }
        assert_eq!(Path::parse("a/..").unwrap().last, None);
        assert_eq!(Path::parse("a/../b").unwrap().last, Some("b"));
    }

    #[test]
    fn lengths_are_limited_to_the_byte() {
        assert_eq!(error(""), ErrorCode::NoEntry);
        assert!(Path::parse(&"n".repeat(NAME_BYTES_MAX)).is_ok());
        assert_eq!(error(&"n".repeat(NAME_BYTES_MAX + 1)), ErrorCode::NameTooLong);
        assert!(Path::parse(&"a/".repeat(PATH_BYTES_MAX / 2)).is_ok());
        assert_eq!(error(&format!("{}b", "a/".repeat(PATH_BYTES_MAX / 2))), ErrorCode::NameTooLong);
        assert_eq!(error("a\0b"), ErrorCode::Invalid);
    }

    #[test]
    fn what_must_be_a_folder_is_told_by_the_end() {
        let read = |text| {
            let path = Path::parse(text).unwrap();
            (path.last.map(str::to_owned), path.folder)
        };
        assert_eq!(read("a"), (Some("a".to_owned()), false));
        assert_eq!(read("a/"), (Some("a".to_owned()), true));
        assert_eq!(read("a/."), (Some("a".to_owned()), true));
        assert_eq!(read("."), (None, true));
        assert_eq!(read("b/../c"), (Some("c".to_owned()), false));
    }
}
