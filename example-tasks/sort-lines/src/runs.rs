//! Cuts the input into runs that fit into memory, and keeps each sorted in a file of its own.

use std::fs::File;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes the sorted runs; gives their files.
pub fn written(input: &mut dyn BufRead, folder: &Path, run_bytes: usize) -> io::Result<Vec<PathBuf>> {
    let (mut files, mut lines, mut held) = (Vec::new(), Vec::new(), 0);
    loop {
        let mut line = Vec::new();
        let read = input.read_until(b'\n', &mut line)?;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        held += read;
        if read > 0 {
            lines.push(line);
        }
        if !lines.is_empty() && (read == 0 || held >= run_bytes) {
            files.push(keep(&mut lines, folder.join(format!("run-{}", files.len())))?);
            held = 0;
        }
        if read == 0 {
            return Ok(files);
        }
    }
}

fn keep(lines: &mut Vec<Vec<u8>>, path: PathBuf) -> io::Result<PathBuf> {
    lines.sort_unstable();
    let mut file = BufWriter::new(File::create_new(&path)?);
    for line in lines.drain(..) {
        file.write_all(&line)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    Ok(path)
}
