//! Sorts the lines of stdin through temporary files: a plain program that needs a folder to write to.
//!
//! `sort-lines [--run BYTES]`; a run is what is sorted in memory at once, 256 KiB without a choice. Files go to the
//! folder that `TMPDIR` names, as `lovage push --allow scratch=SIZE` sets it. Exits with 1 where there is no such
//! folder, or no room in it, and with 2 where an argument is not known.

#![forbid(unsafe_code)]

mod merge;
mod runs;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Bytes that are sorted in memory at once.
const RUN_BYTES: usize = 256 << 10;

fn main() -> ExitCode {
    let run_bytes = match run_bytes(std::env::args().skip(1)) {
        Ok(bytes) => bytes,
        Err(why) => return fail(2, &why),
    };
    let Some(folder) = std::env::var_os("TMPDIR").map(PathBuf::from) else {
        return fail(1, "TMPDIR names no folder; the task is granted one with `--allow scratch=SIZE`");
    };
    match sort(folder, run_bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error.to_string()),
    }
}

fn sort(folder: PathBuf, run_bytes: usize) -> io::Result<()> {
    let runs = runs::written(&mut io::stdin().lock(), &folder, run_bytes)?;
    eprintln!("sort-lines: {} runs in {}", runs.len(), folder.display());
    let mut output = BufWriter::new(io::stdout().lock());
    merge::merged(&runs, &mut output)?;
    output.flush()?;
    runs.iter().try_for_each(std::fs::remove_file)
}

fn run_bytes(mut args: impl Iterator<Item = String>) -> Result<usize, String> {
    match args.next().as_deref() {
        None => Ok(RUN_BYTES),
        Some("--run") => {
            let value = args.next().unwrap_or_default();
            value.parse().map_err(|_| format!("--run takes a number of bytes, not {value:?}"))
        }
        Some(other) => Err(format!("{other:?} is no argument; there is --run BYTES")),
    }
}

fn fail(code: u8, why: &str) -> ExitCode {
    eprintln!("sort-lines: {why}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_or_named() {
        let read = |args: &[&str]| run_bytes(args.iter().map(|arg| (*arg).to_owned()));
        assert_eq!(read(&[]), Ok(RUN_BYTES));
        assert_eq!(read(&["--run", "100"]), Ok(100));
        assert!(read(&["--run", "x"]).is_err_and(|why| why.contains("\"x\"")));
        assert!(read(&["-r"]).is_err_and(|why| why.contains("\"-r\"")));
    }
}
