//! Reading what a command is given: JSON as it stands, a file or standard input; never more than may be sent.

use super::exit::OrExit;
use super::{Exit, Failure};
use lovage_client::PAYLOAD_BYTES_MAX;
use lovage_job::unit::ByteSize;
use std::fs::File;
use std::io::Read;

/// The bytes of an input argument: JSON as it is, `@FILE`, or `-` for standard input.
pub(super) fn read_input(input: Option<&str>) -> Result<Vec<u8>, Failure> {
    match input {
        None => Ok(Vec::new()),
        Some("-") => read(std::io::stdin().lock(), "standard input"),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => read(open(path)?, path),
            None => Ok(text.as_bytes().to_vec()),
        },
    }
}

/// Opens a file for reading; a folder is none.
pub(super) fn open(path: &str) -> Result<File, Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("{path}: {error}"));
    let file = File::open(path).map_err(|error| fail(&error))?;
    match file.metadata() {
        Ok(about) if about.is_dir() => Err(fail(&"this is a folder")),
        Ok(_) | Err(_) => Ok(file),
    }
}

fn read(source: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let most = u64::try_from(PAYLOAD_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    source.take(most.saturating_add(1)).read_to_end(&mut bytes).or_exit(Exit::Host)?;
    if bytes.len() > PAYLOAD_BYTES_MAX {
        let message = format!("{name} has more than {}, the largest payload", ByteSize(most));
        return Err(Failure::new(Exit::Usage, message).hint("store it elsewhere and submit a reference"));
    }
    Ok(bytes)
}

/// Writes bytes to a file, or to standard output where the name is `-`.
pub(super) fn write_to(target: &str, bytes: &[u8], output: super::Output) -> Result<(), Failure> {
    match target {
        "-" => output.raw(bytes),
        path => std::fs::write(path, bytes).map_err(|error| Failure::new(Exit::Host, format!("{path}: {error}"))),
    }
}

/// Whether bytes are one JSON value.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_json_a_file_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("in.bin");
        std::fs::write(&file, b"\xff\n").unwrap();
        assert_eq!(read_input(None).unwrap(), b"");
        assert_eq!(read_input(Some("[1]")).unwrap(), b"[1]");
        assert_eq!(read_input(Some(&format!("@{}", file.display()))).unwrap(), b"\xff\n");
        for bad in [format!("@{}", folder.path().display()), "@/no/such/file".to_owned(), "@".to_owned()] {
            assert_eq!(read_input(Some(&bad)).unwrap_err().exit, Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn more_than_the_largest_payload_is_refused() {
        let endless = std::io::repeat(0);
        assert_eq!(read(endless, "x").unwrap_err().exit, Exit::Usage);
        let most = u64::try_from(PAYLOAD_BYTES_MAX).unwrap();
        assert_eq!(read(std::io::repeat(0).take(most), "x").unwrap().len(), PAYLOAD_BYTES_MAX);
    }
}
